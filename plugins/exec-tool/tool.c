#include "tool.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 10000
#define OUTPUT_BYTES ((uint64_t)256 * 1024)
#define CONCURRENCY 4

extern char **environ;

static int __attribute__((format(printf, 2, 3)))
fail(char why[256], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, 256, format, arguments);
	va_end(arguments);
	return -1;
}

/* ---- values ---- */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {{"ms", 1}, {"s", 1000},
	{"m", 60 * 1000}, {"h", 3600 * 1000}, {NULL, 0}};
static const struct unit sizes[] = {
	{"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {NULL, 0}};
static const struct unit counts[] = {{"", 1}, {NULL, 0}};

/* "10s", or a number of the first unit; at least one of it. */
static int
read_amount(const json_t *map, const char *key, const struct unit *units,
	uint64_t *value_out, char why[256])
{
	const json_t *value = json_object_get(map, key);
	const char *text = json_string_value(value);
	unsigned long long number = 0;
	char *end;

	if (!value)
		return 0;
	if (json_is_integer(value) && json_integer_value(value) > 0) {
		*value_out = (uint64_t)json_integer_value(value);
		return 0;
	}
	if (text && *text >= '0' && *text <= '9')
		number = strtoull(text, &end, 10);
	for (; number && number < 1000000000 && units->name; units++)
		if (!strcmp(end, units->name)) {
			*value_out = number * units->factor;
			return 0;
		}
	return fail(why, "%s must be a positive amount", key);
}

static int
read_text(const json_t *map, const char *key, char **text_out, char why[256])
{
	const json_t *value = json_object_get(map, key);

	if (!value)
		return 0;
	if (!json_is_string(value))
		return fail(why, "%s must be a string", key);
	*text_out = strdup(json_string_value(value));
	return 0;
}

static int
read_schema(const json_t *map, char **text_out, char why[256])
{
	const json_t *schema = json_object_get(map, "schema");

	if (!schema)
		return 0;
	if (!json_is_object(schema))
		return fail(why, "schema must be a map");
	*text_out = json_dumps(schema, JSON_COMPACT);
	return 0;
}

static int
read_validate(const json_t *map, bool *skip_out, char why[256])
{
	const json_t *value = json_object_get(map, "validate");

	*skip_out = json_is_false(value);
	return !value || json_is_boolean(value)
		       ? 0
		       : fail(why, "validate must be true or false");
}

static int
read_command(const json_t *map, char ***command_out, char why[256])
{
	const json_t *list = json_object_get(map, "command");
	size_t count = json_array_size(list);
	char **command = calloc(count + 1, sizeof(*command));

	for (size_t i = 0; command && i < count; i++) {
		const char *word = json_string_value(json_array_get(list, i));

		if (!word || (!i && !*word))
			return fail(why, "command must be a list of strings");
		command[i] = strdup(word);
	}
	*command_out = command;
	return command && count ? 0 : fail(why, "command is missing");
}

/* ---- the environment of a script ---- */

/* The worker's own, without what it needs to be one. */
static int
is_passed_on(const char *variable)
{
	return strncmp(variable, "SUPD_", 5) != 0 ||
	       !strncmp(variable, "SUPD_PLUGIN=", 12) ||
	       !strncmp(variable, "SUPD_TREE=", 10) ||
	       !strncmp(variable, "SUPD_DATA_DIR=", 14);
}

static int
is_replaced(const char *variable, const json_t *by)
{
	const char *equals = strchr(variable, '=');
	char name[256];

	if (!equals || (size_t)(equals - variable) >= sizeof(name))
		return 0;
	memcpy(name, variable, (size_t)(equals - variable));
	name[equals - variable] = 0;
	return json_object_get(by, name) != NULL;
}

static int
read_environment(
	const json_t *map, const char *tool, char ***all_out, char why[256])
{
	json_t *own = json_object_get(map, "env"), *value;
	size_t count = json_object_size(own) + 2, used = 0;
	const char *name;
	char **all;

	if (own && !json_is_object(own))
		return fail(why, "env must be a map");
	for (char **v = environ; *v; v++)
		count++;
	all = calloc(count, sizeof(*all));
	if (!all)
		return fail(why, "no memory");
	for (char **v = environ; *v; v++)
		if (is_passed_on(*v) && !is_replaced(*v, own))
			all[used++] = *v;
	if (asprintf(&all[used++], "SUPD_TOOL=%s", tool) < 0)
		return fail(why, "no memory");
	json_object_foreach(
		own, name, value) if (!json_is_string(value) || !*name ||
				      strchr(name, '=')) return fail(why,
		"env.%s must be a string", name);
	else if (asprintf(&all[used++], "%s=%s", name,
			 json_string_value(value)) < 0) return fail(why,
		"no memory");
	*all_out = all;
	return 0;
}

/* ---- a tool ---- */

static int
check_keys(const json_t *map, const char *const *known, char why[256])
{
	void *i = json_object_iter((json_t *)(uintptr_t)map);

	for (; i; i = json_object_iter_next((json_t *)(uintptr_t)map, i)) {
		const char *key = json_object_iter_key(i);
		size_t k = 0;

		while (known[k] && strcmp(known[k], key) != 0)
			k++;
		if (!known[k])
			return fail(why, "unknown setting %s", key);
	}
	return 0;
}

static int
tool_read(struct tool *t, const json_t *map, char why[256])
{
	static const char *const known[] = {"name", "description", "schema",
		"validate", "command", "timeout", "output_limit", "concurrency",
		"env", NULL};

	if (!json_is_object(map))
		return fail(why, "it must be a map");
	if (check_keys(map, known, why) ||
		read_text(map, "name", &t->name, why) ||
		read_text(map, "description", &t->description, why) ||
		read_schema(map, &t->schema, why) ||
		read_validate(map, &t->skip_validation, why) ||
		read_command(map, &t->command, why) ||
		read_amount(map, "timeout", durations, &t->timeout_ms, why) ||
		read_amount(
			map, "output_limit", sizes, &t->output_bytes, why) ||
		read_amount(map, "concurrency", counts, &t->concurrency, why))
		return -1;
	if (!t->name)
		return fail(why, "name is missing");
	if (t->output_bytes > TOOL_OUTPUT_MAX)
		return fail(why, "output_limit is at most 1000KiB");
	return read_environment(map, t->name, &t->environment, why);
}

static int
tools_read_list(struct tools *tools, const json_t *list, char why[256])
{
	char reason[200];

	tools->count = json_array_size(list);
	tools->items = calloc(tools->count + 1, sizeof(*tools->items));
	if (!tools->items)
		return fail(why, "no memory");
	if (!tools->count)
		return fail(why, "tools has none: name and command, at least");
	for (size_t i = 0; i < tools->count; i++) {
		struct tool *t = &tools->items[i];
		char said[256];

		t->timeout_ms = TIMEOUT_MS;
		t->output_bytes = OUTPUT_BYTES;
		t->concurrency = tools->concurrency;
		if (!tool_read(t, json_array_get(list, i), said))
			continue;
		snprintf(reason, sizeof(reason), "%.199s", said);
		return fail(why, "tools: number %zu (%.40s): %s", i + 1,
			t->name ? t->name : "no name", reason);
	}
	return 0;
}

int
tools_read(struct tools *tools, const char *settings_json, char why[256])
{
	static const char *const known[] = {"tools", "concurrency", NULL};
	json_t *settings = json_loads(settings_json, 0, NULL);
	int rc = -1;

	tools->concurrency = CONCURRENCY;
	if (!check_keys(settings, known, why) &&
		!read_amount(settings, "concurrency", counts,
			&tools->concurrency, why))
		rc = tools_read_list(
			tools, json_object_get(settings, "tools"), why);
	json_decref(settings);
	return rc;
}
