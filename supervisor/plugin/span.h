/* span: the span of a request, from its submission to its end, and its context
 * on the wire. For a request that is not traced, these do nothing. */
#pragma once

#include "supervisor/plugin/worker.h"

/* Sends `trace` before the request, unless that carries its context itself. */
void span_sending(struct worker *w, const struct request *r);

/* The request has ended: with an answer, without one, or because its owner
 * left. w: the worker that had it; NULL: none, and plugin_id names the plugin.
 * Call one of these before the owner's callback; later calls have no effect. */
void span_answered(
	struct worker *w, struct request *r, const struct message *m);
void span_failed(struct workers *all, const struct worker *w,
	const char *plugin_id, struct request *r, enum request_failure why,
	const char *text);
/* error: a word, or NULL. */
void span_unsent(struct workers *all, const char *plugin_id, struct request *r,
	const char *error, const char *text);
void span_cancelled(struct workers *all, const struct worker *w,
	const char *plugin_id, struct request *r);
