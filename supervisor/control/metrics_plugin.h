/* metrics_plugin: the figures that each plugin has. Reads only. */
#pragma once

#include "supervisor/ops/metrics.h"

struct gateway;

/* Writes all their families. */
void metrics_plugin_write(struct metrics_writer *w, struct gateway *g);
