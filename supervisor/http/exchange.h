/* exchange: one request of a connection and its answer. It packs the worker's
 * `http` message once, keeps it for hold and replay, and writes the answer in
 * its place in the line. Lives in its connection's list until the answer has
 * been handed to the socket; ends in connection_turn(), never in a callback. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/list.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/http/answer.h"
#include "supervisor/http/body.h"
#include "supervisor/http/head.h"

/* Of bodies that a worker had credit for and did not read yet. */
#define EXCHANGE_BACKLOG_MAX (1024 * 1024)

struct api_call;
struct connection;

enum exchange_state {
	EXCHANGE_OPEN,	    /* its body is being kept; nobody has it yet */
	EXCHANGE_WAITING,   /* somebody owes an answer */
	EXCHANGE_STREAMING, /* the head of the answer is out */
	EXCHANGE_DONE,	    /* the answer is complete */
};

/* What becomes of the pieces of the request's body. */
enum exchange_sink {
	SINK_NONE, /* there is none, or it is over */
	SINK_KEEP, /* in `packed`, up to WIRE_INLINE_BODY */
	SINK_PASS, /* to the worker, as far as it gave credit */
};

struct exchange_part {
	uint32_t at, length; /* in packed */
};

struct exchange {
	struct request request; /* id 0 unless the gateway has it */
	struct list node;	/* connection.exchanges, or the free list */
	struct connection *connection;
	enum exchange_state state;
	enum exchange_sink sink;
	enum answer_body answer_body;
	bool is_head, http_1_0, keep_alive;
	bool for_api, event_stream, encoded;
	bool by_proxy;	  /* its peer is trusted */
	bool close_after; /* the connection ends with this answer */

	struct buffer packed; /* the request id and who asks, then the message
				 from method to peer, or the body of an API
				 call */
	struct exchange_part id, client, method, path;
	uint32_t wire_at; /* where the message's params begin */
	uint32_t body_at; /* where the kept bytes of the body begin */
	uint64_t body_limit, body_credit;

	struct buffer answer; /* what is written while not first in line */
	uint64_t answer_left; /* ANSWER_LENGTH: bytes still promised */
	uint64_t uncredited;  /* bytes of chunks the worker got no credit for */
	struct api_call *api;

	struct access_note *note; /* NULL: no line is wanted */
	int status;		  /* of its answer; 0: none yet */
	uint64_t body_bytes;	  /* of its answer */
};

/* At the end of the connection's line. */
struct exchange *exchange_create(struct connection *c);
/* Cancels what is still on its way. */
void exchange_destroy(struct exchange *x);

/* Takes the request: to a worker, to supd's own endpoints, or refused. If
 * sink is not SINK_NONE then, body_limit is set and its body is wanted. */
void exchange_begin(struct exchange *x, const struct head *h);
/* How many bytes of the body it can take now. */
uint64_t exchange_room(const struct exchange *x);
/* Its worker gave credit but does not read: nothing tells when it does, so
 * who waits for it looks again. */
bool exchange_is_congested(const struct exchange *x);
void exchange_piece(struct exchange *x, struct bytes piece, bool last);
void exchange_body_end(struct exchange *x); /* unless a piece was the last */

/* Answers with an error (plain text, JSON for /api), unless the head of an
 * answer is out: then that is cut off. fields: "" or complete lines. */
void exchange_refuse(
	struct exchange *x, int status, const char *fields, const char *reason);
/* Counts a refusal that is answered in another way. */
void exchange_note_refusal(const struct exchange *x, int status);
/* The same, and the connection cannot go on after it. */
void exchange_refuse_and_close(
	struct exchange *x, int status, const char *reason);
/* supd's own answer, complete. */
void exchange_answer(struct exchange *x, int status, const char *type,
	const char *fields, struct bytes body);
/* supd's own, as a stream: the head, then pieces, then the end. */
void exchange_stream_begin(
	struct exchange *x, const char *type, const char *fields);
void exchange_stream_write(struct exchange *x, struct bytes piece);
void exchange_stream_end(struct exchange *x);
/* How much of what was written waits for the client. */
size_t exchange_stream_backlog(struct exchange *x);
/* That many bytes of its answer are in the kernel's hands. */
void exchange_passed(struct exchange *x, uint64_t bytes);

/* ---- between its files ---- */
extern const struct request_ops exchange_ops;
struct answer_frame exchange_frame(struct exchange *x);
/* Before a complete answer is written, so that its head can say the truth. */
void exchange_leave_body(struct exchange *x);
/* The answer is complete: whatever of the request's body is still to come is
 * read and thrown away, or ends the connection. */
void exchange_finish(struct exchange *x);
/* The head of the answer is out: say that the rest does not come. An old
 * client, whose answers end with the connection, sees it reset. */
void exchange_truncate(struct exchange *x, const char *reason);
/* A piece of a body whose head is out; false: it breaks its promise. */
bool exchange_write_piece(struct exchange *x, struct bytes piece);
/* An error as its answer, whoever made it. */
void exchange_write_refusal(
	struct exchange *x, int status, const char *fields, const char *reason);
/* In this order, before anything else is in packed. */
void exchange_take_request_id(struct exchange *x, const struct head *h);
void exchange_take_client(struct exchange *x, const struct head *h);
/* method to fields, and room for the body's size, which is filled in when the
 * body is there. */
void exchange_pack_head(struct exchange *x, const struct head *h,
	const struct route_match *match);
struct bytes exchange_part(const struct exchange *x, struct exchange_part p);
void exchange_encode(struct request *r, msgpack_packer *p, uint32_t wire_id);
