/* worker_launch: starts a worker's process: its environment, its command line,
 * and the queue of workers that wait until fewer are starting (a thousand
 * libnng workers at once took 210 s, a few at a time 0.8 s). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/worker_private.h"

#define DEFAULT_PATH                                                           \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- environment and arguments: NULL-terminated, owned strings ---- */

struct texts {
	char **items;
	size_t count;
};

static void
texts_add(struct texts *t, char *owned)
{
	t->items = memory_resize(t->items, (t->count + 2) * sizeof(*t->items));
	t->items[t->count++] = owned;
	t->items[t->count] = NULL;
}

static void
texts_finish(struct texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
}

/* Adds "NAME=value", replacing an earlier value of that name. Takes the string.
 */
static void
environment_set(struct texts *t, char *owned)
{
	size_t name = strcspn(owned, "=") + 1;

	for (size_t i = 0; i < t->count; i++)
		if (!strncmp(t->items[i], owned, name)) {
			free(t->items[i]);
			t->items[i] = owned;
			return;
		}
	texts_add(t, owned);
}

static void
environment_number(struct texts *t, const char *name, unsigned long long value)
{
	environment_set(t, memory_format("%s=%llu", name, value));
}

static void
environment_text(struct texts *t, const char *name, const char *value)
{
	if (value)
		environment_set(t, memory_format("%s=%s", name, value));
}

static void
environment_set_tree(struct texts *t, const struct worker *w)
{
	char *mark = sweeper_mark(&w->private->workers->sweeper, w->id);

	environment_text(t, LAUNCH_TREE, mark);
	free(mark);
}

/* Passes on only the variables of supd's environment that any program needs: no
 * secrets, no NOTIFY_SOCKET, no LISTEN_FDS. Variables of the wire override
 * `env`. */
static void
environment_fill(struct texts *t, const struct worker *w)
{
	static const char *const kept[] = {"HOME", "LANG", "LC_ALL", "TZ"};
	const struct worker_private *p = w->private;
	const char *path = getenv("PATH");

	environment_text(t, "PATH", path ? path : DEFAULT_PATH);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		environment_text(t, kept[i], getenv(kept[i]));
	for (uint32_t i = 0; i < w->config->env.count; i++)
		environment_set(t, memory_copy_text(w->config->env.items[i]));
	environment_text(t, LAUNCH_SOCKET, p->endpoint.path);
	environment_text(t, LAUNCH_PLUGIN, w->plugin_id);
	environment_number(t, LAUNCH_GENERATION, w->generation);
	environment_text(t, LAUNCH_NONCE, p->nonce);
	environment_number(t, LAUNCH_PROTOCOL, PROTOCOL_VERSION);
	environment_text(t, LAUNCH_DATA_DIR, p->data_dir);
	environment_text(t, LAUNCH_LINK,
		config_link_name(plugin_link(w->config, w->manifest)));
	environment_set_tree(t, w);
	environment_number(t, LAUNCH_PARENT, (unsigned long long)getpid());
}

static void
arguments_fill(struct texts *t, const struct worker *w)
{
	const struct manifest *m = w->manifest;

	texts_add(t,
		memory_format("supd: %s gen %u", w->plugin_id, w->generation));
	texts_add(t, memory_copy_text(m->run ? LAUNCH_HOST : LAUNCH_EXEC));
	if (m->run) {
		texts_add(t, memory_copy_text(m->run));
		return;
	}
	texts_add(t, memory_copy_text("--"));
	for (uint32_t i = 0; i < m->exec.count; i++)
		texts_add(t, memory_copy_text(m->exec.items[i]));
}

static int
make_nonce(char nonce[NONCE_DIGITS + 1], struct error *err)
{
	uint8_t random[NONCE_DIGITS / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return error_set_errno(err, errno, "no random bytes");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	return 0;
}

/* ---- the start ---- */

static int
start_process(struct worker *w, struct error *err)
{
	struct worker_private *p = w->private;
	struct texts arguments = {0}, environment = {0};
	struct child_start start;
	int failed;

	arguments_fill(&arguments, w);
	environment_fill(&environment, w);
	start = (struct child_start){
		.program = p->workers->worker_program,
		.argv = (const char *const *)arguments.items,
		.env = (const char *const *)environment.items,
		.dir = w->stage_dir,
		.nofile = p->workers->nofile,
		.cgroup = sweeper_open_cgroup(&p->workers->sweeper, w->id),
	};
	failed = child_start(&p->child, &p->workers->children, &start,
		&worker_child_ops, err);
	sweeper_close_cgroup(
		&p->workers->sweeper, start.cgroup, p->child.cgroup_error);
	if (failed) /* the cgroup exists */
		sweeper_add(&p->workers->sweeper, w->id);
	texts_finish(&arguments);
	texts_finish(&environment);
	return failed;
}

/* Its process runs: hello is awaited. */
static void
begin_start(struct worker *w)
{
	struct worker_private *p = w->private;

	w->pid = p->child.pid;
	/* a program of `exec` may be behind a launcher with another pid, so
	 * only the nonce is checked */
	p->endpoint.pid = w->manifest->run ? w->pid : 0;
	capture_init(&p->capture, p->output, w->generation, (int)w->pid);
	if (p->staged_dir)
		capture_name_package(
			&p->capture, p->staged_dir, p->package_dir);
	w->spawned_ms = clock_ms();
	worker_set_deadline(
		w, w->spawned_ms + w->config->limits.start_timeout_ms);
}

static void
connected(struct endpoint *e, int fd)
{
	worker_adopt(
		container_of(e, struct worker_private, endpoint)->worker, fd);
}

static int
start_now(struct worker *w, struct error *err)
{
	struct worker_private *p = w->private;

	if (make_nonce(p->nonce, err) < 0 ||
		endpoint_open(&p->endpoint, p->workers->loop,
			p->workers->runtime_dir, w->id, connected, err) < 0)
		return -1;
	if (start_process(w, err) < 0) {
		endpoint_close(&p->endpoint);
		return -1;
	}
	begin_start(w);
	return 0;
}

/* ---- places ---- */

static uint32_t
places(struct workers *workers)
{
	if (!workers->waiting.next) {
		list_init(&workers->waiting);
		list_init(&workers->urgent_waiting);
	}
	return workers->starting_max ? workers->starting_max : UINT32_MAX;
}

static uint32_t *
taken_places(struct worker_private *p)
{
	return p->urgent ? &p->workers->urgent_starting : &p->workers->starting;
}

int
worker_spawn(struct worker *w, struct error *err)
{
	struct worker_private *p = w->private;
	struct workers *workers = p->workers;

	if (*taken_places(p) >= places(workers)) {
		list_append(p->urgent ? &workers->urgent_waiting
				      : &workers->waiting,
			&p->waiting);
		return 0;
	}
	++*taken_places(p);
	p->has_place = true;
	return start_now(w, err);
}

/* Starts the next worker. A failure is reported from the loop, not from within
 * another worker's upcall. */
static void
start_next(struct list *waiting)
{
	struct worker_private *p =
		container_of(waiting->next, struct worker_private, waiting);

	list_remove(&p->waiting);
	++*taken_places(p);
	p->has_place = true;
	if (start_now(p->worker, &p->worker->error) < 0) {
		ev_timer_set(&p->soon, 0., 0.);
		ev_timer_start(p->workers->loop, &p->soon);
	}
}

void
worker_release_place(struct worker *w)
{
	struct worker_private *p = w->private;
	struct workers *workers = p->workers;
	struct list *waiting =
		p->urgent ? &workers->urgent_waiting : &workers->waiting;

	list_remove(&p->waiting);
	if (!p->has_place)
		return;
	p->has_place = false;
	--*taken_places(p);
	while (*taken_places(p) < places(workers) && !list_is_empty(waiting))
		start_next(waiting);
}
