/* answer: validates a worker's answer, and writes heads into memory that is
 * reserved for the longest possible head, without a check per byte. */
#include "supervisor/http/answer.h"

#include <string.h>
#include <strings.h>

#include "proto/codec.h"
#include "supervisor/http/text.h"

/* ---- reading a worker's answer ---- */

static bool
is(struct bytes name, const char *lower_case)
{
	return text_equals_ignoring_case(name, bytes_of(lower_case));
}

/* Whether the field is supd's to write, or concerns only the hop between worker
 * and supd. */
static bool
is_dropped(struct bytes name)
{
	static const struct bytes names[] = {
		{"connection", 10},
		{"content-length", 14},
		{"keep-alive", 10},
		{"proxy-authenticate", 18},
		{"proxy-authorization", 19},
		{"proxy-connection", 16},
		{"sec-websocket-accept", 20},
		{"sec-websocket-extensions", 24},
		{"sec-websocket-protocol", 22},
		{"te", 2},
		{"trailer", 7},
		{"transfer-encoding", 17},
		{"upgrade", 7},
		{"x-request-id", 12},
	};

	if (!memchr("ckpstuxCKPSTUX", name.at[0], 14))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (text_equals_ignoring_case(name, names[i]))
			return true;
	return false;
}

/* Notes the fields that matter to supd. -1: bad Content-Length or Connection.
 */
static int
note_field(struct answer *a, struct bytes name, struct bytes value,
	struct error *err)
{
	switch (name.at[0] | 0x20) {
	case 'c':
		if (is(name, "connection")) {
			if (!text_items_add(&a->listed, value))
				return error_set(err,
					"its Connection lists more than %d "
					"names",
					TEXT_ITEMS_MAX);
		} else if (is(name, "cache-control"))
			a->has_cache_control = true;
		else if (is(name, "content-type"))
			a->is_event_stream =
				value.length >= 17 &&
				!strncasecmp(value.at, "text/event-stream", 17);
		else if (is(name, "content-length")) {
			uint64_t length;

			if (!text_read_number(value, &length) ||
				(a->has_length && a->length != length))
				return error_set(
					err, "its Content-Length is malformed");
			a->has_length = true;
			a->length = length;
		}
		return 0;
	case 'd':
		a->has_date |= is(name, "date");
		return 0;
	case 's':
		a->has_server |= is(name, "server");
		return 0;
	case 'x':
		a->has_accel_buffering |= is(name, "x-accel-buffering");
		return 0;
	default:
		return 0;
	}
}

static int
read_field(struct answer *a, const msgpack_object *pair, struct error *err)
{
	const msgpack_object *two = pair->via.array.ptr;
	struct bytes name, value;

	if (pair->type != MSGPACK_OBJECT_ARRAY || pair->via.array.size != 2)
		return error_set(err, "a field is not [name, value]");
	name = codec_bytes(&two[0]);
	value = codec_bytes(&two[1]);
	if (!text_is_token(name))
		return error_set(err, "a field's name is malformed");
	if (text_has_control(value))
		return error_set(err, "the field '%.*s' has a control byte",
			(int)(name.length < 64 ? name.length : 64), name.at);
	a->field_bytes += name.length + value.length + 4;
	if (a->field_bytes > ANSWER_HEAD_MAX)
		return error_set(err, "its fields are larger than %d bytes",
			ANSWER_HEAD_MAX);
	return note_field(a, name, value, err);
}

int
answer_read(struct answer *a, const msgpack_object *result, struct error *err)
{
	const msgpack_object *part;

	memset(a, 0, sizeof(*a));
	if (result->type != MSGPACK_OBJECT_ARRAY || result->via.array.size < 4)
		return error_set(err, "it is not [status, fields, body, more]");
	part = result->via.array.ptr;
	/* checked first, because chunks may follow even an invalid answer */
	if (part[3].type != MSGPACK_OBJECT_BOOLEAN)
		return error_set(err, "its more is not a boolean");
	a->more = part[3].via.boolean;
	if (part[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
		part[0].via.u64 < 200 || part[0].via.u64 > 599)
		return error_set(err, "its status is not in 200..599");
	if (part[1].type != MSGPACK_OBJECT_ARRAY)
		return error_set(err, "its fields are not an array");
	if (part[2].type != MSGPACK_OBJECT_BIN &&
		part[2].type != MSGPACK_OBJECT_STR)
		return error_set(err, "its body is not bytes");
	a->status = (int)part[0].via.u64;
	a->fields = &part[1].via.array;
	a->body = codec_bytes(&part[2]);
	if (a->fields->size > ANSWER_FIELDS_MAX)
		return error_set(err, "it has %u fields, more than %d",
			a->fields->size, ANSWER_FIELDS_MAX);
	for (uint32_t i = 0; i < a->fields->size; i++)
		if (read_field(a, &a->fields->ptr[i], err))
			return -1;
	return 0;
}

/* ---- writing ---- */

static char *
put(char *at, struct bytes text)
{
	if (text.length)
		memcpy(at, text.at, text.length);
	return at + text.length;
}

static char *
put_text(char *at, const char *text)
{
	return put(at, bytes_of(text));
}

static char *
put_number(char *at, uint64_t n)
{
	char digits[20];
	size_t count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count)
		*at++ = digits[--count];
	return at;
}

static char *
put_status(char *at, int status)
{
	at = put(at, BYTES("HTTP/1.1 "));
	at = put_number(at, (uint64_t)status);
	*at++ = ' ';
	at = put_text(at, answer_reason(status));
	return put(at, BYTES("\r\n"));
}

/* The fields that supd adds to every answer, and the head's end. */
#define OWN_BYTES 512

static char *
put_own(char *at, const struct answer_frame *f, bool has_date, bool has_server)
{
	if (!has_date) {
		at = put(at, BYTES("Date: "));
		at = put(at, (struct bytes){f->date, 29});
		at = put(at, BYTES("\r\n"));
	}
	if (!has_server)
		at = put(at, BYTES("Server: supd\r\n"));
	at = put(at, BYTES("X-Request-Id: "));
	at = put(at, f->request_id);
	at = put(at, BYTES("\r\n"));
	if (!f->keep_alive)
		at = put(at, BYTES("Connection: close\r\n"));
	else if (f->http_1_0)
		at = put(at, BYTES("Connection: keep-alive\r\n"));
	return put(at, BYTES("\r\n"));
}

static char *
put_fields(char *at, const struct answer *a)
{
	for (uint32_t i = 0; i < a->fields->size; i++) {
		const msgpack_object *two = a->fields->ptr[i].via.array.ptr;
		struct bytes name = codec_bytes(&two[0]);

		if (is_dropped(name) || text_items_have(&a->listed, name))
			continue;
		at = put(at, name);
		at = put(at, BYTES(": "));
		at = put(at, codec_bytes(&two[1]));
		at = put(at, BYTES("\r\n"));
	}
	return at;
}

/* Writes those of ANSWER_STREAM_FIELDS that the plugin did not set. */
static char *
put_stream_fields(char *at, const struct answer *a)
{
	if (!a->has_cache_control)
		at = put(at, BYTES("Cache-Control: no-cache\r\n"));
	if (!a->has_accel_buffering)
		at = put(at, BYTES("X-Accel-Buffering: no\r\n"));
	return at;
}

static char *
put_length(char *at, uint64_t length)
{
	at = put(at, BYTES("Content-Length: "));
	at = put_number(at, length);
	return put(at, BYTES("\r\n"));
}

static char *
put_chunked(char *at)
{
	return put(at, BYTES("Transfer-Encoding: chunked\r\n"));
}

static enum answer_body
body_of(const struct answer *a, const struct answer_frame *f)
{
	if (f->is_head || a->status == 204 || a->status == 205 ||
		a->status == 304)
		return ANSWER_NONE;
	if (!a->more)
		return ANSWER_WHOLE;
	if (a->has_length)
		return ANSWER_LENGTH;
	return f->http_1_0 ? ANSWER_UNTIL_CLOSE : ANSWER_CHUNKED;
}

static char *
put_framing(char *at, const struct answer *a, const struct answer_frame *f,
	enum answer_body body)
{
	switch (body) {
	case ANSWER_WHOLE:
		return put_length(at, a->body.length);
	case ANSWER_LENGTH:
		return put_length(at, a->length);
	case ANSWER_CHUNKED:
		return put_chunked(at);
	case ANSWER_NONE:
		if (a->status == 205)
			return put_length(at, 0);
		/* HEAD gets the fields that GET would get */
		if (a->status == 204 || (a->status == 304 && !a->has_length))
			return at;
		if (a->has_length)
			return put_length(at, a->length);
		if (!a->more)
			return put_length(at, a->body.length);
		return f->http_1_0 || a->status == 304 ? at : put_chunked(at);
	case ANSWER_UNTIL_CLOSE:
		break;
	}
	return at;
}

enum answer_body
answer_write(
	struct buffer *out, const struct answer *a, struct answer_frame *frame)
{
	enum answer_body body = body_of(a, frame);
	size_t inline_bytes = body == ANSWER_WHOLE ? a->body.length : 0;
	char *start, *at;

	if (body == ANSWER_UNTIL_CLOSE)
		frame->keep_alive = false;
	start = (char *)buffer_reserve(out, OWN_BYTES + a->field_bytes +
						    frame->request_id.length +
						    inline_bytes);
	at = put_status(start, a->status);
	at = put_fields(at, a);
	if (a->is_event_stream)
		at = put_stream_fields(at, a);
	at = put_framing(at, a, frame, body);
	at = put_own(at, frame, a->has_date, a->has_server);
	if (inline_bytes)
		at = put(at, a->body);
	buffer_commit(out, (size_t)(at - start));
	return body;
}

void
answer_write_fields(struct buffer *out, const struct answer *a)
{
	char *start = (char *)buffer_reserve(out, a->field_bytes);

	buffer_commit(out, (size_t)(put_fields(start, a) - start));
}

void
answer_write_own(struct buffer *out, const struct answer_frame *frame,
	int status, const char *type, const char *fields, struct bytes body)
{
	char *start, *at;

	start = (char *)buffer_reserve(
		out, OWN_BYTES + strlen(type) + strlen(fields) +
			     frame->request_id.length + body.length);
	at = put_status(start, status);
	at = put(at, BYTES("Content-Type: "));
	at = put_text(at, type);
	at = put(at, BYTES("\r\n"));
	at = put_text(at, fields);
	at = put_length(at, body.length);
	at = put_own(at, frame, false, false);
	if (!frame->is_head)
		at = put(at, body);
	buffer_commit(out, (size_t)(at - start));
}

enum answer_body
answer_write_own_head(struct buffer *out, struct answer_frame *frame,
	int status, const char *type, const char *fields)
{
	enum answer_body body = frame->is_head	  ? ANSWER_NONE
				: frame->http_1_0 ? ANSWER_UNTIL_CLOSE
						  : ANSWER_CHUNKED;
	char *start, *at;

	if (body == ANSWER_UNTIL_CLOSE)
		frame->keep_alive = false;
	start = (char *)buffer_reserve(out, OWN_BYTES + strlen(type) +
						    strlen(fields) +
						    frame->request_id.length);
	at = put_status(start, status);
	at = put(at, BYTES("Content-Type: "));
	at = put_text(at, type);
	at = put(at, BYTES("\r\n"));
	at = put_text(at, fields);
	if (body != ANSWER_UNTIL_CLOSE && !frame->http_1_0)
		at = put_chunked(at);
	at = put_own(at, frame, false, false);
	buffer_commit(out, (size_t)(at - start));
	return body;
}

#define CHUNK_EXTRA_BYTES 20 /* the size line and the end of a chunk */

static char *
put_hex(char *at, size_t n)
{
	int shift = 0;

	while (shift < 60 && n >> (shift + 4))
		shift += 4;
	for (; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[n >> shift & 15];
	return at;
}

void
answer_write_chunk(struct buffer *out, struct bytes piece)
{
	char *start, *at;

	if (!piece.length)
		return;
	start = (char *)buffer_reserve(out, piece.length + CHUNK_EXTRA_BYTES);
	at = put_hex(start, piece.length);
	at = put(at, BYTES("\r\n"));
	at = put(at, piece);
	at = put(at, BYTES("\r\n"));
	buffer_commit(out, (size_t)(at - start));
}

void
answer_write_last_chunk(struct buffer *out)
{
	buffer_append(out, "0\r\n\r\n", 5);
}
