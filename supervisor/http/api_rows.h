/* api_rows: the calls of /api as a table: path and method to a verb of the
 * command table, and how body and answer are shaped. Pure. */
#pragma once

#include <stdbool.h>

#include "supervisor/route/path.h"

enum api_body {
	API_BODY_NONE,
	API_BODY_ARGS,	/* an object: the verb's arguments */
	API_BODY_VALUE, /* any value: the argument `value_key` */
	API_BODY_TEXT,	/* a text, as JSON, in {"text": …}, or text/plain */
};

enum api_answer {
	API_ANSWER_DOCUMENT,
	API_ANSWER_RESULT, /* of a call: what the plugin answered */
	API_ANSWER_STREAM, /* events as they come, unless follow is false */
};

struct api_row {
	const char *method;
	const char *segments[4]; /* after /api; "*" is the name_key's value */
	const char *verb;
	const char *name_key;
	enum api_body body;
	const char *value_key;
	const char *kind; /* of what is called; NULL: no call */
	enum api_answer answer;
};

#define API_ALLOW_BYTES 40

/* The row of a path that begins with /api; a literal segment wins over "*".
 * NULL: there is none (allow is ""), or not with this method (allow has those
 * that there are, as the Allow field says them). */
const struct api_row *api_row_find(struct bytes method, const struct path *path,
	char allow[API_ALLOW_BYTES]);
