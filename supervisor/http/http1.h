/* http1: HTTP/1.1 on a connection: one request after the other, answered in
 * that order. reader.h reads; this owns the queue of exchanges. */
#pragma once

#include "supervisor/http/body.h"
#include "supervisor/http/protocol.h"

/* The part of a connection that http1 uses. */
struct http1 {
	struct head_progress scanned; /* scan of the first head in the input */
	struct exchange *reader;      /* whose body is being read, or NULL */
	struct body body;
	bool in_body;	/* a body is being read, for `reader` or for nobody */
	bool expecting; /* the client waits for 100 Continue */
	bool last;	/* no request follows after this body */
};

extern const struct protocol http1_protocol;

/* ---- for reader.c ---- */
struct buffer *http1_output(struct exchange *x);
