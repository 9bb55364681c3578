/* top_figures: what two answers of `top` say together: the rates, percentiles
 * and shares of each plugin. Does no I/O. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/error.h"

#define TOP_ID_BYTES 72 /* an id has at most 64 */
#define TOP_STATE_BYTES 16
#define TOP_BUCKETS_MAX 32

/* NAN, or -1 for a whole number: unknown, or there is none. */
struct top_row {
	char id[TOP_ID_BYTES], state[TOP_STATE_BYTES]; /* printable ASCII */
	int64_t generation, pid, uptime_s, restarts, in_flight, held,
		memory_bytes;
	double rate;	       /* requests and calls per second */
	double p50_us, p99_us; /* INFINITY: beyond the last bound */
	double cpu_percent;    /* of one core */
	double reload_age_s;   /* since the last reload or start */
	bool reload_succeeded;
	/* as they were in the answer, for the next one */
	int64_t requests, cpu_ms, usage_at_us;
	uint64_t latency[TOP_BUCKETS_MAX];
};

enum top_column_id {
	TOP_ID,
	TOP_STATE,
	TOP_RATE,
	TOP_P50,
	TOP_P99,
	TOP_IN_FLIGHT,
	TOP_HELD,
	TOP_MEMORY,
	TOP_CPU,
	TOP_RESTARTS,
	TOP_RELOAD,
	TOP_GENERATION,
	TOP_PID,
	TOP_UPTIME,
	TOP_COLUMN_COUNT,
};

struct top_figures {
	char version[32];
	int64_t pid, uptime_s;
	bool ready, stopping;
	struct top_row *rows; /* in the order of the answer */
	size_t count;
	uint32_t *order; /* of rows, as sorted */
	int64_t at_us;	 /* supd's clock at the last answer; 0: none yet */
	double rate;	 /* of all rows; NAN: unknown */
};

void top_figures_init(struct top_figures *f);
void top_figures_finish(struct top_figures *f);
/* Takes an answer. -1 with err: it is malformed; then nothing has changed. */
int top_figures_take(
	struct top_figures *f, const json_t *answer, struct error *err);
/* Numbers from the largest on, strings from the smallest; equal rows stay as
 * they were in the answer. */
void top_figures_sort(
	struct top_figures *f, enum top_column_id column, bool reversed);
