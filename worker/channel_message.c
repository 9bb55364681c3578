/* channel_message: a message as the plugin says it, checked and packed. supd
 * checks the rest. */
#include "worker/channel_parts.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"
#include "proto/value.h"

/* Of the fields: the rest of a message of the wire is for what is around them.
 */
#define FIELDS_MAX (WIRE_MESSAGE_MAX - CHANNEL_CURSOR_MAX - 1024)

_Static_assert(SUP_CHANNEL_CURSOR_MAX == CHANNEL_CURSOR_MAX,
	"the header says what the wire allows");

static const char *const own_fields[] = {"id", "lane", "cursor", "at", "from",
	"chat", "thread", "reply_to", "text"};

struct packing {
	struct received *received;
	msgpack_packer out;
	struct error *err; /* the first problem */
	bool failed;
};

static void
complain(struct packing *k, const char *name, const char *what)
{
	if (!k->failed)
		error_set(k->err, "%s of the message %s", name, what);
	k->failed = true;
}

/* name: as in the contract; a field that may be missing has `needed` false. */
static void
pack_text(struct packing *k, const char *key, struct bytes text)
{
	if (!utf8_is_valid(text.at, text.length))
		complain(k, key, "must be UTF-8");
	codec_text(&k->out, key);
	codec_str(&k->out, text);
}

static void
pack_field(struct packing *k, const char *key, const char *text)
{
	if (!text)
		return;
	k->received->field_count++;
	pack_text(k, key, bytes_of(text));
}

/* Within a map. */
static void
pack_needed(
	struct packing *k, const char *name, const char *key, const char *text)
{
	if (!text || !*text)
		complain(k, name, "is missing");
	pack_text(k, key, bytes_of(text ? text : ""));
}

static void
pack_from(struct packing *k, const struct sup_message *said)
{
	k->received->field_count++;
	codec_text(&k->out, "from");
	msgpack_pack_map(
		&k->out, 1 + (said->from_name != NULL) + said->from_verified);
	pack_needed(k, "from_id", "id", said->from_id);
	if (said->from_name)
		pack_text(k, "name", bytes_of(said->from_name));
	if (said->from_verified) {
		codec_text(&k->out, "verified");
		msgpack_pack_true(&k->out);
	}
}

static void
pack_chat(struct packing *k, const struct sup_message *said)
{
	static const char *const types[] = {"direct", "group", "channel"};

	if (said->chat_type > SUP_CHAT_CHANNEL)
		complain(k, "chat_type", "is unknown");
	k->received->field_count++;
	codec_text(&k->out, "chat");
	msgpack_pack_map(&k->out, 2);
	pack_needed(k, "chat_id", "id", said->chat_id);
	codec_text(&k->out, "type");
	codec_text(&k->out,
		types[said->chat_type <= SUP_CHAT_CHANNEL ? said->chat_type
							  : 0]);
}

static void
pack_at(struct packing *k, int64_t at_ms)
{
	k->received->field_count++;
	codec_text(&k->out, "at");
	msgpack_pack_int64(&k->out, at_ms ? at_ms : (int64_t)clock_wall_ms());
}

static bool
is_own_field(const char *name)
{
	for (size_t i = 0; i < sizeof(own_fields) / sizeof(*own_fields); i++)
		if (!strcmp(own_fields[i], name))
			return true;
	return false;
}

static void
pack_more(struct packing *k, const char *json)
{
	struct error err;
	json_t *more = json_text_read(bytes_of(json), NULL, &err), *value;
	const char *key;

	if (!more)
		complain(k, "more_json", err.text);
	else if (!json_is_object(more))
		complain(k, "more_json", "must be an object");
	else if (value_is_deeper(more, VALUE_DEPTH_MAX))
		complain(k, "more_json", "is nested too deeply");
	json_object_foreach(more, key, value)
	{
		if (is_own_field(key))
			complain(k, "more_json", "has a field of its own name");
		k->received->field_count++;
		codec_text(&k->out, key);
		value_pack(&k->out, value);
	}
	json_decref(more);
}

static void
pack_all(struct packing *k, const struct sup_message *said)
{
	struct bytes text = {said->text, said->text_bytes};

	k->received->field_count = 2;
	pack_needed(k, "id", "id", said->id);
	pack_needed(k, "lane", "lane", said->lane);
	pack_at(k, said->at_ms);
	pack_from(k, said);
	pack_chat(k, said);
	pack_field(k, "thread", said->thread);
	pack_field(k, "reply_to", said->reply_to);
	if (said->text) {
		k->received->field_count++;
		pack_text(k, "text", text.length ? text : bytes_of(said->text));
	}
	if (said->more_json)
		pack_more(k, said->more_json);
	if (buffer_length(&k->received->fields) > FIELDS_MAX)
		complain(k, "the size", "is above 1 MiB");
}

int
received_read(
	struct received *r, const struct sup_message *said, struct error *err)
{
	struct packing k = {.received = r, .err = err};

	codec_packer(&k.out, &r->fields);
	pack_all(&k, said);
	if (said->cursor && said->cursor_bytes > CHANNEL_CURSOR_MAX)
		complain(&k, "cursor", "is too large");
	if (k.failed) {
		received_empty(r);
		return -1;
	}
	if (said->cursor)
		r->cursor = (struct bytes){
			memory_copy_bytes(said->cursor, said->cursor_bytes),
			said->cursor_bytes};
	r->acknowledge = said->acknowledge;
	r->over = said->over;
	r->user = said->user;
	return 0;
}

void
received_empty(struct received *r)
{
	buffer_finish(&r->fields);
}
