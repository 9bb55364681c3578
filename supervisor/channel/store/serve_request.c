/* serve_request: what is done for each request. Those of supd itself become
 * part of the group; those of people are serve_look.c. */

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

	if (!join_group(s, m)) {
		s->refuses_changes = true;
		return;
	}
	if (!s->refuses_changes)
		result = op == STORE_OP_STATE ? set_state(s, m)
					      : set_cursor(s, m);
	say(s, m, result);
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
		serve_look(s, op, m);
		break;
	}
}
