/* rpc_answer: where answers go: to the client at once, or into their batch,
 * which is sent with the last of them. */
#include "supervisor/http/rpc_answer.h"

#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"

/* The answers of a batch, sent when the last one is there. */
struct rpc_batch {
	unsigned awaited;
	size_t bytes;	    /* of the answers */
	struct buffer text; /* "[" and answers */
};

static void
batch_add(struct rpc_place at, const struct buffer *answer)
{
	struct rpc_session *s = at.session;
	struct buffer *text = &at.batch->text;
	struct buffer instead = {0};

	if (s->batch_bytes + buffer_length(answer) > RPC_BATCH_BYTES) {
		rpc_write_error(&instead, at.id, RPC_FAILED,
			"the answers of this batch are too large; call it "
			"alone",
			"too_large", BYTES(""));
		answer = &instead;
	}
	buffer_append_byte(text, buffer_length(text) ? ',' : '[');
	buffer_append(text, buffer_bytes(answer), buffer_length(answer));
	at.batch->bytes += buffer_length(answer);
	s->batch_bytes += buffer_length(answer);
	buffer_finish(&instead);
}

void
rpc_answer(struct rpc_place at, struct buffer *text)
{
	if (at.id && at.batch)
		batch_add(at, text);
	else if (at.id)
		rpc_send(at.session, rpc_text(text), RPC_ANSWERS_MAX);
	buffer_finish(text);
}

void
rpc_answer_value(struct rpc_place at, json_t *value)
{
	struct buffer result = {0}, text = {0};

	json_text_append(&result, value, JSON_TEXT_COMPACT);
	rpc_write_result(&text, at.id, rpc_text(&result));
	rpc_answer(at, &text);
	buffer_finish(&result);
	json_decref(value);
}

void
rpc_answer_error(struct rpc_place at, enum rpc_error error, const char *message,
	const char *code)
{
	struct buffer text = {0};

	rpc_write_error(&text, at.id, error, message, code, BYTES(""));
	rpc_answer(at, &text);
}

void
rpc_batch_leave(struct rpc_session *s, struct rpc_batch *b)
{
	if (--b->awaited)
		return;
	if (buffer_length(&b->text)) {
		s->batch_bytes -= b->bytes;
		buffer_append_byte(&b->text, ']');
		rpc_send(s, rpc_text(&b->text), RPC_ANSWERS_MAX);
	}
	buffer_finish(&b->text);
	free(b);
}

struct rpc_batch *
rpc_batch_create(void)
{
	struct rpc_batch *b = memory_alloc(sizeof(*b));

	b->awaited = 1;
	return b;
}

void
rpc_batch_join(struct rpc_batch *b)
{
	b->awaited++;
}
