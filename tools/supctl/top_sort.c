/* top_sort: the order of the rows of top_figures.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/supctl/top_figures.h"

struct sorting {
	const struct top_row *rows;
	enum top_column_id column;
	bool reversed;
};

static double
number_of_row(const struct top_row *row, enum top_column_id column)
{
	switch (column) {
	case TOP_RATE:
		return row->rate;
	case TOP_P50:
		return row->p50_us;
	case TOP_P99:
		return row->p99_us;
	case TOP_IN_FLIGHT:
		return (double)row->in_flight;
	case TOP_HELD:
		return (double)row->held;
	case TOP_MEMORY:
		return (double)row->memory_bytes;
	case TOP_CPU:
		return row->cpu_percent;
	case TOP_RESTARTS:
		return (double)row->restarts;
	case TOP_RELOAD: /* the youngest first */
		return -row->reload_age_s;
	case TOP_GENERATION:
		return (double)row->generation;
	case TOP_PID:
		return (double)row->pid;
	case TOP_UPTIME:
		return (double)row->uptime_s;
	case TOP_ID:
	case TOP_STATE:
	case TOP_COLUMN_COUNT:
		break;
	}
	return 0;
}

/* What is unknown comes last, whichever way it is sorted. */
static int
compare_numbers(double a, double b, bool reversed)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return reversed ? (a > b) - (a < b) : (a < b) - (a > b);
}

static int
compare(const void *left, const void *right, void *user)
{
	const struct sorting *s = user;
	uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
	const struct top_row *a = &s->rows[i], *b = &s->rows[j];
	int order;

	if (s->column == TOP_ID || s->column == TOP_STATE) {
		order = s->column == TOP_ID ? strcmp(a->id, b->id)
					    : strcmp(a->state, b->state);
		order = s->reversed ? -order : order;
	} else {
		order = compare_numbers(number_of_row(a, s->column),
			number_of_row(b, s->column), s->reversed);
	}
	return order ? order : (i > j) - (i < j);
}

void
top_figures_sort(
	struct top_figures *f, enum top_column_id column, bool reversed)
{
	struct sorting s = {f->rows, column, reversed};

	qsort_r(f->order, f->count, sizeof(*f->order), compare, &s);
}
