#include "template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"

struct draft {
	char *text;
	size_t bytes;
};

static int
append(struct draft *d, const char *text, size_t bytes, struct work *work)
{
	char *more;

	if (!work_has_room(work, d->bytes, bytes))
		return -1;
	more = realloc(d->text, d->bytes + bytes + 1);
	if (!more) {
		work->why = "no memory";
		return -1;
	}
	memcpy(more + d->bytes, text, bytes);
	d->text = more;
	d->bytes += bytes;
	return 0;
}

static int
append_value(struct draft *d, const json_t *value, struct work *work)
{
	char *text;
	int result;

	if (!value || json_is_null(value))
		return 0;
	if (json_is_string(value))
		return append(d, json_string_value(value),
			json_string_length(value), work);
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	if (!text) {
		work->why = "no memory";
		return -1;
	}
	result = append(d, text, strlen(text), work);
	free(text);
	return result;
}

/* The field that begins at a brace; NULL: none, the brace is itself. */
static const char *
field_at(struct field *f, const char *brace)
{
	const char *end = strchr(brace, '}');

	if (!end || strcspn(brace + 1, "{ \t\n\"") < (size_t)(end - brace - 1))
		return NULL;
	if (field_read(f, brace + 1, (size_t)(end - brace - 1)))
		return NULL;
	return end + 1;
}

static json_t *
fill_text(const char *at, json_t *data, struct work *work)
{
	struct draft draft = {0};
	json_t *filled = NULL;
	struct field field;

	while (*at) {
		size_t plain = strcspn(at, "{");
		const char *after;

		if (append(&draft, at, plain, work))
			goto out;
		at += plain;
		after = *at ? field_at(&field, at) : NULL;
		if (after ? append_value(&draft, field_get(&field, data), work)
			  : append(&draft, at, *at != 0, work))
			goto out;
		at = after ? after : at + (*at != 0);
	}
	filled = json_stringn(draft.text ? draft.text : "", draft.bytes);
out:
	free(draft.text);
	return filled;
}

json_t *
template_fill(const json_t *value, json_t *data, struct work *work)
{
	json_t *from = (json_t *)(uintptr_t)value, *all, *item;
	const char *key;
	size_t i;

	if (json_is_string(from) &&
		strlen(json_string_value(from)) == json_string_length(from))
		return fill_text(json_string_value(from), data, work);
	if (!json_is_object(from) && !json_is_array(from))
		return json_incref(from);
	all = json_is_object(from) ? json_object() : json_array();
	json_array_foreach(from, i,
		item) if (json_array_append_new(all,
				  template_fill(item, data, work))) goto fail;
	json_object_foreach(from, key,
		item) if (json_object_set_new(all, key,
				  template_fill(item, data, work))) goto fail;
	return all;
fail:
	json_decref(all);
	return NULL;
}
