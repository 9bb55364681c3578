/* top_figures: see top_figures.h. A plugin whose worker or whose supd is
 * another one than before begins anew. */
#include "tools/supctl/top_figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

/* The members of an answer's rows, by the names in its "columns". */
enum member {
	ID,
	STATE,
	GENERATION,
	PID,
	UPTIME,
	RESTARTS,
	REQUESTS,
	IN_FLIGHT,
	HELD,
	MEMORY,
	CPU,
	USAGE_AT,
	RELOAD_AT,
	RELOAD_SUCCESS,
	LATENCY,
	MEMBER_COUNT
};

static const char *const member_names[MEMBER_COUNT] = {[ID] = "id",
	[STATE] = "state",
	[GENERATION] = "generation",
	[PID] = "pid",
	[UPTIME] = "uptimeSeconds",
	[RESTARTS] = "restarts",
	[REQUESTS] = "requests",
	[IN_FLIGHT] = "inFlight",
	[HELD] = "held",
	[MEMORY] = "memoryBytes",
	[CPU] = "cpuMs",
	[USAGE_AT] = "usageAtUs",
	[RELOAD_AT] = "lastReloadAtMs",
	[RELOAD_SUCCESS] = "lastReloadSuccess",
	[LATENCY] = "latency"};

/* How to read an answer. */
struct reading {
	size_t places[MEMBER_COUNT];
	const json_t *bounds; /* of latency, in microseconds */
	int64_t at_us, at_ms;
	double seconds; /* since the answer before; 0: there is none */
};

void
top_figures_init(struct top_figures *f)
{
	*f = (struct top_figures){.pid = -1, .rate = NAN};
}

void
top_figures_finish(struct top_figures *f)
{
	free(f->rows);
	free(f->order);
	top_figures_init(f);
}

/* ---- reading ---- */

static int64_t
whole(const json_t *value)
{
	return json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
}

/* What a terminal shows in as many columns as there are bytes. */
static void
take_text(char *out, size_t size, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t length = 0;

	for (; text && *text && length + 1 < size; text++)
		out[length++] = *text >= ' ' && *text <= '~' ? *text : '?';
	out[length] = '\0';
}

static int
find_places(struct reading *r, const json_t *names, struct error *err)
{
	for (int m = 0; m < MEMBER_COUNT; m++) {
		size_t i = 0;

		while (i < json_array_size(names) &&
			strcmp(json_string_value(json_array_get(names, i))
					? json_string_value(
						  json_array_get(names, i))
					: "",
				member_names[m]) != 0)
			i++;
		if (i == json_array_size(names))
			return error_set(err, "supd's answer has no column %s",
				member_names[m]);
		r->places[m] = i;
	}
	return 0;
}

static const json_t *
member_of(const struct reading *r, const json_t *values, enum member m)
{
	return json_array_get(values, r->places[m]);
}

/* ---- what two answers say ---- */

static double
bound_of(const struct reading *r, size_t i)
{
	return (double)json_integer_value(json_array_get(r->bounds, i));
}

/* Where the share `q` of the counts ends, as if they were spread evenly in
 * their buckets. */
static double
percentile(const struct reading *r, const uint64_t *counts, double q)
{
	double total = 0, wanted, before = 0;
	size_t bounds = json_array_size(r->bounds);

	for (size_t i = 0; i < TOP_BUCKETS_MAX; i++)
		total += (double)counts[i];
	if (total < 1)
		return NAN;
	wanted = total * q;
	for (size_t i = 0; i < TOP_BUCKETS_MAX; i++) {
		double count = (double)counts[i], from;

		if (!counts[i] || before + count < wanted) {
			before += count;
			continue;
		}
		if (i >= bounds)
			return INFINITY;
		from = i ? bound_of(r, i - 1) : 0;
		return from +
		       (bound_of(r, i) - from) * (wanted - before) / count;
	}
	return INFINITY;
}

static void
take_latency(struct top_row *row, const struct reading *r, const json_t *list,
	const struct top_row *old)
{
	uint64_t fresh[TOP_BUCKETS_MAX] = {0};

	for (size_t i = 0; i < TOP_BUCKETS_MAX; i++) {
		int64_t count = whole(json_array_get(list, i));

		row->latency[i] = count > 0 ? (uint64_t)count : 0;
		if (old && row->latency[i] > old->latency[i])
			fresh[i] = row->latency[i] - old->latency[i];
	}
	row->p50_us = old ? percentile(r, fresh, 0.5) : NAN;
	row->p99_us = old ? percentile(r, fresh, 0.99) : NAN;
}

static void
take_rate(
	struct top_row *row, const struct reading *r, const struct top_row *old)
{
	if (old && r->seconds > 0 && row->requests >= old->requests)
		row->rate =
			(double)(row->requests - old->requests) / r->seconds;
}

/* supd may read it less often than it is asked; until it does, the last share
 * stays. */
static void
take_cpu(struct top_row *row, const struct top_row *old)
{
	double us;

	if (!old || row->pid < 0 || row->pid != old->pid ||
		row->usage_at_us < 0 || old->usage_at_us < 0)
		return;
	us = (double)(row->usage_at_us - old->usage_at_us);
	if (us > 0 && row->cpu_ms >= old->cpu_ms)
		row->cpu_percent =
			(double)(row->cpu_ms - old->cpu_ms) * 1000 * 100 / us;
	else
		row->cpu_percent = old->cpu_percent;
}

static void
take_row(struct top_row *row, const struct reading *r, const json_t *values,
	const struct top_row *old)
{
	int64_t reload_at = whole(member_of(r, values, RELOAD_AT));

	row->generation = whole(member_of(r, values, GENERATION));
	row->pid = whole(member_of(r, values, PID));
	row->uptime_s = whole(member_of(r, values, UPTIME));
	row->restarts = whole(member_of(r, values, RESTARTS));
	row->requests = whole(member_of(r, values, REQUESTS));
	row->in_flight = whole(member_of(r, values, IN_FLIGHT));
	row->held = whole(member_of(r, values, HELD));
	row->memory_bytes = whole(member_of(r, values, MEMORY));
	row->cpu_ms = whole(member_of(r, values, CPU));
	row->usage_at_us = whole(member_of(r, values, USAGE_AT));
	row->rate = row->cpu_percent = row->reload_age_s = NAN;
	if (reload_at >= 0)
		row->reload_age_s =
			reload_at < r->at_ms
				? (double)(r->at_ms - reload_at) / 1e3
				: 0;
	row->reload_succeeded =
		json_is_true(member_of(r, values, RELOAD_SUCCESS));
	take_rate(row, r, old);
	take_cpu(row, old);
	take_latency(row, r, member_of(r, values, LATENCY), old);
}

/* Both answers have the plugins in the order of their numbers: those that are
 * in both come in the same order. */
static const struct top_row *
find_old(const struct top_figures *f, size_t *from, const char *id)
{
	for (size_t i = *from; i < f->count; i++)
		if (!strcmp(f->rows[i].id, id)) {
			*from = i + 1;
			return &f->rows[i];
		}
	return NULL;
}

static void
take_rows(struct top_figures *f, const struct reading *r, const json_t *list)
{
	size_t count = json_array_size(list), from = 0;
	struct top_row *rows = memory_alloc((count + 1) * sizeof(*rows));

	f->rate = r->seconds > 0 ? 0 : NAN;
	for (size_t i = 0; i < count; i++) {
		const json_t *values = json_array_get(list, i);
		const struct top_row *old;

		take_text(rows[i].id, TOP_ID_BYTES, member_of(r, values, ID));
		take_text(rows[i].state, TOP_STATE_BYTES,
			member_of(r, values, STATE));
		old = r->seconds > 0 ? find_old(f, &from, rows[i].id) : NULL;
		take_row(&rows[i], r, values, old);
		if (!isnan(rows[i].rate))
			f->rate += rows[i].rate;
	}
	free(f->rows);
	f->rows = rows;
	f->count = count;
	f->order = memory_resize(f->order, (count + 1) * sizeof(*f->order));
	for (size_t i = 0; i < count; i++)
		f->order[i] = (uint32_t)i;
}

int
top_figures_take(struct top_figures *f, const json_t *answer, struct error *err)
{
	struct reading r = {
		.bounds = json_object_get(answer, "latencyBoundsUs"),
		.at_us = whole(json_object_get(answer, "atUs")),
		.at_ms = whole(json_object_get(answer, "atMs"))};
	int64_t supd_pid = whole(json_object_get(answer, "pid"));

	if (find_places(&r, json_object_get(answer, "columns"), err) < 0)
		return -1;
	if (json_array_size(r.bounds) >= TOP_BUCKETS_MAX)
		return error_set(err, "supd's answer has too many bounds");
	if (f->at_us && supd_pid == f->pid && r.at_us > f->at_us)
		r.seconds = (double)(r.at_us - f->at_us) / 1e6;
	take_rows(f, &r, json_object_get(answer, "plugins"));
	f->at_us = r.at_us;
	f->pid = supd_pid;
	f->uptime_s = whole(json_object_get(answer, "uptimeSeconds"));
	f->ready = json_is_true(json_object_get(answer, "ready"));
	f->stopping = json_is_true(json_object_get(answer, "stopping"));
	take_text(f->version, sizeof(f->version),
		json_object_get(answer, "version"));
	return 0;
}
