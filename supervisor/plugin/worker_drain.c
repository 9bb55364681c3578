/* worker_drain: retires a worker: no new requests; when the old ones have ended
 * and `drained` came, the worker stands by. Also resumes it. Destroys nothing.
 */
#include "supervisor/plugin/worker_private.h"

static void
notify(struct worker *w, enum message_name name)
{
	struct peer *peer = &w->private->peer;

	codec_notification(peer_begin(peer), name, 0);
	worker_end_message(w);
}

static void
set_due(struct worker *w, uint64_t due_ms)
{
	w->private->drain_due_ms = due_ms;
	worker_set_deadline(w, due_ms);
}

void
worker_retire(struct worker *w)
{
	struct worker_private *p = w->private;

	if (!worker_step(w, WORKER_EVENT_RETIRE, NULL))
		return;
	p->drained_came = p->drain_over = p->drain_look = false;
	p->retired_ms = clock_ms();
	set_due(w, p->retired_ms + w->config->limits.drain_timeout_ms);
	notify(w, MESSAGE_DRAIN);
}

void
worker_resume(struct worker *w)
{
	if (!worker_step(w, WORKER_EVENT_REVERT, NULL))
		return;
	wheel_clear(w->private->workers->wheel, &w->private->deadline);
	notify(w, MESSAGE_RESUME);
}

/* Ends the drain when nothing is awaited. After the deadline, `drained` and
 * answers to abandoned requests are not awaited. */
void
drain_check(struct worker *w)
{
	struct worker_private *p = w->private;
	bool over = p->drain_over ? list_is_empty(&w->in_flight)
				  : p->drained_came && !w->in_flight_count;

	if (w->state != WORKER_DRAINING || !over || w->conn_count)
		return;
	wheel_clear(p->workers->wheel, &p->deadline);
	worker_step(w, WORKER_EVENT_DRAINED,
		p->drain_over && !p->drained_came ? "deadline" : NULL);
	w->ops->on_drained(w);
}

void
drain_came(struct worker *w)
{
	w->private->drained_came = true;
	drain_check(w);
}

void
drain_due(struct worker *w)
{
	struct worker_private *p = w->private;
	bool streams_too = p->drain_over;

	if (p->drain_look) {
		p->drain_look = false;
		worker_set_deadline(w, p->drain_due_ms);
		drain_check(w);
		return;
	}
	p->drain_over = true;
	flight_end(w, streams_too, NULL);
	if (streams_too && w->conn_count && w->state == WORKER_DRAINING &&
		w->ops->on_conns_due)
		w->ops->on_conns_due(w);
	if (w->state != WORKER_DRAINING)
		return;
	if (!list_is_empty(&w->in_flight) || w->conn_count)
		set_due(w, p->retired_ms + w->config->limits.stream_drain_ms);
	drain_check(w);
}

/* This and drain_left() leave it to the next turn, because their callers do not
 * expect on_drained. */
void
drain_look(struct worker *w)
{
	if (w->state != WORKER_DRAINING || w->conn_count)
		return;
	w->private->drain_look = true;
	worker_set_deadline(w, clock_ms());
}

void
drain_left(struct worker *w)
{
	if (w->state == WORKER_DRAINING && w->private->drain_over &&
		list_is_empty(&w->in_flight) && !w->conn_count)
		set_due(w, clock_ms());
}

void
worker_drain_within(struct worker *w, uint64_t ms)
{
	if (w->state != WORKER_DRAINING)
		return;
	w->private->drain_over = true;
	set_due(w, clock_ms() + ms);
	drain_check(w);
}
