/* chain: which calls led to a request. A worker that makes a call while it
 * serves a request may name that request; the call then continues its chain. A
 * link is a plugin with the registration that was asked for, "a:x", and points
 * to the link before it. Links never change, so chains share them.
 *
 * Who makes a request for a worker (request.chain) or passes on an event keeps
 * a reference. request_table keeps one for each request that has made a call.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proto/trace.h"

#define CHAIN_DEPTH_MAX 8    /* links; this many may not be continued */
#define CHAIN_LINK_BYTES 255 /* longer ones are shortened */

struct chain {
	unsigned references, depth; /* depth: links up to this one, from 1 */
	/* This link or one before it is a filter: what it calls is not
	 * filtered. */
	bool in_filter;
	struct trace_context trace; /* of this link, for those after it */
	struct chain *before;	    /* a reference; NULL: the first one */
	char text[];		    /* "PLUGIN:NAME" */
};

/* A new link with one reference, the caller's. before: NULL: a chain begins. */
struct chain *chain_extend(struct chain *before, const char *plugin_id,
	const char *name, bool is_filter);
struct chain *chain_ref(struct chain *c); /* NULL: NULL */
void chain_unref(struct chain *c);	  /* NULL is fine */
/* A call or event that continues it would be too deep. NULL is not full. */
bool chain_is_full(const struct chain *c);
/* "a:x > b:y", the oldest first; NULL: "". The caller frees. */
char *chain_text(const struct chain *c);
/* ["a:x", "b:y"]; NULL: []. A new reference. */
json_t *chain_json(const struct chain *c);
