/* record: keeps what became of every request and sums it up as JSON. */
#include "tools/bench/record.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static_assert(sizeof(struct record) == 40, "the log's format");

static const char *const outcome_names[] = {
#define X(upper, lower) [RECORD_##upper] = #lower,
	RECORD_OUTCOMES(X)
#undef X
};

uint64_t
run_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void
run_init(struct run *r)
{
	*r = (struct run){.room = 1 << 16};
	r->records = calloc(r->room, sizeof(*r->records));
	if (!r->records)
		abort();
}

void
run_finish(struct run *r)
{
	free(r->records);
	r->records = NULL;
}

void
run_add(struct run *r, const struct record *record)
{
	if (r->count == r->room) {
		r->room *= 2;
		r->records = realloc(r->records, r->room * sizeof(*r->records));
		if (!r->records)
			abort();
	}
	r->records[r->count++] = *record;
	if (record->status < 600)
		r->statuses[record->status]++;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Sorted copies: latencies from the schedule, and ends of successes. Returns
 * how many succeeded. */
static size_t
successes(const struct run *r, uint64_t *latencies, uint64_t *ends)
{
	size_t count = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct record *one = &r->records[i];

		if (one->outcome != RECORD_OK)
			continue;
		latencies[count] = one->end_us - one->due_us;
		ends[count++] = one->end_us;
	}
	qsort(latencies, count, sizeof(*latencies), compare);
	qsort(ends, count, sizeof(*ends), compare);
	return count;
}

static double
percentile(const uint64_t *sorted, size_t count, double share)
{
	size_t at = (size_t)(share * (double)count);

	if (!count)
		return 0;
	return (double)sorted[at < count ? at : count - 1] / 1000.0;
}

static double
longest_gap_ms(const uint64_t *ends, size_t count)
{
	uint64_t longest = 0;

	for (size_t i = 1; i < count; i++)
		if (ends[i] - ends[i - 1] > longest)
			longest = ends[i] - ends[i - 1];
	return (double)longest / 1000.0;
}

static void
print_counts(const struct run *r)
{
	size_t counts[RECORD_OUTCOME_COUNT] = {0};
	const char *comma = "";

	for (size_t i = 0; i < r->count; i++)
		counts[r->records[i].outcome]++;
	printf("\"sent\":%zu,\"ok\":%zu,\"failed\":%zu,\"reasons\":{", r->count,
		counts[RECORD_OK], r->count - counts[RECORD_OK]);
	for (int i = RECORD_OK + 1; i < RECORD_OUTCOME_COUNT; i++) {
		if (!counts[i])
			continue;
		printf("%s\"%s\":%zu", comma, outcome_names[i], counts[i]);
		comma = ",";
	}
	printf("},\"statuses\":{");
	comma = "";
	for (int i = 1; i < 600; i++) {
		if (!r->statuses[i])
			continue;
		printf("%s\"%d\":%llu", comma, i,
			(unsigned long long)r->statuses[i]);
		comma = ",";
	}
	printf("},\"closedConnections\":%llu,\"unasked\":%llu,",
		(unsigned long long)r->closed_connections,
		(unsigned long long)r->unasked);
}

void
run_print(const struct run *r)
{
	uint64_t *latencies = calloc(r->count + 1, sizeof(*latencies));
	uint64_t *ends = calloc(r->count + 1, sizeof(*ends));
	size_t count;

	if (!latencies || !ends)
		abort();
	count = successes(r, latencies, ends);
	printf("{");
	print_counts(r);
	printf("\"seconds\":%.3f,", (double)(r->end_us - r->start_us) / 1e6);
	printf("\"p50Ms\":%.3f,\"p90Ms\":%.3f,\"p99Ms\":%.3f,"
	       "\"p999Ms\":%.3f,\"maxMs\":%.3f,\"longestGapMs\":%.3f}\n",
		percentile(latencies, count, 0.5),
		percentile(latencies, count, 0.9),
		percentile(latencies, count, 0.99),
		percentile(latencies, count, 0.999),
		percentile(latencies, count, 1), longest_gap_ms(ends, count));
	free(latencies);
	free(ends);
}

int
run_save(const struct run *r, const char *path)
{
	FILE *log = fopen(path, "wb");
	size_t written;

	if (!log)
		return -1;
	written = fwrite(r->records, sizeof(*r->records), r->count, log);
	if (fclose(log) != 0 || written != r->count)
		return -1;
	return 0;
}
