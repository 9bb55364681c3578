/* serve_look: requests that look at messages, or move one for a user. They end
 * the group first, so that they are answered in order and see only what is on
 * the disk. */
#include "supervisor/channel/store/channels.h"
#include "supervisor/channel/store/serve_parts.h"

static void
pack_message(msgpack_packer *p, const struct stored_message *m, bool in_parts)
{
	msgpack_pack_array(p, 11);
	msgpack_pack_uint64(p, m->seq);
	msgpack_pack_unsigned_int(p, m->outbound);
	codec_bin(p, m->channel);
	codec_bin(p, m->id);
	codec_bin(p, m->lane);
	if (in_parts)
		msgpack_pack_nil(p);
	else
		codec_bin(p, m->body);
	msgpack_pack_uint64(p, m->body_bytes);
	msgpack_pack_unsigned_int(p, m->state);
	codec_bin(p, m->note);
	msgpack_pack_uint32(p, m->tries);
	msgpack_pack_uint64(p, m->at_ms);
}

/* Sends a body ahead, if it is too long for the answer. */
static bool
send_parts(struct serve *s, const struct stored_message *m)
{
	struct bytes rest = m->body;

	if (rest.length <= STORE_BODY_INLINE)
		return false;
	while (rest.length) {
		struct bytes piece = rest;

		if (piece.length > STORE_BODY_INLINE)
			piece.length = STORE_BODY_INLINE;
		store_pack_news(
			peer_begin(&s->peer), STORE_NEWS_PART, piece, false);
		peer_end(&s->peer);
		rest.at += piece.length;
		rest.length -= piece.length;
	}
	return true;
}

static void
answer_alone(struct serve *s, const struct message *m, enum store_answer answer)
{
	msgpack_packer *p = peer_begin(&s->peer);

	codec_result(p, m->id);
	msgpack_pack_array(p, 1);
	msgpack_pack_unsigned_int(p, answer);
	peer_end(&s->peer);
}

static void
answer_message(struct serve *s, const struct message *m,
	enum store_answer answer, const struct stored_message *message)
{
	bool in_parts = send_parts(s, message);
	msgpack_packer *p = peer_begin(&s->peer);

	codec_result(p, m->id);
	msgpack_pack_array(p, 2);
	msgpack_pack_unsigned_int(p, answer);
	pack_message(p, message, in_parts);
	peer_end(&s->peer);
}

/* Reading has failed, or a change that was alone in its group. */
static void
fail_alone(struct serve *s, const struct message *m)
{
	serve_fail(s);
	group_say(&s->group, m->id, STORE_BUSY);
	serve_end_group(s);
}

static void
get(struct serve *s, const struct message *m, enum store_answer answer,
	bool with_body)
{
	struct stored_message message;
	int result = messages_get(&s->db, m->params[0].via.u64, &message);

	if (!with_body)
		message.body.length = 0;
	if (result < 0)
		fail_alone(s, m);
	else if (result == STORE_OK)
		answer_message(s, m, answer, &message);
	else
		answer_alone(s, m, (enum store_answer)result);
	messages_close(&s->db);
}

static void
move(struct serve *s, const struct message *m, enum stored_state to)
{
	int result = -1;

	if (db_begin(&s->db) == 0)
		result = messages_move(&s->db, m->params[0].via.u64, to);
	if (result < 0 || db_commit(&s->db) < 0)
		fail_alone(s, m);
	else
		get(s, m, (enum store_answer)result, to == STORED_PENDING);
}

/* Packs the rows of a page into a buffer of their own, because the length of an
 * array precedes its items. */
static int
collect_page(struct serve *s, struct messages_page *page, struct buffer *rows)
{
	struct stored_message message;
	msgpack_packer p;
	int more;

	codec_packer(&p, rows);
	while ((more = messages_page_next(page, &message)) > 0) {
		/* Only one that is alone on its page can be that long. */
		bool in_parts = send_parts(s, &message);

		pack_message(&p, &message, in_parts);
	}
	return more;
}

static void
query(struct serve *s, const struct message *m)
{
	struct store_query q = {.channel = codec_bytes(&m->params[0]),
		.direction = (enum store_direction)m->params[1].via.u64,
		.states = (unsigned)m->params[2].via.u64,
		.after_seq = m->params[3].via.u64,
		.newest_first = m->params[4].via.boolean,
		.bodies = m->params[5].via.boolean,
		.limit = (uint32_t)m->params[6].via.u64};
	struct buffer rows = {0};
	struct messages_page page;
	msgpack_packer *p;

	if (messages_page_begin(&page, &s->db, &q) < 0 ||
		collect_page(s, &page, &rows) < 0) {
		messages_page_end(&page); /* before the database is closed */
		fail_alone(s, m);
	} else {
		p = peer_begin(&s->peer);
		codec_result(p, m->id);
		msgpack_pack_array(p, 4);
		msgpack_pack_unsigned_int(p, STORE_OK);
		msgpack_pack_array(p, page.rows);
		codec_raw(p, (struct bytes){(const char *)buffer_bytes(&rows),
				     buffer_length(&rows)});
		if (page.more)
			msgpack_pack_true(p);
		else
			msgpack_pack_false(p);
		msgpack_pack_uint64(p, page.next_seq);
		peer_end(&s->peer);
		messages_page_end(&page);
	}
	buffer_finish(&rows);
}

static void
pack_tally(msgpack_packer *p, const struct channel *c, bool outbound)
{
	const struct tally *t = &c->tallies[outbound];

	msgpack_pack_array(p, 3 + STORED_STATE_COUNT);
	codec_bin(p, c->name);
	msgpack_pack_unsigned_int(p, outbound);
	msgpack_pack_uint64(p, t->kept);
	for (int i = 0; i < STORED_STATE_COUNT; i++)
		msgpack_pack_uint64(p, t->states[i]);
}

static void
counts(struct serve *s, const struct message *m)
{
	const struct channel *one =
		channels_find(&s->db, codec_bytes(&m->params[0]));
	uint32_t total = channels_count(&s->db);
	msgpack_packer *p;

	if (codec_bytes(&m->params[0]).length)
		total = one ? 1 : 0;
	if (total > STORE_COUNTS_MAX)
		total = STORE_COUNTS_MAX;
	p = peer_begin(&s->peer);
	codec_result(p, m->id);
	msgpack_pack_array(p, 2);
	msgpack_pack_unsigned_int(p, STORE_OK);
	msgpack_pack_array(p, 2 * total);
	for (uint32_t i = 0; i < total; i++) {
		const struct channel *c = one ? one : channels_at(&s->db, i);

		pack_tally(p, c, false);
		pack_tally(p, c, true);
	}
	peer_end(&s->peer);
}

void
serve_look(struct serve *s, enum store_op op, const struct message *m)
{
	serve_end_group(s);
	if (s->status)
		return;
	if (!s->db.handle) {
		answer_alone(s, m, STORE_BUSY);
		return;
	}
	switch (op) {
	case STORE_OP_QUERY:
		query(s, m);
		break;
	case STORE_OP_GET:
		get(s, m, STORE_OK, true);
		break;
	case STORE_OP_RETRY:
		move(s, m, STORED_PENDING);
		break;
	case STORE_OP_DROP:
		move(s, m, STORED_DROPPED);
		break;
	default:
		counts(s, m);
		break;
	}
}
