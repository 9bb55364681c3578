/* connection: one turn per loop iteration does everything that is due: answers,
 * one write, credit, and whether to read on. Timeouts are in connection_wait.c.
 */
#include "supervisor/http/connection.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket.h"

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events);
static void on_writable(struct ev_loop *loop, ev_io *watcher, int events);
static void on_write_over(struct wheel_timer *timer);

static struct wheel *
wheel_of(const struct connection *c)
{
	return &c->server->gateway->wheel;
}

struct connection *
connection_create(
	struct http_server *s, struct transport transport, const char *peer)
{
	struct connection *c = memory_alloc(sizeof(*c));

	c->server = s;
	c->transport = transport;
	c->protocol = &http1_protocol;
	list_init(&c->exchanges);
	list_init(&c->dirty_node);
	list_init(&c->congested_node);
	list_init(&c->admitted.idle_node);
	list_init(&c->admitted.share_node);
	list_append(&s->connections, &c->node);
	address_read(&c->address, bytes_of(peer));
	address_write(&c->address, true, c->peer);
	c->may_be_proxied = proxies_trust(&s->proxies, &c->address);
	ev_io_init(&c->readable, on_readable, transport.fd, EV_READ);
	ev_io_init(&c->writable, on_writable, transport.fd, EV_WRITE);
	wheel_timer_init(&c->wait_timer, connection_wait_over);
	wheel_timer_init(&c->write_timer, on_write_over);
	ev_io_start(s->loop, &c->readable);
	connection_touch(c);
	return c;
}

void
connection_destroy(struct connection *c)
{
	struct http_server *s = c->server;

	list_for_each_safe (node, &c->exchanges)
		exchange_destroy(container_of(node, struct exchange, node));
	if (c->websocket)
		websocket_destroy(c->websocket);
	wheel_clear(wheel_of(c), &c->wait_timer);
	wheel_clear(wheel_of(c), &c->write_timer);
	ev_io_stop(s->loop, &c->readable);
	ev_io_stop(s->loop, &c->writable);
	c->transport.ops->close(&c->transport, c->reset);
	buffer_finish(&c->in);
	http_server_give_buffer(s, &c->out);
	list_remove(&c->node);
	list_remove(&c->dirty_node);
	http_server_look_no_more(s, c);
	s->owing_count -= c->owes_start;
	admission_leave(s, c);
	free(c);
	http_server_connection_gone(s);
}

void
connection_touch(struct connection *c)
{
	http_server_touch(c->server, c);
}

/* ---- reading ---- */

/* Uses as many bytes as possible, kept ones included, and keeps the rest. */
static void
take_bytes(struct connection *c, char *bytes, size_t size)
{
	size_t used;

	if (buffer_length(&c->in)) {
		if (size)
			buffer_append(&c->in, bytes, size);
		used = c->protocol->take(
			c, (char *)buffer_bytes(&c->in), buffer_length(&c->in));
		buffer_consume(&c->in, used);
		if (!buffer_length(&c->in))
			buffer_finish(&c->in);
		return;
	}
	used = c->protocol->take(c, bytes, size);
	if (used < size && !c->closing)
		buffer_append(&c->in, bytes + used, size - used);
}

static void
on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *c =
		container_of(watcher, struct connection, readable);
	char *input = c->server->input;
	ssize_t n =
		c->transport.ops->read(&c->transport, input, HTTP_READ_BYTES);

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

void
connection_read_now(struct connection *c)
{
	if (ev_is_active(&c->readable))
		on_readable(c->server->loop, &c->readable, EV_READ);
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

/* Bytes that the client has received. Bytes in the kernel's buffer do not
 * count, and the kernel reports room again only in large steps. */
static uint64_t
taken_bytes(const struct connection *c)
{
	ssize_t unsent = c->transport.ops->unsent(&c->transport);

	if (unsent < 0 || (uint64_t)unsent > c->sent_bytes)
		return 0;
	return c->sent_bytes - (uint64_t)unsent;
}

static void
arm_write(struct connection *c)
{
	c->write_mark = taken_bytes(c);
	wheel_set(wheel_of(c), &c->write_timer,
		clock_ms() + c->server->config->limits.write_timeout_ms);
}

/* Only CONNECTION_PROGRESS_BYTES count as progress, so a client cannot hold on
 * by taking single bytes. */
static void
on_write_over(struct wheel_timer *timer)
{
	struct connection *c =
		container_of(timer, struct connection, write_timer);

	if (taken_bytes(c) >= c->write_mark + CONNECTION_PROGRESS_BYTES) {
		arm_write(c);
		return;
	}
	c->server->gateway->edge.too_slow++;
	connection_destroy(c);
}

/* false: the client is gone. */
static bool
flush(struct connection *c)
{
	size_t size = buffer_length(&c->out);
	ssize_t n;

	if (!size || ev_is_active(&c->writable))
		return true;
	n = c->transport.ops->write(&c->transport, buffer_bytes(&c->out), size);
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
	if (!wheel_timer_is_set(&c->write_timer))
		arm_write(c);
	return true;
}

/* ---- the turn ---- */

static bool
wants_read(const struct connection *c)
{
	if (c->eof)
		return false;
	if (c->lingering || c->closing)
		return true; /* the EOF, and bytes to discard */
	return !c->protocol->is_blocked(c) &&
	       buffer_length(&c->in) <
		       c->server->config->limits.head_bytes + HTTP_READ_BYTES;
}

static void
watch_reading(struct connection *c)
{
	bool wanted = wants_read(c);

	c->read_paused = !wanted;
	if (!wanted && c->protocol->is_congested(c))
		http_server_look_again(c->server, c);
	if (wanted && !ev_is_active(&c->readable))
		ev_io_start(c->server->loop, &c->readable);
	else if (!wanted && ev_is_active(&c->readable))
		ev_io_stop(c->server->loop, &c->readable);
}

/* Closes the connection if everything is answered and written. true: it is
 * gone. */
static bool
close_if_over(struct connection *c)
{
	bool idle = !c->exchange_count && !buffer_length(&c->out) &&
		    (!c->websocket || websocket_is_over(c->websocket));

	if (c->eof && !c->closing && c->protocol->is_cut(c, 0)) {
		connection_destroy(c);
		return true;
	}
	if (!idle || c->lingering)
		return false;
	if (!c->closing && !c->eof &&
		!(c->server->draining && c->protocol->wait(c) != WAIT_BODY))
		return false;
	if (c->closing && c->must_linger && !c->eof) {
		c->transport.ops->end(&c->transport);
		c->lingering = true;
		return false;
	}
	connection_destroy(c);
	return true;
}

/* Counts the connection for a stop, which first lets such requests through. */
static void
note_owing(struct connection *c)
{
	bool owes = !c->closing && c->protocol->owes_start(c);

	c->server->owing_count -= c->owes_start;
	c->server->owing_count += owes;
	c->owes_start = owes;
}

void
connection_turn(struct connection *c)
{
	c->protocol->advance(c);
	if ((buffer_length(&c->in) || c->again) && !c->closing) {
		take_bytes(c, NULL, 0);
		c->protocol->advance(c);
	}
	if (!flush(c)) {
		connection_destroy(c);
		return;
	}
	c->protocol->passed(c);
	if (close_if_over(c))
		return;
	watch_reading(c);
	note_owing(c);
	connection_arm(c);
	if (c->again)
		connection_touch(c);
}
