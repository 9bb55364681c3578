/* What a connection waits for and how long: one timer, whose meaning is what
 * it was armed for. */
#include <poll.h>
#include <sys/ioctl.h>

#include "proto/util/clock.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/reader.h"
#include "supervisor/http/server.h"

static enum connection_wait
wait_of(const struct connection *c)
{
	if (c->lingering)
		return WAIT_LINGER;
	if (c->eof)
		return WAIT_HALF_CLOSED;
	if (c->closing)
		return WAIT_NOTHING;
	if (c->read_paused)
		return WAIT_PAUSED;
	if (c->in_body)
		return WAIT_BODY;
	if (buffer_length(&c->in))
		return WAIT_HEAD;
	if (c->exchange_count || buffer_length(&c->out))
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

/* Whether the wait that goes on begins anew: a body's when enough came. */
static bool
has_progress(const struct connection *c)
{
	switch (c->wait) {
	case WAIT_HEAD:
	case WAIT_BODY:
		return c->served != c->wait_served ||
		       c->body.read - c->body_mark >= CONNECTION_PROGRESS_BYTES;
	case WAIT_HALF_CLOSED:
		return c->sent_bytes != c->sent_mark ||
		       c->body.read != c->body_mark;
	default:
		return false;
	}
}

/* The limit of a wait runs from its begin. */
void
connection_arm(struct connection *c)
{
	enum connection_wait wait = wait_of(c);

	if (wait == c->wait && !has_progress(c))
		return;
	c->wait = wait;
	c->wait_served = c->served;
	c->body_mark = c->body.read;
	c->sent_mark = c->sent_bytes;
	if (wait == WAIT_NOTHING)
		wheel_clear(&c->server->gateway->wheel, &c->wait_timer);
	else
		wheel_set(&c->server->gateway->wheel, &c->wait_timer,
			clock_ms() + wait_ms(c, wait));
}

bool
connection_body_is_cut(const struct connection *c, size_t unread)
{
	size_t there = buffer_length(&c->in) + unread;

	return c->in_body && (c->body.chunked ? !there : there < c->body.left);
}

static bool
has_left(const struct connection *c)
{
	struct pollfd look = {.fd = c->fd, .events = POLLRDHUP};
	int unread = 0;

	if (poll(&look, 1, 0) != 1)
		return false;
	if (look.revents & (POLLHUP | POLLERR))
		return true;
	return !ioctl(c->fd, FIONREAD, &unread) &&
	       connection_body_is_cut(c, (size_t)unread);
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
		reader_refuse(c, 408, "the head of the request took too long");
		break;
	case WAIT_BODY:
		if (c->reader) {
			exchange_refuse_and_close(c->reader, 408,
				"the body of the request took too long");
			break;
		}
		connection_destroy(c);
		return;
	default:
		connection_destroy(c);
		return;
	}
	c->closing = c->must_linger = true;
	connection_touch(c);
}
