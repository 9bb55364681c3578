/* worker_ping: pings a proven worker, one ping at a time. A ping without an
 * answer in time takes the worker down. */
#include "supervisor/plugin/worker_private.h"

#define PINGS_PER_TIMEOUT 3

static void
rearm(struct worker *w, uint64_t after_ms)
{
	struct worker_private *p = w->private;

	wheel_set(p->workers->wheel, &p->ping_due, p->ping_sent_ms + after_ms);
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

	if (w->config->limits.ping_timeout_ms)
		rearm(w, w->config->limits.ping_timeout_ms / PINGS_PER_TIMEOUT);
	return false;
}

static const struct request_ops ping_ops = {
	.name = "ping",
	.encode = ping_encode,
	.answer = ping_answer,
};

static void
ping_send(struct worker *w)
{
	struct worker_private *p = w->private;
	struct request *r = &p->ping;

	p->ping_sent_ms = clock_ms();
	p->ping_overdue = false;
	rearm(w, w->config->limits.ping_timeout_ms);
	if (!request_table_add(p->workers->requests, r))
		return;
	r->worker = w->id;
	r->where = REQUEST_SENT;
	r->ops->encode(r, peer_begin(&p->peer), r->id);
	worker_end_message(w);
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
}

void
ping_begin(struct worker *w)
{
	struct worker_private *p = w->private;

	if (!w->config->limits.ping_timeout_ms)
		return;
	p->ping_sent_ms = clock_ms();
	rearm(w, w->config->limits.ping_timeout_ms / PINGS_PER_TIMEOUT);
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
		rearm(w, timeout_ms);
	else
		rearm(w, timeout_ms / PINGS_PER_TIMEOUT);
}

void
ping_end(struct worker *w)
{
	struct worker_private *p = w->private;

	wheel_clear(p->workers->wheel, &p->ping_due);
	if (p->ping.id)
		request_table_remove(p->workers->requests, &p->ping);
}
