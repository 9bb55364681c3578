/* websocket_handshake: reads a request for a WebSocket (RFC 6455, section 4.2).
 * and writes its answer. Pure. No extension is ever negotiated. */
#pragma once

#include <stdbool.h>

#include "supervisor/http/answer.h"
#include "supervisor/http/head.h"
#include "supervisor/http/text.h"

#define WEBSOCKET_ACCEPT_BYTES 29

/* Outlives the head, so an owner may decide later. */
struct websocket_handshake {
	char accept[WEBSOCKET_ACCEPT_BYTES]; /* Sec-WebSocket-Accept */
};

/* Whether the request asks for a WebSocket: a GET with "Upgrade: websocket".
 * Others on the path of one are answered with websocket_needed. */
bool websocket_is_asked(const struct head *h);

/* An answer that refuses the request. */
struct websocket_refusal {
	int status; /* 400 or 426 */
	const char *fields, *reason;
};
extern const struct websocket_refusal websocket_needed; /* 426 */

/* Checks a request for which websocket_is_asked() is true. -1: refuse it with
 * *refusal_out. */
int websocket_handshake_read(struct websocket_handshake *hs,
	const struct head *h, struct websocket_refusal *refusal_out);
/* Writes the head of the 101. protocol: empty: none; fields: complete lines, or
 * NULL. */
void websocket_write_answer(struct buffer *out,
	const struct answer_frame *frame, const char *accept,
	struct bytes protocol, const char *fields);
/* The subprotocols that the request offers, in its order; they point into the
 * head. websocket_handshake_read() has checked them. */
void websocket_offered(const struct head *h, struct text_items *out);
