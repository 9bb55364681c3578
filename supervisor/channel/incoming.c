/* incoming: a row for each field of the contract. */
#include "supervisor/channel/incoming.h"

#include <stdlib.h>

#include "proto/codec.h"
#include "proto/util/memory.h"
#include "proto/value.h"

/* Levels of a message, so that it fits into an event. */
#define DEPTH_MAX (VALUE_DEPTH_MAX - 1)

enum shape { TEXT, NAME, FLAG, TIME, MAP, LIST, ANY };

struct row {
	const char *name;
	enum shape shape;
	bool required;
};

static const struct row message_rows_in[] = {
	{"id", NAME, true},
	{"lane", NAME, true},
	{"at", TIME, true},
	{"from", MAP, true},
	{"chat", MAP, true},
	{"thread", NAME, false},
	{"reply_to", NAME, false},
	{"text", TEXT, false},
	{"media", LIST, false},
	{"mentioned", FLAG, false},
	{"edit_of", NAME, false},
	{"self", FLAG, false},
};
static const struct row from_rows[] = {
	{"id", NAME, true},
	{"name", TEXT, false},
	{"verified", FLAG, false},
};
static const struct row chat_rows[] = {
	{"id", NAME, true},
	{"type", NAME, true},
};

#define COUNT(rows) (sizeof(rows) / sizeof(*(rows)))

static const char *
what_is_expected(enum shape shape)
{
	static const char *const texts[] = {
		[TEXT] = "a string",
		[NAME] = "a string of 1 to 512 bytes",
		[FLAG] = "a boolean",
		[TIME] = "a number of milliseconds since 1970",
		[MAP] = "a map",
		[LIST] = "a list of maps",
	};

	return texts[shape];
}

static bool
is_list_of_maps(const msgpack_object *o)
{
	if (o->type != MSGPACK_OBJECT_ARRAY)
		return false;
	for (uint32_t i = 0; i < o->via.array.size; i++)
		if (o->via.array.ptr[i].type != MSGPACK_OBJECT_MAP)
			return false;
	return true;
}

static bool
has_shape(const msgpack_object *o, enum shape shape)
{
	switch (shape) {
	case TEXT:
		return o->type == MSGPACK_OBJECT_STR;
	case NAME:
		return o->type == MSGPACK_OBJECT_STR && o->via.str.size &&
		       o->via.str.size <= INCOMING_ID_MAX;
	case FLAG:
		return o->type == MSGPACK_OBJECT_BOOLEAN;
	case TIME:
		return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
	case MAP:
		return o->type == MSGPACK_OBJECT_MAP;
	case LIST:
		return is_list_of_maps(o);
	default:
		return true;
	}
}

/* prefix: "from." or "" */
static int
check_rows(const msgpack_object *map, const struct row *rows, size_t count,
	const char *prefix, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		const msgpack_object *o = codec_field(map, rows[i].name);

		if ((!o || o->type == MSGPACK_OBJECT_NIL) && !rows[i].required)
			continue;
		if (!o)
			return error_set(err, "the message has no %s%s", prefix,
				rows[i].name);
		if (!has_shape(o, rows[i].shape))
			return error_set(err, "%s%s of the message must be %s",
				prefix, rows[i].name,
				what_is_expected(rows[i].shape));
	}
	return 0;
}

static int
check_type(const msgpack_object *message, struct error *err)
{
	struct bytes type =
		codec_bytes(codec_field(codec_field(message, "chat"), "type"));

	if (bytes_equal(type, BYTES("direct")) ||
		bytes_equal(type, BYTES("group")) ||
		bytes_equal(type, BYTES("channel")))
		return 0;
	return error_set(err, "chat.type of the message must be direct, group "
			      "or channel");
}

static int
read_cursor(
	struct incoming *in, const msgpack_object *message, struct error *err)
{
	const msgpack_object *o = codec_field(message, "cursor");

	in->cursor = (struct bytes){0};
	if (!o || o->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (o->type == MSGPACK_OBJECT_STR || o->type == MSGPACK_OBJECT_BIN)
		in->cursor = codec_bytes(o);
	if (in->cursor.at && in->cursor.length <= CHANNEL_CURSOR_MAX)
		return 0;
	return error_set(err, "cursor of the message must be at most %d bytes",
		CHANNEL_CURSOR_MAX);
}

static int
check(const msgpack_object *message, struct error *err)
{
	if (message->type != MSGPACK_OBJECT_MAP)
		return error_set(err, "the message is not a map");
	if (check_rows(message, message_rows_in, COUNT(message_rows_in), "",
		    err) < 0 ||
		check_rows(codec_field(message, "from"), from_rows,
			COUNT(from_rows), "from.", err) < 0 ||
		check_rows(codec_field(message, "chat"), chat_rows,
			COUNT(chat_rows), "chat.", err) < 0)
		return -1;
	return check_type(message, err);
}

enum incoming_verdict
incoming_read(
	struct incoming *in, const msgpack_object *message, struct error *err)
{
	json_t *data;

	if (check(message, err) < 0 || read_cursor(in, message, err) < 0)
		return INCOMING_WRONG;
	in->id = codec_bytes(codec_field(message, "id"));
	in->lane = codec_bytes(codec_field(message, "lane"));
	data = incoming_data(message, "", err);
	if (!data)
		return INCOMING_REFUSED;
	json_decref(data);
	return INCOMING_FINE;
}

json_t *
incoming_data(
	const msgpack_object *message, const char *channel, struct error *err)
{
	msgpack_object without = *message;
	msgpack_object_kv *kept;
	json_t *data;

	kept = memory_alloc(
		(message->via.map.size + 1) * sizeof(*message->via.map.ptr));
	without.via.map.ptr = kept;
	without.via.map.size = 0;
	for (uint32_t i = 0; i < message->via.map.size; i++) {
		const msgpack_object_kv *pair = &message->via.map.ptr[i];

		if (!bytes_equal(codec_bytes(&pair->key), BYTES("cursor")))
			kept[without.via.map.size++] = *pair;
	}
	data = value_from(&without, err);
	free(kept);
	if (!data)
		return NULL;
	if (value_is_deeper(data, DEPTH_MAX)) {
		json_decref(data);
		error_set(err, "the message is nested too deeply");
		return NULL;
	}
	json_object_set_new(data, "channel", json_string(channel));
	return data;
}
