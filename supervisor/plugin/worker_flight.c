/* worker_flight: the requests in flight at a worker: sends, answers, cancels,
 * ends and orphans them. It reads no content. Sending and answering a request
 * needs no malloc and no log line. */
#include <assert.h>

#include "supervisor/ops/probes.h"
#include "supervisor/plugin/span.h"
#include "supervisor/plugin/worker_private.h"

static struct request *
request_of(struct list *node)
{
	return container_of(node, struct request, node);
}

static void
set_waiting(struct worker *w, struct request *r, bool waits)
{
	if (r->waits == waits)
		return;
	r->waits = waits;
	if (waits)
		w->waiting_count++;
	else
		w->waiting_count--;
}

void
worker_note_waiting(struct worker *w, struct request *r, bool waits)
{
	bool had_room = worker_has_room(w);

	if (w->state >= WORKER_STOPPING)
		return;
	set_waiting(w, r, waits);
	if (!had_room && worker_has_room(w) && w->state == WORKER_SERVING &&
		w->ops->on_room)
		w->ops->on_room(w);
}

/* Its end is not soon. */
static bool
is_stream(const struct request *r)
{
	return r->answered || r->is_long;
}

/* ---- sending ---- */

static void
fail_unsent(struct worker *w, struct request *r)
{
	struct worker_private *p = w->private;

	wheel_clear(p->workers->wheel, &r->deadline);
	request_table_remove(p->workers->requests, r);
	r->where = REQUEST_NOWHERE;
	r->worker = 0;
	span_failed(p->workers, w, NULL, r, REQUEST_FAILED, NULL);
	r->ops->fail(r, REQUEST_FAILED,
		"the request is too large for a message to a worker");
}

void
worker_send(struct worker *w, struct request *r)
{
	struct peer *peer = &w->private->peer;

	assert(w->state >= WORKER_CHECKING && w->state <= WORKER_STANDBY);
	span_sending(w, r);
	r->ops->encode(r, peer_begin(peer), r->id);
	if (worker_end_message(w) < 0) {
		fail_unsent(w, r);
		return;
	}
	r->worker = r->last_worker = w->id;
	r->where = REQUEST_SENT;
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
	worker_end_message(w);
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
	worker_end_message(w);
}

/* ---- owners that leave ---- */

void
worker_cancel(struct worker *w, struct request *r)
{
	struct worker_private *p = w->private;
	uint32_t id = r->id;

	if (!id)
		return;
	assert(r->worker == w->id);
	set_waiting(w, r, false);
	list_remove(&r->node);
	wheel_clear(p->workers->wheel, &r->deadline);
	if (w->state >= WORKER_STOPPING) {
		request_table_remove(p->workers->requests, r);
		w->in_flight_count--;
		span_cancelled(p->workers, w, NULL, r);
	} else {
		chain_before_leaving(w, r);
		span_cancelled(p->workers, w, NULL, r);
		r->id = 0;
		left_put(w, id, r);
		drain_left(w);
	}
	r->where = REQUEST_NOWHERE;
	r->worker = 0;
}

/* ---- answers ---- */

/* Whether it is supd's own. */
static bool
is_own(const struct worker_private *p, const struct request *r)
{
	return r == &p->ping || r == &p->check || r == &p->task.request ||
	       audit_has(r);
}

uint32_t
worker_unanswered(const struct worker *w)
{
	const struct worker_private *p = w->private;
	uint32_t count = 0;

	list_for_each (node, &w->in_flight)
		count += !is_own(p, request_of(node)) &&
			 !is_stream(request_of(node));
	list_for_each (node, &p->left)
		count += !is_stream(request_of(node)) &&
			 !request_of(node)->is_task;
	return count;
}

bool
flight_is_quiet(struct worker *w)
{
	struct worker_private *p = w->private;
	uint32_t count = worker_unanswered(w);

	p->quiet_ends = count > p->quiet_owed ? count - p->quiet_owed : 0;
	return !p->quiet_ends;
}

/* Acts on a free place or the end of the last request. Called at least once
 * after each end. */
static void
after_end(struct worker *w, uint32_t before)
{
	struct worker_private *p = w->private;

	if (p->quiet_ends)
		p->quiet_ends--;
	if (p->quiet_awaited && w->state == WORKER_SERVING && !p->quiet_ends &&
		flight_is_quiet(w)) {
		p->quiet_awaited = false;
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

/* Removes a request before its owner is notified of the end, as the owner may
 * free it. */
static void
take_out(struct worker *w, struct request *r)
{
	request_table_remove(w->private->workers->requests, r);
	set_waiting(w, r, false);
	list_remove(&r->node);
	r->where = REQUEST_NOWHERE;
	if (r != &w->private->ping)
		w->in_flight_count--;
}

static void
first_of_stream(struct worker *w, struct request *r, const struct message *m)
{
	struct request_table *table = w->private->workers->requests;
	struct request was;
	uint32_t id = m->id;
	bool goes_on;

	r->answered = true;
	was = *r; /* for later, when it may be gone */
	list_remove(&r->node);
	goes_on = r->ops->answer(r, m);
	/* r may be gone: its owner may have cancelled or ended it within the
	 * callback. Then the rest of the answer is unwanted. */
	if (request_table_find(table, id, w->id) == r) {
		if (goes_on)
			list_append(&w->in_flight, &r->node);
		else {
			span_answered(w, &was, NULL);
			left_put(w, id, &was);
		}
	}
	if (w->state >= WORKER_STOPPING)
		flight_orphan(w);
}

void
flight_response(struct worker *w, const struct message *m)
{
	struct worker_private *p = w->private;
	uint32_t before = w->in_flight_count;
	struct request *r =
		request_table_find(p->workers->requests, m->id, w->id);
	bool goes_on;

	if (!r && left_has_ended(w, m->id)) {
		p->stray_total++;
	} else if (!r || (r->answered && !left_is_placeholder(r))) {
		worker_fail(w, "the worker answered request %u, which is %s",
			m->id, r ? "answered already" : "unknown");
	} else if (left_is_placeholder(r)) {
		if (!r->answered &&
			codec_answer_goes_on(m, r->ops->answer_form))
			r->answered = true;
		else
			left_end(w, r);
		after_end(w, before);
	} else {
		wheel_clear(p->workers->wheel, &r->deadline);
		goes_on = codec_answer_goes_on(m, r->ops->answer_form);
		PROBE_REPLY(r->id, w->plugin_id, w->generation, goes_on);
		w->answered_total += !is_own(p, r);
		if (goes_on) {
			first_of_stream(w, r, m);
		} else {
			w->finished_total += !is_own(p, r);
			take_out(w, r);
			span_answered(w, r, m);
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
		p->workers->requests, (uint32_t)m->params[0].via.u64, w->id);

	if (!r) {
		p->stray_total++;
	} else if (!r->answered) {
		worker_fail(w,
			"the worker sent a piece of answer %u before "
			"its head",
			r->id);
	} else if (left_is_placeholder(r)) {
		if (!more)
			left_end(w, r);
		after_end(w, before);
	} else {
		if (!more) {
			w->finished_total++;
			take_out(w, r);
			span_answered(w, r, NULL);
		}
		r->ops->chunk(r, piece, more);
		after_end(w, before);
	}
}

void
flight_credit(struct worker *w, const struct message *m)
{
	struct request *r = request_table_find(w->private->workers->requests,
		(uint32_t)m->params[0].via.u64, w->id);

	if (r && r->ops->credit)
		r->ops->credit(r, m->params[1].via.u64);
	else if (w->conn_count && w->ops->on_conn)
		w->ops->on_conn(w, m);
	else
		w->private->stray_total++;
}

void
flight_output(struct worker *w, const struct message *m)
{
	struct worker_private *p = w->private;
	uint64_t fd = m->params[1].via.u64;
	struct request *r = request_table_find(
		p->workers->requests, (uint32_t)m->params[0].via.u64, w->id);

	if (fd != 1 && fd != 2)
		worker_fail(w, "the worker wrote to descriptor %llu",
			(unsigned long long)fd);
	else if (r && r->ops->output)
		r->ops->output(r, (int)fd, codec_bytes(&m->params[2]));
	else
		p->stray_total++;
}

/* The worker abandons an answer whose head is out; the client sees it cut. */
void
flight_give_up(struct worker *w, const struct message *m)
{
	struct worker_private *p = w->private;
	uint32_t before = w->in_flight_count;
	struct request *r = request_table_find(
		p->workers->requests, (uint32_t)m->params[0].via.u64, w->id);

	if (!r) {
		p->stray_total++;
	} else if (!r->answered) {
		worker_fail(w,
			"the worker cancelled request %u instead of "
			"answering it",
			r->id);
	} else if (left_is_placeholder(r)) {
		left_end(w, r);
		after_end(w, before);
	} else {
		take_out(w, r);
		span_failed(p->workers, w, NULL, r, REQUEST_FAILED, NULL);
		r->ops->fail(r, REQUEST_FAILED,
			"the plugin could not finish its answer");
		after_end(w, before);
	}
}

/* ---- ends by supd ---- */

void
flight_end(struct worker *w, bool streams_too, const char *notice)
{
	struct list ending;

	list_init(&ending);
	list_for_each_safe (node, &w->in_flight) {
		if (!streams_too && is_stream(request_of(node)))
			continue;
		list_remove(node);
		list_append(&ending, node);
	}
	/* an owner's callback may cancel others of the list */
	while (!list_is_empty(&ending)) {
		struct request *r = request_of(ending.next);

		if (w->state >= WORKER_STOPPING) {
			list_remove(&r->node);
			list_append(&w->in_flight, &r->node);
			continue;
		}
		span_failed(
			w->private->workers, w, NULL, r, REQUEST_ENDED, notice);
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

void
flight_orphan(struct worker *w)
{
	left_end_all(w);
	while (!list_is_empty(&w->in_flight)) {
		struct request *r = request_of(w->in_flight.next);

		set_waiting(w, r, false);
		list_remove(&r->node);
		w->in_flight_count--;
		r->where = REQUEST_NOWHERE;
		r->worker = 0;
		w->ops->on_orphan(w, r);
	}
}

void
flight_finish(struct worker *w)
{
	assert(list_is_empty(&w->in_flight));
	left_finish(w);
}
