/* server: the HTTP door as one object: its listeners, its connections, and what
 * they share (read buffer, free exchanges, date, request ids, limits, tokens).
 * It routes nothing itself: requests go to gateway/dispatch. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "proto/util/buffer.h"
#include "proto/util/error.h"
#include "proto/util/list.h"
#include "supervisor/config/config.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/http/access.h"
#include "supervisor/http/admission.h"
#include "supervisor/http/api_turn.h"
#include "supervisor/http/head.h"
#include "supervisor/http/inherited.h"
#include "supervisor/http/page_answer.h"
#include "supervisor/http/proxy.h"
#include "supervisor/http/responder.h"
#include "supervisor/http/rpc_house.h"
#include "supervisor/http/websocket.h"

#define HTTP_READ_BYTES (64 * 1024) /* read from a connection per turn */
#define HTTP_PIPELINE_MAX 16	    /* exchanges queued per connection */
#define HTTP_STARTS_MAX 32	    /* requests begun per connection, turn */
#define HTTP_LAST_CALL_S 1.0 /* for requests that arrived before a stop */
#define HTTP_LOOKS_MAX 32    /* congested connections checked per turn */
#define HTTP_SPARES_MAX 64   /* buffers and exchanges kept for reuse */

struct http_server {
	struct gateway *gateway;
	struct ev_loop *loop;
	struct config *config; /* a reference: limits, tokens, admin.http */
	const struct own_paths *own_paths;
	struct access_log access;
	struct proxies proxies; /* from its trusted_proxies */
	struct inherited inherited;
	struct list listeners;	   /* struct listener.node */
	struct list fresh;	   /* listeners that accept nothing yet */
	struct list connections;   /* struct connection.node */
	uint32_t connection_count; /* reserve included */
	struct admission admission;
	struct api_turn api_turn;
	struct page_turn page_turn;
	struct list streams; /* struct event_stream.node */
	struct websocket_house websockets;
	struct rpc_house sessions;
	struct list dirty;     /* struct connection.dirty_node: a turn is due */
	struct list congested; /* connection.congested_node */
	uint32_t congested_count,
		looks_left; /* of the pass over congested connections */
	ev_prepare flush;   /* before the peers' watchers */
	ev_prepare late;    /* runs after the peers': new work spins the loop */
	ev_idle spin;
	ev_timer accept_again; /* after running out of descriptors */
	bool accept_paused, draining;
	/* Until each plugin has served or failed once, or start_due: nothing is
	 * accepted from inherited sockets, where clients can wait. */
	bool is_starting;
	ev_timer start_due;
	uint32_t owing_count; /* connections with connection.owes_start */
	void (*on_last_call_over)(void *user);
	void *last_call_user;
	ev_timer last_call;
	void (*on_drained)(void *user);
	void *on_drained_user;

	char input[HTTP_READ_BYTES]; /* shared by all reads */
	struct head_parser parser;   /* shared by all heads */
	struct buffer scratch;	     /* memory for packing a message */
	struct buffer spares[HTTP_SPARES_MAX];
	uint32_t spare_count;
	struct list free_exchanges;
	uint32_t free_exchange_count;
	struct list free_spans; /* struct http_span.node */
	uint32_t free_span_count;

	time_t date_second;
	char date[32]; /* "Sat, 21 Nov 2026 03:30:00 GMT" */
	char id_prefix[13];
	uint64_t id_next;

	uint64_t warned_ms; /* last warning about too many connections */
};

/* Opens nothing yet. The gateway outlives the server. */
struct http_server *http_server_create(
	struct gateway *gateway, struct config *config);
/* Closes everything at once; requests in flight are cancelled. */
void http_server_destroy(struct http_server *s); /* NULL is fine */

/* Opens the new listeners and the access log of `config`, then closes removed
 * listeners; connections stay open. If one cannot be opened nothing changes;
 * err names the address and, if known, the process that has it. */
int http_server_listen(
	struct http_server *s, const struct config *config, struct error *err);
/* The same in two steps: first opens the new listeners, which accept nothing
 * yet; then keeps them and closes removed ones, or closes the new ones again.
 */
int http_server_open_new(
	struct http_server *s, const struct config *config, struct error *err);
void http_server_keep_new(struct http_server *s, const struct config *config);
void http_server_close_new(struct http_server *s);
/* Puts limits, tokens and admin.http of `config` in force, also for open
 * connections. Takes a reference. */
void http_server_configure(struct http_server *s, struct config *config);

/* Reopens the access log after a rotation. -1: the old file stays. */
int http_server_reopen_access(struct http_server *s, struct error *err);

/* Closes the listeners; connections stay open. */
void http_server_stop_accepting(struct http_server *s);
/* Begins a stop: accepts clients that have connected already, closes the
 * listeners, and reads what has arrived. When all of those requests are with
 * their workers, or after HTTP_LAST_CALL_S, calls on_over(user) once, from the
 * loop. */
void http_server_last_call(
	struct http_server *s, void (*on_over)(void *user), void *user);
/* Closes the listeners and idle connections now, and each other connection
 * after its pending answers. Calls on_drained(user) once, from the loop, when
 * none is left. To stop waiting, destroy the server. */
void http_server_drain(
	struct http_server *s, void (*on_drained)(void *user), void *user);

/* ---- for http/ itself ---- */
struct connection;
/* Schedules a turn of the connection before the loop sleeps. */
void http_server_touch(struct http_server *s, struct connection *c);
/* Schedules a turn of the connection for when its worker has read the bytes
 * that it gave credit for. */
void http_server_look_again(struct http_server *s, struct connection *c);
void http_server_look_no_more(struct http_server *s, struct connection *c);
/* Reports that a connection's descriptor became free. */
void http_server_connection_gone(struct http_server *s);
/* Takes ownership of a descriptor from accept4(). */
void http_server_accepted(struct http_server *s, int fd, const char *peer);
/* Reports that accept4() failed: no descriptors or no memory. */
void http_server_accept_failed(struct http_server *s, int error);
/* Lend and take back empty buffers with memory, so that busy connections need
 * no malloc. */
void http_server_take_buffer(struct http_server *s, struct buffer *b);
void http_server_give_buffer(struct http_server *s, struct buffer *b);
const char *http_server_date(struct http_server *s); /* 29 characters */
/* Writes a new request id (21 characters); returns its length. */
size_t http_server_request_id(struct http_server *s, char out[32]);
