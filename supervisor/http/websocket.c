/* websocket: its life, from the 101 to the close, and the protocol of its
 * connection. */
#include "supervisor/http/websocket.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/http1.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket_handshake.h"
#include "supervisor/http/websocket_private.h"

/* The owner when there is none any more. */
static void
ignore_closed(struct websocket *w, int code, struct bytes reason)
{
	(void)w, (void)code, (void)reason;
}

static const struct websocket_ops no_owner = {.on_closed = ignore_closed};

static void on_close_over(struct wheel_timer *timer);

static struct wheel *
wheel_of(const struct websocket *w)
{
	return &w->connection->server->gateway->wheel;
}

struct websocket *
websocket_accept(struct exchange *x, const struct websocket_handshake *h,
	const struct websocket_terms *terms)
{
	struct connection *c = x->connection;
	struct websocket_house *house = &c->server->websockets;
	struct websocket *w = memory_alloc(sizeof(*w));

	assert(!c->websocket);
	w->connection = c;
	w->ops = terms->ops;
	w->owner = terms->owner;
	w->message_max = terms->message_max;
	w->queue_max = terms->queue_max;
	wheel_timer_init(&w->close_timer, on_close_over);
	list_append(&house->all, &w->node);
	house->count++;
	websocket_house_set_ping(house);
	c->websocket = w;
	exchange_upgrade(x, h->accept, terms->protocol, terms->fields);
	return w;
}

void
websocket_begin(struct connection *c)
{
	struct websocket *w = c->websocket;

	c->protocol = &websocket_protocol;
	w->begun = true;
	c->again = true; /* bytes may have followed the request */
	connection_touch(c);
	if (c->server->draining)
		websocket_stop(w);
}

void
websocket_destroy(struct websocket *w)
{
	struct connection *c = w->connection;

	websocket_tell_closed(w, WEBSOCKET_LOST, BYTES(""));
	c->websocket = NULL;
	list_remove(&w->node);
	c->server->websockets.count--;
	wheel_clear(wheel_of(w), &w->close_timer);
	websocket_framer_destroy(w->framer);
	websocket_queue_finish(w);
	free(w);
}

bool
websocket_is_over(const struct websocket *w)
{
	return w->state == WEBSOCKET_OVER && !w->queue.count && !w->pong;
}

void *
websocket_owner(const struct websocket *w)
{
	return w->owner;
}

void
websocket_hand_to(
	struct websocket *w, const struct websocket_ops *ops, void *owner)
{
	w->ops = ops;
	w->owner = owner;
}

void
websocket_set_message_max(struct websocket *w, uint64_t bytes)
{
	w->message_max = bytes;
}

void
websocket_set_idle(struct websocket *w, bool is_idle)
{
	w->is_idle = is_idle;
	connection_touch(w->connection);
}

bool
websocket_is_idle(const struct websocket *w)
{
	return w->is_idle;
}

const char *
websocket_peer(const struct websocket *w)
{
	return w->connection->peer;
}

/* ---- reading ---- */

void
websocket_pause(struct websocket *w)
{
	w->paused = true;
	connection_touch(w->connection);
}

void
websocket_resume(struct websocket *w)
{
	if (!w->paused || w->state == WEBSOCKET_OVER)
		return;
	w->paused = false;
	w->connection->again = true;
	connection_touch(w->connection);
}

/* ---- the end ---- */

void
websocket_tell_closed(struct websocket *w, int code, struct bytes reason)
{
	const struct websocket_ops *ops = w->ops;

	w->ops = &no_owner;
	ops->on_closed(w, code, reason);
}

/* The connection closes when all is written. */
static void
leave(struct websocket *w)
{
	struct connection *c = w->connection;

	w->state = WEBSOCKET_OVER;
	wheel_clear(wheel_of(w), &w->close_timer);
	c->closing = c->must_linger = true;
	c->again = false;
	connection_touch(c);
}

void
websocket_end(struct websocket *w, int code, struct bytes reason)
{
	if (w->state == WEBSOCKET_OVER)
		return;
	if (w->state == WEBSOCKET_OPEN)
		websocket_send_close(w, code, reason);
	leave(w);
	websocket_tell_closed(w, code, reason);
}

void
websocket_close(struct websocket *w, int code, struct bytes reason)
{
	w->ops = &no_owner;
	if (w->state != WEBSOCKET_OPEN)
		return;
	websocket_send_close(w, code, reason);
	w->state = WEBSOCKET_CLOSING;
	websocket_resume(w);
	connection_touch(w->connection);
}

void
websocket_cut(struct websocket *w, int code, struct bytes reason)
{
	websocket_drop_queue(w);
	websocket_close(w, code, reason);
}

/* The client does not answer: closes without more. */
void
websocket_give_up(struct websocket *w)
{
	leave(w);
	w->connection->must_linger = false;
	websocket_queue_finish(w);
	buffer_clear(&w->connection->out);
	websocket_tell_closed(w, WEBSOCKET_LOST, BYTES(""));
}

static void
on_close_over(struct wheel_timer *timer)
{
	websocket_give_up(container_of(timer, struct websocket, close_timer));
}

void
websocket_stop(struct websocket *w)
{
	static const struct bytes reason = BYTES_INIT("supd stops");

	if (w->ops->on_stop) {
		w->ops->on_stop(w);
		return;
	}
	websocket_tell_closed(w, WEBSOCKET_GOING_AWAY, reason);
	websocket_close(w, WEBSOCKET_GOING_AWAY, reason);
}

/* ---- the protocol of its connection ---- */

static bool
is_blocked(const struct connection *c)
{
	return c->websocket->paused;
}

static bool
is_congested(const struct connection *c)
{
	(void)c;
	return false; /* who pauses it resumes it */
}

static bool
owes_start(const struct connection *c)
{
	(void)c;
	return false;
}

static enum connection_wait
awaited(const struct connection *c)
{
	(void)c;
	return WAIT_NOTHING; /* pings find out who is gone */
}

static bool
refuse_late(struct connection *c, enum connection_wait wait)
{
	(void)c, (void)wait;
	return false;
}

static bool
is_cut(const struct connection *c, size_t unread)
{
	const struct websocket *w = c->websocket;

	return !c->again &&
	       !(w->paused && (buffer_length(&c->in) || unread || w->framer));
}

static void
advance(struct connection *c)
{
	if (!ev_is_active(&c->writable))
		websocket_move(c->websocket);
}

static void
passed(struct connection *c)
{
	struct websocket *w = c->websocket;
	bool is_empty = !w->queue.count && !buffer_length(&c->out);

	if (w->queue.count && !ev_is_active(&c->writable))
		connection_touch(c);
	if (w->state == WEBSOCKET_CLOSING && is_empty &&
		!wheel_timer_is_set(&w->close_timer))
		wheel_set(wheel_of(w), &w->close_timer,
			clock_ms() + WEBSOCKET_CLOSE_MS);
	if (!w->wants_room || websocket_queued(w) > w->queue_max / 2)
		return;
	w->wants_room = false;
	if (w->ops->on_room)
		w->ops->on_room(w);
}

const struct protocol websocket_protocol = {
	.take = websocket_take,
	.is_blocked = is_blocked,
	.is_congested = is_congested,
	.owes_start = owes_start,
	.wait = awaited,
	.refuse_late = refuse_late,
	.is_cut = is_cut,
	.output = http1_output,
	.advance = advance,
	.passed = passed,
};
