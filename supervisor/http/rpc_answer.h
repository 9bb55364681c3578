/* rpc_answer: writes the answers of a session's calls to where they go. */
#pragma once

#include "supervisor/http/rpc_session.h"

struct rpc_batch;

/* Where an answer goes. */
struct rpc_place {
	struct rpc_session *session;
	struct rpc_batch *batch; /* NULL: to the client at once */
	json_t *id;		 /* NULL: nobody wants it */
};

/* Sends a message that rpc_write_…() wrote; takes its memory. */
void rpc_answer(struct rpc_place at, struct buffer *text);
/* Takes the value's reference. */
void rpc_answer_value(struct rpc_place at, json_t *value);
/* code: of `data`, or NULL. */
void rpc_answer_error(struct rpc_place at, enum rpc_error error,
	const char *message, const char *code);

/* Awaited once, by whoever fills it. */
struct rpc_batch *rpc_batch_create(void);
/* One more call is awaited; one less: sends and frees the batch after the
 * last. */
void rpc_batch_join(struct rpc_batch *b);
void rpc_batch_leave(struct rpc_session *s, struct rpc_batch *b);
