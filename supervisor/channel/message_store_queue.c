/* message_store_queue: requests that are not answered, in four lists, each in
 * the order in which they were made: those that were not sent, those that the
 * process has, changes that it had no room for, and what is refused. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
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
deliver_later(struct message_store *s)
{
	if (list_is_empty(&s->refused) || ev_is_active(&s->deliver))
		return;
	ev_timer_set(&s->deliver, 0., 0.);
	ev_timer_start(s->owner.group->loop, &s->deliver);
}

static void
deliver(struct store_request *r)
{
	struct store_call *call = r->call;
	struct store_result result = {.answer = (enum store_answer)r->sends};

	list_remove(&r->node);
	free(r);
	if (!call)
		return;
	call->request = NULL;
	call->done(call, &result);
}

void
message_store_on_deliver(struct ev_loop *loop, ev_timer *w, int events)
{
	struct message_store *s =
		container_of(w, struct message_store, deliver);
	uint64_t begun_us = clock_us();
	struct list now;

	/* What is refused meanwhile is for a later turn. */
	list_init(&now);
	merge(&s->refused, &now);
	while (!list_is_empty(&now) && clock_us() - begun_us < STORE_TURN_US)
		deliver(container_of(now.next, struct store_request, node));
	merge(&now, &s->refused);
	deliver_later(s);
	message_store_look_if_stopped(s);
}

void
message_store_refuse(
	struct message_store *s, struct store_request *r, enum store_answer a)
{
	s->refusals++;
	r->sends = a; /* not sent any more */
	list_append(&s->refused, &r->node);
	deliver_later(s);
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
	else if (!s->orphans_lost++)
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
	message_store_set_trouble(s, s->last_words[0]
					     ? s->last_words
					     : "its process does not answer");
	message_store_collect(s);
	refuse_kept(s, &s->waiting);
}

/* A process that has said that it works is waited for as long as it lives. */
static void
on_patience(struct ev_loop *loop, ev_timer *w, int events)
{
	struct message_store *s =
		container_of(w, struct message_store, patience);

	if (s->state == STORE_UP) {
		ev_timer_set(w, STORE_AGAIN_S, 0.);
		ev_timer_start(loop, w);
		return;
	}
	peer_close(&s->peer); /* if there is a process, it hangs */
	message_store_kill(s);
	message_store_lose_patience(s);
}

void
message_store_await_answer(struct message_store *s)
{
	if (ev_is_active(&s->patience) || s->is_impatient)
		return;
	ev_timer_init(&s->patience, on_patience, STORE_PATIENCE_MS / 1000., 0.);
	ev_timer_start(s->owner.group->loop, &s->patience);
}

void
message_store_be_patient(struct message_store *s)
{
	s->is_impatient = false;
	ev_timer_stop(s->owner.group->loop, &s->patience);
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

	/* A change that somebody waits for is one of a message in memory, which
	 * is bounded there: without it the message would be handled again. */
	if (s->is_stopping || (s->is_impatient && !is_change) ||
		(!(is_change && r->call) && !has_room(load, r->bytes))) {
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

void
message_store_on_again(struct ev_loop *loop, ev_timer *w, int events)
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
