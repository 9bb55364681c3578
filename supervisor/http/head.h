/* head: one HTTP/1.x request head, from bytes to a checked description. llhttp
 * does the grammar; what it still lets through, and what leads to request
 * smuggling, is refused here. Pure: knows no socket and no limit but its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/bytes.h"

#define HEAD_FIELDS_MAX 1000 /* limits.headers cannot go beyond */

/* Fields that supd itself looks at; their place in head.known. */
#define HEAD_KNOWN_FIELDS(X)                                                   \
	X(HOST, "host")                                                        \
	X(CONTENT_LENGTH, "content-length")                                    \
	X(TRANSFER_ENCODING, "transfer-encoding")                              \
	X(CONNECTION, "connection")                                            \
	X(EXPECT, "expect")                                                    \
	X(AUTHORIZATION, "authorization")                                      \
	X(X_REQUEST_ID, "x-request-id")

enum head_known_field {
#define X(name, text) HEAD_##name,
	HEAD_KNOWN_FIELDS(X)
#undef X
		HEAD_KNOWN_COUNT,
};

struct head_field {
	struct bytes name;  /* lower case */
	struct bytes value; /* without white space around it */
	bool hop;	    /* ends here: not passed on */
};

struct head {
	struct bytes method, path, query; /* raw; query without the '?' */
	const struct head_field *fields;
	unsigned field_count;
	/* The first of each, NULL if absent. */
	const struct head_field *known[HEAD_KNOWN_COUNT];
	bool http_1_0, is_head, keep_alive;
	bool chunked, has_length, expect_continue;
	uint64_t content_length; /* 0 unless has_length */
	/* Filled if refused; the connection closes after the answer. */
	int status;
	const char *reason;
};

/* Reused for every head; the result points into it and into the bytes. */
struct head_parser {
	unsigned field_count, fields_max;
	bool overflow, complete;
	struct head head;
	struct head_field fields[HEAD_FIELDS_MAX];
};

enum head_scan {
	HEAD_SCAN_MORE, /* no end yet: call again with more bytes */
	HEAD_SCAN_DONE,
	HEAD_SCAN_BAD,
};

/* Looks for the end of the head that starts at bytes, in one pass: *line is
 * where to go on (0 at first, kept by the caller between calls). DONE: *line
 * is the head's length. BAD: *reason says why: a line end that is not CR LF,
 * a control byte, a folded line. */
enum head_scan head_scan(
	const char *bytes, size_t size, size_t *line, const char **reason);

/* bytes: a scanned head; field names are made lower case in place. -1: it is
 * refused, with status and reason in the result. */
int head_parse(struct head_parser *p, char *bytes, size_t length,
	unsigned fields_max, struct head **head_out);
