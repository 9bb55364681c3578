/* stage: one staging: removes leftovers at the target, then copies the package,
 * both by a child. supd itself reads no file of the package. */
#include "supervisor/plugin/stage.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/stage_private.h"

#define SAID_BYTES 1024 /* bytes kept of each stream; one line is expected */

struct stage {
	struct workers *workers;
	struct list node; /* in workers->stagings */
	char *dir, *source;
	const struct manifest *manifest; /* a reference */
	struct child child;
	bool copying;	/* else removing leftovers */
	bool cancelled; /* the child is being killed; nobody waits */
	bool reported;	/* done() was called; the child has yet to end */
	bool late;
	struct wheel_timer deadline;
	char said[CHILD_STREAMS][SAID_BYTES];
	void (*done)(void *user, const struct stage_result *result);
	void *user;
};

static int begin_copy(struct stage *s, struct error *err);

void
stage_lists_init(struct workers *workers)
{
	if (workers->stagings.next)
		return;
	list_init(&workers->stagings);
	list_init(&workers->removals);
	list_init(&workers->leftovers);
}

void
stage_copy_line(char *to, size_t size, struct bytes said)
{
	const char *end = memchr(said.at, '\n', said.length);
	size_t length = end ? (size_t)(end - said.at) : said.length;

	if (length >= size)
		length = size - 1;
	memcpy(to, said.at, length);
	to[length] = '\0';
}

static void
stage_destroy(struct stage *s)
{
	wheel_clear(s->workers->wheel, &s->deadline);
	list_remove(&s->node);
	child_reap(&s->child);
	manifest_unref((struct manifest *)(uintptr_t)s->manifest);
	free(s->dir);
	free(s->source);
	free(s);
}

/* ---- the verdict ---- */

static void
fail(struct stage *s, struct error *err)
{
	struct stage_result result = {.dir = s->dir, .err = err};

	s->done(s->user, &result);
	stage_destroy(s);
}

static int
read_result(struct stage *s, json_t **root_out, struct error *err)
{
	*root_out = json_loads(s->said[CHILD_STDOUT], 0, NULL);
	if (json_is_string(json_object_get(*root_out, "digest")))
		return 0;
	json_decref(*root_out);
	return error_set(err, "sup-worker gave no digest");
}

/* The copy is complete. The child reports that just before it ends, so done()
 * need not wait for its exit. */
static void
copied(struct stage *s)
{
	struct stage_result result = {.dir = s->dir};
	json_t *root = NULL;
	struct error err;

	s->reported = true;
	if (read_result(s, &root, &err) < 0) {
		result.err = &err;
		s->done(s->user, &result);
		return;
	}
	result.digest = json_string_value(json_object_get(root, "digest"));
	result.fingerprint =
		json_string_value(json_object_get(root, "fingerprint"));
	result.bytes =
		(uint64_t)json_integer_value(json_object_get(root, "bytes"));
	s->done(s->user, &result);
	json_decref(root);
}

/* The child ended without success. The error is its message, or else how it
 * ended. Exit status FAILED means a fault of the package; any other end, as by
 * the OOM killer, is a shortage. */
static void
failed(struct stage *s, const char *how, int code)
{
	const char *said = s->said[CHILD_STDERR];
	struct error err;

	if (s->late)
		error_set(&err, "the package was not copied in time");
	else if (*said)
		error_set(&err, "%s", said);
	else if (s->copying)
		error_set(&err, "copying the package failed: %s", how);
	else
		error_set(&err, "clearing %s failed: %s", s->dir, how);
	err.shortage = !s->late && code != LAUNCH_EXIT_FAILED;
	stage_remove(s->workers, s->dir);
	fail(s, &err);
}

/* ---- its children ---- */

static void
child_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	struct stage *s = container_of(c, struct stage, child);

	if (s->said[stream][0])
		return;
	stage_copy_line(s->said[stream], SAID_BYTES, bytes);
	if (stream == CHILD_STDOUT && s->copying && !s->cancelled && !s->late)
		copied(s);
}

static void
child_end(struct child *c)
{
	struct stage *s = container_of(c, struct stage, child);
	struct error err;
	char how[80] = "";
	int code = -1;

	child_has_ended(c, how, sizeof(how), &code);
	child_read_rest(c);
	child_reap(c);
	if (s->reported) {
		stage_destroy(s);
	} else if (s->cancelled) {
		stage_remove(s->workers, s->dir);
		stage_destroy(s);
	} else if (s->copying || s->late || code != LAUNCH_EXIT_DONE) {
		failed(s, how, code);
	} else if (begin_copy(s, &err) < 0) {
		fail(s, &err);
	}
}

static const struct child_ops stage_child_ops = {
	.on_output = child_output,
	.on_end = child_end,
};

static void
stage_due(struct wheel_timer *timer)
{
	struct stage *s = container_of(timer, struct stage, deadline);

	s->late = true;
	child_kill_group(&s->child);
}

static int
spawn(struct stage *s, const char *const *argv, struct error *err)
{
	static const char *const env[] = {NULL};
	struct child_start start = {.argv = argv, .env = env};

	return child_start(&s->child, &s->workers->children, &start,
		&stage_child_ops, err);
}

static int
begin_clearing(struct stage *s, struct error *err)
{
	const char *const argv[] = {
		s->workers->worker_program, LAUNCH_UNSTAGE, s->dir, NULL};

	return spawn(s, argv, err);
}

static int
begin_copy(struct stage *s, struct error *err)
{
	const struct text_list *share = &s->manifest->share;
	const char **argv =
		memory_alloc((5 + 2 * (size_t)share->count) * sizeof(*argv));
	size_t n = 0;
	int result;

	argv[n++] = s->workers->worker_program;
	argv[n++] = LAUNCH_STAGE;
	argv[n++] = s->source;
	argv[n++] = s->dir;
	for (uint32_t i = 0; i < share->count; i++) {
		argv[n++] = LAUNCH_STAGE_SHARE;
		argv[n++] = share->items[i];
	}
	s->copying = true;
	memset(s->said, 0, sizeof(s->said));
	result = spawn(s, argv, err);
	free(argv);
	return result;
}

/* ---- calls ---- */

static int
make_folders(const char *state_dir, const char *plugin_id, struct error *err)
{
	char *run = memory_format("%s/run", state_dir);
	char *own = memory_format("%s/%s", run, plugin_id);
	int result = own_folder_make(run, 0711, err);

	if (!result)
		result = own_folder_make(own, 0700, err);
	free(run);
	free(own);
	return result;
}

static char *
folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? memory_copy_bytes(file, (size_t)(slash - file))
		     : memory_copy_text(".");
}

struct stage *
stage_begin(struct workers *workers, const char *state_dir,
	const char *plugin_id, uint32_t generation,
	const struct manifest *manifest, uint64_t deadline_ms,
	void (*done)(void *user, const struct stage_result *result), void *user,
	struct error *err)
{
	struct stage *s;
	struct stat left_over;

	if (make_folders(state_dir, plugin_id, err) < 0)
		return NULL;
	stage_lists_init(workers);
	s = memory_alloc(sizeof(*s));
	s->workers = workers;
	list_append(&workers->stagings, &s->node);
	s->dir =
		memory_format("%s/run/%s/%u", state_dir, plugin_id, generation);
	s->source = folder_of(manifest->file);
	s->manifest = manifest_ref((struct manifest *)(uintptr_t)manifest);
	s->done = done;
	s->user = user;
	wheel_timer_init(&s->deadline, stage_due);
	if ((lstat(s->dir, &left_over) < 0 ? begin_copy(s, err)
					   : begin_clearing(s, err)) < 0) {
		stage_destroy(s);
		return NULL;
	}
	wheel_set(workers->wheel, &s->deadline, deadline_ms);
	return s;
}

void
stage_cancel(struct stage *s)
{
	char *away;

	s->cancelled = true;
	wheel_clear(s->workers->wheel, &s->deadline);
	child_kill_group(&s->child);
	/* the next staging may need the name before the child has ended */
	away = stage_put_away(s->workers, s->dir);
	free(s->dir);
	s->dir = away;
}

void
stage_finish(struct workers *workers)
{
	stage_lists_init(workers);
	list_for_each_safe (node, &workers->stagings)
		stage_destroy(container_of(node, struct stage, node));
	stage_finish_removals(workers);
}
