/* server: the HTTP door as one object: its listeners, its connections, and
 * what they share (read buffer, free exchanges, date, request ids, limits,
 * tokens). It routes nothing by itself: requests go to gateway/dispatch. */
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
#include "supervisor/http/head.h"
#include "supervisor/http/inherited.h"
#include "supervisor/http/proxy.h"

#define HTTP_READ_BYTES (64 * 1024) /* read from a connection per turn */
#define HTTP_PIPELINE_MAX 16	    /* exchanges open per connection */
#define HTTP_STARTS_MAX 32	    /* requests begun per connection, turn */
#define HTTP_SPARES_MAX 64	    /* buffers and exchanges kept for reuse */

struct http_server {
	struct gateway *gateway;
	struct ev_loop *loop;
	struct config *config; /* a reference: limits, tokens, admin.http */
	struct access_log access;
	struct proxies proxies; /* of its trusted_proxies */
	struct inherited inherited;
	struct list listeners;	 /* struct listener.node */
	struct list fresh;	 /* listeners that accept nothing yet */
	struct list connections; /* struct connection.node */
	uint32_t connection_count;
	struct list streams;   /* struct event_stream.node */
	struct list dirty;     /* struct connection.dirty_node: a turn is due */
	struct list congested; /* connection.congested_node */
	ev_prepare flush;      /* before the peers' own, so that what a turn
				  submits leaves in the same turn */
	ev_prepare late; /* after the peers': anything new spins the loop */
	ev_idle spin;
	ev_timer accept_again; /* after running out of descriptors */
	bool accept_paused, draining;
	void (*on_drained)(void *user);
	void *on_drained_user;

	char input[HTTP_READ_BYTES]; /* shared by all reads */
	struct head_parser parser;   /* shared by all heads */
	struct buffer forwarded;     /* scratch: X-Forwarded-For as passed on */
	struct buffer spares[HTTP_SPARES_MAX];
	uint32_t spare_count;
	struct list free_exchanges;
	uint32_t free_exchange_count;

	time_t date_second;
	char date[32]; /* "Sat, 21 Nov 2026 03:30:00 GMT" */
	char id_prefix[13];
	uint64_t id_next;

	uint64_t warned_ms; /* that no more are accepted */
};

/* Opens nothing yet. The gateway outlives the server. */
struct http_server *http_server_create(
	struct gateway *gateway, struct config *config);
/* Closes everything at once; requests in flight are cancelled. */
void http_server_destroy(struct http_server *s); /* NULL is fine */

/* Makes the listeners equal to those of `config`: opens what is new, then
 * closes what is gone; live connections stay. The access log follows. If one
 * cannot be opened (err names its address and, if that can be told, who has
 * it) nothing changes. */
int http_server_listen(
	struct http_server *s, const struct config *config, struct error *err);
/* The same in two steps: what is new is opened and accepts nothing yet; then
 * either all is as in `config`, or what was opened is closed again. */
int http_server_open_new(
	struct http_server *s, const struct config *config, struct error *err);
void http_server_keep_new(struct http_server *s, const struct config *config);
void http_server_close_new(struct http_server *s);
/* Puts limits, tokens and admin.http of `config` in force, for connections
 * that are open too. Takes a reference. */
void http_server_configure(struct http_server *s, struct config *config);

/* The access log's file, after a rotation. -1: the old one stays. */
int http_server_reopen_access(struct http_server *s, struct error *err);

/* Closes the listeners; connections live on. */
void http_server_stop_accepting(struct http_server *s);
/* Also closes the idle connections now and each other one after the answers
 * that it is owed. on_drained(user) comes once, from the loop, when none is
 * left. Who cannot wait any longer destroys the server. */
void http_server_drain(
	struct http_server *s, void (*on_drained)(void *user), void *user);

/* ---- for http/ itself ---- */
struct connection;
/* A turn of this connection is due before the loop sleeps. */
void http_server_touch(struct http_server *s, struct connection *c);
/* Its turn comes again once its worker has read what it had credit for. */
void http_server_look_again(struct http_server *s, struct connection *c);
/* A descriptor became free. */
void http_server_connection_gone(struct http_server *s);
/* accept4() gave this one; it is the server's now. */
void http_server_accepted(struct http_server *s, int fd, const char *peer);
/* accept4() could not: no descriptors or no memory. */
void http_server_accept_failed(struct http_server *s, int error);
/* Empty buffers with memory, so that busy connections need no malloc. */
void http_server_take_buffer(struct http_server *s, struct buffer *b);
void http_server_give_buffer(struct http_server *s, struct buffer *b);
const char *http_server_date(struct http_server *s); /* 29 characters */
/* Writes a fresh request id (21 characters); its length. */
size_t http_server_request_id(struct http_server *s, char out[32]);
