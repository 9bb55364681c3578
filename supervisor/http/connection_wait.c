/* connection_wait: the timeouts of a connection: one timer, which ends the wait
 * that it was armed for. */
#include <poll.h>

#include "proto/util/clock.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket.h"

static enum connection_wait
wait_of(const struct connection *c)
{
	enum connection_wait wait;

	if (c->lingering)
		return WAIT_LINGER;
	if (c->eof)
		return WAIT_HALF_CLOSED;
	if (c->closing)
		return WAIT_NOTHING;
	if (c->read_paused)
		return WAIT_PAUSED;
	if ((wait = c->protocol->wait(c)) != WAIT_NOTHING)
		return wait;
	if (c->exchange_count || buffer_length(&c->out) || c->websocket)
		return WAIT_NOTHING;
	return c->served ? WAIT_IDLE : WAIT_FIRST;
}

static uint32_t
wait_ms(const struct connection *c, enum connection_wait wait)
{
	const struct config_limits *limits = &c->server->config->limits;

	switch (wait) {
	case WAIT_FIRST:
	case WAIT_HEAD:
		return limits->head_timeout_ms;
	case WAIT_IDLE:
		return limits->idle_timeout_ms;
	case WAIT_BODY:
		return limits->body_timeout_ms;
	case WAIT_LINGER:
		return CONNECTION_LINGER_MS;
	case WAIT_HALF_CLOSED:
		return CONNECTION_HALF_CLOSED_MS;
	case WAIT_PAUSED:
		return CONNECTION_LOOK_MS;
	case WAIT_NOTHING:
		break;
	}
	return 0;
}

/* Whether the same wait restarts: for the next request, or after enough bytes.
 */
static bool
has_progress(const struct connection *c)
{
	switch (c->wait) {
	case WAIT_IDLE: /* a request came and was answered within one turn */
		return c->served != c->wait_served;
	case WAIT_HEAD:
	case WAIT_BODY:
		return c->served != c->wait_served ||
		       c->body_bytes - c->body_mark >=
			       CONNECTION_PROGRESS_BYTES;
	case WAIT_HALF_CLOSED:
		return c->sent_bytes != c->sent_mark ||
		       c->body_bytes != c->body_mark;
	default:
		return false;
	}
}

/* The client is to send a request or to close, and supd owes it nothing. */
static bool
is_idle(const struct connection *c, enum connection_wait wait)
{
	if (c->websocket)
		return websocket_is_idle(c->websocket);
	return (wait == WAIT_FIRST || wait == WAIT_IDLE || wait == WAIT_HEAD ||
		       wait == WAIT_LINGER) &&
	       !c->exchange_count && !buffer_length(&c->out);
}

/* The timer is kept while the same wait goes on, so a limit runs from the
 * beginning of the wait. */
void
connection_arm(struct connection *c)
{
	enum connection_wait wait = wait_of(c);

	admission_note_idle(c, is_idle(c, wait));
	if (wait == c->wait && !has_progress(c))
		return;
	c->wait = wait;
	c->wait_served = c->served;
	c->body_mark = c->body_bytes;
	c->sent_mark = c->sent_bytes;
	if (wait == WAIT_NOTHING)
		wheel_clear(&c->server->gateway->wheel, &c->wait_timer);
	else
		wheel_set(&c->server->gateway->wheel, &c->wait_timer,
			clock_ms() + wait_ms(c, wait));
}

static bool
has_left(const struct connection *c)
{
	struct pollfd look = {.fd = c->transport.fd, .events = POLLRDHUP};
	ssize_t unread;

	if (poll(&look, 1, 0) != 1)
		return false;
	if (look.revents & (POLLHUP | POLLERR))
		return true;
	unread = c->transport.ops->unread(&c->transport);
	return unread >= 0 && c->protocol->is_cut(c, (size_t)unread);
}

void
connection_wait_over(struct wheel_timer *timer)
{
	struct connection *c =
		container_of(timer, struct connection, wait_timer);

	switch (c->wait) {
	case WAIT_PAUSED:
		if (has_left(c)) {
			connection_destroy(c);
			return;
		}
		c->wait = WAIT_NOTHING;
		connection_arm(c);
		return;
	case WAIT_HEAD:
	case WAIT_BODY:
		if (c->protocol->refuse_late(c, c->wait))
			break;
		connection_destroy(c);
		return;
	default:
		connection_destroy(c);
		return;
	}
	c->closing = c->must_linger = true;
	connection_touch(c);
}
