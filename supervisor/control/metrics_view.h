/* metrics_view: every figure of supd's under its name, for /metrics and for
 * `supctl metrics`. Reads only. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/ops/metrics.h"

/* Writes all families. */
void metrics_view_write(struct metrics_writer *w, struct gateway *g);
