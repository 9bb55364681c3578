/* exchange: one request of a connection and its answer. It packs the worker's
 * `http` message once, keeps it for hold and replay, and writes the answer in
 * the order of requests. An exchange is in its connection's list until its
 * answer has been written to the socket; it ends in connection_turn(), never in
 * a callback. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/list.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/http/answer.h"
#include "supervisor/http/body.h"
#include "supervisor/http/head.h"
#include "supervisor/http/responder.h"

/* Bytes queued to a worker, past which no more of a body is passed on. */
#define EXCHANGE_BACKLOG_MAX (1024 * 1024)

/* Credit windows grow only while a worker has at most this many requests in
 * flight, which bounds the number of large windows. */
#define EXCHANGE_WIDE_MAX 16

struct connection;
struct http_span;

enum exchange_state {
	EXCHANGE_OPEN,	    /* no responder has it; its body is being kept */
	EXCHANGE_WAITING,   /* the responder owes an answer */
	EXCHANGE_STREAMING, /* the head of the answer is out */
	EXCHANGE_DONE,	    /* the answer is complete */
};

/* Where the pieces of the request's body go. */
enum exchange_sink {
	SINK_NONE, /* no body, or no more of it is wanted */
	SINK_KEEP, /* kept in `packed`, up to keep_max */
	SINK_PASS, /* to the worker, within its credit */
};

struct exchange_part {
	uint32_t at, length; /* in packed */
};

struct exchange {
	struct request request; /* id 0 unless the gateway has it */
	struct list node;	/* connection.exchanges, or the free list */
	struct connection *connection;
	const struct responder *responder;
	void *answering; /* owned by the responder */
	enum exchange_state state;
	enum exchange_sink sink;
	enum answer_body answer_body;
	bool is_head, http_1_0, keep_alive;
	bool event_stream, encoded;
	bool has_body;	   /* the client sends one */
	bool body_follows; /* sent before its body was complete */
	bool by_proxy;	   /* its peer is trusted */
	bool accepts_json; /* supd's errors are JSON */
	bool close_after;  /* the connection closes after this answer */

	struct buffer packed; /* request id, client, then the message or an API
				 call's body */
	struct exchange_part id, client, method, path;
	struct exchange_part params; /* of the path, packed */
	uint32_t wire_at;	     /* where the message's params begin */
	uint32_t body_at;  /* where the kept bytes of the body begin */
	struct body *body; /* while it is being read, else NULL */
	uint64_t body_limit, body_credit, keep_max;

	struct buffer
		answer; /* written while an earlier exchange is not done */
	uint64_t answer_left; /* ANSWER_LENGTH: bytes still promised */
	uint64_t uncredited;  /* bytes passed without new credit */
	uint64_t window;      /* greatest uncredited: exchange_passed() */

	struct access_note *note; /* NULL: not logged */
	struct http_span *span;	  /* NULL: not traced */
	bool goes_on;		  /* its client's trace goes on */
	int status;		  /* of its answer; 0: none yet */
	uint64_t body_bytes;	  /* of its answer */
};

/* Creates an exchange at the end of the connection's list. */
struct exchange *exchange_create(struct connection *c);
/* Cancels its request, if in flight, and frees it. */
void exchange_destroy(struct exchange *x);

/* Finds the responder (a worker or one of supd's own paths), or refuses. If
 * sink is not SINK_NONE afterwards, the body is wanted, and body_limit is set.
 */
void exchange_begin(struct exchange *x, const struct head *h);
/* Bytes of the body that can be taken now. */
uint64_t exchange_room(const struct exchange *x);
/* The worker gave credit but does not read its socket. No event reports when it
 * does, so callers check again. */
bool exchange_is_congested(const struct exchange *x);
void exchange_piece(struct exchange *x, struct bytes piece, bool last);
void exchange_body_end(struct exchange *x); /* if no piece was the last */

/* Answers with an error in the responder's form. If the head of an answer is
 * out already, the answer is cut off instead. fields: "" or complete lines. */
void exchange_refuse(
	struct exchange *x, int status, const char *fields, const char *reason);
/* Counts a refusal that the caller answers itself. */
void exchange_note_refusal(const struct exchange *x, int status);
/* Refuses, and closes the connection after the answer. */
void exchange_refuse_and_close(
	struct exchange *x, int status, const char *reason);
/* Writes a complete answer of supd's own. */
void exchange_answer(struct exchange *x, int status, const char *type,
	const char *fields, struct bytes body);
/* Writes an answer of supd's own as a stream: the head, pieces, the end. */
void exchange_stream_begin(
	struct exchange *x, int status, const char *type, const char *fields);
void exchange_stream_write(struct exchange *x, struct bytes piece);
void exchange_stream_end(struct exchange *x);
/* Answers with 101; afterwards the connection is a websocket. `fields` are
 * complete lines, or NULL. */
void exchange_upgrade(struct exchange *x, const char *accept,
	struct bytes protocol, const char *fields);
/* Bytes written that the client has not taken. */
size_t exchange_stream_backlog(struct exchange *x);
/* Once per turn: notes whether the worker must wait for the client to read the
 * answer or to send the body. */
void exchange_note_waiting(struct exchange *x);
/* The kernel took that many bytes of the answer, and `backlog` bytes wait for
 * the client: lets the responder write on. */
void exchange_passed(struct exchange *x, uint64_t bytes, size_t backlog);

/* ---- for responders ---- */
/* Notes for the access log which plugin serves it. */
void exchange_note_plugin(struct exchange *x, const struct route_match *match);
/* Makes it the responder of x; `answering` is stored in x for it. */
void exchange_hand_to(
	struct exchange *x, const struct responder *responder, void *answering);
/* Detaches the responder, which gets no more callbacks. */
void exchange_let_go(struct exchange *x);
/* The kept part of the body. */
struct bytes exchange_kept_body(const struct exchange *x);
/* Answers with the document and a newline. */
void exchange_answer_json(struct exchange *x, int status, const char *fields,
	const json_t *document);
/* A responder.refuse that writes plain text, or JSON if the client accepts it.
 */
void exchange_refuse_as_accepted(
	struct exchange *x, int status, const char *fields, const char *reason);

/* ---- between its files ---- */
/* Routes the exchange by the route table. */
void exchange_begin_routed(
	struct exchange *x, const struct head *h, const struct path *path);
void exchange_worker_body_end(struct exchange *x, bool more);
extern const struct responder
	exchange_worker; /* sends the request to a worker */
extern const struct request_ops exchange_ops;
struct answer_frame exchange_frame(struct exchange *x);
struct buffer *exchange_output(struct exchange *x); /* the buffer to write to */
/* Call before a complete answer is written: decides whether the connection
 * survives the rest of the body, so that the head can say so. */
void exchange_leave_body(struct exchange *x);
/* Completes the answer. The rest of the request's body is read and discarded,
 * or else the connection closes. */
void exchange_finish(struct exchange *x);
/* Cuts an answer whose head is out, visibly for the client: an HTTP/1.0 client,
 * whose answers end with the connection, sees a reset. */
void exchange_truncate(struct exchange *x, const char *reason);
/* Writes a piece of a body whose head is out; false: the piece exceeds the
 * announced length. */
bool exchange_write_piece(struct exchange *x, struct bytes piece);
/* Writes an error as the answer. */
void exchange_write_refusal(
	struct exchange *x, int status, const char *fields, const char *reason);
/* Call these two in this order, before anything else is in packed. */
void exchange_take_request_id(struct exchange *x, const struct head *h);
void exchange_take_client(struct exchange *x, const struct head *h);
/* Packs method to fields, and leaves room for the body's size, which is filled
 * in when the body is complete. */
void exchange_pack_head(struct exchange *x, const struct head *h,
	const struct route_match *match);
/* Packs three params of ws.open: raw_query, headers and peer. Returns where in
 * them the value of supd's own `traceparent` is; 0: there is none. */
uint32_t exchange_pack_ws(
	struct exchange *x, const struct head *h, struct buffer *out);
/* Replaces the path parameters by those of another match, in a message that may
 * be complete already. */
void exchange_repack_params(
	struct exchange *x, const struct route_match *match);
struct bytes exchange_part(const struct exchange *x, struct exchange_part p);
void exchange_encode(struct request *r, msgpack_packer *p, uint32_t wire_id);
bool exchange_route(struct request *r, struct route_match *match_out);
