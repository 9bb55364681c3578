/* metrics_recipe: moves the writer's output into the page after each slice, so
 * that all slices cost about the same. */
#include "supervisor/control/metrics_recipe.h"

#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "supervisor/control/metrics_view.h"

struct metrics_recipe {
	struct page_recipe recipe;
	enum metrics_form form;
	struct gateway *gateway;
	struct metrics_writer writer;
	struct metrics_pass pass;
	bool began;
	bool in_family,
		in_samples; /* of the JSON: a comma comes before the next */
};

static void
put(struct buffer *text, const char *part)
{
	buffer_append(text, part, strlen(part));
}

/* ---- text ---- */

static void
move_text(struct metrics_recipe *m, struct buffer *text)
{
	struct buffer *from = &m->writer.text;

	buffer_append(text, buffer_bytes(from), buffer_length(from));
	buffer_clear(from);
}

/* Moves the text as a part of a JSON string, without the quotes. */
static void
move_string(struct metrics_recipe *m, struct buffer *text)
{
	struct buffer *from = &m->writer.text, string = {0};

	json_text_append_string(
		&string, (struct bytes){(const char *)buffer_bytes(from),
				 buffer_length(from)});
	buffer_append(
		text, buffer_bytes(&string) + 1, buffer_length(&string) - 2);
	buffer_finish(&string);
	buffer_clear(from);
}

/* ---- JSON ---- */

static void
put_member(struct buffer *text, const char *key, const json_t *family)
{
	json_text_append_string(text, bytes_of(key));
	put(text, ":");
	json_text_append(text, json_object_get(family, key), JSON_TEXT_COMPACT);
	put(text, ",");
}

static void
move_samples(struct metrics_recipe *m, struct buffer *text, json_t *family)
{
	json_t *samples = json_object_get(family, "samples"), *sample;
	size_t i;

	if (!m->in_family) {
		put(text, "{");
		put_member(text, "name", family);
		put_member(text, "type", family);
		put_member(text, "help", family);
		put(text, "\"samples\":[");
		m->in_family = true;
		m->in_samples = false;
	}
	json_array_foreach(samples, i, sample)
	{
		put(text, m->in_samples ? "," : "");
		json_text_append(text, sample, JSON_TEXT_COMPACT);
		m->in_samples = true;
	}
	json_array_clear(samples);
}

/* Moves all families but the last, which may still get samples; if `done`, the
 * last as well. */
static void
move_families(struct metrics_recipe *m, struct buffer *text, bool done)
{
	json_t *families = m->writer.families;

	while (json_array_size(families)) {
		move_samples(m, text, json_array_get(families, 0));
		if (json_array_size(families) == 1 && !done)
			break;
		json_array_remove(families, 0);
		m->in_family = false;
		put(text, json_array_size(families) ? "]}," : "]}");
	}
}

/* ---- all of them ---- */

static const struct metrics_form_row {
	const char *key, *begin, *end;
} forms[METRICS_FORM_COUNT] = {
	[METRICS_FORM_TEXT] = {"metrics", "", ""},
	[METRICS_FORM_JSON] = {"metrics json", "{\"metrics\":[", "]}\n"},
	[METRICS_FORM_TEXT_IN_JSON] = {"metrics text", "{\"text\":\"", "\"}\n"},
};

static bool
step(struct page_recipe *recipe, struct buffer *text)
{
	struct metrics_recipe *m =
		container_of(recipe, struct metrics_recipe, recipe);
	bool done;

	if (!m->began) {
		m->began = true;
		metrics_writer_init(&m->writer, m->form == METRICS_FORM_JSON);
		metrics_view_begin(&m->pass, &m->writer, m->gateway);
		put(text, forms[m->form].begin);
	}
	done = metrics_view_step(&m->pass, METRICS_SLICE_SAMPLES);
	if (m->form == METRICS_FORM_TEXT)
		move_text(m, text);
	else if (m->form == METRICS_FORM_JSON)
		move_families(m, text, done);
	else
		move_string(m, text);
	if (done)
		put(text, forms[m->form].end);
	return done;
}

static void
destroy(struct page_recipe *recipe)
{
	struct metrics_recipe *m =
		container_of(recipe, struct metrics_recipe, recipe);

	metrics_writer_finish(&m->writer);
	free(m);
}

struct page_recipe *
metrics_recipe_create(struct gateway *g, enum metrics_form form)
{
	struct metrics_recipe *m = memory_alloc(sizeof(*m));

	m->recipe = (struct page_recipe){step, destroy};
	m->gateway = g;
	m->form = form;
	return &m->recipe;
}

const char *
metrics_recipe_key(enum metrics_form form)
{
	return forms[form].key;
}
