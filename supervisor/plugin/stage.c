/* stage: one staging: clears the place if something is there, then has the
 * package copied, each by a child. It reads no file of the package itself. */
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
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/stage_private.h"

#define SAID_BYTES 1024 /* of each stream; one line is expected */

struct stage {
	struct worker_room *room;
	struct list node; /* in room->stagings */
	char *dir, *source;
	const struct manifest *manifest; /* a reference */
	struct child child;
	bool copying;	/* else clearing the place */
	bool cancelled; /* its child is being killed; nobody waits */
	bool told;	/* the verdict is out; its child only has to end */
	bool late;
	struct wheel_timer deadline;
	char said[CHILD_STREAMS][SAID_BYTES];
	void (*done)(void *user, const struct stage_result *result);
	void *user;
};

static int begin_copy(struct stage *s, struct error *err);

void
stage_room_init(struct worker_room *room)
{
	if (room->stagings.next)
		return;
	list_init(&room->stagings);
	list_init(&room->removals);
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
	wheel_clear(s->room->wheel, &s->deadline);
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

/* All is copied. The child says so as its last deed, so nobody waits for the
 * end of it. */
static void
copied(struct stage *s)
{
	struct stage_result result = {.dir = s->dir};
	json_t *root = NULL;
	struct error err;

	s->told = true;
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

/* The child ended without a word of success. */
static void
failed(struct stage *s, const char *how)
{
	struct error err;

	if (s->late)
		error_set(&err, "the package was not copied in time");
	else
		error_set(&err, "%s",
			s->said[CHILD_STDERR][0] ? s->said[CHILD_STDERR] : how);
	if (s->late)
		stage_remove(s->room, s->dir);
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
	if (s->told) {
		stage_destroy(s);
	} else if (s->cancelled) {
		stage_remove(s->room, s->dir);
		stage_destroy(s);
	} else if (s->copying || s->late) {
		failed(s, how);
	} else if (code != LAUNCH_EXIT_DONE) {
		error_set(&err, "%s", s->said[CHILD_STDERR]);
		fail(s, &err);
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

	return child_start(
		&s->child, &s->room->children, &start, &stage_child_ops, err);
}

static int
begin_clearing(struct stage *s, struct error *err)
{
	const char *const argv[] = {
		s->room->worker_program, LAUNCH_UNSTAGE, s->dir, NULL};

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

	argv[n++] = s->room->worker_program;
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

/* ---- from outside ---- */

static int
make_folders(const char *state_dir, const char *plugin_id, struct error *err)
{
	char *run = memory_format("%s/run", state_dir);
	char *own = memory_format("%s/%s", run, plugin_id);
	int result = 0;

	if ((mkdir(run, 0711) < 0 && errno != EEXIST) ||
		(mkdir(own, 0700) < 0 && errno != EEXIST))
		result = error_set(
			err, "cannot make %s: %s", own, strerror(errno));
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
stage_begin(struct worker_room *room, const char *state_dir,
	const char *plugin_id, uint32_t generation,
	const struct manifest *manifest, uint64_t deadline_ms,
	void (*done)(void *user, const struct stage_result *result), void *user,
	struct error *err)
{
	struct stage *s;
	struct stat left_over;

	if (make_folders(state_dir, plugin_id, err) < 0)
		return NULL;
	stage_room_init(room);
	s = memory_alloc(sizeof(*s));
	s->room = room;
	list_append(&room->stagings, &s->node);
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
	wheel_set(room->wheel, &s->deadline, deadline_ms);
	return s;
}

void
stage_cancel(struct stage *s)
{
	char *away;

	s->cancelled = true;
	wheel_clear(s->room->wheel, &s->deadline);
	child_kill_group(&s->child);
	/* The next staging may want the same name before the child has gone. */
	away = stage_put_away(s->room, s->dir);
	free(s->dir);
	s->dir = away;
}

void
stage_finish(struct worker_room *room)
{
	stage_room_init(room);
	list_for_each_safe (node, &room->stagings)
		stage_destroy(container_of(node, struct stage, node));
	stage_finish_removals(room);
}
