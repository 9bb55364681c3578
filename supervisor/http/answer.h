/* answer: heads of HTTP answers: a worker's, checked and cleaned, and supd's
 * own. Pure: writes into a buffer and knows no socket. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/bytes.h"
#include "proto/util/error.h"

/* What the request and the connection say about the answer. */
struct answer_frame {
	bool is_head; /* answers HEAD: no body follows */
	bool http_1_0;
	bool keep_alive;  /* answer_write may clear it: closing ends the body */
	const char *date; /* 29 characters */
	struct bytes request_id;
};

/* A worker's `[status, fields, body, more]`, valid as long as the message. */
struct answer {
	int status;
	const msgpack_object_array *fields;
	struct bytes body;
	bool more;
	bool has_length; /* the worker's own Content-Length */
	uint64_t length;
	bool has_connection, has_date, has_server, is_event_stream;
	size_t field_bytes; /* of all names and values */
};

/* How the body of a written head goes on. */
enum answer_body {
	ANSWER_NONE,   /* HEAD, 204, 205, 304: pieces are thrown away */
	ANSWER_WHOLE,  /* it was written with the head */
	ANSWER_LENGTH, /* answer.length bytes in all */
	ANSWER_CHUNKED,
	ANSWER_UNTIL_CLOSE,
};

/* -1 if it is malformed: a status out of 200..599, a name that is no token, a
 * control byte in a value, a Content-Length that is none. */
int answer_read(
	struct answer *a, const msgpack_object *result, struct error *err);
/* Head and, if it is whole, the body. */
enum answer_body answer_write(
	struct buffer *out, const struct answer *a, struct answer_frame *frame);

/* supd's own answers: content type, the body, and complete further fields
 * ("Retry-After: 1\r\n", "" for none). */
void answer_write_own(struct buffer *out, const struct answer_frame *frame,
	int status, const char *type, const char *fields, struct bytes body);

/* The same with a body that follows in pieces; says how it goes on. */
enum answer_body answer_write_own_head(struct buffer *out,
	struct answer_frame *frame, int status, const char *type,
	const char *fields);

/* One chunk of a chunked body; nothing for an empty piece. */
void answer_write_chunk(struct buffer *out, struct bytes piece);
void answer_write_last_chunk(struct buffer *out);

const char *answer_reason(int status); /* "Not Found"; never NULL (reason.c) */
