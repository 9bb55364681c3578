#include "field.h"

#include <stdlib.h>
#include <string.h>

const char *
field_read(struct field *f, const char *text, size_t bytes)
{
	*f = (struct field){0};
	if (!bytes)
		return "a field must not be empty";
	if (bytes > FIELD_BYTES_MAX || memchr(text, 0, bytes))
		return "a field is at most 255 bytes, without NUL";
	memcpy(f->text, text, bytes);
	memcpy(f->words, text, bytes);
	for (char *at = f->words; at; f->count++) {
		char *dot = strchr(at, '.');

		if (f->count == FIELD_WORDS_MAX)
			return "a field has at most 16 words";
		if (dot)
			*dot = 0;
		if (!*at)
			return "a field has words between its dots";
		if (!strcmp(at, "*"))
			f->has_star = true;
		f->word[f->count] = at;
		at = dot ? dot + 1 : NULL;
	}
	return NULL;
}

/* The number of an item of a list; -1: the word is no number. */
static long
index_of(const char *word)
{
	size_t digits = strspn(word, "0123456789");

	return digits && !word[digits] && digits < 8 ? atol(word) : -1;
}

static json_t *
member(json_t *of, const char *word)
{
	long index;

	if (json_is_object(of))
		return json_object_get(of, word);
	index = json_is_array(of) ? index_of(word) : -1;
	return index < 0 ? NULL : json_array_get(of, (size_t)index);
}

/* Up to, without, the word `end`. */
static json_t *
walk(const struct field *f, json_t *data, size_t end)
{
	for (size_t i = 0; data && i < end; i++)
		data = member(data, f->word[i]);
	return data;
}

json_t *
field_get(const struct field *f, json_t *data)
{
	return f->has_star ? NULL : walk(f, data, f->count);
}

/* ---- each ---- */

struct visit {
	const struct field *field;
	int (*see)(json_t *value, json_t **replaced_out, void *user);
	void *user;
};

static int visit_below(
	struct visit *v, size_t at, json_t *value, json_t **replaced_out);

static int
visit_object(struct visit *v, size_t at, json_t *map)
{
	bool all = !strcmp(v->field->word[at], "*");
	void *i = all ? json_object_iter(map)
		      : json_object_iter_at(map, v->field->word[at]);
	int result = 0;

	for (; i && !result; i = all ? json_object_iter_next(map, i) : NULL) {
		json_t *replaced = NULL;

		result = visit_below(
			v, at + 1, json_object_iter_value(i), &replaced);
		if (replaced)
			json_object_iter_set_new(map, i, replaced);
	}
	return result;
}

static int
visit_array(struct visit *v, size_t at, json_t *list)
{
	bool all = !strcmp(v->field->word[at], "*");
	long index = all ? 0 : index_of(v->field->word[at]);
	size_t first = (size_t)index;
	size_t end = all ? json_array_size(list) : first + 1;
	int result = 0;

	if (index < 0)
		return 0;
	for (size_t i = first; i < end && !result; i++) {
		json_t *item = json_array_get(list, i), *replaced = NULL;

		if (item)
			result = visit_below(v, at + 1, item, &replaced);
		if (replaced)
			json_array_set_new(list, i, replaced);
	}
	return result;
}

static int
visit_below(struct visit *v, size_t at, json_t *value, json_t **replaced_out)
{
	if (at == v->field->count)
		return v->see(value, replaced_out, v->user);
	if (json_is_object(value))
		return visit_object(v, at, value);
	return json_is_array(value) ? visit_array(v, at, value) : 0;
}

int
field_each(const struct field *f, json_t **data,
	int (*see)(json_t *value, json_t **replaced_out, void *user),
	void *user)
{
	struct visit v = {f, see, user};
	json_t *replaced = NULL;
	int result = visit_below(&v, 0, *data, &replaced);

	if (replaced) {
		json_decref(*data);
		*data = replaced;
	}
	return result;
}

/* ---- changes ---- */

const char *
field_set(const struct field *f, json_t *data, json_t *value)
{
	const char *last = f->word[f->count - 1];
	long index = index_of(last);

	for (size_t i = 0; i + 1 < f->count; i++) {
		json_t *next = member(data, f->word[i]);

		if (!next && json_is_object(data)) {
			next = json_object();
			json_object_set_new(data, f->word[i], next);
		}
		data = next;
	}
	if (json_is_object(data)) {
		json_object_set_new(data, last, value);
		return NULL;
	}
	if (index >= 0 && json_array_get(data, (size_t)index)) {
		json_array_set_new(data, (size_t)index, value);
		return NULL;
	}
	json_decref(value);
	return "what is around it is no map";
}

json_t *
field_take(const struct field *f, json_t *data)
{
	json_t *around = walk(f, data, f->count - 1);
	const char *last = f->word[f->count - 1];
	json_t *value = around ? json_incref(member(around, last)) : NULL;

	if (value && json_is_object(around))
		json_object_del(around, last);
	else if (value)
		json_array_remove(around, (size_t)index_of(last));
	return value;
}
