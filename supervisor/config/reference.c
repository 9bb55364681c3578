/* reference: prints the tables as Markdown, so that the manual cannot lag
 * behind. */
#include "supervisor/config/reference.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/config/tables.h"
#include "supervisor/config/units.h"

static const char *const type_words[] = {
	[SCHEMA_TEXT] = "string",
	[SCHEMA_PATH] = "path",
	[SCHEMA_BOOL] = "true, false",
	[SCHEMA_COUNT] = "number",
	[SCHEMA_SIZE] = "size",
	[SCHEMA_DURATION] = "time",
	[SCHEMA_FRACTION] = "number from 0 to 1",
	[SCHEMA_TEXTS] = "list of strings",
	[SCHEMA_PATHS] = "list of paths",
	[SCHEMA_ENV] = "map of strings",
	[SCHEMA_JSON] = "map of anything",
	[SCHEMA_SECTION] = "map",
	[SCHEMA_LIST] = "list of maps",
	[SCHEMA_OWN] = "map",
};

void
reference_print_type(const struct schema_row *row, FILE *out)
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
	else if (row->type == SCHEMA_TEXT && row->max)
		fprintf(out, " of at most %" PRIu64 " bytes", row->max);
}

static void
walk(const struct schema_table *table, const char *prefix,
	reference_key *report, void *user)
{
	for (const struct schema_row *row = table->rows; row->type; row++) {
		if (row->type == SCHEMA_INLINE) {
			report(user, row, prefix);
			continue;
		}
		char *key = memory_format("%s%s", prefix, row->name);
		report(user, row, key);
		if (row->table) {
			const char *join = ".";
			if (row->type == SCHEMA_LIST)
				join = "[].";
			else if (row->type == SCHEMA_OWN)
				join = ".ID.";
			char *inner = memory_format("%s%s", key, join);
			walk(row->table, inner, report, user);
			free(inner);
		}
		free(key);
	}
}

void
reference_walk(
	const struct schema_table *table, reference_key *report, void *user)
{
	walk(table, "", report, user);
}

struct printing {
	FILE *out;
	bool with_class;
};

static void
print_row(void *user, const struct schema_row *row, const char *key)
{
	const struct printing *p = user;
	if (row->type == SCHEMA_INLINE) {
		fprintf(p->out, "| `%s…` | | |%s Any key of `defaults`. |\n",
			key, p->with_class ? " |" : "");
		return;
	}
	fprintf(p->out, "| `%s` | ", key);
	reference_print_type(row, p->out);
	if (row->required)
		fputs(" | *required*", p->out);
	else if (row->fallback && *row->fallback)
		fprintf(p->out, " | `%s`", row->fallback);
	else
		fputs(" |", p->out);
	if (p->with_class)
		fprintf(p->out, " | %s%s",
			row->can_configure ? "configure or " : "",
			config_class_name(row->class));
	fprintf(p->out, " | %s%s |\n", row->doc,
		row->later ? " *Not supported yet.*" : "");
}

void
config_print_reference(FILE *out)
{
	fputs("### supd.yaml\n\n"
	      "| Key | Type | Default | A change is | Meaning |\n"
	      "| --- | --- | --- | --- | --- |\n",
		out);
	reference_walk(&config_table, print_row, &(struct printing){out, true});
	fputs("\n### plugin.yaml\n\n"
	      "| Key | Type | Default | Meaning |\n"
	      "| --- | --- | --- | --- |\n",
		out);
	reference_walk(
		&manifest_table, print_row, &(struct printing){out, false});
}
