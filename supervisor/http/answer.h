/* answer: the heads of HTTP answers: a worker's, checked and cleaned, and
 * supd's own. Pure: writes into a buffer and knows no socket. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "supervisor/http/text.h"

/* Fields of every event stream: proxies must neither buffer nor cache it. */
#define ANSWER_STREAM_FIELDS                                                   \
	"Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"

/* How the request and the connection shape the answer. */
struct answer_frame {
	bool is_head; /* answers HEAD: no body follows */
	bool http_1_0;
	bool keep_alive;  /* answer_write() may clear it */
	const char *date; /* 29 characters */
	struct bytes request_id;
};

/* Limits of a worker's answer; past them it is refused. */
#define ANSWER_FIELDS_MAX 1000
#define ANSWER_HEAD_MAX (256 * 1024) /* bytes of names and values */

/* A worker's `[status, fields, body, more]`, valid while the message is. */
struct answer {
	int status;
	const msgpack_object_array *fields;
	struct bytes body;
	bool more;
	bool has_length; /* the worker's own Content-Length */
	uint64_t length;
	bool has_date, has_server, is_event_stream;
	bool has_cache_control, has_accel_buffering;
	struct text_items listed; /* listed in its Connection: not passed on */
	size_t field_bytes;	  /* of all names and values */
};

/* How the body continues after a written head. */
enum answer_body {
	ANSWER_NONE,   /* HEAD, 204, 205, 304: pieces are discarded */
	ANSWER_WHOLE,  /* it was written with the head */
	ANSWER_LENGTH, /* answer.length bytes in all */
	ANSWER_CHUNKED,
	ANSWER_UNTIL_CLOSE,
};

/* Reads an answer. -1: it is malformed: a status outside of 200..599, a name
 * that is not a token, a control byte in a value, a bad Content-Length, or more
 * fields than the limits allow. */
int answer_read(
	struct answer *a, const msgpack_object *result, struct error *err);
/* Writes the head and, if the answer is complete, the body. */
enum answer_body answer_write(
	struct buffer *out, const struct answer *a, struct answer_frame *frame);

/* Writes the fields of an answer that goes on with another protocol. */
void answer_write_fields(struct buffer *out, const struct answer *a);

/* Writes an answer of supd's own. `fields` are further complete lines
 * ("Retry-After: 1\r\n") or "". */
void answer_write_own(struct buffer *out, const struct answer_frame *frame,
	int status, const char *type, const char *fields, struct bytes body);

/* The same with a body that follows in pieces; returns their form. */
enum answer_body answer_write_own_head(struct buffer *out,
	struct answer_frame *frame, int status, const char *type,
	const char *fields);

/* Writes one chunk of a chunked body; nothing for an empty piece. */
void answer_write_chunk(struct buffer *out, struct bytes piece);
void answer_write_last_chunk(struct buffer *out);

const char *answer_reason(int status); /* "Not Found"; never NULL (reason.c) */
