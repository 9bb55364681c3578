/* worker_launch: the start of a worker's process: its environment and command
 * line, and the queue of those that wait until fewer are starting (a thousand
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

#define STARTING_PER_CPU 2
#define DEFAULT_PATH                                                           \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- environment and arguments: NULL-terminated, owned texts ---- */

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

/* "NAME=value"; a later one of the same name replaces the earlier. */
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

/* Nothing of supd's own environment but what any program needs: no secrets, no
 * NOTIFY_SOCKET, no LISTEN_FDS. What the wire needs wins over `env`. */
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
	environment_number(t, LAUNCH_PARENT, (unsigned long long)getpid());
}

static void
arguments_fill(struct texts *t, const struct worker *w)
{
	const struct manifest *m = w->manifest;

	texts_add(t, memory_copy_text(w->private->room->worker_program));
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
		return error_set(err, "no random bytes: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	return 0;
}

/* ---- the start ---- */

static int
spawn(struct worker *w, struct error *err)
{
	struct worker_private *p = w->private;
	struct texts arguments = {0}, environment = {0};
	struct child_start start;
	int failed;

	arguments_fill(&arguments, w);
	environment_fill(&environment, w);
	start = (struct child_start){
		.argv = (const char *const *)arguments.items,
		.env = (const char *const *)environment.items,
		.dir = w->stage_dir,
		.nofile = p->room->nofile,
	};
	failed = child_start(
		&p->child, &p->room->children, &start, &worker_child_ops, err);
	texts_finish(&arguments);
	texts_finish(&environment);
	return failed;
}

static int
start_now(struct worker *w, struct error *err)
{
	struct worker_private *p = w->private;

	if (make_nonce(p->nonce, err) < 0 ||
		endpoint_open(&p->endpoint, p->room->loop, p->room->runtime_dir,
			w->id, worker_connected, err) < 0)
		return -1;
	if (spawn(w, err) < 0) {
		endpoint_close(&p->endpoint);
		return -1;
	}
	w->pid = p->child.pid;
	/* A program may have a launcher before it: then the nonce must do. */
	p->endpoint.pid = w->manifest->run ? w->pid : 0;
	capture_init(&p->capture, p->output, w->generation, (int)w->pid);
	w->spawned_ms = clock_ms();
	worker_set_deadline(
		w, w->spawned_ms + w->config->limits.start_timeout_ms);
	return 0;
}

/* ---- places ---- */

static uint32_t
places(struct worker_room *room)
{
	long cpus;

	if (!room->waiting.next)
		list_init(&room->waiting);
	if (!room->starting_max) {
		cpus = sysconf(_SC_NPROCESSORS_ONLN);
		room->starting_max =
			STARTING_PER_CPU * (cpus > 0 ? (uint32_t)cpus : 1);
	}
	return room->starting_max;
}

int
worker_launch(struct worker *w, struct error *err)
{
	struct worker_private *p = w->private;
	struct worker_room *room = p->room;

	if (room->starting >= places(room)) {
		list_append(&room->waiting, &p->waiting);
		return 0;
	}
	room->starting++;
	p->has_place = true;
	return start_now(w, err);
}

/* Its owner hears of a failure from the loop, not from inside the news of
 * another worker. */
static void
start_next(struct worker_room *room)
{
	struct worker_private *p = container_of(
		room->waiting.next, struct worker_private, waiting);

	list_remove(&p->waiting);
	room->starting++;
	p->has_place = true;
	if (start_now(p->worker, &p->worker->error) < 0) {
		ev_timer_set(&p->soon, 0., 0.);
		ev_timer_start(room->loop, &p->soon);
	}
}

void
worker_release_place(struct worker *w)
{
	struct worker_private *p = w->private;
	struct worker_room *room = p->room;

	list_remove(&p->waiting);
	if (!p->has_place)
		return;
	p->has_place = false;
	room->starting--;
	while (room->starting < places(room) && !list_is_empty(&room->waiting))
		start_next(room);
}
