/* top_columns: see top_columns.h. A column is a row of the table. */
#include "tools/supctl/top_columns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- cells: at most as wide as their column ---- */

static void
put_whole(char *out, int64_t number)
{
	if (number < 0)
		strcpy(out, "-");
	else if (number < 100000)
		snprintf(out, TOP_CELL_BYTES, "%d", (int)number);
	else if (number < 10000000)
		snprintf(out, TOP_CELL_BYTES, "%dk", (int)(number / 1000));
	else
		snprintf(out, TOP_CELL_BYTES, "%lldM",
			(long long)number / 1000000);
}

/* "0", "0.5", "12.3", "123", "1234", "12.3k", "123k", "1.2M" */
void
top_put_rate(char *out, double rate)
{
	if (isnan(rate))
		strcpy(out, "-");
	else if (rate < 0.05)
		strcpy(out, "0");
	else if (rate < 99.95)
		snprintf(out, TOP_CELL_BYTES, "%.1f", rate);
	else if (rate < 9999.5)
		snprintf(out, TOP_CELL_BYTES, "%.0f", rate);
	else if (rate < 99950)
		snprintf(out, TOP_CELL_BYTES, "%.1fk", rate / 1e3);
	else if (rate < 999500)
		snprintf(out, TOP_CELL_BYTES, "%.0fk", rate / 1e3);
	else
		snprintf(out, TOP_CELL_BYTES, "%.1fM", rate / 1e6);
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
		snprintf(out, TOP_CELL_BYTES, "%.1fms",
			us < 50 ? 0.1 : us / 1e3);
	else if (us < 999500)
		snprintf(out, TOP_CELL_BYTES, "%.0fms", us / 1e3);
	else
		snprintf(out, TOP_CELL_BYTES, "%.1fs", us / 1e6);
}

/* "512K", "12M", "3.4G" */
static void
put_bytes(char *out, int64_t bytes)
{
	double kib = (double)bytes / 1024;

	if (bytes < 0)
		strcpy(out, "-");
	else if (kib < 999.5)
		snprintf(out, TOP_CELL_BYTES, "%.0fK", kib);
	else if (kib < 999.5 * 1024)
		snprintf(out, TOP_CELL_BYTES, "%.0fM", kib / 1024);
	else
		snprintf(out, TOP_CELL_BYTES, "%.1fG", kib / 1024 / 1024);
}

/* "59s", "59m", "23h", "99d" */
void
top_put_age(char *out, double seconds)
{
	if (isnan(seconds) || seconds < 0)
		strcpy(out, "-");
	else if (seconds < 60)
		snprintf(out, TOP_CELL_BYTES, "%.0fs", floor(seconds));
	else if (seconds < 3600)
		snprintf(out, TOP_CELL_BYTES, "%.0fm", floor(seconds / 60));
	else if (seconds < 86400)
		snprintf(out, TOP_CELL_BYTES, "%.0fh", floor(seconds / 3600));
	else
		snprintf(out, TOP_CELL_BYTES, "%.0fd", floor(seconds / 86400));
}

static void
put_state(char *out, const struct top_row *row)
{
	snprintf(out, TOP_CELL_BYTES, "%s", row->state);
}

static void
put_row_rate(char *out, const struct top_row *row)
{
	top_put_rate(out, row->rate);
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
	top_put_rate(out, row->cpu_percent);
}

static void
put_restarts(char *out, const struct top_row *row)
{
	put_whole(out, row->restarts);
}

static void
put_reload(char *out, const struct top_row *row)
{
	top_put_age(out, row->reload_age_s);
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
	snprintf(out, TOP_CELL_BYTES, row->pid < 0 ? "-" : "%lld",
		(long long)row->pid);
}

static void
put_uptime(char *out, const struct top_row *row)
{
	top_put_age(out, row->uptime_s < 0 ? NAN : (double)row->uptime_s);
}

const struct top_column top_columns[TOP_COLUMN_COUNT] = {
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

/* ---- columns by name ---- */

int
top_column_by_name(const char *name)
{
	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		if (!strcmp(top_columns[i].name, name))
			return i;
	return -1;
}

int
top_column_by_key(char key)
{
	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		if (top_columns[i].key == key)
			return i;
	return -1;
}

void
top_column_names(struct buffer *out)
{
	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		buffer_format(out, "%s%s", i ? ", " : "", top_columns[i].name);
}
