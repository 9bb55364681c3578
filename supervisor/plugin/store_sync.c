/* store_sync: knows the folders, never their content. */
#include "supervisor/plugin/store_sync.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/launch.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/child.h"
#include "supervisor/plugin/stage_private.h"

struct store_sync {
	struct workers *workers;
	const char *state_dir;
	char *stores; /* the folder of the stores */
	struct child child;
	struct wheel_timer soon;
	bool running;
	uint64_t asked;	   /* the last request */
	uint64_t covering; /* the last request that the current child covers */
	uint64_t synced;   /* the last request that is synced */
	struct list waits;
	bool failing;
	char said[256]; /* the first line of its stderr */
};

static void
note_result(struct store_sync *s, const char *problem)
{
	if (!problem)
		log_debug("the state directory is synced");
	else if (!s->failing)
		log_warn("cannot sync the state directory: %s; a power failure "
			 "may undo the last changes",
			problem);
	s->failing = problem != NULL;
}

static void
end_wait(struct store_sync_wait *w, const char *problem)
{
	store_sync_leave(w);
	w->on_end(w, problem);
}

/* Ends the waits that the last child covered. Their callbacks may leave or
 * begin waits. */
static void
end_waits(struct store_sync *s, const char *problem)
{
	struct list over;

	list_init(&over);
	list_for_each_safe (node, &s->waits) {
		struct store_sync_wait *w =
			container_of(node, struct store_sync_wait, node);

		if (w->number > s->covering)
			continue;
		list_remove(node);
		list_append(&over, node);
	}
	while (!list_is_empty(&over))
		end_wait(container_of(over.next, struct store_sync_wait, node),
			problem);
}

static void
set_timer(struct store_sync *s, uint64_t delay_ms)
{
	uint64_t due_ms = clock_ms() + delay_ms;

	if (!s->running &&
		(!wheel_timer_is_set(&s->soon) || s->soon.due_ms > due_ms))
		wheel_set(s->workers->wheel, &s->soon, due_ms);
}

static void
end_child(struct store_sync *s, const char *problem)
{
	note_result(s, problem);
	if (!problem)
		s->synced = s->covering;
	if (s->asked > s->covering)
		set_timer(
			s, list_is_empty(&s->waits) ? STORE_SYNC_DELAY_MS : 0);
	end_waits(s, problem);
}

static void
on_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	struct store_sync *s = container_of(c, struct store_sync, child);

	if (stream == CHILD_STDERR && !s->said[0])
		stage_copy_line(s->said, sizeof(s->said), bytes);
}

static void
on_end(struct child *c)
{
	struct store_sync *s = container_of(c, struct store_sync, child);
	char how[80] = "";
	int code = -1;

	child_has_ended(c, how, sizeof(how), &code);
	child_read_rest(c);
	child_reap(c);
	s->running = false;
	end_child(s, code == LAUNCH_EXIT_DONE ? NULL
		     : s->said[0]	      ? s->said
					      : how);
}

static const struct child_ops child_ops = {
	.on_output = on_output,
	.on_end = on_end,
};

static void
sync_is_due(struct wheel_timer *timer)
{
	struct store_sync *s = container_of(timer, struct store_sync, soon);
	const char *const argv[] = {s->workers->worker_program, LAUNCH_SYNC,
		s->stores, s->state_dir, NULL};
	static const char *const env[] = {NULL};
	struct child_start start = {.argv = argv, .env = env};
	struct error err;

	s->covering = s->asked;
	s->said[0] = '\0';
	s->running = !child_start(
		&s->child, &s->workers->children, &start, &child_ops, &err);
	if (!s->running)
		end_child(s, err.text);
}

struct store_sync *
store_sync_create(struct workers *workers, const char *state_dir)
{
	struct store_sync *s = memory_alloc(sizeof(*s));

	*s = (struct store_sync){.workers = workers, .state_dir = state_dir};
	s->stores = memory_format("%s/plugins", state_dir);
	wheel_timer_init(&s->soon, sync_is_due);
	list_init(&s->waits);
	return s;
}

void
store_sync_soon(struct store_sync *s)
{
	if (!s)
		return;
	s->asked++;
	set_timer(s, STORE_SYNC_DELAY_MS);
}

void
store_sync_now(struct store_sync *s)
{
	if (!s)
		return;
	s->asked++;
	set_timer(s, 0);
}

uint64_t
store_sync_asked(const struct store_sync *s)
{
	return s ? s->asked : 0;
}

/* ---- waits ---- */

static void
wait_is_over(struct wheel_timer *timer)
{
	struct store_sync_wait *w =
		container_of(timer, struct store_sync_wait, limit);
	char text[64];

	snprintf(text, sizeof(text), "the disk has not answered for %d s",
		STORE_SYNC_WAIT_MS / 1000);
	end_wait(w, text);
}

bool
store_sync_wait(struct store_sync *s, struct store_sync_wait *w)
{
	if (!s || w->number <= s->synced)
		return false;
	w->sync = s;
	list_append(&s->waits, &w->node);
	wheel_timer_init(&w->limit, wait_is_over);
	wheel_set(
		s->workers->wheel, &w->limit, clock_ms() + STORE_SYNC_WAIT_MS);
	set_timer(s, 0);
	return true;
}

void
store_sync_leave(struct store_sync_wait *w)
{
	if (!w->sync)
		return;
	list_remove(&w->node);
	wheel_clear(w->sync->workers->wheel, &w->limit);
	w->sync = NULL;
}

void
store_sync_destroy(struct store_sync *s)
{
	if (!s)
		return;
	wheel_clear(s->workers->wheel, &s->soon);
	while (!list_is_empty(&s->waits))
		store_sync_leave(container_of(
			s->waits.next, struct store_sync_wait, node));
	if (s->running)
		child_reap(&s->child);
	free(s->stores);
	free(s);
}
