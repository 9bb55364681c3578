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
	REQUEST_FREE,	    /* answered to the end, or never used */
	REQUEST_COLLECTING, /* its body is still arriving */
	REQUEST_OPEN,	    /* the plugin has it */
	REQUEST_STREAMING,  /* the plugin has sent the head */
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
	const struct offer *offer; /* NULL: health */
	enum message_name message;
	enum request_state state;
	uint32_t id;
	bool in_handler, cancelled, kept, head_sent;

	const msgpack_object *params;	   /* NULL when the message is gone */
	const char *texts[REQUEST_PARAMS]; /* copies, by param */
	struct request_pair *headers, *path_params;
	size_t header_count, path_param_count;
	const void *body_at; /* NULL: not copied yet */
	size_t body_bytes;
	struct buffer body;   /* collected from chunks */
	uint64_t left_ms;     /* as sent; 0: no deadline */
	uint64_t deadline_ms; /* clock_ms(), made of it when it matters */
	json_t *args, *caller;
	struct arena arena;

	struct request_pair *reply_headers, **reply_headers_end;
	uint32_t reply_header_count;
	struct buffer queue; /* awaits credit */
	int64_t credit;
	sup_handler *on_cancel, *on_writable;
	void *on_cancel_user, *on_writable_user;
};

void request_take(struct sup *p, const struct message *m);
/* For ids that are not (or no longer) ours nothing happens. */
void request_on_chunk(
	struct sup *p, uint32_t id, struct bytes bytes, bool more);
void request_on_credit(struct sup *p, uint32_t id, uint64_t bytes);
void request_on_cancel(struct sup *p, uint32_t id);
/* The answer is complete and queued; req goes when its handler is done. */
void request_finish(struct sup_req *req);

/* read.c: copies all that params still holds; params is NULL afterwards. */
void request_keep(struct sup_req *req);
/* answer.c */
void request_answer_error(
	struct sup_req *req, enum wire_error code, const char *text);
void request_pump(struct sup_req *req); /* queue to chunks, as credit allows */

/* json.c: the value at a path like "server.port", NULL if there is none. */
const json_t *json_at_path(const json_t *root, const char *path);
/* printf with JSON strings for %s; appends to b. */
void json_format(struct buffer *b, const char *format, va_list arguments);
