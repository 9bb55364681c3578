/* api_rows: finds the row of proto/verbs.def for a path and method of /api, and
 * lists all calls. Pure. */
#pragma once

#include <jansson.h>

#include "proto/verbs.h"
#include "supervisor/route/path.h"

struct api_row {
	enum verb verb;
	const struct verb_http *http;
};

#define API_ALLOW_BYTES 40

/* Finds the row of a path that begins with /api; a literal segment wins over
 * "{x}". false: no row has the path (allow is ""), or none has it with this
 * method (allow lists the methods, as in the Allow field). */
bool api_row_find(struct bytes method, const struct path *path,
	char allow[API_ALLOW_BYTES], struct api_row *row_out);
/* The argument in the path, and its value; false: the path has none. */
bool api_row_name(const struct api_row *row, const struct path *path,
	struct bytes *key_out, struct bytes *value_out);
/* The role that a call needs: its verb's, or the greater one of its row. */
enum verb_role api_row_role(const struct api_row *row);
/* {"calls": [{"method","path","verb","role","help"}...]}: a new document. GET
 * /api itself has no verb. */
json_t *api_rows_list(void);
