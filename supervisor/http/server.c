/* server: owns listeners and connections, and serves touched connections once
 * per loop turn, before the loop sleeps. */
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
#include "supervisor/http/endpoint.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/http_span.h"
#include "supervisor/http/listener.h"
#include "supervisor/ops/probes.h"

#define ACCEPT_AGAIN_S 0.1
#define WARN_AGAIN_MS 10000
#define SPARE_BYTES_MAX 65536

static void on_flush(struct ev_loop *loop, ev_prepare *watcher, int events);
static void on_late(struct ev_loop *loop, ev_prepare *watcher, int events);
static void on_spin(struct ev_loop *loop, ev_idle *watcher, int events);
static void on_start_due(struct ev_loop *loop, ev_timer *watcher, int events);
static void on_last_call_due(
	struct ev_loop *loop, ev_timer *watcher, int events);
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
	s->own_paths = &endpoint_paths;
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
	list_init(&s->free_spans);
	websocket_house_init(&s->websockets, s);
	rpc_house_init(&s->sessions, s);
	admission_init(&s->admission);
	api_turn_init(&s->api_turn);
	page_turn_init(&s->page_turn);
	make_id_prefix(s);
	ev_prepare_init(&s->flush, on_flush);
	ev_set_priority(&s->flush, 1);
	ev_prepare_start(s->loop, &s->flush);
	ev_prepare_init(&s->late, on_late);
	ev_set_priority(&s->late, -1);
	ev_prepare_start(s->loop, &s->late);
	ev_idle_init(&s->spin, on_spin);
	ev_timer_init(&s->last_call, on_last_call_due, HTTP_LAST_CALL_S, 0);
	ev_timer_init(&s->accept_again, on_accept_again, ACCEPT_AGAIN_S, 0);
	s->is_starting = true;
	ev_timer_init(&s->start_due, on_start_due,
		config->defaults.start_timeout_ms / 1e3, 0);
	ev_timer_start(s->loop, &s->start_due);
	return s;
}

void
http_server_destroy(struct http_server *s)
{
	if (!s)
		return;
	s->on_drained = NULL;
	s->on_last_call_over = NULL;
	ev_timer_stop(s->loop, &s->last_call);
	http_server_stop_accepting(s);
	http_server_close_new(s);
	list_for_each_safe (node, &s->connections)
		connection_destroy(container_of(node, struct connection, node));
	websocket_house_finish(&s->websockets);
	rpc_house_finish(&s->sessions);
	admission_finish(&s->admission);
	list_for_each_safe (node, &s->free_exchanges) {
		struct exchange *x = container_of(node, struct exchange, node);

		buffer_finish(&x->packed);
		free(x);
	}
	http_spans_free(s);
	while (s->spare_count)
		buffer_finish(&s->spares[--s->spare_count]);
	ev_prepare_stop(s->loop, &s->flush);
	ev_prepare_stop(s->loop, &s->late);
	ev_idle_stop(s->loop, &s->spin);
	ev_timer_stop(s->loop, &s->accept_again);
	ev_timer_stop(s->loop, &s->start_due);
	config_unref(s->config);
	proxies_finish(&s->proxies);
	access_finish(&s->access);
	inherited_finish(&s->inherited);
	buffer_finish(&s->scratch);
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
	if (!s->accept_paused)
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

/* Limits the rate of warnings about too many connections. */
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
	if ((error == EMFILE || error == ENFILE) && admission_evict(s))
		return; /* its descriptor is free for the next try */
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
	struct connection *c;

	PROBE_ACCEPT(fd, peer);
	s->gateway->edge.accepted++;
	s->gateway->edge.connections = ++s->connection_count;
	c = connection_create(
		s, (struct transport){&transport_plain, fd}, peer);
	if (!admission_enter(s, c)) {
		s->gateway->edge.turned_away++;
		connection_destroy(c);
		c = NULL;
	}
	if ((!c || c->admitted.is_reserve) && may_warn(s))
		log_warn("http: %u connections are open and busy; new ones "
			 "get 503",
			s->connection_count);
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
		ev_idle_start(s->loop, &s->spin); /* reported from the loop */
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
	rpc_house_end_denied(&s->sessions);
	resume_accepting(s);
}

static void
end_start(struct http_server *s)
{
	s->is_starting = false;
	ev_timer_stop(s->loop, &s->start_due);
	if (s->accept_paused)
		return; /* all of them are resumed later */
	list_for_each (node, &s->listeners)
		listener_resume(container_of(node, struct listener, node));
}

static void
on_start_due(struct ev_loop *loop, ev_timer *watcher, int events)
{
	end_start(container_of(watcher, struct http_server, start_due));
}

static void
end_last_call(struct http_server *s)
{
	void (*on_over)(void *user) = s->on_last_call_over;

	s->on_last_call_over = NULL;
	ev_timer_stop(s->loop, &s->last_call);
	if (on_over)
		on_over(s->last_call_user);
}

static void
on_last_call_due(struct ev_loop *loop, ev_timer *watcher, int events)
{
	end_last_call(container_of(watcher, struct http_server, last_call));
}

/* Takes each connection from the list first, because reading from one may close
 * others. */
static void
read_all_now(struct http_server *s)
{
	struct list due;

	list_take_all(&due, &s->connections);
	while (!list_is_empty(&due)) {
		struct list *node = due.next;

		list_remove(node);
		list_append(&s->connections, node);
		connection_read_now(
			container_of(node, struct connection, node));
	}
}

void
http_server_last_call(
	struct http_server *s, void (*on_over)(void *user), void *user)
{
	list_for_each (node, &s->listeners)
		listener_accept_rest(container_of(node, struct listener, node));
	http_server_stop_accepting(s);
	read_all_now(s);
	s->on_last_call_over = on_over;
	s->last_call_user = user;
	ev_timer_start(s->loop, &s->last_call);
	ev_idle_start(s->loop, &s->spin);
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
	websocket_house_stop(&s->websockets);
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

	rpc_house_turn(&s->sessions);
	api_turn_begin(s);
	page_turn_begin(s);
	/* connections touched from now on are served next time */
	list_take_all(&due, &s->dirty);
	while (!list_is_empty(&due)) {
		struct connection *c =
			container_of(due.next, struct connection, dirty_node);

		list_remove(&c->dirty_node);
		connection_turn(c);
	}
	page_turn_end(&s->page_turn);
}

void
http_server_look_again(struct http_server *s, struct connection *c)
{
	if (!list_is_empty(&c->congested_node))
		return;
	list_append(&s->congested, &c->congested_node);
	s->congested_count++;
}

void
http_server_look_no_more(struct http_server *s, struct connection *c)
{
	if (list_is_empty(&c->congested_node))
		return;
	list_remove(&c->congested_node);
	s->congested_count--;
}

/* Touches congested connections, a bounded number per turn. When a worker
 * reads, its socket becomes writable and the loop turns, so a pass over all of
 * them goes on in the following turns. */
static void
touch_uncongested(struct http_server *s)
{
	if (!s->looks_left)
		s->looks_left = s->congested_count;
	for (int i = 0; i < HTTP_LOOKS_MAX && s->looks_left; i++) {
		struct connection *c;

		s->looks_left--;
		if (list_is_empty(&s->congested))
			break;
		c = container_of(
			s->congested.next, struct connection, congested_node);
		http_server_look_no_more(s, c);
		if (c->protocol->is_congested(c))
			http_server_look_again(s, c);
		else
			http_server_touch(s, c);
	}
	if (s->looks_left)
		ev_idle_start(s->loop, &s->spin);
}

static void
on_late(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct http_server *s = container_of(watcher, struct http_server, late);

	if (s->is_starting && gateway_is_settled(s->gateway))
		end_start(s);
	touch_uncongested(s);
	access_flush(&s->access);
	s->gateway->edge.access_dropped = s->access.dropped_total;
	if (!list_is_empty(&s->dirty))
		ev_idle_start(s->loop, &s->spin);
	else if (s->on_last_call_over && !s->owing_count)
		end_last_call(s);
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
