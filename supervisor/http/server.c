/* Owns the life of listeners and connections, and the loop's turn: connections
 * that were touched are served once before the loop sleeps. */
#include "supervisor/http/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/http/api.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/listener.h"

#define ACCEPT_AGAIN_S 0.1
#define WARN_AGAIN_MS 10000
#define SPARE_BYTES_MAX 65536

static void on_flush(struct ev_loop *loop, ev_prepare *watcher, int events);
static void on_late(struct ev_loop *loop, ev_prepare *watcher, int events);
static void on_spin(struct ev_loop *loop, ev_idle *watcher, int events);
static void on_accept_again(
	struct ev_loop *loop, ev_timer *watcher, int events);

static void
make_id_prefix(struct http_server *s)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[6] = {0};

	if (getrandom(bytes, sizeof(bytes), 0) < 0)
		memcpy(bytes, &(pid_t){getpid()}, sizeof(pid_t));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		s->id_prefix[2 * i] = digits[bytes[i] >> 4];
		s->id_prefix[2 * i + 1] = digits[bytes[i] & 15];
	}
}

struct http_server *
http_server_create(struct gateway *gateway, struct config *config)
{
	struct http_server *s = memory_alloc(sizeof(*s));

	s->gateway = gateway;
	s->loop = gateway->loop;
	s->config = config_ref(config);
	proxies_init(&s->proxies, &config->trusted_proxies);
	access_init(&s->access, s->loop);
	inherited_take(&s->inherited);
	list_init(&s->listeners);
	list_init(&s->fresh);
	list_init(&s->connections);
	list_init(&s->dirty);
	list_init(&s->streams);
	list_init(&s->congested);
	list_init(&s->free_exchanges);
	make_id_prefix(s);
	ev_prepare_init(&s->flush, on_flush);
	ev_set_priority(&s->flush, 1);
	ev_prepare_start(s->loop, &s->flush);
	ev_prepare_init(&s->late, on_late);
	ev_set_priority(&s->late, -1);
	ev_prepare_start(s->loop, &s->late);
	ev_idle_init(&s->spin, on_spin);
	ev_timer_init(&s->accept_again, on_accept_again, ACCEPT_AGAIN_S, 0);
	return s;
}

void
http_server_destroy(struct http_server *s)
{
	if (!s)
		return;
	s->on_drained = NULL;
	http_server_stop_accepting(s);
	http_server_close_new(s);
	list_for_each_safe (node, &s->connections)
		connection_destroy(container_of(node, struct connection, node));
	list_for_each_safe (node, &s->free_exchanges) {
		struct exchange *x = container_of(node, struct exchange, node);

		buffer_finish(&x->packed);
		free(x);
	}
	while (s->spare_count)
		buffer_finish(&s->spares[--s->spare_count]);
	ev_prepare_stop(s->loop, &s->flush);
	ev_prepare_stop(s->loop, &s->late);
	ev_idle_stop(s->loop, &s->spin);
	ev_timer_stop(s->loop, &s->accept_again);
	config_unref(s->config);
	proxies_finish(&s->proxies);
	access_finish(&s->access);
	inherited_finish(&s->inherited);
	buffer_finish(&s->forwarded);
	free(s);
}

/* ---- connections ---- */

static void
pause_accepting(struct http_server *s)
{
	s->accept_paused = true;
	list_for_each (node, &s->listeners)
		listener_pause(container_of(node, struct listener, node));
}

static void
resume_accepting(struct http_server *s)
{
	if (!s->accept_paused ||
		s->connection_count >= s->config->limits.connections)
		return;
	s->accept_paused = false;
	ev_timer_stop(s->loop, &s->accept_again);
	list_for_each (node, &s->listeners)
		listener_resume(container_of(node, struct listener, node));
}

static void
on_accept_again(struct ev_loop *loop, ev_timer *watcher, int events)
{
	resume_accepting(
		container_of(watcher, struct http_server, accept_again));
}

/* A full house is told once in a while, not once per connection. */
static bool
may_warn(struct http_server *s)
{
	uint64_t now = clock_ms();

	if (s->warned_ms && now - s->warned_ms < WARN_AGAIN_MS)
		return false;
	s->warned_ms = now;
	return true;
}

void
http_server_accept_failed(struct http_server *s, int error)
{
	if (may_warn(s))
		log_warn(
			"http: cannot accept connections: %s", strerror(error));
	pause_accepting(s);
	ev_timer_set(&s->accept_again, ACCEPT_AGAIN_S, 0);
	ev_timer_start(s->loop, &s->accept_again);
}

void
http_server_accepted(struct http_server *s, int fd, const char *peer)
{
	s->gateway->edge.accepted++;
	s->gateway->edge.connections = ++s->connection_count;
	connection_create(s, fd, peer);
	if (s->connection_count < s->config->limits.connections)
		return;
	if (may_warn(s))
		log_warn("http: %u connections are open, no more are accepted",
			s->connection_count);
	pause_accepting(s);
}

static void
tell_drained(struct http_server *s)
{
	void (*on_drained)(void *user) = s->on_drained;

	if (!s->draining || s->connection_count || !on_drained)
		return;
	s->on_drained = NULL;
	on_drained(s->on_drained_user);
}

void
http_server_connection_gone(struct http_server *s)
{
	s->gateway->edge.connections = --s->connection_count;
	resume_accepting(s);
	if (s->draining && !s->connection_count && s->on_drained)
		ev_idle_start(s->loop, &s->spin); /* told from the loop */
}

/* ---- settings and stop ---- */

void
http_server_configure(struct http_server *s, struct config *config)
{
	struct config *old = s->config;

	s->config = config_ref(config);
	config_unref(old);
	proxies_finish(&s->proxies);
	proxies_init(&s->proxies, &config->trusted_proxies);
	api_end_denied_streams(s);
	resume_accepting(s);
}

void
http_server_drain(
	struct http_server *s, void (*on_drained)(void *user), void *user)
{
	http_server_stop_accepting(s);
	s->draining = true;
	s->on_drained = on_drained;
	s->on_drained_user = user;
	api_end_streams(s);
	list_for_each (node, &s->connections)
		http_server_touch(
			s, container_of(node, struct connection, node));
	ev_idle_start(s->loop, &s->spin);
}

/* ---- the turn ---- */

void
http_server_touch(struct http_server *s, struct connection *c)
{
	if (list_is_empty(&c->dirty_node))
		list_append(&s->dirty, &c->dirty_node);
}

static void
on_flush(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct http_server *s =
		container_of(watcher, struct http_server, flush);
	struct list due;

	if (list_is_empty(&s->dirty))
		return;
	/* Those touched meanwhile have their turn the next time. */
	list_init(&due);
	list_append(&s->dirty, &due);
	list_remove(&s->dirty);
	while (!list_is_empty(&due)) {
		struct connection *c =
			container_of(due.next, struct connection, dirty_node);

		list_remove(&c->dirty_node);
		connection_turn(c);
	}
}

void
http_server_look_again(struct http_server *s, struct connection *c)
{
	if (list_is_empty(&c->congested_node))
		list_append(&s->congested, &c->congested_node);
}

/* A worker that reads makes its socket writable, so the loop turns. */
static void
touch_uncongested(struct http_server *s)
{
	list_for_each_safe (node, &s->congested) {
		struct connection *c =
			container_of(node, struct connection, congested_node);

		if (c->reader && exchange_is_congested(c->reader))
			continue;
		list_remove(&c->congested_node);
		http_server_touch(s, c);
	}
}

static void
on_late(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct http_server *s = container_of(watcher, struct http_server, late);

	touch_uncongested(s);
	access_flush(&s->access);
	if (!list_is_empty(&s->dirty))
		ev_idle_start(s->loop, &s->spin);
}

static void
on_spin(struct ev_loop *loop, ev_idle *watcher, int events)
{
	struct http_server *s = container_of(watcher, struct http_server, spin);

	ev_idle_stop(loop, watcher);
	tell_drained(s);
}

/* ---- what connections share ---- */

void
http_server_take_buffer(struct http_server *s, struct buffer *b)
{
	if (s->spare_count)
		*b = s->spares[--s->spare_count];
}

void
http_server_give_buffer(struct http_server *s, struct buffer *b)
{
	if (!b->memory)
		return;
	if (s->spare_count < HTTP_SPARES_MAX &&
		b->capacity <= SPARE_BYTES_MAX) {
		buffer_clear(b);
		s->spares[s->spare_count++] = *b;
		buffer_init(b);
	} else {
		buffer_finish(b);
	}
}

const char *
http_server_date(struct http_server *s)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != s->date_second) {
		s->date_second = now.tv_sec;
		gmtime_r(&now.tv_sec, &tm);
		strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT",
			&tm);
	}
	return s->date;
}

size_t
http_server_request_id(struct http_server *s, char out[32])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t n = s->id_next++;

	memcpy(out, s->id_prefix, 12);
	out[12] = '-';
	for (int i = 0; i < 8; i++)
		out[13 + i] = digits[(n >> (28 - 4 * i)) & 15];
	return 21;
}
