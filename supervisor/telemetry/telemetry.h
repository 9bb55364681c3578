/* telemetry: puts the section `telemetry` in force: turns tracing on and off,
 * and hands what is to be exported to supd-export, a process of its own that
 * talks to the collector. Nothing here waits for it: what it does not take is
 * kept up to a limit, and then counted and dropped. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

struct telemetry;

struct telemetry *telemetry_create(
	struct gateway *g, const struct config *config);
void telemetry_configure(struct telemetry *t, const struct config *config);
/* Hands over what is there, and gives the process a moment to export it. NULL
 * is fine. */
void telemetry_destroy(struct telemetry *t);
