/* metrics_plugin: the metrics of each plugin, for metrics_view. */
#pragma once

#include "supervisor/control/metrics_view.h"

/* The part of metrics_view_step() about plugins. */
bool metrics_plugin_step(struct metrics_pass *pass, unsigned figures);
