/* message_store_calls: each request is packed once, into memory of its own, so
 * that it can be sent as often as it has to be. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/channel/message_store_private.h"

static msgpack_packer
begin(struct message_store *s)
{
	msgpack_packer p;

	buffer_clear(&s->scratch);
	codec_packer(&p, &s->scratch);
	return p;
}

static struct store_request *
make(struct message_store *s, struct store_call *call, enum store_op op,
	uint32_t id)
{
	size_t bytes = buffer_length(&s->scratch);
	struct store_request *r = memory_resize(NULL, sizeof(*r) + bytes);

	*r = (struct store_request){
		.call = call, .op = op, .id = id, .bytes = bytes};
	list_init(&r->node);
	memcpy(r->encoded, buffer_bytes(&s->scratch), bytes);
	if (call)
		call->request = r;
	return r;
}

static void
too_large(struct message_store *s, struct store_call *call, enum store_op op)
{
	buffer_clear(&s->scratch);
	message_store_refuse(
		s, make(s, call, op, s->next_id++), STORE_TOO_LARGE);
}

static bool
is_name(struct bytes name)
{
	return name.length && name.length <= STORE_NAME_MAX;
}

static void
pack_bool(msgpack_packer *p, bool value)
{
	if (value)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
}

/* ---- put ---- */

static bool
put_fits(const struct stored_message *m)
{
	return is_name(m->channel) && m->id.length <= STORE_ID_MAX &&
	       m->lane.length <= STORE_ID_MAX &&
	       m->body.length <= STORE_BODY_MAX;
}

/* The first half of a long body; moves `body` to the rest. */
static size_t
pack_part(struct message_store *s, msgpack_packer *p, struct bytes *body)
{
	struct bytes first = *body;

	if (body->length <= STORE_BODY_INLINE)
		return 0;
	first.length -= STORE_BODY_INLINE;
	store_pack_call(p, 0, STORE_OP_PART, 1);
	codec_bin(p, first);
	body->at += first.length;
	body->length -= first.length;
	return buffer_length(&s->scratch);
}

void
message_store_put(struct message_store *s, struct store_call *call,
	const struct stored_message *m)
{
	struct bytes body = m->body;
	uint32_t id = s->next_id++;
	size_t part_bytes, key_at, key_end;
	struct store_request *r;
	msgpack_packer p;

	if (!put_fits(m)) {
		too_large(s, call, STORE_OP_PUT);
		return;
	}
	p = begin(s);
	part_bytes = pack_part(s, &p, &body);
	store_pack_call(&p, id, STORE_OP_PUT, 6);
	msgpack_pack_uint64(&p, s->next_token++);
	key_at = buffer_length(&s->scratch);
	msgpack_pack_unsigned_int(&p, m->outbound);
	codec_bin(&p, m->channel);
	codec_bin(&p, m->id);
	key_end = buffer_length(&s->scratch);
	codec_bin(&p, m->lane);
	codec_bin(&p, body);
	r = make(s, call, STORE_OP_PUT, id);
	r->part_bytes = part_bytes;
	r->key_at = key_at;
	r->key_bytes = key_end - key_at;
	message_store_submit(s, r);
}

/* ---- changes ---- */

void
message_store_set_state(struct message_store *s, struct store_call *call,
	const struct stored_change *change)
{
	uint32_t id = s->next_id++;
	msgpack_packer p;

	if (change->note.length > STORE_NOTE_MAX) {
		too_large(s, call, STORE_OP_STATE);
		return;
	}
	p = begin(s);
	store_pack_call(&p, id, STORE_OP_STATE, 4);
	msgpack_pack_uint64(&p, change->seq);
	msgpack_pack_unsigned_int(&p, change->state);
	codec_bin(&p, change->note);
	msgpack_pack_uint32(&p, change->tries);
	message_store_submit(s, make(s, call, STORE_OP_STATE, id));
}

void
message_store_set_cursor(struct message_store *s, struct store_call *call,
	struct bytes channel, uint64_t epoch, struct bytes cursor)
{
	uint32_t id = s->next_id++;
	msgpack_packer p;

	if (!is_name(channel) || cursor.length > STORE_CURSOR_MAX) {
		too_large(s, call, STORE_OP_CURSOR);
		return;
	}
	p = begin(s);
	store_pack_call(&p, id, STORE_OP_CURSOR, 3);
	codec_bin(&p, channel);
	msgpack_pack_uint64(&p, epoch);
	codec_bin(&p, cursor);
	message_store_submit(s, make(s, call, STORE_OP_CURSOR, id));
}

void
message_store_open_channel(struct message_store *s, struct store_call *call,
	struct bytes channel, uint64_t epoch_min)
{
	uint32_t id = s->next_id++;
	msgpack_packer p;

	if (!is_name(channel)) {
		too_large(s, call, STORE_OP_OPEN);
		return;
	}
	p = begin(s);
	store_pack_call(&p, id, STORE_OP_OPEN, 2);
	codec_bin(&p, channel);
	msgpack_pack_uint64(&p, epoch_min);
	message_store_submit(s, make(s, call, STORE_OP_OPEN, id));
}

/* ---- looking ---- */

void
message_store_query(struct message_store *s, struct store_call *call,
	const struct store_query *q)
{
	uint32_t id = s->next_id++;
	msgpack_packer p = begin(s);

	store_pack_call(&p, id, STORE_OP_QUERY, 7);
	codec_bin(&p, q->channel);
	msgpack_pack_unsigned_int(&p, q->direction);
	msgpack_pack_unsigned_int(&p, q->states);
	msgpack_pack_uint64(&p, q->after_seq);
	pack_bool(&p, q->newest_first);
	pack_bool(&p, q->bodies);
	msgpack_pack_uint32(&p, q->limit);
	message_store_submit(s, make(s, call, STORE_OP_QUERY, id));
}

static void
about_one(struct message_store *s, struct store_call *call, enum store_op op,
	uint64_t seq)
{
	uint32_t id = s->next_id++;
	msgpack_packer p = begin(s);

	store_pack_call(&p, id, op, 1);
	msgpack_pack_uint64(&p, seq);
	message_store_submit(s, make(s, call, op, id));
}

void
message_store_get(
	struct message_store *s, struct store_call *call, uint64_t seq)
{
	about_one(s, call, STORE_OP_GET, seq);
}

void
message_store_retry(
	struct message_store *s, struct store_call *call, uint64_t seq)
{
	about_one(s, call, STORE_OP_RETRY, seq);
}

void
message_store_drop(
	struct message_store *s, struct store_call *call, uint64_t seq)
{
	about_one(s, call, STORE_OP_DROP, seq);
}

void
message_store_counts(
	struct message_store *s, struct store_call *call, struct bytes channel)
{
	uint32_t id = s->next_id++;
	msgpack_packer p = begin(s);

	store_pack_call(&p, id, STORE_OP_COUNTS, 1);
	codec_bin(&p, channel);
	message_store_submit(s, make(s, call, STORE_OP_COUNTS, id));
}
