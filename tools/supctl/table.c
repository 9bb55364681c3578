/* table: a thin layer over libsmartcols: cells are added in order. Control
 * bytes in a text are shown by the library as \xNN. What does not fit on a
 * terminal is left out or cut here, since the library cuts without a mark. */
#include "tools/supctl/table.h"

#include <langinfo.h>
#include <libsmartcols.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/util/utf8.h"

#define CUT_MIN 12 /* what is left of a cell that is cut */
#define ELLIPSIS "\xe2\x80\xa6"

struct column {
	const struct table_column *row;
	struct libscols_column *scols; /* NULL: left out */
	size_t width;
	bool tells; /* a cell is something else than "0", "yes" or "-" */
};

struct table {
	struct libscols_table *scols;
	struct libscols_line *line;
	struct column *columns;
	unsigned count, column;
	bool color, keeps_all;
};

/* What is text depends on the locale. Where none is set (a container, cron)
 * all but ASCII would be shown as \xNN; what supd says is UTF-8. */
static void
take_locale(void)
{
	setlocale(LC_CTYPE, "");
	if (!strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968"))
		setlocale(LC_CTYPE, "C.UTF-8");
}

struct table *
table_create(const struct table_column *columns, unsigned count, bool color)
{
	struct table *t = memory_alloc(sizeof(*t));

	take_locale();
	t->scols = scols_new_table();
	if (!t->scols)
		abort();
	t->color = color;
	t->count = count;
	t->columns = memory_alloc(count * sizeof(*t->columns));
	scols_table_enable_colors(t->scols, color);
	for (unsigned i = 0; i < count; i++)
		t->columns[i] = (struct column){&columns[i],
			scols_table_new_column(t->scols, columns[i].name, 0,
				columns[i].right ? SCOLS_FL_RIGHT : 0),
			strlen(columns[i].name), false};
	return t;
}

void
table_keep_all(struct table *t)
{
	t->keeps_all = true;
}

void
table_row(struct table *t)
{
	t->line = scols_table_new_line(t->scols, NULL);
	if (!t->line)
		abort();
	t->column = 0;
}

/* Columns on a terminal; what is not printed as it is counts as its bytes. */
static size_t
width_of(const char *text)
{
	wchar_t wide[TABLE_TEXT_BYTES + 1];
	size_t count = mbstowcs(wide, text, TABLE_TEXT_BYTES + 1);
	int width = count <= TABLE_TEXT_BYTES ? wcswidth(wide, count) : -1;

	return width < 0 ? strlen(text) : (size_t)width;
}

/* A cell is as wide as all others of its column, so a long one is cut. */
void
table_text(struct table *t, const char *text)
{
	char *cell = memory_copy_text(text && *text ? text : "-");
	struct column *c = &t->columns[t->column];
	size_t width;

	text_shorten(cell, TABLE_TEXT_BYTES);
	width = width_of(cell);
	if (width > c->width)
		c->width = width;
	if (strcmp(cell, "-") && strcmp(cell, "0") && strcmp(cell, "yes"))
		c->tells = true;
	scols_line_set_data(t->line, t->column++, cell);
	free(cell);
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

/* ---- what a terminal has room for ---- */

static size_t
least_width(const struct column *c)
{
	return c->row->cut && c->width > CUT_MIN ? CUT_MIN : c->width;
}

/* With the columns that may be cut as short as they may be. */
static size_t
total_width(const struct table *t)
{
	size_t width = 0;

	for (unsigned i = 0; i < t->count; i++)
		if (t->columns[i].scols)
			width += least_width(&t->columns[i]) + 1;
	return width ? width - 1 : 0;
}

static struct column *
next_to_leave(struct table *t, bool tells)
{
	struct column *next = NULL;

	for (unsigned i = 0; i < t->count; i++) {
		struct column *c = &t->columns[i];

		if (c->scols && c->row->leave && c->tells == tells &&
			(!next || c->row->leave < next->row->leave))
			next = c;
	}
	return next;
}

static void
leave_out(struct table *t, size_t width)
{
	while (total_width(t) > width) {
		struct column *c = next_to_leave(t, false);

		if (!c)
			c = next_to_leave(t, true);
		if (!c)
			return;
		scols_column_set_flags(c->scols, SCOLS_FL_HIDDEN);
		c->scols = NULL;
	}
}

static void
cut_cell(struct libscols_cell *cell, size_t width)
{
	const char *text = scols_cell_get_data(cell);
	size_t length = text ? strlen(text) : 0;
	char *cut;

	if (!text || width_of(text) <= width)
		return;
	cut = memory_alloc(length + sizeof(ELLIPSIS));
	memcpy(cut, text, length);
	do {
		length = text_fit(text, length, length - 1);
		cut[length] = '\0';
	} while (length && width_of(cut) > width - 1);
	memcpy(cut + length, ELLIPSIS, sizeof(ELLIPSIS));
	scols_cell_set_data(cell, cut);
	free(cut);
}

/* The room that the others leave. */
static void
cut_column(struct table *t, struct column *c, size_t width)
{
	size_t others = total_width(t) - least_width(c);
	size_t room = width > others + CUT_MIN ? width - others : CUT_MIN;
	struct libscols_line *line;

	for (size_t i = 0; (line = scols_table_get_line(t->scols, i)); i++)
		cut_cell(scols_line_get_column_cell(line, c->scols), room);
	if (c->width > room)
		c->width = room;
}

static void
fit(struct table *t)
{
	size_t width = scols_table_get_termwidth(t->scols);

	leave_out(t, width);
	for (unsigned i = 0; i < t->count; i++)
		if (t->columns[i].scols && t->columns[i].row->cut)
			cut_column(t, &t->columns[i], width);
}

void
table_finish(struct table *t)
{
	if (isatty(STDOUT_FILENO) && !t->keeps_all)
		fit(t);
	scols_print_table(t->scols);
	scols_unref_table(t->scols);
	free(t->columns);
	free(t);
}
