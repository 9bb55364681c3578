/* json_schema_choices: what `enum` and `const` allow, in a form that is
 * searched by halves, and how a refusal lists it. */
#include <stdlib.h>
#include <string.h>

#include "proto/json_schema_node.h"
#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"

#define CHOICE_BYTES_MAX 64 /* of one in the listing */

static int
compare_numbers(const void *a, const void *b)
{
	const schema_number *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Nothing is written once the listing is full, so that it costs the same
 * however many choices there are. */
static void
list_choice(struct schema_choices *c, const json_t *value)
{
	static const char rest[] = ", \xe2\x80\xa6";
	size_t length = strlen(c->listing);
	size_t left = sizeof(c->listing) - length;
	char *text;

	if (c->is_listing_full)
		return;
	text = json_text(value, JSON_TEXT_COMPACT);
	text_shorten(text, CHOICE_BYTES_MAX);
	c->is_listing_full = strlen(text) + 2 + sizeof(rest) > left;
	if (c->is_listing_full)
		text_format(c->listing + length, left, "%s", rest);
	else
		text_format(c->listing + length, left, "%s%s",
			length ? ", " : "", text);
	free(text);
}

static void
choices_add(struct schema_choices *c, const json_t *value)
{
	schema_number number;

	list_choice(c, value);
	if (json_is_string(value))
		schema_strings_add(
			&c->strings, (struct bytes){json_string_value(value),
					     json_string_length(value)});
	else if (schema_number_of(value, &number))
		c->numbers[c->number_count++] = number;
	else if (json_is_null(value))
		c->null = true;
	else if (json_is_true(value))
		c->yes = true;
	else
		c->no = true;
}

struct schema_choices *
schema_choices_create(const json_t *const *values, size_t count)
{
	struct schema_choices *c;

	for (size_t i = 0; i < count; i++)
		if (json_is_array(values[i]) || json_is_object(values[i]))
			return NULL;
	c = memory_alloc(sizeof(*c));
	c->numbers = memory_alloc(count * sizeof(*c->numbers));
	c->strings.items = memory_alloc(count * sizeof(*c->strings.items));
	for (size_t i = 0; i < count; i++)
		choices_add(c, values[i]);
	qsort(c->numbers, c->number_count, sizeof(*c->numbers),
		compare_numbers);
	schema_strings_sort(&c->strings);
	return c;
}

void
schema_choices_destroy(struct schema_choices *c)
{
	if (!c)
		return;
	schema_strings_finish(&c->strings);
	free(c->numbers);
	free(c);
}
