/* worker_flight: the requests that a worker has: sent, answered, cancelled,
 * ended, handed back. It holds places and looks at no content. No malloc and
 * no log line on the way of a request that is sent and answered. */
#include <assert.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/plugin/worker_private.h"

/* A request whose owner left: it keeps the id until the worker's answer. */
static const struct request_ops left_ops = {0};

static struct request *
request_of(struct list *node)
{
	return container_of(node, struct request, node);
}

bool
worker_has_room(const struct worker *w)
{
	return w->in_flight_count < w->config->limits.max_in_flight;
}

static bool
is_left(const struct request *r)
{
	return r->ops == &left_ops;
}

/* ---- sending ---- */

static void
notify_id(struct worker *w, enum message_name name, uint32_t id)
{
	struct peer *peer = &w->private->peer;
	msgpack_packer *packer = peer_begin(peer);

	codec_notification(packer, name, 1);
	msgpack_pack_uint32(packer, id);
	peer_end(peer);
}

static void
fail_unsent(struct worker *w, struct request *r)
{
	struct worker_private *p = w->private;

	wheel_clear(p->room->wheel, &r->deadline);
	request_table_remove(p->room->requests, r);
	r->place = REQUEST_NOWHERE;
	r->worker = 0;
	r->ops->fail(r, REQUEST_FAILED,
		"the request is larger than a message to a worker may be");
}

void
worker_send(struct worker *w, struct request *r)
{
	struct peer *peer = &w->private->peer;

	assert(w->state >= WORKER_CHECKING && w->state <= WORKER_SERVING);
	r->ops->encode(r, peer_begin(peer), r->id);
	if (peer_end(peer) < 0) {
		fail_unsent(w, r);
		return;
	}
	r->worker = w->id;
	r->place = REQUEST_SENT;
	list_append(&w->in_flight, &r->node);
	w->in_flight_count++;
}

void
worker_send_chunk(
	struct worker *w, struct request *r, struct bytes piece, bool more)
{
	struct peer *peer = &w->private->peer;
	msgpack_packer *packer;

	if (w->state >= WORKER_STOPPING)
		return;
	packer = peer_begin(peer);
	codec_notification(packer, MESSAGE_CHUNK, 3);
	msgpack_pack_uint32(packer, r->id);
	codec_bin(packer, piece);
	more ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
	peer_end(peer);
}

size_t
worker_backlog(const struct worker *w)
{
	return w->state >= WORKER_STOPPING ? 0
					   : peer_backlog(&w->private->peer);
}

void
worker_send_credit(struct worker *w, struct request *r, uint64_t bytes)
{
	struct peer *peer = &w->private->peer;
	msgpack_packer *packer;

	if (w->state >= WORKER_STOPPING)
		return;
	packer = peer_begin(peer);
	codec_notification(packer, MESSAGE_CREDIT, 2);
	msgpack_pack_uint32(packer, r->id);
	msgpack_pack_uint64(packer, bytes);
	peer_end(peer);
}

/* ---- owners that leave ---- */

/* A place to keep `id` taken until the worker's last word about it. */
static void
leave_behind(struct worker *w, uint32_t id, bool answered)
{
	struct worker_private *p = w->private;
	struct request *place;

	if (list_is_empty(&p->spare)) {
		place = memory_alloc(sizeof(*place));
		list_init(&place->node);
	} else {
		place = request_of(p->spare.next);
		list_remove(&place->node);
	}
	*place = (struct request){
		.ops = &left_ops,
		.plugin = w->plugin,
		.worker = w->id,
		.place = REQUEST_SENT,
		.answered = answered,
		.cancelled = true,
	};
	request_table_replace(p->room->requests, id, place);
	list_append(&p->left, &place->node);
	w->left_count++;
	notify_id(w, MESSAGE_CANCEL, id);
}

void
worker_cancel(struct worker *w, struct request *r)
{
	struct worker_private *p = w->private;
	uint32_t id = r->id;

	if (!id)
		return;
	assert(r->worker == w->id);
	list_remove(&r->node);
	wheel_clear(p->room->wheel, &r->deadline);
	if (w->state >= WORKER_STOPPING) {
		request_table_remove(p->room->requests, r);
		w->in_flight_count--;
	} else {
		r->id = 0;
		leave_behind(w, id, r->answered);
		drain_left(w);
	}
	r->place = REQUEST_NOWHERE;
	r->worker = 0;
}

static void
end_left(struct worker *w, struct request *place)
{
	struct worker_private *p = w->private;

	p->ended_ids[p->ended_count++ % ENDED_IDS] = place->id;
	request_table_remove(p->room->requests, place);
	list_remove(&place->node);
	list_append(&p->spare, &place->node);
	w->left_count--;
	w->in_flight_count--;
}

static bool
has_left(const struct worker *w, uint32_t id)
{
	for (unsigned i = 0; i < ENDED_IDS; i++)
		if (w->private->ended_ids[i] == id)
			return true;
	return false;
}

/* ---- answers ---- */

/* The head of an http answer whose body follows in chunks. Nothing else that
 * is answered has this shape: results from JSON have no bin. */
static bool
promises_chunks(const struct message *m)
{
	const msgpack_object *o = m->result;

	return !m->error && o && o->type == MSGPACK_OBJECT_ARRAY &&
	       o->via.array.size == 4 &&
	       o->via.array.ptr[2].type == MSGPACK_OBJECT_BIN &&
	       o->via.array.ptr[3].type == MSGPACK_OBJECT_BOOLEAN &&
	       o->via.array.ptr[3].via.boolean;
}

uint32_t
worker_unanswered(const struct worker *w)
{
	const struct worker_private *p = w->private;
	uint32_t count = 0;

	list_for_each (node, &w->in_flight)
		count += request_of(node) != &p->check &&
			 !request_of(node)->answered;
	list_for_each (node, &p->left)
		count += !request_of(node)->answered;
	return count;
}

/* A place may have become free, the last request may have ended. */
static void
after_end(struct worker *w, uint32_t before)
{
	if (w->private->quiet_awaited && w->state == WORKER_SERVING &&
		worker_unanswered(w) <= w->private->quiet_owed) {
		w->private->quiet_awaited = false;
		w->ops->on_quiet(w);
	}
	if (w->in_flight_count >= before)
		return;
	if (w->state == WORKER_DRAINING)
		drain_check(w);
	else if (w->state == WORKER_SERVING &&
		 before >= w->config->limits.max_in_flight && w->ops->on_room)
		w->ops->on_room(w);
}

/* Takes a request out before its owner hears the end: it may free it. */
static void
take_out(struct worker *w, struct request *r)
{
	request_table_remove(w->private->room->requests, r);
	list_remove(&r->node);
	r->place = REQUEST_NOWHERE;
	if (r != &w->private->ping)
		w->in_flight_count--;
}

static void
first_of_stream(struct worker *w, struct request *r, const struct message *m)
{
	struct request_table *table = w->private->room->requests;
	uint32_t id = m->id;
	bool goes_on;

	r->answered = true;
	list_remove(&r->node);
	goes_on = r->ops->answer(r, m);
	/* Unless it was cancelled meanwhile. If its owner ended it r may be
	 * gone, and the rest of the answer is not wanted. */
	if (request_table_find(table, id, w->id) == r) {
		if (goes_on)
			list_append(&w->in_flight, &r->node);
		else
			leave_behind(w, id, true);
	}
	if (w->state >= WORKER_STOPPING)
		flight_orphan(w);
}

void
flight_response(struct worker *w, const struct message *m)
{
	struct worker_private *p = w->private;
	uint32_t before = w->in_flight_count;
	struct request *r = request_table_find(p->room->requests, m->id, w->id);

	if (!r && has_left(w, m->id)) {
		p->stray_total++;
	} else if (!r || (r->answered && !is_left(r))) {
		worker_fail(w, "the worker answered request %u, which %s",
			m->id, r ? "it had answered" : "it does not have");
	} else if (is_left(r)) {
		if (!r->answered && promises_chunks(m))
			r->answered = true;
		else
			end_left(w, r);
		after_end(w, before);
	} else {
		wheel_clear(p->room->wheel, &r->deadline);
		w->answered_total += r != &p->ping && r != &p->check;
		if (promises_chunks(m) || ask_promises_chunks(r, m)) {
			first_of_stream(w, r, m);
		} else {
			w->finished_total += r != &p->ping && r != &p->check;
			take_out(w, r);
			r->ops->answer(r, m);
		}
		after_end(w, before);
	}
}

void
flight_chunk(struct worker *w, const struct message *m)
{
	struct worker_private *p = w->private;
	uint32_t before = w->in_flight_count;
	struct bytes piece = codec_bytes(&m->params[1]);
	bool more = m->params[2].via.boolean;
	struct request *r = request_table_find(
		p->room->requests, (uint32_t)m->params[0].via.u64, w->id);

	if (!r) {
		p->stray_total++;
	} else if (!r->answered) {
		worker_fail(w,
			"the worker sent a piece of answer %u before "
			"its head",
			r->id);
	} else if (is_left(r)) {
		if (!more)
			end_left(w, r);
		after_end(w, before);
	} else {
		if (!more) {
			w->finished_total++;
			take_out(w, r);
		}
		r->ops->chunk(r, piece, more);
		after_end(w, before);
	}
}

void
flight_credit(struct worker *w, const struct message *m)
{
	struct request *r = request_table_find(w->private->room->requests,
		(uint32_t)m->params[0].via.u64, w->id);

	if (r && r->ops->credit)
		r->ops->credit(r, m->params[1].via.u64);
	else
		w->private->stray_total++;
}

/* The worker gives an answer up whose head is out: its client sees it cut. */
void
flight_give_up(struct worker *w, const struct message *m)
{
	struct worker_private *p = w->private;
	uint32_t before = w->in_flight_count;
	struct request *r = request_table_find(
		p->room->requests, (uint32_t)m->params[0].via.u64, w->id);

	if (!r) {
		p->stray_total++;
	} else if (!r->answered) {
		worker_fail(w,
			"the worker cancelled request %u instead of "
			"answering it",
			r->id);
	} else if (is_left(r)) {
		end_left(w, r);
		after_end(w, before);
	} else {
		take_out(w, r);
		r->ops->fail(r, REQUEST_FAILED,
			"the plugin could not finish its answer");
		after_end(w, before);
	}
}

/* ---- ends that the worker did not make ---- */

void
flight_end(struct worker *w, bool streams_too, const char *notice)
{
	struct list ending;

	list_init(&ending);
	list_for_each_safe (node, &w->in_flight) {
		if (!streams_too && request_of(node)->answered)
			continue;
		list_remove(node);
		list_append(&ending, node);
	}
	/* What an owner does then may cancel others of the list. */
	while (!list_is_empty(&ending)) {
		struct request *r = request_of(ending.next);

		if (w->state >= WORKER_STOPPING) {
			list_remove(&r->node);
			list_append(&w->in_flight, &r->node);
			continue;
		}
		worker_cancel(w, r);
		r->ops->fail(r, REQUEST_ENDED, notice);
	}
	if (w->state >= WORKER_STOPPING)
		flight_orphan(w);
}

void
worker_end_requests(struct worker *w, const char *notice)
{
	if (w->state == WORKER_SERVING || w->state == WORKER_DRAINING)
		flight_end(w, true, notice);
	if (w->state == WORKER_DRAINING)
		drain_check(w);
}

static void
drop_left(struct worker *w)
{
	struct worker_private *p = w->private;

	while (!list_is_empty(&p->left))
		end_left(w, request_of(p->left.next));
}

void
flight_orphan(struct worker *w)
{
	drop_left(w);
	while (!list_is_empty(&w->in_flight)) {
		struct request *r = request_of(w->in_flight.next);

		list_remove(&r->node);
		w->in_flight_count--;
		r->place = REQUEST_NOWHERE;
		r->worker = 0;
		w->ops->on_orphan(w, r);
	}
}

void
flight_finish(struct worker *w)
{
	struct worker_private *p = w->private;

	drop_left(w);
	assert(list_is_empty(&w->in_flight));
	list_for_each_safe (node, &p->spare)
		free(request_of(node));
}
