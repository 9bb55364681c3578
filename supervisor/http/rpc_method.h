/* rpc_method: finds the verb (proto/verbs.def) of a session's method, and turns
 * params into its arguments. Pure. */
#pragma once

#include <jansson.h>

#include "proto/util/error.h"
#include "proto/verbs.h"

/* false: supd has no such method. */
bool rpc_find_verb(const char *method, const struct verb_row **row_out,
	const struct verb_session **session_out);
/* A new object of arguments, as command_run() takes it; params is an object, an
 * array in the order of the verb's arguments, or NULL. NULL with err: there
 * are too many, or one is given by both of its names. */
json_t *rpc_read_args(const struct verb_row *row, const struct verb_session *m,
	const json_t *params, struct error *err);
/* The same for a method of no verb: an object with arguments of these names,
 * which end with NULL. NULL with err: there are others. */
json_t *rpc_name_params(
	const json_t *params, const char *const *names, struct error *err);
