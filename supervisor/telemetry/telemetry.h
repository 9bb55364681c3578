/* telemetry: puts the section `telemetry` in force: turns tracing on and off,
 * and hands records to supd-export, a process of its own that talks to the
 * collector. supd never waits for that process: records that it does not take
 * are kept up to a limit; further ones are dropped and counted. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

struct telemetry;

struct telemetry *telemetry_create(
	struct gateway *g, const struct config *config);
void telemetry_configure(struct telemetry *t, const struct config *config);
/* Hands over the records that wait, and gives the process a moment to export
 * them. NULL is fine. */
void telemetry_destroy(struct telemetry *t);
