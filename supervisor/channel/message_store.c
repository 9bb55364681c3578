/* message_store: its life, from the outside. Requests between their callers and
 * the process are message_store_queue.c, encoding is message_store_calls.c,
 * decoding message_store_answer.c, and the life of the process
 * message_store_process.c. */
#include "supervisor/channel/message_store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/channel/message_store_private.h"

/* ---- trouble ---- */

void
message_store_set_trouble(struct message_store *s, const char *text)
{
	if (!strcmp(s->trouble.text, text))
		return;
	error_set(&s->trouble, "%s", text);
	if (*text)
		log_error("message store: %s", text);
	else
		log_info("message store: works again");
	if (s->owner.on_trouble)
		s->owner.on_trouble(s->owner.user, *text ? text : NULL);
}

/* ---- stopping ---- */

static bool
is_quiet(const struct message_store *s)
{
	return list_is_empty(&s->waiting) && list_is_empty(&s->sent) &&
	       list_is_empty(&s->stalled) && list_is_empty(&s->refused);
}

void
message_store_look_if_stopped(struct message_store *s)
{
	if (!s->is_stopping || s->state == STORE_STOPPED || !is_quiet(s))
		return;
	if (s->child.pid) {
		peer_close(&s->peer); /* which lets the process end */
		return;
	}
	s->state = STORE_STOPPED;
	ev_timer_stop(s->owner.group->loop, &s->limit);
	ev_timer_stop(s->owner.group->loop, &s->respawn);
	s->stopped(s->stopped_user);
}

static void
forget_list(struct list *list)
{
	list_for_each_safe (node, list) {
		struct store_request *r =
			container_of(node, struct store_request, node);

		if (r->call)
			r->call->request = NULL;
		list_remove(node);
		free(r);
	}
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	struct message_store *s = container_of(w, struct message_store, limit);
	uint32_t left = s->changes.count + s->others.count;

	if (left)
		log_warn("message store: ending with %u requests that are not "
			 "answered",
			left);
	forget_list(&s->waiting);
	forget_list(&s->sent);
	forget_list(&s->stalled);
	forget_list(&s->refused);
	s->changes = s->others = (struct store_load){0};
	message_store_kill(s);
	message_store_look_if_stopped(s);
}

void
message_store_stop(struct message_store *s, uint64_t limit_ms,
	void (*stopped)(void *user), void *user)
{
	s->is_stopping = true;
	s->stopped = stopped;
	s->stopped_user = user;
	ev_timer_set(&s->limit, (double)limit_ms / 1000, 0.);
	ev_timer_start(s->owner.group->loop, &s->limit);
	message_store_look_if_stopped(s);
}

/* ---- life ---- */

struct message_store *
message_store_create(const struct message_store_owner *owner,
	const char *program, const char *database,
	const struct message_store_settings *settings)
{
	struct message_store *s = memory_alloc(sizeof(*s));

	s->owner = *owner;
	s->settings = *settings;
	s->program = memory_copy_text(program);
	s->database = memory_copy_text(database);
	s->pause_ms = STORE_PAUSE_MIN_MS;
	s->peer.fd = -1;
	list_init(&s->waiting);
	list_init(&s->sent);
	list_init(&s->stalled);
	list_init(&s->refused);
	ev_init(&s->respawn, NULL);
	ev_init(&s->patience, NULL);
	ev_timer_init(&s->again, message_store_on_again, 0., 0.);
	ev_timer_init(&s->deliver, message_store_on_deliver, 0., 0.);
	ev_timer_init(&s->limit, on_limit, 0., 0.);
	/* A token of an earlier supd must not be used again. */
	if (getrandom(&s->next_token, sizeof(s->next_token), 0) !=
		sizeof(s->next_token))
		s->next_token = (uint64_t)(ev_time() * 1e6);
	s->next_token &= INT64_MAX;
	return s;
}

void
message_store_destroy(struct message_store *s)
{
	struct ev_loop *loop;

	if (!s)
		return;
	loop = s->owner.group->loop;
	forget_list(&s->waiting);
	forget_list(&s->sent);
	forget_list(&s->stalled);
	forget_list(&s->refused);
	message_store_reap(s);
	ev_timer_stop(loop, &s->respawn);
	ev_timer_stop(loop, &s->patience);
	ev_timer_stop(loop, &s->again);
	ev_timer_stop(loop, &s->deliver);
	ev_timer_stop(loop, &s->limit);
	map_finish(&s->orphans);
	buffer_finish(&s->parts);
	buffer_finish(&s->scratch);
	free(s->program);
	free(s->database);
	free(s);
}

void
message_store_forget(struct message_store *s, struct store_call *call)
{
	if (!call->request)
		return;
	call->request->call = NULL;
	call->request = NULL;
}

/* ---- views ---- */

bool
message_store_is_started(const struct message_store *s)
{
	return s->state != STORE_IDLE;
}

const char *
message_store_trouble(const struct message_store *s)
{
	return s->trouble.text[0] ? s->trouble.text : NULL;
}

json_t *
message_store_view(const struct message_store *s)
{
	static const char *const names[] = {
		[STORE_IDLE] = "idle",
		[STORE_STARTING] = "starting",
		[STORE_UP] = "up",
		[STORE_DOWN] = "down",
		[STORE_STOPPED] = "stopped",
	};
	json_t *view = json_pack("{s:s, s:i, s:I, s:i, s:I, s:I}", "state",
		names[s->state], "pid", (int)s->child.pid, "restarts",
		(json_int_t)s->restarts, "unanswered",
		(int)(s->changes.count + s->others.count), "unansweredBytes",
		(json_int_t)(s->changes.bytes + s->others.bytes), "refused",
		(json_int_t)s->refusals);

	if (s->trouble.text[0])
		json_object_set_new(
			view, "trouble", json_string(s->trouble.text));
	return view;
}
