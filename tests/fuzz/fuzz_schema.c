/* fuzz_schema: a schema and a value, as JSON with a newline between them. */
#include <assert.h>
#include <string.h>

#include "proto/json_schema.h"
#include "proto/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Each value is looked at once at most. */
static uint32_t
count(const json_t *value)
{
	json_t *object = (json_t *)(uintptr_t)value;
	uint32_t values = 1;

	for (size_t i = 0; i < json_array_size(value); i++)
		values += count(json_array_get(value, i));
	for (void *i = json_object_iter(object); i;
		i = json_object_iter_next(object, i))
		values += count(json_object_iter_value(i));
	return values;
}

static void
try_value(const struct json_schema *s, struct bytes text)
{
	struct error err = {.text = ""};
	json_t *value = json_text_read(text, NULL, &err);
	struct json_schema_cost cost;

	if (!value)
		return;
	err.text[0] = '\0';
	if (json_schema_check(s, value, &cost, &err) < 0)
		assert(err.text[0] == '$');
	assert(cost.values <= count(value));
	assert(cost.lookups <= 4 * count(value));
	json_decref(value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *text = (const char *)bytes;
	const char *newline = size ? memchr(text, '\n', size) : NULL;
	size_t first = newline ? (size_t)(newline - text) : size;
	struct error err = {.text = ""};
	json_t *from = json_text_read((struct bytes){text, first}, NULL, &err);
	struct json_schema *s;

	if (!from)
		return 0;
	err.text[0] = '\0';
	s = json_schema_compile(from, &err);
	assert(s || err.text[0] == '$');
	if (s && newline)
		try_value(s, (struct bytes){newline + 1, size - first - 1});
	json_schema_unref(s);
	json_decref(from);
	return 0;
}
