/* table: a thin layer over libsmartcols: cells are added in order. Control
 * bytes in a text are shown by the library as \xNN. */
#include "tools/supctl/table.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/memory.h"

struct table {
	struct libscols_table *scols;
	struct libscols_line *line;
	unsigned column;
	bool color;
};

struct table *
table_create(const struct table_column *columns, unsigned count, bool color)
{
	struct table *t = memory_alloc(sizeof(*t));

	t->scols = scols_new_table();
	if (!t->scols)
		abort();
	t->color = color;
	scols_table_enable_colors(t->scols, color);
	for (unsigned i = 0; i < count; i++)
		scols_table_new_column(t->scols, columns[i].name, 0,
			(columns[i].right ? SCOLS_FL_RIGHT : 0) |
				(columns[i].cut ? SCOLS_FL_TRUNC : 0));
	return t;
}

void
table_row(struct table *t)
{
	t->line = scols_table_new_line(t->scols, NULL);
	if (!t->line)
		abort();
	t->column = 0;
}

void
table_text(struct table *t, const char *text)
{
	scols_line_set_data(t->line, t->column++, text && *text ? text : "-");
}

void
table_number(struct table *t, long long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", number);
	table_text(t, text);
}

void
table_colored(struct table *t, const char *text, const char *color)
{
	table_text(t, text);
	if (t->color && color)
		scols_cell_set_color(
			scols_line_get_cell(t->line, t->column - 1), color);
}

void
table_finish(struct table *t)
{
	scols_print_table(t->scols);
	scols_unref_table(t->scols);
	free(t);
}
