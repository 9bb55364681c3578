/* api_args: the arguments of an API call, from wherever the request says them.
 * Saying one twice is an error, so that nothing is ever ignored. */
#pragma once

#include <jansson.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "supervisor/http/api_rows.h"
#include "supervisor/http/head.h"

/* Deeper than this no value is passed on: with what is around it, it would not
 * fit the wire's WIRE_DEPTH_MAX. */
#define API_DEPTH_MAX 24

/* What the path says: the name, and what kind of call it is. -1: the name is
 * no text. */
int api_args_read_path(
	json_t *args, const struct api_row *row, const struct path *path);
/* "kind=tool&plugin=hello" as texts. -1: malformed, or one is there twice. */
int api_args_read_query(json_t *args, struct bytes query);

/* What a body is said to be. */
enum api_type {
	API_TYPE_JSON, /* also if it is not said, or what `curl -d` says */
	API_TYPE_TEXT, /* text/plain */
	API_TYPE_OTHER,
};
enum api_type api_args_type(const struct head *h);

/* The body's, beside those that are there. 0, or the HTTP status of the
 * refusal with err; if the JSON is malformed where->line is set, else 0. */
int api_args_read_body(json_t *args, const struct api_row *row,
	enum api_type type, struct bytes body, json_error_t *where,
	struct error *err);
