/* serve_request: what is done for each request. Those that change something
 * become part of the group; the others end it first, so that they are answered
 * in order and see only what is on the disk. */
#include <string.h>

#include "supervisor/channel/store/channels.h"
#include "supervisor/channel/store/serve_parts.h"

static struct bytes
param(const struct message *m, uint32_t index)
{
	const msgpack_object *o = &m->params[index];

	return (struct bytes){o->via.bin.ptr, o->via.bin.size};
}

static uint64_t
number(const struct message *m, uint32_t index)
{
	return m->params[index].via.u64;
}

static bool
is_name(struct bytes name)
{
	return name.length && name.length <= STORE_NAME_MAX;
}

/* ---- what becomes part of the group ---- */

/* false: it has been answered with BUSY. */
static bool
join_group(struct serve *s, const struct message *m)
{
	if (s->group.count == GROUP_REQUESTS_MAX)
		serve_end_group(s);
	if (s->db.handle && !s->group_failed && db_begin(&s->db) < 0)
		serve_fail(s);
	if (s->db.handle && !s->group_failed)
		return true;
	group_say(&s->group, m->id, STORE_BUSY);
	return false;
}

/* result: as the functions of messages.h return it. */
static void
say(struct serve *s, const struct message *m, int result)
{
	if (result < 0)
		serve_fail(s);
	group_say(&s->group, m->id,
		result < 0 ? STORE_BUSY : (enum store_answer)result);
}

static void
read_put(struct serve *s, const struct message *m,
	struct stored_message *message_out)
{
	struct bytes body = param(m, 5);

	*message_out = (struct stored_message){
		.outbound = number(m, 1) != 0,
		.channel = param(m, 2),
		.id = param(m, 3),
		.lane = param(m, 4),
		.body = body,
	};
	if (!buffer_length(&s->parts))
		return;
	buffer_append(&s->parts, body.at, body.length);
	message_out->body =
		(struct bytes){(const char *)buffer_bytes(&s->parts),
			buffer_length(&s->parts)};
}

static bool
put_fits(const struct stored_message *m)
{
	return is_name(m->channel) && m->id.length <= STORE_ID_MAX &&
	       m->lane.length <= STORE_ID_MAX &&
	       m->body.length <= STORE_BODY_MAX;
}

static void
answer_put(struct serve *s, const struct message *m, int result,
	const struct stored_message *found)
{
	msgpack_packer p;

	if (result != STORE_NEW && result != STORE_SEEN) {
		say(s, m, result == STORE_CONFLICT ? STORE_BUSY : result);
		return;
	}
	p = group_answer(&s->group, m->id);
	msgpack_pack_array(&p, 6);
	msgpack_pack_unsigned_int(&p, (unsigned)result);
	msgpack_pack_uint64(&p, found->seq);
	msgpack_pack_unsigned_int(&p, found->state);
	codec_bin(&p, found->note);
	msgpack_pack_uint32(&p, found->tries);
	msgpack_pack_uint64(&p, found->at_ms);
}

static void
put(struct serve *s, const struct message *m)
{
	struct stored_message message, found;

	read_put(s, m, &message);
	if (!put_fits(&message))
		say(s, m, STORE_TOO_LARGE);
	else if (s->is_over)
		say(s, m, STORE_BUSY);
	else
		answer_put(s, m,
			messages_put(&s->db, &message, number(m, 0), &found),
			&found);
}

static void
part(struct serve *s, const struct message *m)
{
	struct bytes bytes = param(m, 0);

	if (buffer_length(&s->parts) + bytes.length <= STORE_BODY_MAX)
		buffer_append(&s->parts, bytes.at, bytes.length);
	else
		serve_give_up(s, "supd sent a body that is too large");
}

static void
open_channel(struct serve *s, const struct message *m)
{
	uint64_t epoch = 0;
	struct bytes cursor = {0};
	msgpack_packer p;
	int result = STORE_TOO_LARGE;

	if (is_name(param(m, 0)))
		result = messages_open_channel(
			&s->db, param(m, 0), number(m, 1), &epoch, &cursor);
	if (result != STORE_OK) {
		say(s, m, result);
		return;
	}
	p = group_answer(&s->group, m->id);
	msgpack_pack_array(&p, 3);
	msgpack_pack_unsigned_int(&p, STORE_OK);
	msgpack_pack_uint64(&p, epoch);
	codec_bin(&p, cursor);
}

/* Those that supd repeats until they are made. */
static int
set_state(struct serve *s, const struct message *m)
{
	struct stored_change to = {.seq = number(m, 0),
		.state = (enum stored_state)number(m, 1),
		.note = param(m, 2),
		.tries = (uint32_t)number(m, 3)};

	if (number(m, 1) >= STORED_STATE_COUNT ||
		to.note.length > STORE_NOTE_MAX)
		return STORE_TOO_LARGE;
	return messages_set_state(&s->db, &to);
}

static int
set_cursor(struct serve *s, const struct message *m)
{
	if (!is_name(param(m, 0)) || param(m, 2).length > STORE_CURSOR_MAX)
		return STORE_TOO_LARGE;
	return messages_set_cursor(
		&s->db, param(m, 0), number(m, 1), param(m, 2));
}

static void
change(struct serve *s, enum store_op op, const struct message *m)
{
	int result = STORE_BUSY;

	if (!join_group(s, m))
		return;
	if (!s->refuses_changes)
		result = op == STORE_OP_STATE ? set_state(s, m)
					      : set_cursor(s, m);
	say(s, m, result);
}

/* ---- what is answered by itself ---- */

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
	int result = messages_get(&s->db, number(m, 0), &message);

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
		result = messages_move(&s->db, number(m, 0), to);
	if (result < 0 || db_commit(&s->db) < 0)
		fail_alone(s, m);
	else
		get(s, m, (enum store_answer)result, to == STORED_PENDING);
}

/* The rows of a page: packed apart, because an array needs its length first. */
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
	struct store_query q = {.channel = param(m, 0),
		.direction = (enum store_direction)number(m, 1),
		.states = (unsigned)number(m, 2),
		.after_seq = number(m, 3),
		.newest_first = m->params[4].via.boolean,
		.bodies = m->params[5].via.boolean,
		.limit = (uint32_t)number(m, 6)};
	struct buffer rows = {0};
	struct messages_page page;
	msgpack_packer *p;

	if (messages_page_begin(&page, &s->db, &q) < 0 ||
		collect_page(s, &page, &rows) < 0) {
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
	}
	messages_page_end(&page);
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
	const struct channel *one = channels_find(&s->db, param(m, 0));
	uint32_t total = channels_count(&s->db);
	msgpack_packer *p;

	if (param(m, 0).length)
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

static void
serve_alone(struct serve *s, enum store_op op, const struct message *m)
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

void
serve_request(struct serve *s, const struct message *m)
{
	enum store_op op = store_op_of(m);

	switch (op) {
	case STORE_OP_COUNT:
		serve_give_up(s, "supd sent a request that is not known");
		break;
	case STORE_OP_SETTINGS:
		serve_settings(s, m);
		break;
	case STORE_OP_AGAIN:
		serve_end_group(s);
		s->refuses_changes = false;
		break;
	case STORE_OP_PART:
		part(s, m);
		break;
	case STORE_OP_PUT:
		if (join_group(s, m))
			put(s, m);
		buffer_clear(&s->parts);
		break;
	case STORE_OP_OPEN:
		if (join_group(s, m))
			open_channel(s, m);
		break;
	case STORE_OP_STATE:
	case STORE_OP_CURSOR:
		change(s, op, m);
		break;
	default:
		serve_alone(s, op, m);
		break;
	}
}
