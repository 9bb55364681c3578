/* head: parses one HTTP/1.x request head into a checked description. llhttp
 * does the grammar; what it accepts too freely, and everything that allows
 * request smuggling, is refused here. Pure: knows no socket and no limits but
 * its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/bytes.h"

#define HEAD_FIELDS_MAX 1000 /* the greatest limits.headers */

/* Fields that supd itself reads; the index in head.known. */
#define HEAD_KNOWN_FIELDS(X)                                                   \
	X(HOST, "host")                                                        \
	X(CONTENT_LENGTH, "content-length")                                    \
	X(TRANSFER_ENCODING, "transfer-encoding")                              \
	X(CONNECTION, "connection")                                            \
	X(EXPECT, "expect")                                                    \
	X(AUTHORIZATION, "authorization")                                      \
	X(X_REQUEST_ID, "x-request-id")                                        \
	X(ACCEPT, "accept")                                                    \
	X(TRACEPARENT, "traceparent")

enum head_known_field {
#define X(name, text) HEAD_##name,
	HEAD_KNOWN_FIELDS(X)
#undef X
		HEAD_KNOWN_COUNT,
};

struct head_field {
	struct bytes name;  /* lower case */
	struct bytes value; /* without white space around it */
	bool hop;	    /* hop-by-hop: not passed on */
};

struct head {
	struct bytes method, path, query; /* raw; query without the '?' */
	struct bytes authority; /* of an absolute target, else empty */
	const struct head_field *fields;
	unsigned field_count;
	/* The first field of each known name; NULL: absent. */
	const struct head_field *known[HEAD_KNOWN_COUNT];
	bool http_1_0, is_head, keep_alive;
	bool traceparent_is_repeated; /* then it is ignored */
	bool chunked, has_length, expect_continue;
	uint64_t content_length; /* 0 unless has_length */
	/* Set if the head is refused; the connection closes after the answer.
	 */
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

/* The progress of a scan, kept by the caller; zero at the start. */
struct head_progress {
	size_t line; /* start of the line that has no end yet */
	size_t seen; /* bytes scanned */
};

/* Finds the end of the head that starts at bytes, reading each byte once even
 * if they arrive one by one. DONE: progress->line is the head's length. BAD:
 * *reason says why: a line end that is not CR LF, a control byte, a folded
 * line. */
enum head_scan head_scan(const char *bytes, size_t size,
	struct head_progress *progress, const char **reason);

/* Parses a scanned head; field names become lower case in place. -1: the head
 * is refused, with status and reason in the result. */
int head_parse(struct head_parser *p, char *bytes, size_t length,
	unsigned fields_max, struct head **head_out);
