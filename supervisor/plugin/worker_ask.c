/* worker_ask: what supd asks of a worker that is proven: new settings, its
 * state out and into its successor. Blobs beyond one message go in chunks under
 * credit, as bodies do. It judges form, size and sum, never the content. */
#include <malloc.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "proto/value.h"
#include "supervisor/plugin/worker_private.h"

#define TRIM_BYTES (1u << 20)

static struct worker *
worker_of(struct request *r)
{
	return container_of(r, struct worker_private, check)->worker;
}

/* The allocator keeps large pieces for the next time, which may never come. */
void
state_blob_finish(struct state_blob *b)
{
	bool is_large = b->bytes.capacity > TRIM_BYTES;

	buffer_finish(&b->bytes);
	*b = (struct state_blob){0};
	if (is_large)
		malloc_trim(0);
}

void
ask_clear(struct worker *w)
{
	struct worker_private *p = w->private;

	state_blob_finish(&p->ask.blob);
	EVP_MD_CTX_free(p->ask.digest);
	json_decref(p->ask.settings);
	p->ask.digest = NULL;
	p->ask.settings = NULL;
	p->ask.state = NULL;
	p->quiet_awaited = false;
}

/* The request is over; err NULL: done. */
static void
tell(struct worker *w, struct state_blob *state, const struct error *err)
{
	struct state_blob taken = {0};

	if (state) {
		taken = *state;
		w->private->ask.blob = (struct state_blob){0};
	}
	ask_clear(w);
	w->ops->on_asked(w, state ? &taken : NULL, err);
	state_blob_finish(&taken);
}

static void
tell_error(struct worker *w, const struct message *m)
{
	char text[256];
	struct error err;

	codec_read_error(m->error, text, sizeof(text));
	error_set(&err, "%s", text);
	tell(w, NULL, &err);
}

static void
ask_fail(struct request *r, enum request_failure why, const char *text)
{
	struct worker *w = worker_of(r);
	struct error err;

	error_set(&err, "%s", text ? text : request_failures[why].text);
	if (w->private->ask.is_sending)
		w->private->ask.error = err;
	else
		tell(w, NULL, &err);
}

static int
ask(struct worker *w, const struct request_ops *ops, struct error *err)
{
	struct worker_private *p = w->private;
	struct request *r = &p->check;

	if (r->id || w->state >= WORKER_STOPPING)
		return error_set(err, "the worker is busy or going down");
	r->ops = ops;
	r->plugin = w->plugin;
	r->answered = r->cancelled = false;
	r->sends = 0;
	if (!request_table_add(p->room->requests, r))
		return error_set(err, "too many requests are under way");
	p->ask.is_sending = true;
	worker_send(w, r);
	p->ask.is_sending = false;
	if (r->id)
		return 0;
	*err = p->ask.error;
	return -1;
}

void
worker_ask_end(struct worker *w)
{
	if (w->state >= WORKER_READY && w->private->check.id)
		worker_cancel(w, &w->private->check);
	ask_clear(w);
}

bool
worker_await_quiet(struct worker *w, uint32_t owed)
{
	w->private->quiet_owed = owed;
	w->private->quiet_awaited = worker_unanswered(w) > owed;
	return !w->private->quiet_awaited;
}

/* ---- configure ---- */

static void
configure_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	codec_request(packer, wire_id, MESSAGE_CONFIGURE, 1);
	value_pack(packer, worker_of(r)->private->ask.settings);
}

static bool
configure_answer(struct request *r, const struct message *m)
{
	struct worker *w = worker_of(r);

	if (m->error) {
		tell_error(w, m);
		return false;
	}
	json_decref(w->settings);
	w->settings = json_incref(w->private->ask.settings);
	tell(w, NULL, NULL);
	return false;
}

static const struct request_ops configure_ops = {
	.encode = configure_encode,
	.answer = configure_answer,
	.fail = ask_fail,
};

int
worker_ask_configure(struct worker *w, json_t *settings, struct error *err)
{
	w->private->ask.settings = json_incref(settings);
	if (ask(w, &configure_ops, err) == 0)
		return 0;
	ask_clear(w);
	return -1;
}

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
	tell(w, NULL, &err);
}

/* The whole of it is there: its sum is known, and compared if one came. */
static void
export_done(struct worker *w)
{
	struct worker_private *p = w->private;
	struct state_blob *b = &p->ask.blob;
	unsigned char sum[EVP_MAX_MD_SIZE];
	char hex[65] = "";
	unsigned length = 0;

	EVP_DigestFinal_ex(p->ask.digest, sum, &length);
	for (unsigned i = 0; i < length && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	if (b->sha256[0] && strcmp(hex, b->sha256) != 0) {
		fail_export(w, "the checksum of the state is wrong");
		return;
	}
	memcpy(b->sha256, hex, sizeof(hex));
	tell(w, b, NULL);
}

/* False: it is larger than state may be. */
static bool
take_piece(struct worker *w, struct bytes piece)
{
	struct worker_private *p = w->private;

	if (buffer_length(&p->ask.blob.bytes) + piece.length > STATE_BYTES_MAX)
		return false;
	buffer_append(&p->ask.blob.bytes, piece.at, piece.length);
	EVP_DigestUpdate(p->ask.digest, piece.at, piece.length);
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
	struct worker *w = worker_of(r);
	struct state_blob *b = &w->private->ask.blob;
	const msgpack_object *items;
	struct bytes sum;

	if (m->error) {
		tell_error(w, m);
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
	take_piece(w, codec_bytes(&items[1])); /* of one message: it fits */
	if (!has_more(m->result))
		export_done(w);
	return has_more(m->result);
}

static void
export_chunk(struct request *r, struct bytes piece, bool more)
{
	struct worker *w = worker_of(r);

	if (!take_piece(w, piece)) {
		if (more)
			worker_cancel(w, r);
		fail_export(w, "the state is larger than 16 MiB");
	} else if (more) {
		worker_send_credit(w, r, piece.length);
	} else {
		export_done(w);
	}
}

static const struct request_ops export_ops = {
	.encode = export_encode,
	.answer = export_answer,
	.chunk = export_chunk,
	.fail = ask_fail,
};

bool
ask_promises_chunks(const struct request *r, const struct message *m)
{
	return r->ops == &export_ops && !m->error && is_export(m->result) &&
	       has_more(m->result);
}

int
worker_ask_export(struct worker *w, struct error *err)
{
	struct worker_private *p = w->private;

	p->ask.digest = EVP_MD_CTX_new();
	if (!p->ask.digest ||
		!EVP_DigestInit_ex(p->ask.digest, EVP_sha256(), NULL))
		error_set(err, "SHA-256 is not to be had");
	else if (ask(w, &export_ops, err) == 0)
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
	struct worker_private *p = worker_of(r)->private;
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
	struct worker_private *p = worker_of(r)->private;

	if (bytes > STATE_BYTES_MAX)
		bytes = STATE_BYTES_MAX; /* no more is ever needed */
	p->ask.credit += bytes;
	pump(worker_of(r));
}

static bool
import_answer(struct request *r, const struct message *m)
{
	struct worker *w = worker_of(r);
	struct error err;

	if (m->error) {
		tell_error(w, m);
	} else if (!is_sent(w->private)) {
		error_set(&err, "it was taken before all of it was there");
		tell(w, NULL, &err);
	} else {
		tell(w, NULL, NULL);
	}
	return false;
}

static const struct request_ops import_ops = {
	.encode = import_encode,
	.answer = import_answer,
	.credit = import_credit,
	.fail = ask_fail,
};

int
worker_ask_import(
	struct worker *w, const struct state_blob *state, struct error *err)
{
	struct worker_private *p = w->private;

	p->ask.state = state;
	p->ask.sent = 0;
	p->ask.credit = WIRE_CREDIT_BYTES;
	if (ask(w, &import_ops, err) < 0) {
		ask_clear(w);
		return -1;
	}
	pump(w);
	return 0;
}
