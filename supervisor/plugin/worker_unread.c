/* worker_unread: handles a worker that does not read. Past a backlog it gets no
 * requests, and nothing is read from it (peer.h); if that lasts too long, the
 * worker goes down. */
#include "supervisor/plugin/worker_private.h"

/* The limit if ping_timeout is 0. */
#define UNREAD_MAX_MS 30000

static uint64_t
limit_ms(const struct worker *w)
{
	uint64_t ping_ms = w->config->limits.ping_timeout_ms;

	return ping_ms ? ping_ms : UNREAD_MAX_MS;
}

bool
unread_fail(struct worker *w, uint64_t since_ms)
{
	struct peer *peer = &w->private->peer;
	char text[24];

	if (!peer_backlog(peer))
		return false;
	w->cut = WORKER_CUT_UNREAD;
	worker_fail(w,
		"the worker does not read: %zu KiB have been waiting for it "
		"for %s",
		peer_backlog(peer) / 1024,
		worker_duration((clock_ms() - since_ms) / 1000 * 1000, text));
	return true;
}

static void
unread_fire(struct wheel_timer *timer)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, unread_due);
	uint64_t since = peer_over_since_ms(&p->peer);
	uint64_t due = since + limit_ms(p->worker);

	if (since && clock_ms() < due)
		wheel_set(p->workers->wheel, timer, due);
	else if (since)
		unread_fail(p->worker, since);
}

void
unread_init(struct worker *w)
{
	wheel_timer_init(&w->private->unread_due, unread_fire);
}

void
unread_end(struct worker *w)
{
	wheel_clear(w->private->workers->wheel, &w->private->unread_due);
}

int
worker_end_message(struct worker *w)
{
	struct worker_private *p = w->private;
	int result = peer_end(&p->peer);
	uint64_t since = peer_over_since_ms(&p->peer);

	ping_read(w);
	if (since && !wheel_timer_is_set(&p->unread_due))
		wheel_set(
			p->workers->wheel, &p->unread_due, since + limit_ms(w));
	return result;
}

bool
worker_has_room(struct worker *w)
{
	struct peer *peer = &w->private->peer;

	if (w->in_flight_count - w->waiting_count >=
		w->config->limits.max_in_flight)
		return false;
	/* Try to write now. Bytes that remain are written later, which calls
	 * worker_on_flushed(). */
	if (peer_backlog(peer) > WORKER_BACKLOG_MAX)
		peer_flush(peer);
	return peer_backlog(peer) <= WORKER_BACKLOG_MAX;
}
