/* metrics_view: all metrics of supd with their names, for /metrics and `supctl
 * metrics`. Reads only. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/ops/metrics.h"

/* The position of a pass that writes all families in steps. */
struct metrics_pass {
	struct metrics_writer *writer;
	struct gateway *gateway;
	bool began;
	unsigned family; /* index of the family, among those per plugin */
	uint32_t plugin; /* number of the next plugin */
};

/* Begins a pass. The writer must outlive it. */
void metrics_view_begin(
	struct metrics_pass *pass, struct metrics_writer *w, struct gateway *g);
/* Writes supd's own families in the first step, then about `figures` samples of
 * plugins per step. true: all are written. */
bool metrics_view_step(struct metrics_pass *pass, unsigned figures);
