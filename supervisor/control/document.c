/* document: writes an existing object as a page, in slices: one element of its
 * arrays per step, any other member whole. */
#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/rows.h"

struct document {
	struct page_recipe recipe;
	json_t *object;
	void *member; /* the next member; NULL: all are written */
	bool began, is_open;
	size_t at; /* index in the member's array */
};

static void
begin_member(struct document *d, struct buffer *text)
{
	json_text_append_string(
		text, (struct bytes){json_object_iter_key(d->member),
			      json_object_iter_key_len(d->member)});
	buffer_append_byte(text, ':');
}

static void
end_member(struct document *d, struct buffer *text)
{
	d->member = json_object_iter_next(d->object, d->member);
	d->is_open = false;
	d->at = 0;
	if (d->member)
		buffer_append_byte(text, ',');
}

/* Elements are freed as they are written, if nobody else has a reference, so
 * that no turn frees the whole array. */
static void
write_element(struct document *d, json_t *array, struct buffer *text)
{
	bool is_mine = d->object->refcount == 1 && array->refcount == 1;

	if (d->at)
		buffer_append_byte(text, ',');
	json_text_append(text, json_array_get(array, d->at), JSON_TEXT_COMPACT);
	if (is_mine)
		json_array_set_new(array, d->at, json_null());
	d->at++;
}

/* Writes a member or an element of one. */
static void
write_some(struct document *d, struct buffer *text)
{
	json_t *value = json_object_iter_value(d->member);

	if (!d->is_open) {
		begin_member(d, text);
		d->is_open = true;
		if (json_is_array(value)) {
			buffer_append_byte(text, '[');
			return;
		}
		json_text_append(text, value, JSON_TEXT_COMPACT);
		end_member(d, text);
	} else if (d->at == json_array_size(value)) {
		buffer_append_byte(text, ']');
		end_member(d, text);
	} else {
		write_element(d, value, text);
	}
}

static bool
step(struct page_recipe *recipe, struct buffer *text)
{
	struct document *d = container_of(recipe, struct document, recipe);
	size_t from = buffer_length(text);

	if (!d->began) {
		buffer_append_byte(text, '{');
		d->member = json_object_iter(d->object);
		d->began = true;
	}
	for (int i = 0; i < ROWS_SLICE && d->member; i++) {
		write_some(d, text);
		if (buffer_length(text) - from > ROWS_SLICE_BYTES)
			break;
	}
	if (d->member)
		return false;
	buffer_append(text, "}\n", 2);
	return true;
}

static void
destroy(struct page_recipe *recipe)
{
	struct document *d = container_of(recipe, struct document, recipe);

	json_decref(d->object);
	free(d);
}

static bool
is_short(json_t *object)
{
	size_t rows = 0;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) rows += json_array_size(value);
	return rows <= ROWS_AT_ONCE_MAX;
}

/* A copy without the arrays. */
static json_t *
brief_of(json_t *object)
{
	json_t *brief = json_object(), *value;
	const char *key;

	json_object_foreach(object, key, value) if (!json_is_array(value))
		json_object_set(brief, key, value);
	json_object_set_new(brief, "leftOut",
		json_string("too many long answers are unread or awaited"));
	return brief;
}

void
command_finish_long(
	struct command_call *call, enum outcome outcome, json_t *document)
{
	struct document *d;
	char *key;

	if (!call->on_page || is_short(document)) {
		command_finish(call, outcome, document);
		return;
	}
	d = memory_alloc(sizeof(*d));
	d->recipe = (struct page_recipe){step, destroy};
	d->object = document;
	key = memory_format("document %p", (void *)document);
	command_print(call, outcome, key, &d->recipe, brief_of(document));
	free(key);
}
