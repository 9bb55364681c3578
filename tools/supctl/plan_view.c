/* plan_view: see plan_view.h. */
#include "tools/supctl/plan_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/table.h"

/* Whether it is the path of the plugin's entry, and not of a key in it. */
static bool
is_entry(const char *path, const char *id)
{
	size_t prefix = strlen("plugins.");

	return *id && !strncmp(path, "plugins.", prefix) &&
	       !strcmp(path + prefix, id);
}

const char *
plan_word(const json_t *document, const json_t *change)
{
	const json_t *plugins = json_object_get(document, "plugins");
	const char *id = supctl_text(change, "pluginId");
	bool whole = is_entry(supctl_text(change, "path"), id);

	for (size_t i = 0; whole && i < json_array_size(plugins); i++) {
		const json_t *row = json_array_get(plugins, i);

		if (!strcmp(supctl_text(row, "pluginId"), id))
			return supctl_text(row, "action");
	}
	return supctl_text(change, "class");
}

static void
print_changes(const json_t *document, const json_t *changes)
{
	static const struct table_column columns[] = {{"CLASS", 0, 0, 0},
		{"CHANGE", 0, 0, 0}, {"KEY", 0, 1, 0}, {"PLUGIN", 0, 0, 0}};
	struct table *t = table_create(columns, 4, false);

	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *row = json_array_get(changes, i);

		table_row(t);
		table_text(t, plan_word(document, row));
		table_text(t, supctl_text(row, "kind"));
		table_text(t, supctl_text(row, "path"));
		table_text(t, supctl_text(row, "pluginId"));
	}
	table_finish(t);
}

/* The caller frees. */
static char *
joined(const json_t *texts)
{
	struct buffer out = {0};

	for (size_t i = 0; i < json_array_size(texts); i++) {
		const char *text = json_string_value(json_array_get(texts, i));

		buffer_format(&out, "%s%s", i ? ", " : "", text ? text : "?");
	}
	buffer_append(&out, "", 1);
	return (char *)out.memory;
}

static void
print_plugins(const json_t *plugins)
{
	static const struct table_column columns[] = {{"PLUGIN", 0, 0, 0},
		{"ACTION", 0, 0, 0}, {"CLASS", 0, 0, 0}, {"REASONS", 0, 1, 0}};
	struct table *t = table_create(columns, 4, false);

	for (size_t i = 0; i < json_array_size(plugins); i++) {
		const json_t *row = json_array_get(plugins, i);
		char *reasons = joined(json_object_get(row, "reasons"));

		table_row(t);
		table_text(t, supctl_text(row, "pluginId"));
		table_text(t, supctl_text(row, "action"));
		table_text(t, supctl_text(row, "class"));
		table_text(t, reasons);
		free(reasons);
	}
	table_finish(t);
}

void
plan_print(const json_t *document)
{
	const json_t *changes = json_object_get(document, "changes");
	const json_t *plugins = json_object_get(document, "plugins");

	if (json_array_size(changes))
		print_changes(document, changes);
	if (json_array_size(changes) && json_array_size(plugins))
		putchar('\n');
	if (json_array_size(plugins))
		print_plugins(plugins);
	if (!json_array_size(changes) && !json_array_size(plugins))
		puts("nothing would change");
	fflush(stdout);
	supctl_print_problems(document);
}
