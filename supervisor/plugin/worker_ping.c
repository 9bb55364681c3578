/* worker_ping: pings a proven worker, one ping at a time. A ping without an
 * answer in time takes the worker down.
 *
 * So that supd sleeps while nothing happens, workers are pinged together, and
 * the answers of those that are idle are read together: their sockets are left
 * alone for PING_READ_MS, and twice that if there is no answer yet, or until
 * something is sent to them. */
#include "supervisor/plugin/worker_private.h"

#define PINGS_PER_TIMEOUT 3
#define TOGETHER 64 /* pings in one turn; the next ones a moment later */
#define GROUPS 64
#define PING_READ_MS (2 * WHEEL_TICK_MS)
#define SPARSE_MS 1000 /* a period of less is not worth it */

uint64_t
ping_next_ms(uint64_t after_ms, uint64_t timeout_ms, uint32_t plugin)
{
	uint64_t period_ms = timeout_ms / PINGS_PER_TIMEOUT;
	uint64_t phase_ms = 0;

	if (period_ms >= SPARSE_MS) {
		period_ms = period_ms / SPARSE_MS * SPARSE_MS;
		phase_ms = plugin / TOGETHER % GROUPS * 2 * WHEEL_TICK_MS %
			   period_ms;
	}
	if (!period_ms)
		period_ms = 1;
	if (after_ms < phase_ms)
		return phase_ms;
	return ((after_ms - phase_ms) / period_ms + 1) * period_ms + phase_ms;
}

static void
await(struct worker *w)
{
	struct worker_private *p = w->private;

	wheel_set(p->workers->wheel, &p->ping_due,
		p->ping_sent_ms + w->config->limits.ping_timeout_ms);
}

/* The next ping of a worker that owes none. */
static void
plan(struct worker *w)
{
	struct worker_private *p = w->private;

	wheel_set(p->workers->wheel, &p->ping_due,
		ping_next_ms(p->ping_sent_ms, w->config->limits.ping_timeout_ms,
			w->plugin));
}

static struct worker *
worker_of(struct request *r)
{
	return container_of(r, struct worker_private, ping)->worker;
}

static void
ping_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	codec_request(packer, wire_id, MESSAGE_PING, 0);
}

/* An error is a sign of life, too. */
static bool
ping_answer(struct request *r, const struct message *m)
{
	struct worker *w = worker_of(r);

	w->private->heard = false; /* this was nothing of its own */
	if (w->config->limits.ping_timeout_ms)
		plan(w);
	return false;
}

static const struct request_ops ping_ops = {
	.name = "ping",
	.encode = ping_encode,
	.answer = ping_answer,
};

void
ping_read(struct worker *w)
{
	struct worker_private *p = w->private;

	if (!p->ping_unread)
		return;
	p->ping_unread = false;
	wheel_clear(p->workers->wheel, &p->ping_read_due);
	peer_pause(&p->peer, false);
}

/* Nothing but the answer is expected of the worker. */
static void
read_later(struct worker *w, uint64_t after_ms)
{
	struct worker_private *p = w->private;

	/* heard: it is not idle, so it may have more to say */
	if (w->in_flight_count || w->calls || p->heard ||
		w->state != WORKER_SERVING ||
		w->config->limits.ping_timeout_ms / PINGS_PER_TIMEOUT <
			SPARSE_MS)
		return;
	p->ping_unread = true;
	peer_pause(&p->peer, true);
	wheel_set(p->workers->wheel, &p->ping_read_due, clock_ms() + after_ms);
}

static void
ping_read_fire(struct wheel_timer *timer)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, ping_read_due);
	bool is_first = clock_ms() < p->ping_sent_ms + 2 * PING_READ_MS;

	ping_read(p->worker);
	peer_read_now(&p->peer);
	if (p->ping.id && is_first)
		read_later(p->worker, 2 * PING_READ_MS);
}

static void
ping_send(struct worker *w)
{
	struct worker_private *p = w->private;
	struct request *r = &p->ping;

	p->ping_sent_ms = clock_ms();
	p->ping_overdue = false;
	await(w);
	if (!request_table_add(p->workers->requests, r))
		return;
	r->worker = w->id;
	r->where = REQUEST_SENT;
	r->ops->encode(r, peer_begin(&p->peer), r->id);
	worker_end_message(w);
	read_later(w, PING_READ_MS);
	p->heard = false;
}

static void
ping_fire(struct wheel_timer *timer)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, ping_due);
	struct worker *w = p->worker;
	uint64_t over_ms = peer_over_since_ms(&p->peer);
	char text[24];

	/* If supd itself was stalled, the answer may have arrived unread: waits
	 * once more. */
	if (p->ping.id && !p->ping_overdue) {
		p->ping_overdue = true;
		wheel_set(p->workers->wheel, timer, clock_ms() + WHEEL_TICK_MS);
	} else if (p->ping.id &&
		   !unread_fail(w, over_ms ? over_ms : p->ping_sent_ms)) {
		w->cut = WORKER_CUT_PING;
		worker_fail(w, "the worker did not answer ping for %s",
			worker_duration(
				w->config->limits.ping_timeout_ms, text));
	} else if (!p->ping.id && w->state < WORKER_STOPPING) {
		ping_send(w);
	}
}

void
ping_init(struct worker *w)
{
	struct worker_private *p = w->private;

	p->ping.ops = &ping_ops;
	p->ping.plugin = w->plugin;
	list_init(&p->ping.node);
	wheel_timer_init(&p->ping.deadline, NULL);
	wheel_timer_init(&p->ping_due, ping_fire);
	wheel_timer_init(&p->ping_read_due, ping_read_fire);
}

void
ping_begin(struct worker *w)
{
	struct worker_private *p = w->private;

	if (!w->config->limits.ping_timeout_ms)
		return;
	p->ping_sent_ms = clock_ms();
	plan(w);
}

/* A ping in progress gets the new limit. */
void
ping_configure(struct worker *w)
{
	struct worker_private *p = w->private;
	uint64_t timeout_ms = w->config->limits.ping_timeout_ms;

	if (!timeout_ms)
		wheel_clear(p->workers->wheel, &p->ping_due);
	else if (p->ping.id)
		await(w);
	else
		plan(w);
}

void
ping_end(struct worker *w)
{
	struct worker_private *p = w->private;

	ping_read(w);
	wheel_clear(p->workers->wheel, &p->ping_due);
	if (p->ping.id)
		request_table_remove(p->workers->requests, &p->ping);
}
