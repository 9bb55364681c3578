/* metrics_view: all metrics of supd with their names, for /metrics, `supctl
 * metrics` and the export. Reads only. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/ops/metrics.h"

/* The position of a pass that writes all families in steps. Between steps
 * plugins may come and go. */
struct metrics_pass {
	struct metrics_writer *writer;
	struct gateway *gateway;
	bool has_read, has_begun;
	size_t group, family; /* of the next family, of those per plugin */
	uint32_t plugin;      /* number of the next plugin */
};

/* Begins a pass. The writer must outlive it. */
void metrics_view_begin(
	struct metrics_pass *pass, struct metrics_writer *w, struct gateway *g);
/* A part of the pass; true: all is written. The first steps read what the
 * workers use, one writes supd's own families, and the others write about
 * `samples` samples of plugins each. */
bool metrics_view_step(struct metrics_pass *pass, unsigned samples);

/* Writes the head of a family again if the pass is in the middle of one, for a
 * caller that has taken the text of the steps before. */
void metrics_view_repeat(struct metrics_pass *pass);

/* All families in the order of a pass, for the manual. */
void metrics_view_visit(void (*visit)(
	const char *name, enum metrics_type type, const char *help));
