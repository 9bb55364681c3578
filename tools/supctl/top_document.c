/* top_document: see top_document.h. */
#include "tools/supctl/top_document.h"

#include <math.h>

static json_t *
number_or_null(double number)
{
	return isfinite(number) ? json_real(number) : json_null();
}

static json_t *
whole_or_null(int64_t number)
{
	return number < 0 ? json_null() : json_integer(number);
}

static json_t *
row_document(const struct top_row *row)
{
	return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,"
			 "s:o}",
		"id", row->id, "state", row->state, "generation",
		whole_or_null(row->generation), "pid", whole_or_null(row->pid),
		"uptimeSeconds", whole_or_null(row->uptime_s), "restarts",
		whole_or_null(row->restarts), "requestsPerSecond",
		number_or_null(row->rate), "p50Ms",
		number_or_null(row->p50_us / 1e3), "p99Ms",
		number_or_null(row->p99_us / 1e3), "inFlight",
		whole_or_null(row->in_flight), "held", whole_or_null(row->held),
		"memoryBytes", whole_or_null(row->memory_bytes), "cpuPercent",
		number_or_null(row->cpu_percent), "lastReload",
		isnan(row->reload_age_s) ? json_null()
					 : json_pack("{s:f,s:b}", "ageSeconds",
						   row->reload_age_s, "success",
						   row->reload_succeeded));
}

json_t *
top_document(const struct top_figures *f)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < f->count; i++)
		json_array_append_new(
			rows, row_document(&f->rows[f->order[i]]));
	return json_pack("{s:s,s:I,s:b,s:o,s:o}", "version", f->version, "pid",
		(json_int_t)f->pid, "ready", f->ready, "requestsPerSecond",
		number_or_null(f->rate), "plugins", rows);
}
