/* top_view: see top_view.h. On a terminal that is too narrow the id is cut, and
 * the least important columns are left out. */
#include "tools/supctl/top_view.h"

#include <math.h>
#include <string.h>

#define ID_MIN 13 /* an id is cut to that before columns are left out */

/* ---- what fits ---- */

static unsigned
width_of(const struct top_view *v)
{
	unsigned width = v->id_width;

	for (int i = TOP_ID + 1; i < TOP_COLUMN_COUNT; i++)
		if (v->shows[i])
			width += 1 + top_columns[i].width;
	return width;
}

static int
next_to_leave(const struct top_view *v)
{
	int found = -1;

	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		if (v->shows[i] && top_columns[i].leave &&
			(found < 0 || top_columns[i].leave <
					      top_columns[found].leave))
			found = i;
	return found;
}

void
top_view_fit(struct top_view *v, unsigned width, const struct top_figures *f)
{
	unsigned longest = (unsigned)strlen(top_columns[TOP_ID].head), room;
	int leave;

	v->width = width < TOP_WIDTH_MAX ? width : TOP_WIDTH_MAX;
	for (size_t i = 0; i < f->count; i++)
		if (strlen(f->rows[i].id) > longest)
			longest = (unsigned)strlen(f->rows[i].id);
	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		v->shows[i] = true;
	v->id_width = longest > ID_MIN && width ? ID_MIN : longest;
	while (width && width_of(v) > width && (leave = next_to_leave(v)) >= 0)
		v->shows[leave] = false;
	room = width > width_of(v) ? width - width_of(v) : 0;
	v->id_width +=
		room < longest - v->id_width ? room : longest - v->id_width;
}

/* ---- lines ---- */

/* Ends what was begun at `from` where the line ends; plain text only. */
static void
cut(const struct top_view *v, struct buffer *out, size_t from)
{
	if (v->width && buffer_length(out) - from > v->width)
		out->end = out->start + from + v->width;
}

static void
put_escape(const struct top_view *v, struct buffer *out, const char *escape)
{
	if (v->color)
		buffer_append_text(out, escape);
}

static void
put_id(const struct top_view *v, struct buffer *out, const char *id)
{
	size_t length = strlen(id);

	if (length > v->id_width)
		buffer_format(out, "%.*s~", (int)v->id_width - 1, id);
	else
		buffer_format(out, "%-*s", (int)v->id_width, id);
}

static const char *
color_of(enum top_column_id column, const struct top_row *row)
{
	static const struct {
		const char *state, *escape;
	} colors[] = {{"serving", "\033[32m"}, {"failed", "\033[31m"},
		{"holding", "\033[33m"}, {"reloading", "\033[36m"},
		{"starting", "\033[36m"}};

	if (column == TOP_RELOAD && !isnan(row->reload_age_s) &&
		!row->reload_succeeded)
		return "\033[31m";
	for (size_t i = 0;
		column == TOP_STATE && i < sizeof(colors) / sizeof(*colors);
		i++)
		if (!strcmp(colors[i].state, row->state))
			return colors[i].escape;
	return NULL;
}

void
top_view_row(
	const struct top_view *v, const struct top_row *row, struct buffer *out)
{
	char cell[TOP_CELL_BYTES];

	put_id(v, out, row->id);
	for (int i = TOP_ID + 1; i < TOP_COLUMN_COUNT; i++) {
		const char *color = color_of((enum top_column_id)i, row);

		if (!v->shows[i])
			continue;
		top_columns[i].put(cell, row);
		put_escape(v, out, color ? color : "");
		buffer_format(out, i == TOP_STATE ? " %-*s" : " %*s",
			(int)top_columns[i].width, cell);
		put_escape(v, out, color ? "\033[0m" : "");
	}
}

/* The column that is sorted by stands out. */
void
top_view_head(const struct top_view *v, struct buffer *out)
{
	put_escape(v, out, "\033[7m");
	for (int i = 0; i < TOP_COLUMN_COUNT; i++) {
		int width = (int)(i ? top_columns[i].width : v->id_width);
		bool is_left = i == TOP_ID || i == TOP_STATE;
		bool is_sort = (int)v->sort == i;

		if (i && !v->shows[i])
			continue;
		buffer_append_text(out, i ? " " : "");
		put_escape(v, out, is_sort ? "\033[1;4m" : "");
		buffer_format(out, is_left ? "%-*.*s" : "%*.*s", width, width,
			top_columns[i].head);
		put_escape(v, out, is_sort ? "\033[22;24m" : "");
	}
	put_escape(v, out, "\033[0m");
}

static void
put_states(const struct top_figures *f, struct buffer *out)
{
	static const char *const states[] = {"serving", "starting", "reloading",
		"holding", "stopped", "disabled", "failed"};
	const char *join = ": ";

	for (size_t s = 0; s < sizeof(states) / sizeof(*states); s++) {
		unsigned count = 0;

		for (size_t i = 0; i < f->count; i++)
			count += !strcmp(f->rows[i].state, states[s]);
		if (!count)
			continue;
		buffer_format(out, "%s%u %s", join, count, states[s]);
		join = ", ";
	}
}

void
top_view_title(const struct top_view *v, const struct top_figures *f,
	struct buffer *out)
{
	size_t from = buffer_length(out);
	char age[TOP_CELL_BYTES], rate[TOP_CELL_BYTES];

	top_put_age(age, (double)f->uptime_s);
	top_put_rate(rate, f->rate);
	buffer_format(out,
		"supd %s (pid %lld), %s, up %s, %s requests/s, "
		"%zu plugin%s",
		f->version, (long long)f->pid,
		f->stopping ? "stopping"
		: f->ready  ? "ready"
			    : "not ready",
		age, rate, f->count, f->count == 1 ? "" : "s");
	put_states(f, out);
	cut(v, out, from);
}

void
top_view_text(const struct top_view *v, const char *text, struct buffer *out)
{
	size_t from = buffer_length(out);

	for (; *text; text++)
		buffer_append_byte(out,
			*text >= ' ' && *text <= '~' ? (uint8_t)*text : '?');
	cut(v, out, from);
}

enum top_column_id
top_view_next(const struct top_view *v, enum top_column_id from, int step)
{
	int i = (int)from;

	do {
		i = (i + step + TOP_COLUMN_COUNT) % TOP_COLUMN_COUNT;
	} while (!v->shows[i]);
	return (enum top_column_id)i;
}
