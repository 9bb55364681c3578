/* span: the span of a request, from its submission to its end, and its context
 * on the wire. Nothing here does anything for a request that is not traced. */
#pragma once

#include "supervisor/plugin/worker.h"

/* Sends `trace` before the request, unless that carries its context itself. */
void span_sending(struct worker *w, const struct request *r);

/* The request has ended: with an answer, without one, or because its owner
 * left. w: who had it; NULL: nobody, and plugin_id says for whom it was. Call
 * one of them before the owner's callback; later ones have no effect. */
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
