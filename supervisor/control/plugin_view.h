/* plugin_view: what status, list and show say about a plugin, as JSON. Reads
 * the live objects, keeps nothing and changes nothing. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

/* All return a new reference. */
json_t *plugin_view_status(const struct plugin *p);
/* The status row, and what `list` and GET /api/plugins add. */
json_t *plugin_view_list(const struct gateway *g, const struct plugin *p);
/* The list row, and registrations, workers and limits. */
json_t *plugin_view_all(const struct gateway *g, const struct plugin *p);
/* The rows of the route table: kind or p may be -1 or NULL for all. */
json_t *plugin_view_routes(
	const struct gateway *g, const struct plugin *p, int kind);
