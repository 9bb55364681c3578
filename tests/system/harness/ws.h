/* ws: a client of WebSocket paths, right or wrong, in the notation of
 * tests/unit/frames.h. Every wait has a deadline; what its name says asserts.
 */
#pragma once

#include "proto/util/buffer.h"
#include "tests/system/harness/http.h"

struct ws {
	struct client client;
	struct buffer in;     /* bytes that are no frame yet */
	struct buffer frames; /* descriptions of frames, as text */
	int status;	      /* of the handshake */
	char *head;
};

/* Sends the handshake with more lines of headers, or NULL, and reads the
 * answer. */
void ws_ask(
	struct ws *w, const char *where, const char *path, const char *headers);
/* The same, and asserts that the answer is 101. */
void ws_open(struct ws *w, const char *where, const char *path);
/* Sends frames; false: the connection is gone. */
bool ws_say(struct ws *w, const char *notation);
/* Waits for exactly these frames, which are then taken; asserts. */
void ws_expect(struct ws *w, const char *frames);
/* Waits for a frame, whatever it is, and takes it; "" at the end of the
 * connection. Valid until the next call. */
const char *ws_next(struct ws *w);
/* Closes in order, and asserts that supd does. */
void ws_close(struct ws *w);
void ws_leave(struct ws *w); /* without a word */
