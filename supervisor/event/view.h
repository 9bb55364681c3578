/* view: what a hook is and how it fares, as JSON. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"
#include "supervisor/route/table.h"

/* What the row of a hook registered, and what became of its events; a new
 * reference:
 * {"event", "filter", "match", "timeoutMs", "idempotent", "priority",
 * "onError", "order", "queued", "queuedBytes", "inFlight", "calls": {…},
 * "repeated", "lost": {…}, "verdicts": {…}, "skipped", "stopped",
 * "latencyMs": {"mean", "max"}}. order: its place among the filters of its
 * event, from 1; null for observers. */
json_t *hook_view(const struct gateway *g, const struct route_row *row);
/* Whether the hook of that row gets events of that name. */
bool hook_view_concerns(const struct route_row *row, const char *event);
