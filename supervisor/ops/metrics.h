/* metrics: writes metrics in the Prometheus text format 0.0.4 or as JSON; also
 * the histogram of latencies. Knows no plugin: callers write their metrics. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"

/* ---- counted per request: increments only ---- */

/* Upper bounds of the buckets: X(microseconds, "seconds"); beyond is +Inf. */
#define METRICS_BOUNDS(X)                                                      \
	X(100, "0.0001")                                                       \
	X(250, "0.00025")                                                      \
	X(500, "0.0005")                                                       \
	X(1000, "0.001")                                                       \
	X(2500, "0.0025")                                                      \
	X(5000, "0.005")                                                       \
	X(10000, "0.01")                                                       \
	X(25000, "0.025")                                                      \
	X(50000, "0.05")                                                       \
	X(100000, "0.1")                                                       \
	X(250000, "0.25")                                                      \
	X(500000, "0.5")                                                       \
	X(1000000, "1")                                                        \
	X(2500000, "2.5")                                                      \
	X(5000000, "5")                                                        \
	X(10000000, "10")

#define METRICS_BUCKETS 17 /* +Inf included */

struct metrics_histogram {
	uint64_t buckets[METRICS_BUCKETS]; /* not cumulative */
	uint64_t sum_us;
};

extern const uint32_t metrics_bounds_us[METRICS_BUCKETS - 1];

static inline void
metrics_observe(struct metrics_histogram *h, uint64_t us)
{
	unsigned i = 0;

	while (i < METRICS_BUCKETS - 1 && us > metrics_bounds_us[i])
		i++;
	h->buckets[i]++;
	h->sum_us += us;
}

static inline uint64_t
metrics_total(const struct metrics_histogram *h)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < METRICS_BUCKETS; i++)
		total += h->buckets[i];
	return total;
}

/* ---- writing ---- */

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };
const char *metrics_type_text(enum metrics_type type);

struct metrics_label {
	const char *name, *value; /* value: any string; NULL: "" */
};

#define METRICS_LABELS_MAX 4

struct metrics_writer {
	bool as_json;
	struct buffer text;   /* unless as_json */
	struct buffer labels; /* likewise: of the current sample */
	json_t *families;     /* if as_json: an array */
	const char *name;     /* of the current family */
	json_t *samples;      /* the current family's, borrowed */
	/* Lines of samples: what the work of writing is measured by. */
	uint64_t samples_written;
};

void metrics_writer_init(struct metrics_writer *w, bool as_json);
/* Frees the writer's text and families, unless the caller has taken them. */
void metrics_writer_finish(struct metrics_writer *w);

/* Begins a family; its samples must follow before the next family. Strings must
 * be static. Names end in their base unit, and for counters in _total. */
void metrics_family(struct metrics_writer *w, const char *name,
	enum metrics_type type, const char *help);
/* labels may be NULL if count is 0. */
void metrics_sample(struct metrics_writer *w,
	const struct metrics_label *labels, unsigned count, double value);
void metrics_sample_histogram(struct metrics_writer *w,
	const struct metrics_label *labels, unsigned count,
	const struct metrics_histogram *h);

/* ---- supd's own process, read on demand ---- */

struct metrics_process {
	uint64_t resident_bytes, virtual_bytes;
	double cpu_seconds;
	uint64_t open_fds, max_fds;
};
void metrics_read_process(struct metrics_process *p);
