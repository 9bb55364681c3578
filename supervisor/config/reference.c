/* reference: the tables as Markdown, so that the manual cannot lag behind. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/tables.h"
#include "supervisor/config/units.h"

static const char *const type_words[] = {
	[SCHEMA_TEXT] = "text",
	[SCHEMA_PATH] = "path",
	[SCHEMA_BOOL] = "true, false",
	[SCHEMA_COUNT] = "number",
	[SCHEMA_SIZE] = "size",
	[SCHEMA_DURATION] = "time",
	[SCHEMA_TEXTS] = "list of texts",
	[SCHEMA_PATHS] = "list of paths",
	[SCHEMA_ENV] = "map of texts",
	[SCHEMA_JSON] = "map of anything",
	[SCHEMA_SECTION] = "map",
	[SCHEMA_LIST] = "list of maps",
	[SCHEMA_OWN] = "map",
};

static void
print_type(const struct schema_row *row, FILE *out)
{
	char least[UNIT_TEXT_BYTES], most[UNIT_TEXT_BYTES];
	if (row->type == SCHEMA_CHOICE) {
		for (int i = 0; row->choices[i]; i++)
			fprintf(out, "%s%s", i ? ", " : "", row->choices[i]);
		return;
	}
	fputs(type_words[row->type], out);
	if (row->type == SCHEMA_COUNT)
		fprintf(out, " %" PRIu64 "-%" PRIu64, row->min, row->max);
	else if (row->type == SCHEMA_SIZE)
		fprintf(out, " %s-%s", size_format(row->min, least),
			size_format(row->max, most));
	else if (row->type == SCHEMA_DURATION)
		fprintf(out, " %s-%s", duration_format(row->min, least),
			duration_format(row->max, most));
}

static void
print_row(const struct schema_row *row, const char *key, bool with_class,
	FILE *out)
{
	fprintf(out, "| `%s` | ", key);
	print_type(row, out);
	if (row->required)
		fputs(" | *required*", out);
	else if (row->fallback && *row->fallback)
		fprintf(out, " | `%s`", row->fallback);
	else
		fputs(" |", out);
	if (with_class)
		fprintf(out, " | %s%s",
			row->can_configure ? "configure or " : "",
			config_class_name(row->class));
	fprintf(out, " | %s%s |\n", row->doc,
		row->later ? " *Not supported yet.*" : "");
}

static void
print_rows(const struct schema_table *table, const char *prefix,
	bool with_class, FILE *out)
{
	for (const struct schema_row *row = table->rows; row->type; row++) {
		if (row->type == SCHEMA_INLINE) {
			fprintf(out,
				"| `%s…` | | |%s Any key of `defaults`. |\n",
				prefix, with_class ? " |" : "");
			continue;
		}
		char *key = memory_format("%s%s", prefix, row->name);
		print_row(row, key, with_class, out);
		if (row->table) {
			const char *join = ".";
			if (row->type == SCHEMA_LIST)
				join = "[].";
			else if (row->type == SCHEMA_OWN)
				join = ".ID.";
			char *inner = memory_format("%s%s", key, join);
			print_rows(row->table, inner, with_class, out);
			free(inner);
		}
		free(key);
	}
}

void
config_print_reference(FILE *out)
{
	fputs("### supd.yaml\n\n"
	      "| Key | Type | Default | A change is | Meaning |\n"
	      "| --- | --- | --- | --- | --- |\n",
		out);
	print_rows(&config_table, "", true, out);
	fputs("\n### plugin.yaml\n\n"
	      "| Key | Type | Default | Meaning |\n"
	      "| --- | --- | --- | --- |\n",
		out);
	print_rows(&manifest_table, "", false, out);
}
