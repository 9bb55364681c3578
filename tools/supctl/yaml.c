/* yaml: maps and lists as blocks, everything else as JSON, which is YAML too;
 * only texts that cannot be mistaken stand without quotes. */
#include "tools/supctl/yaml.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Letters first, so that it is no number; none of the words that mean
 * something else. */
static bool
is_plain(const char *text)
{
	static const char *const taken[] = {
		"true", "false", "null", "yes", "no", "on", "off", "y", "n"};

	if (!isalpha((unsigned char)*text) && *text != '/')
		return false;
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_-./", *c))
			return false;
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (!strcasecmp(text, taken[i]))
			return false;
	return true;
}

static void
put_scalar(FILE *out, const json_t *value)
{
	if (json_is_string(value) && is_plain(json_string_value(value)))
		fputs(json_string_value(value), out);
	else
		json_dumpf(value, out,
			JSON_ENCODE_ANY | JSON_COMPACT |
				JSON_REAL_PRECISION(12));
}

static void
put_key(FILE *out, const char *key)
{
	json_t *text = json_string(key);

	put_scalar(out, text);
	json_decref(text);
}

static bool
is_block(const json_t *value)
{
	return json_object_size(value) || json_array_size(value);
}

static void put_block(FILE *out, const json_t *value, int indent, bool inside);

static void
put_value(FILE *out, const json_t *value, int indent)
{
	if (is_block(value)) {
		putc('\n', out);
		put_block(out, value, indent, false);
		return;
	}
	putc(' ', out);
	put_scalar(out, value);
	putc('\n', out);
}

/* inside: the first line is already indented, behind "- ". */
static void
put_block(FILE *out, const json_t *value, int indent, bool inside)
{
	const char *key;
	json_t *item;

	for (size_t i = 0; i < json_array_size(value); i++) {
		item = json_array_get(value, i);
		fprintf(out, "%*s-", indent, "");
		if (json_object_size(item)) {
			putc(' ', out);
			put_block(out, item, indent + 2, true);
		} else {
			put_value(out, item, indent + 2);
		}
	}
	/* jansson iterates without changing; its interface lacks the const. */
	json_object_foreach((json_t *)(uintptr_t)value, key, item)
	{
		fprintf(out, "%*s", inside ? 0 : indent, "");
		inside = false;
		put_key(out, key);
		putc(':', out);
		put_value(out, item, indent + 2);
	}
}

void
yaml_print(FILE *out, const json_t *document)
{
	if (is_block(document)) {
		put_block(out, document, 0, false);
		return;
	}
	put_scalar(out, document);
	putc('\n', out);
}
