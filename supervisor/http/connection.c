/* One turn per loop iteration does all that is due: answers in order, one
 * write, credit, reading on or not. What is waited for is connection_wait.c. */
#include "supervisor/http/connection.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/reader.h"
#include "supervisor/http/server.h"

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events);
static void on_writable(struct ev_loop *loop, ev_io *watcher, int events);
static void on_write_over(struct wheel_timer *timer);

static struct wheel *
wheel_of(const struct connection *c)
{
	return &c->server->gateway->wheel;
}

struct connection *
connection_create(struct http_server *s, int fd, const char *peer)
{
	struct connection *c = memory_alloc(sizeof(*c));

	c->server = s;
	c->fd = fd;
	list_init(&c->exchanges);
	list_init(&c->dirty_node);
	list_init(&c->congested_node);
	list_append(&s->connections, &c->node);
	address_read(&c->address, bytes_of(peer));
	address_write(&c->address, true, c->peer);
	c->may_be_proxied = proxies_trust(&s->proxies, &c->address);
	ev_io_init(&c->readable, on_readable, fd, EV_READ);
	ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
	wheel_timer_init(&c->wait_timer, connection_wait_over);
	wheel_timer_init(&c->write_timer, on_write_over);
	ev_io_start(s->loop, &c->readable);
	connection_touch(c);
	return c;
}

void
connection_destroy(struct connection *c)
{
	static const struct linger at_once = {.l_onoff = 1};
	struct http_server *s = c->server;

	list_for_each_safe (node, &c->exchanges)
		exchange_destroy(container_of(node, struct exchange, node));
	wheel_clear(wheel_of(c), &c->wait_timer);
	wheel_clear(wheel_of(c), &c->write_timer);
	ev_io_stop(s->loop, &c->readable);
	ev_io_stop(s->loop, &c->writable);
	if (c->reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once,
			sizeof(at_once));
	close(c->fd);
	buffer_finish(&c->in);
	http_server_give_buffer(s, &c->out);
	list_remove(&c->node);
	list_remove(&c->dirty_node);
	list_remove(&c->congested_node);
	free(c);
	http_server_connection_gone(s);
}

void
connection_touch(struct connection *c)
{
	http_server_touch(c->server, c);
}

struct buffer *
connection_output(struct exchange *x)
{
	struct connection *c = x->connection;

	if (c->exchanges.next != &x->node)
		return &x->answer;
	if (!c->out.memory)
		http_server_take_buffer(c->server, &c->out);
	return &c->out;
}

bool
connection_drop_body(struct connection *c)
{
	c->reader = NULL;
	if (!c->in_body)
		return true;
	c->body.limit = c->body.read + CONNECTION_DROP_MAX;
	return !c->expecting &&
	       (c->body.chunked || c->body.left <= CONNECTION_DROP_MAX);
}

/* ---- reading ---- */

/* Uses what it can of the bytes, then of those kept before; keeps the rest. */
static void
take_bytes(struct connection *c, char *bytes, size_t size)
{
	size_t used;

	if (buffer_length(&c->in)) {
		if (size)
			buffer_append(&c->in, bytes, size);
		used = reader_take(
			c, (char *)buffer_bytes(&c->in), buffer_length(&c->in));
		buffer_consume(&c->in, used);
		if (!buffer_length(&c->in))
			buffer_finish(&c->in);
		return;
	}
	used = reader_take(c, bytes, size);
	if (used < size && !c->closing)
		buffer_append(&c->in, bytes + used, size - used);
}

static void
on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *c =
		container_of(watcher, struct connection, readable);
	char *input = c->server->input;
	ssize_t n = recv(c->fd, input, HTTP_READ_BYTES, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && c->lingering)) {
		connection_destroy(c);
		return;
	}
	if (n == 0)
		c->eof = true;
	else if (!c->closing)
		take_bytes(c, input, (size_t)n);
	connection_touch(c);
}

/* ---- writing ---- */

static void
on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *c =
		container_of(watcher, struct connection, writable);

	ev_io_stop(loop, watcher);
	connection_touch(c);
}

static void
on_write_over(struct wheel_timer *timer)
{
	connection_destroy(container_of(timer, struct connection, write_timer));
}

/* false: the client is gone. */
static bool
flush(struct connection *c)
{
	size_t size = buffer_length(&c->out);
	ssize_t n;

	if (!size || ev_is_active(&c->writable))
		return true;
	n = send(c->fd, buffer_bytes(&c->out), size, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (n > 0) {
		buffer_consume(&c->out, (size_t)n);
		c->sent_bytes += (size_t)n;
	}
	if ((size_t)(n > 0 ? n : 0) == size) {
		http_server_give_buffer(c->server, &c->out);
		if (wheel_timer_is_set(&c->write_timer))
			wheel_clear(wheel_of(c), &c->write_timer);
		return true;
	}
	ev_io_start(c->server->loop, &c->writable);
	if (n > 0 || !wheel_timer_is_set(&c->write_timer))
		wheel_set(wheel_of(c), &c->write_timer,
			clock_ms() +
				c->server->config->limits.write_timeout_ms);
	return true;
}

/* ---- the line of exchanges ---- */

static struct exchange *
first_of(const struct connection *c)
{
	return list_is_empty(&c->exchanges)
		       ? NULL
		       : container_of(c->exchanges.next, struct exchange, node);
}

/* Answers that are complete leave the line; the next one may write. */
static void
advance(struct connection *c)
{
	struct exchange *x;

	while ((x = first_of(c))) {
		if (buffer_length(&x->answer)) {
			struct buffer *out = connection_output(x);

			buffer_append(out, buffer_bytes(&x->answer),
				buffer_length(&x->answer));
			buffer_finish(&x->answer);
		}
		if (x->state != EXCHANGE_DONE)
			return;
		if (!x->close_after) {
			exchange_destroy(x);
			continue;
		}
		c->must_linger |= c->in_body || buffer_length(&c->in) > 0;
		c->closing = true;
		while ((x = first_of(c)))
			exchange_destroy(x);
	}
}

/* Not for every piece: a worker has more credit than one step. */
static void
grant_credit(struct connection *c)
{
	struct exchange *x = first_of(c);
	size_t backlog = buffer_length(&c->out);

	if (x && x->uncredited >= backlog + CONNECTION_CREDIT_STEP)
		exchange_passed(x, x->uncredited - backlog);
}

/* ---- the turn ---- */

static bool
wants_read(const struct connection *c)
{
	if (c->eof)
		return false;
	if (c->lingering || c->closing)
		return true; /* its EOF, and what is thrown away */
	return !reader_is_blocked(c) &&
	       buffer_length(&c->in) <
		       c->server->config->limits.head_bytes + HTTP_READ_BYTES;
}

static void
watch_reading(struct connection *c)
{
	bool wanted = wants_read(c);

	c->read_paused = !wanted;
	if (!wanted && c->reader && exchange_is_congested(c->reader))
		http_server_look_again(c->server, c);
	if (wanted && !ev_is_active(&c->readable))
		ev_io_start(c->server->loop, &c->readable);
	else if (!wanted && ev_is_active(&c->readable))
		ev_io_stop(c->server->loop, &c->readable);
}

/* All is answered and written. true: the connection is gone. */
static bool
close_if_over(struct connection *c)
{
	bool idle = !c->exchange_count && !buffer_length(&c->out);

	if (c->eof && c->reader && !c->closing &&
		connection_body_is_cut(c, 0)) {
		connection_destroy(c);
		return true;
	}
	if (!idle || c->lingering)
		return false;
	if (!c->closing && !c->eof && !(c->server->draining && !c->in_body))
		return false;
	if (c->closing && c->must_linger && !c->eof) {
		shutdown(c->fd, SHUT_WR);
		c->lingering = true;
		return false;
	}
	connection_destroy(c);
	return true;
}

void
connection_turn(struct connection *c)
{
	advance(c);
	if (buffer_length(&c->in) && !c->closing) {
		take_bytes(c, NULL, 0);
		advance(c);
	}
	if (!flush(c)) {
		connection_destroy(c);
		return;
	}
	grant_credit(c);
	if (close_if_over(c))
		return;
	watch_reading(c);
	connection_arm(c);
	if (c->again)
		connection_touch(c);
}
