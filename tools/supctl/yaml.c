/* yaml: maps and lists as blocks, everything else as JSON, which is YAML too;
 * only texts that cannot be mistaken stand without quotes. */
#include "tools/supctl/yaml.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/clean.h"

/* "10s", "64KiB" */
static bool
is_measure(const char *text)
{
	static const char *const units[] = {
		"ms", "s", "m", "h", "B", "KiB", "MiB", "GiB"};
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; digits && i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(text + digits, units[i]))
			return true;
	return false;
}

/* Letters first, so that it is no number; none of the words that mean
 * something else. */
static bool
is_plain(const char *text)
{
	static const char *const taken[] = {
		"true", "false", "null", "yes", "no", "on", "off", "y", "n"};

	if (is_measure(text))
		return true;
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

/* The character at `at`, which is UTF-8, and its bytes. */
static uint32_t
character_at(const unsigned char *at, size_t *bytes_out)
{
	size_t more = *at < 0xc0 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
	uint32_t character = more ? *at & (0x3fu >> more) : *at;

	for (size_t i = 1; i <= more; i++)
		character = character << 6 | (at[i] & 0x3fu);
	*bytes_out = more + 1;
	return character;
}

/* What a reader of YAML refuses as it is, or a terminal would obey. */
static bool
needs_escape(uint32_t c)
{
	return c < 0x20 || clean_is_harmful(c) || c == 0xfeff || c == 0xfffe ||
	       c == 0xffff;
}

static void
put_quoted(FILE *out, const char *text, size_t length)
{
	size_t bytes;

	putc('"', out);
	for (size_t i = 0; i < length; i += bytes) {
		const unsigned char *at = (const unsigned char *)text + i;
		uint32_t c = character_at(at, &bytes);

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (int)c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (needs_escape(c))
			fprintf(out, "\\u%04x", c);
		else
			fwrite(at, 1, bytes, out);
	}
	putc('"', out);
}

static void
put_text(FILE *out, const char *text, size_t length)
{
	if (strlen(text) == length && is_plain(text))
		fputs(text, out);
	else
		put_quoted(out, text, length);
}

/* Numbers, true, false, null, and what is empty. */
static void
put_json(FILE *out, const json_t *value)
{
	char *text = json_text(value, JSON_TEXT_COMPACT);

	fputs(text, out);
	free(text);
}

static void
put_scalar(FILE *out, const json_t *value)
{
	if (json_is_string(value))
		put_text(out, json_string_value(value),
			json_string_length(value));
	else
		put_json(out, value);
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
		put_text(out, key, strlen(key));
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
