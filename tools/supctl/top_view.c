/* top_view: see top_view.h. A column is a row of the table; on a terminal that
 * is too narrow the least important ones are left out, and the id is cut. */
#include "tools/supctl/top_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CELL_BYTES 24
#define ID_MIN 13 /* an id is cut to that before columns are left out */

static const struct top_column {
	const char *name, *head;
	char key;
	unsigned width;
	int leave; /* left out in this order; 0: never */
	void (*put)(char *out, const struct top_row *row);
} columns[TOP_COLUMN_COUNT];

/* ---- cells: at most as wide as their column ---- */

static void
put_whole(char *out, int64_t number)
{
	if (number < 0)
		strcpy(out, "-");
	else if (number < 100000)
		snprintf(out, CELL_BYTES, "%d", (int)number);
	else if (number < 10000000)
		snprintf(out, CELL_BYTES, "%dk", (int)(number / 1000));
	else
		snprintf(out, CELL_BYTES, "%lldM", (long long)number / 1000000);
}

/* "0", "0.5", "12.3", "123", "1234", "12.3k", "123k", "1.2M" */
static void
put_rate(char *out, double rate)
{
	if (isnan(rate))
		strcpy(out, "-");
	else if (rate < 0.05)
		strcpy(out, "0");
	else if (rate < 99.95)
		snprintf(out, CELL_BYTES, "%.1f", rate);
	else if (rate < 9999.5)
		snprintf(out, CELL_BYTES, "%.0f", rate);
	else if (rate < 99950)
		snprintf(out, CELL_BYTES, "%.1fk", rate / 1e3);
	else if (rate < 999500)
		snprintf(out, CELL_BYTES, "%.0fk", rate / 1e3);
	else
		snprintf(out, CELL_BYTES, "%.1fM", rate / 1e6);
}

/* "0.1ms", "12ms", "999ms", "1.5s", ">10s" */
static void
put_latency(char *out, double us)
{
	if (isnan(us))
		strcpy(out, "-");
	else if (isinf(us))
		strcpy(out, ">10s");
	else if (us < 9950)
		snprintf(out, CELL_BYTES, "%.1fms", us < 50 ? 0.1 : us / 1e3);
	else if (us < 999500)
		snprintf(out, CELL_BYTES, "%.0fms", us / 1e3);
	else
		snprintf(out, CELL_BYTES, "%.1fs", us / 1e6);
}

/* "512K", "12M", "3.4G" */
static void
put_bytes(char *out, int64_t bytes)
{
	double kib = (double)bytes / 1024;

	if (bytes < 0)
		strcpy(out, "-");
	else if (kib < 999.5)
		snprintf(out, CELL_BYTES, "%.0fK", kib);
	else if (kib < 999.5 * 1024)
		snprintf(out, CELL_BYTES, "%.0fM", kib / 1024);
	else
		snprintf(out, CELL_BYTES, "%.1fG", kib / 1024 / 1024);
}

/* "59s", "59m", "23h", "99d" */
static void
put_age(char *out, double seconds)
{
	if (isnan(seconds) || seconds < 0)
		strcpy(out, "-");
	else if (seconds < 60)
		snprintf(out, CELL_BYTES, "%.0fs", floor(seconds));
	else if (seconds < 3600)
		snprintf(out, CELL_BYTES, "%.0fm", floor(seconds / 60));
	else if (seconds < 86400)
		snprintf(out, CELL_BYTES, "%.0fh", floor(seconds / 3600));
	else
		snprintf(out, CELL_BYTES, "%.0fd", floor(seconds / 86400));
}

static void
put_state(char *out, const struct top_row *row)
{
	snprintf(out, CELL_BYTES, "%s", row->state);
}

static void
put_row_rate(char *out, const struct top_row *row)
{
	put_rate(out, row->rate);
}

static void
put_p50(char *out, const struct top_row *row)
{
	put_latency(out, row->p50_us);
}

static void
put_p99(char *out, const struct top_row *row)
{
	put_latency(out, row->p99_us);
}

static void
put_in_flight(char *out, const struct top_row *row)
{
	put_whole(out, row->in_flight);
}

static void
put_held(char *out, const struct top_row *row)
{
	put_whole(out, row->held);
}

static void
put_memory(char *out, const struct top_row *row)
{
	put_bytes(out, row->memory_bytes);
}

static void
put_cpu(char *out, const struct top_row *row)
{
	put_rate(out, row->cpu_percent);
}

static void
put_restarts(char *out, const struct top_row *row)
{
	put_whole(out, row->restarts);
}

static void
put_reload(char *out, const struct top_row *row)
{
	put_age(out, row->reload_age_s);
	if (!isnan(row->reload_age_s))
		strcat(out, row->reload_succeeded ? " ok" : " FAIL");
}

static void
put_generation(char *out, const struct top_row *row)
{
	put_whole(out, row->generation);
}

static void
put_pid(char *out, const struct top_row *row)
{
	snprintf(out, CELL_BYTES, row->pid < 0 ? "-" : "%lld",
		(long long)row->pid);
}

static void
put_uptime(char *out, const struct top_row *row)
{
	put_age(out, row->uptime_s < 0 ? NAN : (double)row->uptime_s);
}

static const struct top_column columns[TOP_COLUMN_COUNT] = {
	[TOP_ID] = {"id", "PLUGIN", 'i', 0, 0, NULL},
	[TOP_STATE] = {"state", "STATE", 't', 9, 0, put_state},
	[TOP_RATE] = {"requests", "REQ/S", 'r', 5, 0, put_row_rate},
	[TOP_P50] = {"p50", "P50", '5', 5, 8, put_p50},
	[TOP_P99] = {"p99", "P99", '9', 5, 0, put_p99},
	[TOP_IN_FLIGHT] = {"in-flight", "FLIGHT", 'f', 6, 7, put_in_flight},
	[TOP_HELD] = {"held", "HELD", 'h', 5, 6, put_held},
	[TOP_MEMORY] = {"memory", "MEM", 'm', 5, 0, put_memory},
	[TOP_CPU] = {"cpu", "CPU%", 'c', 5, 0, put_cpu},
	[TOP_RESTARTS] = {"restarts", "RST", 's', 4, 5, put_restarts},
	[TOP_RELOAD] = {"reload", "RELOAD", 'l', 8, 4, put_reload},
	[TOP_GENERATION] = {"generation", "GEN", 'g', 5, 3, put_generation},
	[TOP_UPTIME] = {"uptime", "UP", 'u', 4, 2, put_uptime},
	[TOP_PID] = {"pid", "PID", 'p', 7, 1, put_pid},
};

/* ---- what fits ---- */

static unsigned
width_of(const struct top_view *v)
{
	unsigned width = v->id_width;

	for (int i = TOP_ID + 1; i < TOP_COLUMN_COUNT; i++)
		if (v->shows[i])
			width += 1 + columns[i].width;
	return width;
}

static int
next_to_leave(const struct top_view *v)
{
	int found = -1;

	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		if (v->shows[i] && columns[i].leave &&
			(found < 0 || columns[i].leave < columns[found].leave))
			found = i;
	return found;
}

void
top_view_fit(struct top_view *v, unsigned width, const struct top_figures *f)
{
	unsigned longest = (unsigned)strlen(columns[TOP_ID].head), room;
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
	char cell[CELL_BYTES];

	put_id(v, out, row->id);
	for (int i = TOP_ID + 1; i < TOP_COLUMN_COUNT; i++) {
		const char *color = color_of((enum top_column_id)i, row);

		if (!v->shows[i])
			continue;
		columns[i].put(cell, row);
		put_escape(v, out, color ? color : "");
		buffer_format(out, i == TOP_STATE ? " %-*s" : " %*s",
			(int)columns[i].width, cell);
		put_escape(v, out, color ? "\033[0m" : "");
	}
}

/* The column that is sorted by stands out. */
void
top_view_head(const struct top_view *v, struct buffer *out)
{
	put_escape(v, out, "\033[7m");
	for (int i = 0; i < TOP_COLUMN_COUNT; i++) {
		int width = (int)(i ? columns[i].width : v->id_width);
		bool is_left = i == TOP_ID || i == TOP_STATE;
		bool is_sort = (int)v->sort == i;

		if (i && !v->shows[i])
			continue;
		buffer_append_text(out, i ? " " : "");
		put_escape(v, out, is_sort ? "\033[1;4m" : "");
		buffer_format(out, is_left ? "%-*.*s" : "%*.*s", width, width,
			columns[i].head);
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
	char age[CELL_BYTES], rate[CELL_BYTES];

	put_age(age, (double)f->uptime_s);
	put_rate(rate, f->rate);
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

/* ---- columns by name ---- */

int
top_column_by_name(const char *name)
{
	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		if (!strcmp(columns[i].name, name))
			return i;
	return -1;
}

int
top_column_by_key(char key)
{
	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		if (columns[i].key == key)
			return i;
	return -1;
}

void
top_column_names(struct buffer *out)
{
	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		buffer_format(out, "%s%s", i ? ", " : "", columns[i].name);
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
