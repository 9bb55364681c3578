/* rows: writes the frame of the object and the commas; the owner writes the
 * rows. */
#include "supervisor/control/rows.h"

#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"

void
rows_put(struct buffer *text, json_t *row)
{
	json_text_append(text, row, JSON_TEXT_COMPACT);
	json_decref(row);
}

/* ---- routes ---- */

const struct route_row *
rows_next_route(struct rows *r)
{
	uint32_t plugin = (uint32_t)(r->at >> 32), index = (uint32_t)r->at;
	const struct route_row *row =
		route_table_next(r->gateway->routes, &plugin, &index);

	r->at = (uint64_t)plugin << 32 | index;
	return plugin <= r->end ? row : NULL;
}

bool
rows_of_routes_are_few(const struct rows *r)
{
	uint32_t plugin = (uint32_t)(r->at >> 32), index = 0, count = 0;

	while (route_table_next(r->gateway->routes, &plugin, &index) &&
		plugin <= r->end)
		if (++count > ROWS_AT_ONCE_MAX)
			return false;
	return true;
}

/* ---- the frame ---- */

static void
put_member(struct buffer *text, const char *key, const json_t *value)
{
	json_text_append_string(text, bytes_of(key));
	buffer_append_byte(text, ':');
	json_text_append(text, value, JSON_TEXT_COMPACT);
}

static void
begin(struct rows *r, struct buffer *text)
{
	json_t *others = r->begin ? r->begin(r) : NULL, *value;
	const char *key;

	r->began = true;
	buffer_append_byte(text, '{');
	json_object_foreach(others, key, value)
	{
		put_member(text, key, value);
		buffer_append_byte(text, ',');
	}
	json_text_append_string(text, bytes_of(r->name));
	buffer_append(text, r->is_map ? ":{" : ":[", 2);
	json_decref(others);
}

static void
finish(struct rows *r, struct buffer *text)
{
	json_t *others = r->finish ? r->finish(r) : NULL, *value;
	const char *key;

	buffer_append_byte(text, r->is_map ? '}' : ']');
	json_object_foreach(others, key, value)
	{
		buffer_append_byte(text, ',');
		put_member(text, key, value);
	}
	buffer_append(text, "}\n", 2);
	json_decref(others);
}

static bool
next(struct rows *r, struct buffer *text)
{
	size_t before, after;
	bool more;

	if (r->any)
		buffer_append_byte(text, ',');
	before = buffer_length(text);
	more = r->next(r, text);
	after = buffer_length(text);
	if (after == before && r->any)
		text->end--;
	r->any = r->any || after > before;
	return more;
}

static bool
step(struct page_recipe *recipe, struct buffer *text)
{
	struct rows *r = container_of(recipe, struct rows, recipe);
	size_t from = buffer_length(text);

	if (!r->began)
		begin(r, text);
	for (int i = 0; i < ROWS_SLICE; i++) {
		if (!next(r, text)) {
			finish(r, text);
			return true;
		}
		if (buffer_length(text) - from > ROWS_SLICE_BYTES)
			break;
	}
	return false;
}

static void
destroy(struct page_recipe *recipe)
{
	struct rows *r = container_of(recipe, struct rows, recipe);

	if (r->free)
		r->free(r);
	config_unref(r->config);
	free(r->id);
	free(r);
}

struct rows *
rows_create(struct gateway *g, const char *name, const char *id)
{
	struct rows *r = memory_alloc(sizeof(*r));

	r->recipe = (struct page_recipe){step, destroy};
	r->gateway = g;
	r->name = name;
	r->id = id ? memory_copy_text(id) : NULL;
	return r;
}

static void
finish_at_once(struct command_call *call, struct rows *r)
{
	struct buffer text = {0};
	json_t *document;

	while (!step(&r->recipe, &text))
		;
	destroy(&r->recipe);
	document = json_loadb((const char *)buffer_bytes(&text),
		buffer_length(&text), JSON_ALLOW_NUL, NULL);
	buffer_finish(&text);
	command_finish(call, OUTCOME_DONE, document);
}

void
rows_finish(
	struct command_call *call, struct rows *r, const char *key, bool is_few)
{
	char *whole;

	if (is_few) {
		finish_at_once(call, r);
		return;
	}
	whole = memory_format("%s %s %d %llu %llu", key, r->id ? r->id : "",
		r->kind, (unsigned long long)r->at, (unsigned long long)r->end);
	command_print(call, OUTCOME_DONE, whole, &r->recipe, NULL);
	free(whole);
}
