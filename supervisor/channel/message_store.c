/* message_store: requests between their callers and the process. Encoding is
 * message_store_calls.c, decoding message_store_answer.c, and the life of the
 * process message_store_process.c. */
#include "supervisor/channel/message_store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/sha256.h"
#include "supervisor/channel/message_store_private.h"

/* ---- lists ---- */

/* In the order of ids, which wrap. */
static bool
is_before(const struct store_request *r, struct list *node)
{
	return (int32_t)(r->id -
			 container_of(node, struct store_request, node)->id) <
	       0;
}

/* Merges `from` into `into`; both are in order. */
static void
merge(struct list *from, struct list *into)
{
	struct list *at = into->next;

	while (!list_is_empty(from)) {
		struct store_request *r =
			container_of(from->next, struct store_request, node);

		while (at != into && !is_before(r, at))
			at = at->next;
		list_remove(&r->node);
		list_append(at, &r->node); /* before it */
	}
}

static struct store_load *
load_of(struct message_store *s, const struct store_request *r)
{
	return store_op_is_change(r->op) ? &s->changes : &s->others;
}

void
message_store_take(struct message_store *s, struct store_request *r)
{
	struct store_load *load = load_of(s, r);

	list_remove(&r->node);
	load->count--;
	load->bytes -= r->bytes;
}

/* ---- refusing ---- */

static void
on_deliver(struct ev_loop *loop, ev_timer *w, int events)
{
	struct message_store *s =
		container_of(w, struct message_store, deliver);
	struct list now;

	list_init(&now);
	merge(&s->refused, &now);
	while (!list_is_empty(&now)) {
		struct store_request *r =
			container_of(now.next, struct store_request, node);
		struct store_call *call = r->call;
		struct store_result result = {
			.answer = (enum store_answer)r->sends};

		list_remove(&r->node);
		free(r);
		if (!call)
			continue;
		call->request = NULL;
		call->done(call, &result);
	}
	message_store_look_if_stopped(s);
}

void
message_store_refuse(
	struct message_store *s, struct store_request *r, enum store_answer a)
{
	s->refusals++;
	r->sends = a; /* not sent any more */
	list_append(&s->refused, &r->node);
	if (!ev_is_active(&s->deliver)) {
		ev_timer_set(&s->deliver, 0., 0.);
		ev_timer_start(s->owner.group->loop, &s->deliver);
	}
}

/* ---- what may be on the disk without anybody knowing ---- */

#define KEY_BYTES SHA256_DIGEST_LENGTH

static void
make_key(const struct store_request *r, unsigned char key_out[KEY_BYTES])
{
	sha256_of(r->encoded + r->key_at, r->key_bytes, key_out);
}

void
message_store_orphan(struct message_store *s, const struct store_request *r)
{
	unsigned char key[KEY_BYTES];

	if (r->op != STORE_OP_PUT)
		return;
	make_key(r, key);
	if (s->orphans.count < STORE_ORPHANS_MAX)
		map_set(&s->orphans, (const char *)key, KEY_BYTES, s);
	else
		log_warn("more than %u messages may be in the message store "
			 "and not handled until supd starts again",
			STORE_ORPHANS_MAX);
}

bool
message_store_adopt(struct message_store *s, const struct store_request *r)
{
	unsigned char key[KEY_BYTES];

	if (!s->orphans.count)
		return false;
	make_key(r, key);
	return map_remove(&s->orphans, (const char *)key, KEY_BYTES);
}

static void
refuse_kept(struct message_store *s, struct list *list)
{
	list_for_each_safe (node, list) {
		struct store_request *r =
			container_of(node, struct store_request, node);

		if (store_op_is_change(r->op))
			continue;
		if (r->sends)
			message_store_orphan(s, r);
		message_store_take(s, r);
		message_store_refuse(s, r, STORE_BUSY);
	}
}

void
message_store_lose_patience(struct message_store *s)
{
	s->is_impatient = true;
	message_store_collect(s);
	refuse_kept(s, &s->waiting);
}

/* ---- sending ---- */

static void
send_request(struct message_store *s, struct store_request *r)
{
	struct bytes part = {(const char *)r->encoded, r->part_bytes};
	struct bytes rest = {(const char *)r->encoded + r->part_bytes,
		r->bytes - r->part_bytes};

	if (part.length) {
		codec_raw(peer_begin(&s->peer), part);
		peer_end(&s->peer);
	}
	codec_raw(peer_begin(&s->peer), rest);
	peer_end(&s->peer);
	r->sends++;
	s->changes_sent += store_op_is_change(r->op);
	list_append(&s->sent, &r->node);
}

void
message_store_pump(struct message_store *s)
{
	if (!peer_is_open(&s->peer))
		return;
	while (!list_is_empty(&s->waiting) &&
		peer_backlog(&s->peer) < STORE_WINDOW_BYTES) {
		struct store_request *r = container_of(
			s->waiting.next, struct store_request, node);

		list_remove(&r->node);
		if (store_op_is_change(r->op) && !list_is_empty(&s->stalled))
			message_store_stall(s, r);
		else
			send_request(s, r);
	}
}

static bool
has_room(const struct store_load *load, size_t bytes)
{
	return load->count < STORE_REQUESTS_MAX &&
	       load->bytes + bytes <= STORE_REQUEST_BYTES_MAX;
}

void
message_store_submit(struct message_store *s, struct store_request *r)
{
	struct store_load *load = load_of(s, r);
	bool is_change = store_op_is_change(r->op);

	if (s->is_stopping || (s->is_impatient && !is_change) ||
		!has_room(load, r->bytes)) {
		message_store_refuse(s, r, STORE_BUSY);
		return;
	}
	load->count++;
	load->bytes += r->bytes;
	list_append(&s->waiting, &r->node);
	if (s->state == STORE_IDLE)
		message_store_start(s);
	message_store_pump(s);
}

/* ---- changes that the disk has no room for ---- */

void
message_store_stall(struct message_store *s, struct store_request *r)
{
	struct list *at = &s->stalled;

	while (at->previous != &s->stalled && is_before(r, at->previous))
		at = at->previous;
	list_append(at, &r->node); /* before it */
	if (!ev_is_active(&s->again)) {
		ev_timer_set(&s->again, STORE_AGAIN_S, 0.);
		ev_timer_start(s->owner.group->loop, &s->again);
	}
}

void
message_store_resume(struct message_store *s)
{
	if (list_is_empty(&s->stalled) || s->changes_sent ||
		!peer_is_open(&s->peer))
		return;
	store_pack_call(peer_begin(&s->peer), 0, STORE_OP_AGAIN, 0);
	peer_end(&s->peer);
	merge(&s->stalled, &s->waiting);
	message_store_pump(s);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int events)
{
	struct message_store *s = container_of(w, struct message_store, again);

	if (list_is_empty(&s->stalled))
		return;
	ev_timer_set(w, STORE_AGAIN_S, 0.);
	ev_timer_start(loop, w);
	message_store_resume(s);
}

void
message_store_collect(struct message_store *s)
{
	merge(&s->stalled, &s->sent);
	merge(&s->sent, &s->waiting);
	s->changes_sent = 0;
	buffer_finish(&s->parts);
}

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

static void
on_patience(struct ev_loop *loop, ev_timer *w, int events)
{
	struct message_store *s =
		container_of(w, struct message_store, patience);

	peer_close(&s->peer); /* if there is a process, it hangs */
	message_store_kill(s);
	message_store_lose_patience(s);
}

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
	ev_timer_init(&s->patience, on_patience, 0., 0.);
	ev_timer_init(&s->again, on_again, 0., 0.);
	ev_timer_init(&s->deliver, on_deliver, 0., 0.);
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
