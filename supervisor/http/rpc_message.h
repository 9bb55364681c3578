/* rpc_message: reads requests of JSON-RPC 2.0 and writes answers and
 * notifications. Pure: knows no session and no method. */
#pragma once

#include <jansson.h>

#include "proto/util/buffer.h"
#include "proto/util/bytes.h"

enum rpc_error {
	RPC_NO_JSON = -32700,
	RPC_BAD_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,
	RPC_FAULT = -32603,
	RPC_FAILED = -32000, /* data has the code */
};

/* A request; its parts are borrowed from the document. */
struct rpc_request {
	json_t *id;	    /* NULL: a notification, which gets no answer */
	const char *method; /* NULL: it is not a request; `wrong` says why */
	json_t *params;	    /* an object or an array, or NULL */
	const char *wrong;
};

void rpc_read_request(struct rpc_request *r, const json_t *document);

/* Answers; id NULL is written as null. `result` is JSON text. */
void rpc_write_result(
	struct buffer *out, const json_t *id, struct bytes result);
/* code: of `data`; NULL: there is none. receipt: JSON text, or empty. */
void rpc_write_error(struct buffer *out, const json_t *id, enum rpc_error error,
	const char *message, const char *code, struct bytes receipt);
/* A notification; params is JSON text. */
void rpc_write_notification(
	struct buffer *out, const char *method, struct bytes params);

static inline struct bytes
rpc_text(const struct buffer *b)
{
	return (struct bytes){(const char *)buffer_bytes(b), buffer_length(b)};
}
