/* message_store_answer: what the process sends. It answers in the order of the
 * requests; one that does not is killed. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/channel/message_store_private.h"

/* ---- reading ---- */

static const msgpack_object nothing = {.type = MSGPACK_OBJECT_NIL};

static const msgpack_object *
at(const msgpack_object *array, uint32_t index)
{
	return array->type == MSGPACK_OBJECT_ARRAY &&
			       index < array->via.array.size
		       ? &array->via.array.ptr[index]
		       : &nothing;
}

static uint32_t
size_of(const msgpack_object *array)
{
	return array->type == MSGPACK_OBJECT_ARRAY ? array->via.array.size : 0;
}

static enum stored_state
read_state(const msgpack_object *o)
{
	uint64_t state = store_number(o);

	return state < STORED_STATE_COUNT ? (enum stored_state)state
					  : STORED_DEAD;
}

/* [seq, outbound, channel, id, lane, body, body_bytes, state, note, tries,
 * at_ms] */
static void
read_message(struct message_store *s, const msgpack_object *o,
	struct stored_message *m)
{
	*m = (struct stored_message){
		.seq = store_number(at(o, 0)),
		.outbound = store_number(at(o, 1)) != 0,
		.channel = codec_bytes(at(o, 2)),
		.id = codec_bytes(at(o, 3)),
		.lane = codec_bytes(at(o, 4)),
		.body = codec_bytes(at(o, 5)),
		.body_bytes = store_number(at(o, 6)),
		.state = read_state(at(o, 7)),
		.note = codec_bytes(at(o, 8)),
		.tries = (uint32_t)store_number(at(o, 9)),
		.at_ms = store_number(at(o, 10)),
	};
	if (at(o, 5)->type == MSGPACK_OBJECT_NIL)
		m->body = (struct bytes){(const char *)buffer_bytes(&s->parts),
			buffer_length(&s->parts)};
}

/* ---- by request ---- */

/* A call that was forgotten is answered to nobody. */
static void
answer_call(struct store_request *r, const struct store_result *result)
{
	struct store_call *call = r->call;

	free(r);
	if (!call)
		return;
	call->request = NULL;
	call->done(call, result);
}

static void
answer_put(struct message_store *s, struct store_request *r,
	const msgpack_object *o, struct store_result *result)
{
	struct stored_message m = {
		.seq = store_number(at(o, 1)),
		.state = read_state(at(o, 2)),
		.note = codec_bytes(at(o, 3)),
		.tries = (uint32_t)store_number(at(o, 4)),
		.at_ms = store_number(at(o, 5)),
	};

	if (result->answer == STORE_BUSY && r->sends > 1)
		message_store_orphan(s, r);
	if (result->answer == STORE_NEW && !r->call)
		message_store_orphan(s, r);
	if (result->answer == STORE_SEEN && r->call &&
		message_store_adopt(s, r) && m.state == STORED_PENDING)
		result->answer = STORE_NEW;
	if (result->answer == STORE_NEW || result->answer == STORE_SEEN) {
		result->messages = &m;
		result->message_count = 1;
	}
	answer_call(r, result);
}

static void
answer_query(struct message_store *s, struct store_request *r,
	const msgpack_object *o, struct store_result *result)
{
	static struct stored_message rows[STORE_PAGE_ROWS];
	uint32_t count = size_of(at(o, 1));

	if (count > STORE_PAGE_ROWS)
		count = STORE_PAGE_ROWS;
	for (uint32_t i = 0; i < count; i++)
		read_message(s, at(at(o, 1), i), &rows[i]);
	result->messages = rows;
	result->message_count = count;
	result->more = at(o, 2)->type == MSGPACK_OBJECT_BOOLEAN &&
		       at(o, 2)->via.boolean;
	result->next_seq = store_number(at(o, 3));
	answer_call(r, result);
}

static void
answer_one(struct message_store *s, struct store_request *r,
	const msgpack_object *o, struct store_result *result)
{
	struct stored_message m;

	if (size_of(o) > 1) {
		read_message(s, at(o, 1), &m);
		result->messages = &m;
		result->message_count = 1;
	}
	answer_call(r, result);
}

static void
answer_counts(struct store_request *r, const msgpack_object *o,
	struct store_result *result)
{
	uint32_t count = size_of(at(o, 1));
	struct stored_counts *rows = memory_alloc((count + 1) * sizeof(*rows));

	for (uint32_t i = 0; i < count; i++) {
		const msgpack_object *row = at(at(o, 1), i);

		rows[i] = (struct stored_counts){
			.channel = codec_bytes(at(row, 0)),
			.outbound = store_number(at(row, 1)) != 0,
			.kept = store_number(at(row, 2)),
		};
		for (uint32_t j = 0; j < STORED_STATE_COUNT; j++)
			rows[i].states[j] = store_number(at(row, 3 + j));
	}
	result->counts = rows;
	result->count_count = count;
	answer_call(r, result);
	free(rows);
}

static void
answer(struct message_store *s, struct store_request *r,
	const msgpack_object *o)
{
	struct store_result result = {
		.answer = (enum store_answer)store_number(at(o, 0))};

	switch (r->op) {
	case STORE_OP_PUT:
		answer_put(s, r, o, &result);
		break;
	case STORE_OP_OPEN:
		result.epoch = store_number(at(o, 1));
		result.cursor = codec_bytes(at(o, 2));
		answer_call(r, &result);
		break;
	case STORE_OP_QUERY:
		answer_query(s, r, o, &result);
		break;
	case STORE_OP_GET:
	case STORE_OP_RETRY:
	case STORE_OP_DROP:
		answer_one(s, r, o, &result);
		break;
	case STORE_OP_COUNTS:
		answer_counts(r, o, &result);
		break;
	default:
		answer_call(r, &result);
		break;
	}
}

/* ---- what comes ---- */

static void
on_response(struct message_store *s, const struct message *m)
{
	struct store_request *r = list_is_empty(&s->sent)
					  ? NULL
					  : container_of(s->sent.next,
						    struct store_request, node);
	uint64_t said = store_number(at(m->result, 0));

	if (!r || r->id != m->id || m->error || !size_of(m->result) ||
		said >= STORE_ANSWER_COUNT) {
		log_error("message store: an answer that nobody waits for; "
			  "ending its process");
		message_store_kill(s);
		return;
	}
	s->has_answered = true;
	message_store_be_patient(s);
	if (store_op_is_change(r->op)) {
		s->changes_sent--;
		if (said == STORE_BUSY) {
			list_remove(&r->node);
			message_store_stall(s, r);
			return;
		}
	}
	message_store_take(s, r);
	answer(s, r, m->result);
	buffer_clear(&s->parts);
	/* The peer reports an empty buffer only if it was full before. */
	message_store_pump(s);
	message_store_look_if_stopped(s);
}

static void
on_damaged(struct message_store *s, struct bytes path)
{
	char text[512];

	text_format(text, sizeof(text), "%.*s", (int)path.length, path.at);
	log_error("message store: the database was damaged; it is now %s, and "
		  "a new one has been begun",
		text);
	if (s->owner.on_damaged)
		s->owner.on_damaged(s->owner.user, text);
}

static void
on_trouble(struct message_store *s, struct bytes reason)
{
	char text[512];

	text_format(text, sizeof(text), "%.*s", (int)reason.length, reason.at);
	message_store_set_trouble(s, text);
	if (!reason.length)
		message_store_resume(s);
}

static void
on_news(struct message_store *s, const struct message *m)
{
	struct bytes value =
		m->param_count ? codec_bytes(m->params) : BYTES("");

	if (bytes_equal(m->method, bytes_of(STORE_NEWS_TROUBLE)))
		on_trouble(s, value);
	else if (bytes_equal(m->method, bytes_of(STORE_NEWS_DAMAGED)))
		on_damaged(s, value);
	else if (bytes_equal(m->method, bytes_of(STORE_NEWS_PART)) &&
		 buffer_length(&s->parts) + value.length <= STORE_BODY_MAX)
		buffer_append(&s->parts, value.at, value.length);
}

void
message_store_on_message(struct peer *p, const struct message *m)
{
	struct message_store *s = p->owner;

	if (s->state == STORE_STARTING) {
		s->state = STORE_UP;
		s->is_impatient = false;
		if (!s->others.count)
			message_store_be_patient(s);
	}
	if (m->kind == MESSAGE_RESPONSE)
		on_response(s, m);
	else
		on_news(s, m);
}
