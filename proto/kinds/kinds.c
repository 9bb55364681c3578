/* kinds: the list of rows, and what follows from them for one registration. */
#include "proto/kinds/kinds.h"

#include <assert.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/registration.h"
#include "proto/util/memory.h"
#include "proto/util/near.h"
#include "proto/util/text.h"
#include "proto/util/utf8.h"

const struct registration_kind_row
	*const registration_kinds[REGISTRATION_KIND_COUNT] = {
#define X(name, row) [REGISTRATION_##name] = &kind_##row,
		REGISTRATION_KINDS(X)
#undef X
};

/* Of every kind. */
static const struct field common[] = {
	{"name", FIELD_TEXT, offsetof(struct registration, name)},
	{"description", FIELD_LINES,
		offsetof(struct registration, description)},
	{"help", FIELD_LINES, offsetof(struct registration, help)},
	{"idempotent", FIELD_EITHER, offsetof(struct registration, idempotent)},
};

#define COMMON (sizeof(common) / sizeof(*common))

int
registration_kind_by_wire(const char *text, size_t length)
{
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		if (strlen(registration_kinds[i]->wire) == length &&
			!memcmp(registration_kinds[i]->wire, text, length))
			return i;
	return -1;
}

int
registration_kind_by_message(enum message_name message)
{
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		if (registration_kinds[i]->message == message)
			return i;
	return -1;
}

/* The field i of a kind, NULL behind the last. */
static const struct field *
field_of(int kind, size_t i)
{
	const struct registration_kind_row *row = registration_kinds[kind];

	if (i < COMMON)
		return &common[i];
	return i - COMMON < row->field_count ? &row->fields[i - COMMON] : NULL;
}

void
registration_init(struct registration *r, enum registration_kind kind)
{
	const struct field *f;

	*r = (struct registration){.kind = kind};
	for (size_t i = 0; (f = field_of(r->kind, i)); i++)
		field_init(f, r);
}

/* ---- reading ---- */

/* The place of a field that the kind has, 0 for its kind; -1: it has none. */
static int
place_of(int kind, struct bytes key)
{
	const struct field *f;

	if (bytes_equal(key, BYTES("kind")))
		return 0;
	for (size_t i = 0; (f = field_of(kind, i)); i++)
		if (bytes_equal(key, bytes_of(f->name)))
			return (int)i + 1;
	return -1;
}

static int
refuse_key(int kind, struct bytes key, struct error *err)
{
	const struct field *f;
	char word[41] = "";
	struct near near;

	if (!utf8_is_clean(key.at, key.length, false))
		return error_set(err, "unknown key that is not a clean string");
	text_format(word, sizeof(word), "%.*s",
		(int)text_fit(key.at, key.length, sizeof(word) - 1), key.at);
	near_init(&near, word);
	for (size_t i = 0; (f = field_of(kind, i)); i++)
		near_offer(&near, f->name);
	return error_set(err, "unknown key \"%s\"%s", word, near_hint(&near));
}

/* Fails if the map has a key that the kind has not, or has one twice. */
static int
check_keys(int kind, const msgpack_object_map *map, struct error *err)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < map->size; i++) {
		struct bytes key = codec_bytes(&map->ptr[i].key);
		int place = place_of(kind, key);

		if (place < 0)
			return refuse_key(kind, key, err);
		assert(place < 64);
		if (seen & 1ull << place)
			return error_set(err, "%.*s is given twice",
				(int)key.length, key.at);
		seen |= 1ull << place;
	}
	return 0;
}

static int
read_kind(const msgpack_object *item, struct error *err)
{
	struct bytes text = codec_bytes(codec_field(item, "kind"));
	int kind = registration_kind_by_wire(text.at, text.length);

	if (kind < 0 && utf8_is_clean(text.at, text.length, false))
		return error_set(err, "unknown kind \"%.*s\"",
			(int)(text.length < 40 ? text.length : 40), text.at);
	if (kind < 0)
		return error_set(err, "its kind must be a string");
	return kind;
}

int
registration_read(
	struct registration *r, const msgpack_object *item, struct error *err)
{
	const struct field *f;
	int kind;

	*r = (struct registration){0};
	if (item->type != MSGPACK_OBJECT_MAP)
		return error_set(err, "it is not a map");
	kind = read_kind(item, err);
	if (kind < 0 || check_keys(kind, &item->via.map, err) < 0)
		return -1;
	registration_init(r, (enum registration_kind)kind);
	for (size_t i = 0; (f = field_of(r->kind, i)); i++)
		if (field_read(f, r, item, err) < 0)
			return -1;
	return registration_kinds[kind]->check(r, err);
}

/* ---- what was read ---- */

void
registration_copy(struct registration *to, const struct registration *from)
{
	const struct field *f;

	*to = *from;
	for (size_t i = 0; (f = field_of(from->kind, i)); i++)
		field_copy(f, to, from);
	if (registration_kinds[to->kind]->copied)
		registration_kinds[to->kind]->copied(to);
}

bool
registration_equal(const struct registration *a, const struct registration *b)
{
	const struct field *f;

	if (a->kind != b->kind)
		return false;
	for (size_t i = 0; (f = field_of(a->kind, i)); i++)
		if (!field_equal(f, a, b))
			return false;
	return true;
}

void
registration_pack(const struct registration *r, msgpack_packer *out)
{
	const struct field *f;
	size_t count = 1;

	for (size_t i = 0; (f = field_of(r->kind, i)); i++)
		count += !field_is_absent(f, r);
	msgpack_pack_map(out, count);
	codec_text(out, "kind");
	codec_text(out, registration_kinds[r->kind]->wire);
	for (size_t i = 0; (f = field_of(r->kind, i)); i++)
		if (!field_is_absent(f, r))
			field_pack(f, r, out);
}

void
registration_finish(struct registration *r)
{
	const struct field *f;

	if (registration_kinds[r->kind]->finish)
		registration_kinds[r->kind]->finish(r);
	for (size_t i = 0; (f = field_of(r->kind, i)); i++)
		field_finish(f, r);
}

char *
registration_label(const struct registration *r)
{
	return memory_format(
		"%s:%s", registration_kinds[r->kind]->wire, r->name);
}

bool
registration_is_idempotent(
	const struct registration *r, const char *method, size_t method_length)
{
	bool (*is_idempotent)(struct bytes) =
		registration_kinds[r->kind]->is_idempotent;

	if (r->idempotent >= 0)
		return r->idempotent;
	return is_idempotent &&
	       is_idempotent((struct bytes){method, method_length});
}
