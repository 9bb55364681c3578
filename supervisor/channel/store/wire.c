/* wire: the tables of both sides, and how calls and news are packed. */
#include "supervisor/channel/store/wire.h"

const struct store_op_row store_ops[STORE_OP_COUNT] = {
#define X(name, text, kind, params, meaning)                                   \
	[STORE_OP_##name] = {BYTES_INIT(text), MESSAGE_##kind, params},
	STORE_REQUESTS(X)
#undef X
};

static const struct bytes state_names[STORED_STATE_COUNT] = {
#define X(name, text) [STORED_##name] = BYTES_INIT(text),
	STORED_STATES(X)
#undef X
};

const char *
stored_state_name(enum stored_state state)
{
	return state < STORED_STATE_COUNT ? state_names[state].at : "";
}

enum stored_state
stored_state_by_name(struct bytes name)
{
	unsigned i = 0;

	while (i < STORED_STATE_COUNT && !bytes_equal(state_names[i], name))
		i++;
	return (enum stored_state)i;
}

static bool
fits(const msgpack_object *o, char letter)
{
	switch (letter) {
	case 'u':
		return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
	case 'o':
		return o->type == MSGPACK_OBJECT_BOOLEAN;
	default:
		return o->type == MSGPACK_OBJECT_BIN;
	}
}

enum store_op
store_op_of(const struct message *m)
{
	unsigned op = 0;
	const char *letters;

	while (op < STORE_OP_COUNT &&
		!bytes_equal(store_ops[op].name, m->method))
		op++;
	if (op == STORE_OP_COUNT || store_ops[op].kind != m->kind)
		return STORE_OP_COUNT;
	letters = store_ops[op].params;
	if (strlen(letters) != m->param_count)
		return STORE_OP_COUNT;
	for (uint32_t i = 0; i < m->param_count; i++)
		if (!fits(&m->params[i], letters[i]))
			return STORE_OP_COUNT;
	return (enum store_op)op;
}

void
store_pack_call(
	msgpack_packer *p, uint32_t id, enum store_op op, uint32_t count)
{
	bool is_request = store_ops[op].kind == MESSAGE_REQUEST;

	msgpack_pack_array(p, is_request ? 4 : 3);
	msgpack_pack_uint8(p, (uint8_t)store_ops[op].kind);
	if (is_request)
		msgpack_pack_uint32(p, id);
	codec_str(p, store_ops[op].name);
	msgpack_pack_array(p, count);
}

void
store_pack_news(
	msgpack_packer *p, const char *name, struct bytes value, bool is_text)
{
	msgpack_pack_array(p, 3);
	msgpack_pack_uint8(p, MESSAGE_NOTIFICATION);
	codec_text(p, name);
	msgpack_pack_array(p, 1);
	if (is_text)
		codec_str(p, value);
	else
		codec_bin(p, value);
}

uint64_t
store_number(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? o->via.u64 : 0;
}
