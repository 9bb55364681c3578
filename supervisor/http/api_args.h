/* api_args: the arguments of an API call, from the path, the query and the
 * body. Giving one twice is an error, so that none is ever ignored. */
#pragma once

#include <jansson.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "supervisor/http/api_rows.h"
#include "supervisor/http/head.h"

/* Reads the path's arguments: the name, and the kind of call. -1: the name is
 * not valid text. */
int api_args_read_path(
	json_t *args, const struct api_row *row, const struct path *path);
/* Reads "kind=tool&plugin=hello" as strings. -1: malformed, or an argument is
 * given twice. */
int api_args_read_query(json_t *args, struct bytes query);

/* The type of a body by its Content-Type. */
enum api_type {
	API_TYPE_JSON, /* also without a type, and with that of `curl -d` */
	API_TYPE_TEXT, /* text/plain */
	API_TYPE_OTHER,
};
enum api_type api_args_type(const struct head *h);

/* Adds the body's arguments. Returns 0, or the HTTP status of a refusal with
 * err; where->line is the line of malformed JSON, else 0. */
int api_args_read_body(json_t *args, const struct api_row *row,
	enum api_type type, struct bytes body, json_error_t *where,
	struct error *err);
