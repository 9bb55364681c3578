/* worker_export: takes the state out of a worker and puts it into its
 * successor. State larger than one message goes in chunks under credit, as
 * bodies do. Form, size and checksum are checked, never the content. */
#include <stdio.h>
#include <string.h>

#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"

/* ---- export ---- */

static void
export_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	codec_request(packer, wire_id, MESSAGE_EXPORT, 0);
}

static void
fail_export(struct worker *w, const char *text)
{
	struct error err;

	error_set(&err, "%s", text);
	ask_report(w, NULL, &err);
}

/* The state is complete: computes the checksum and compares it with the
 * worker's, if there is one. */
static void
export_done(struct worker *w)
{
	struct worker_private *p = w->private;
	struct state_blob *b = &p->ask.blob;
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char hex[SHA256_HEX_BYTES];

	SHA256_Final(sum, &p->ask.sum);
	sha256_hex(sum, hex);
	if (b->sha256[0] && strcmp(hex, b->sha256) != 0) {
		fail_export(w, "the checksum of the state is wrong");
		return;
	}
	memcpy(b->sha256, hex, sizeof(hex));
	ask_report(w, b, NULL);
}

/* False: the state exceeds STATE_BYTES_MAX. */
static bool
take_piece(struct worker *w, struct bytes piece)
{
	struct worker_private *p = w->private;

	if (buffer_length(&p->ask.blob.bytes) + piece.length > STATE_BYTES_MAX)
		return false;
	buffer_append(&p->ask.blob.bytes, piece.at, piece.length);
	SHA256_Update(&p->ask.sum, piece.at, piece.length);
	return true;
}

static bool
is_integer(const msgpack_object *o)
{
	return (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
		       o->via.u64 <= INT64_MAX) ||
	       o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
}

/* [version, blob, more, sha256]; the last two may be absent. */
static bool
is_export(const msgpack_object *o)
{
	const msgpack_object *items = o->via.array.ptr;
	uint32_t count = o->via.array.size;

	return o->type == MSGPACK_OBJECT_ARRAY && count >= 2 && count <= 4 &&
	       is_integer(&items[0]) && items[1].type == MSGPACK_OBJECT_BIN &&
	       (count < 3 || items[2].type == MSGPACK_OBJECT_BOOLEAN) &&
	       (count < 4 || items[3].type == MSGPACK_OBJECT_STR);
}

static bool
has_more(const msgpack_object *o)
{
	return o->via.array.size > 2 && o->via.array.ptr[2].via.boolean;
}

static bool
export_answer(struct request *r, const struct message *m)
{
	struct worker *w = ask_worker(r);
	struct state_blob *b = &w->private->ask.blob;
	const msgpack_object *items;
	struct bytes sum;

	if (m->error) {
		ask_report_error(w, m);
		return false;
	}
	if (!is_export(m->result)) {
		fail_export(w, "the answer to export is malformed");
		return false;
	}
	items = m->result->via.array.ptr;
	b->version = items[0].via.i64;
	if (m->result->via.array.size > 3) {
		sum = codec_bytes(&items[3]);
		snprintf(b->sha256, sizeof(b->sha256), "%.*s", (int)sum.length,
			sum.at);
	}
	take_piece(w, codec_bytes(&items[1])); /* always fits */
	if (!has_more(m->result))
		export_done(w);
	return has_more(m->result);
}

static void
export_chunk(struct request *r, struct bytes piece, bool more)
{
	struct worker *w = ask_worker(r);

	if (!take_piece(w, piece)) {
		if (more)
			worker_cancel(w, r);
		fail_export(w, "the state is larger than 16 MiB");
	} else if (more) {
		if (piece.length)
			worker_send_credit(w, r, piece.length);
	} else {
		export_done(w);
	}
}

static void
export_describe(struct request *r, char *out, size_t size)
{
	(void)r;
	text_format(out, size, "the export of its state");
}

static const struct request_ops export_ops = {
	.name = "export",
	.answer_form = WIRE_ANSWER_STATE,
	.encode = export_encode,
	.answer = export_answer,
	.chunk = export_chunk,
	.fail = ask_fail,
	.describe = export_describe,
};

int
worker_ask_export(struct worker *w, struct error *err)
{
	struct worker_private *p = w->private;

	SHA256_Init(&p->ask.sum);
	if (ask_send(w, &export_ops, err) == 0)
		return 0;
	ask_clear(w);
	return -1;
}

/* ---- import ---- */

static struct bytes
next_piece(const struct worker_private *p, size_t limit)
{
	const struct buffer *b = &p->ask.state->bytes;
	size_t left = buffer_length(b) - p->ask.sent;

	return (struct bytes){(const char *)buffer_bytes(b) + p->ask.sent,
		left < limit ? left : limit};
}

static bool
is_sent(const struct worker_private *p)
{
	return p->ask.sent == buffer_length(&p->ask.state->bytes);
}

static void
import_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	struct worker_private *p = ask_worker(r)->private;
	struct bytes first = next_piece(p, WIRE_INLINE_BODY);

	codec_request(packer, wire_id, MESSAGE_IMPORT, 4);
	msgpack_pack_int64(packer, p->ask.state->version);
	codec_bin(packer, first);
	p->ask.sent = first.length;
	is_sent(p) ? msgpack_pack_false(packer) : msgpack_pack_true(packer);
	codec_text(packer, p->ask.state->sha256);
}

static void
pump(struct worker *w)
{
	struct worker_private *p = w->private;

	while (p->ask.credit && !is_sent(p)) {
		size_t limit = p->ask.credit < WIRE_INLINE_BODY
				       ? (size_t)p->ask.credit
				       : WIRE_INLINE_BODY;
		struct bytes piece = next_piece(p, limit);

		p->ask.sent += piece.length;
		p->ask.credit -= piece.length;
		worker_send_chunk(w, &p->check, piece, !is_sent(p));
	}
}

static void
import_credit(struct request *r, uint64_t bytes)
{
	struct worker_private *p = ask_worker(r)->private;

	if (bytes > STATE_BYTES_MAX)
		bytes = STATE_BYTES_MAX; /* more credit is never needed */
	p->ask.credit += bytes;
	pump(ask_worker(r));
}

static bool
import_answer(struct request *r, const struct message *m)
{
	struct worker *w = ask_worker(r);
	struct error err;

	if (m->error) {
		ask_report_error(w, m);
	} else if (!is_sent(w->private)) {
		error_set(&err, "it was answered before all of it had arrived");
		ask_report(w, NULL, &err);
	} else {
		ask_report(w, NULL, NULL);
	}
	return false;
}

static void
import_describe(struct request *r, char *out, size_t size)
{
	(void)r;
	text_format(out, size, "the import of state");
}

static const struct request_ops import_ops = {
	.name = "import",
	.encode = import_encode,
	.answer = import_answer,
	.credit = import_credit,
	.fail = ask_fail,
	.describe = import_describe,
};

int
worker_ask_import(
	struct worker *w, const struct state_blob *state, struct error *err)
{
	struct worker_private *p = w->private;

	p->ask.state = state;
	p->ask.sent = 0;
	p->ask.credit = WIRE_CREDIT_BYTES;
	if (ask_send(w, &import_ops, err) < 0) {
		ask_clear(w);
		return -1;
	}
	pump(w);
	return 0;
}
