/* request: one unit of work from its message to its last byte of answer. What
 * arrives is handled here, reading it is read.c, answering it answer.c.
 *
 * While the handler runs, params points into the message; what the plugin
 * asks for is copied into the arena, so that its strings stay where they are.
 * A request that outlives its handler copies the rest and is found by id. */
#pragma once

#include "proto/util/buffer.h"
#include "worker/arena.h"
#include "worker/host.h"

enum request_state {
	REQUEST_FREE,	    /* answer complete, or never used */
	REQUEST_COLLECTING, /* its body is still arriving */
	REQUEST_OPEN,	    /* the plugin has it */
	REQUEST_STREAMING,  /* the plugin has sent the head of its answer */
	REQUEST_FLUSHING,   /* the plugin is done, bytes await credit */
};

enum { REQUEST_PARAMS = 10 }; /* of http, the longest */

struct request_pair {
	const char *name, *value;
	struct request_pair *next; /* reply headers only */
};

struct sup_req {
	struct list node; /* of a bucket or the free list */
	struct sup *plugin;
	const struct offer *offer;   /* of http and services */
	struct offer_set *offer_set; /* a reference: that of offer */
	sup_handler *handler;
	void *user;
	enum message_name message;
	enum request_state state;
	uint32_t id;
	bool in_handler, cancelled, cancel_told, kept, head_sent;
	uint32_t served_before; /* sup.serving when its handler began */

	const msgpack_object *params;	   /* NULL when the message is gone */
	const char *texts[REQUEST_PARAMS]; /* copies, by param */
	struct request_pair *headers, *path_params;
	size_t header_count, path_param_count;
	const void *body_at; /* NULL: not copied yet */
	size_t body_bytes;
	struct buffer body; /* collected from chunks; of a stream: what waits */
	uint32_t state_version;	 /* import */
	uint64_t epoch;		 /* take, start of a channel */
	const char *const *argv; /* these three: cli */
	size_t argc;
	int exit_status;
	const char *tick_id; /* this and the next two: schedule */
	int64_t tick_due_ms;
	uint64_t tick_missed;
	uint64_t left_ms;	 /* as sent; 0: no deadline */
	uint64_t deadline_ms;	 /* clock_ms(), made of it when it matters */
	const char *traceparent; /* of `trace`; NULL: it had none */
	json_t *args, *caller;
	struct arena arena;

	struct request_pair *reply_headers, **reply_headers_end;
	uint32_t reply_header_count;
	/* a body that goes to the plugin in pieces, see body.c */
	bool streams, body_ended, end_told, paused;
	struct list feed_node;
	uint64_t owed; /* bytes consumed, for which no credit was sent yet */
	uint64_t uncredited; /* of those that wait: sent inline */
	sup_body *take;
	void *take_user;

	struct buffer queue; /* awaits credit */
	int64_t credit;
	struct channel *channel; /* a reference */
	struct list turn;	 /* of channel.turns */
	struct sup_ws *ws; /* of ws.open and ws.move, until it is accepted or
			      given away */
	sup_handler *on_cancel, *on_writable;
	void *on_cancel_user, *on_writable_user;
};

void request_take(struct sup *p, const struct message *m);
/* For ids that are not (or no longer) ours nothing happens. */
void request_on_chunk(
	struct sup *p, uint32_t id, struct bytes bytes, bool more);
void request_on_credit(struct sup *p, uint32_t id, uint64_t bytes);
void request_on_cancel(struct sup *p, uint32_t id);
/* The answer is complete and queued; req is freed when its handler returns. */
void request_finish(struct sup_req *req);
/* Whether it is still to be answered, of those that outlived their handler. */
bool request_is_open(struct sup *p, uint32_t id);
/* Calls its handler. */
void request_start(struct sup_req *req);
/* From now on it is found by id. */
void request_remember(struct sup_req *req);
/* Around a callback of the plugin; leave is false if req is gone. */
bool request_enter(struct sup_req *req);
bool request_leave(struct sup_req *req, bool nested);

/* body.c: the body from its first bytes to the last; req may be gone after
 * each of them. */
void body_begin(struct sup_req *req, struct bytes first, bool more);
void body_chunk(struct sup_req *req, struct bytes bytes, bool more);
void body_feed_init(struct sup *p);
void body_cancelled(struct sup_req *req);

/* cli.c */
void cli_take(struct sup_req *req, const struct message *m);
void cli_pump(struct sup_req *req); /* the queue, as credit allows */

/* tick.c */
void tick_take(struct sup_req *req, const struct message *m);

/* state.c: requests of supd itself */
void state_take_export(struct sup_req *req);
void state_take_import(struct sup_req *req, const struct message *m);
void state_start_import(struct sup_req *req); /* the blob is whole */
void state_take_configure(struct sup_req *req);
void state_configured(struct sup_req *req); /* with sup_ok() */

/* service.c */
void service_take(struct sup_req *req, const struct message *m);
void service_take_over(struct sup_req *req, const struct message *m);
/* Other registrations come into force: what runs of a service belongs to that
 * of the same name. */
void service_carry(const struct offer_set *from, struct offer_set *to);
/* A request of a service is answered, or a start cancelled. */
void service_ended(struct sup_req *req);

/* read.c: copies all that params still holds; params is NULL afterwards. */
void request_keep(struct sup_req *req);
json_t *request_args(struct sup_req *req); /* borrowed */
/* read.c: whether it has a path, headers and so on. */
bool request_is_of_client(const struct sup_req *req);
/* answer.c */
/* Sends the answer to ws.open and finishes req. -1: it was too large, and an
 * error was sent instead. */
int answer_pack_ws(struct sup_req *req, int status, const char *protocol);
void request_answer_error(
	struct sup_req *req, enum wire_error code, const char *text);
/* The last object of the answer is packed. -1: it was too large, and an error
 * was sent instead. */
int request_answer_end(struct sup_req *req);
void request_expect(const struct sup_req *req, enum request_state expected);
/* ^ aborts if the plugin calls out of order */
/* False if the request was cancelled; then it is finished. */
bool request_is_wanted(struct sup_req *req);
/* stream.c */
void request_pump(struct sup_req *req); /* queue to chunks, as credit allows */
/* The head is out and the rest does not follow: the client sees that the answer
 * is cut. */
void request_give_up(struct sup_req *req, const char *why);
/* The head is out and the queue holds the rest of the answer. */
void request_flush(struct sup_req *req);

/* json.c: the value at a path like "server.port", NULL if there is none. */
const json_t *json_at_path(const json_t *root, const char *path);
/* A string's characters; NULL for other types, and for one with NUL inside,
 * which would be cut. */
const char *json_text_value(const json_t *value);
/* printf with JSON strings for %s; appends to b. -1 with err: a number is not
 * finite. */
int json_format(struct buffer *b, const char *format, va_list arguments,
	struct error *err);
