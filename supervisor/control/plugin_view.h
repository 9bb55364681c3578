/* plugin_view: a plugin as JSON, for status, list and show. Reads the live
 * objects, keeps nothing and changes nothing. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

/* All return a new reference. */
json_t *plugin_view_status(const struct plugin *p);
/* Adds memory and processor time of the serving worker, or nulls. Reads a file
 * of /proc, unless that was done within a second. */
void plugin_view_add_usage(json_t *row, const struct plugin *p);
/* The status row, and what `list` and GET /api/plugins add. */
json_t *plugin_view_list(const struct gateway *g, const struct plugin *p);
/* The list row, and registrations, workers and limits. */
json_t *plugin_view_all(const struct gateway *g, const struct plugin *p);
json_t *plugin_view_route(const struct gateway *g, const struct route_row *row);
