/* crash: how long to wait before a dead plugin is started again, and when to
 * give up. Pure, for tests; crash.c applies it. */
#pragma once

#include <stdint.h>

#include "supervisor/plugin/plugin.h"

/* A worker that served this long restarts at once. A little below the second
 * that the design names, so that one killed every second does not back off. */
#define CRASH_SERVED_MS 800
#define CRASH_FIRST_DELAY_MS 100
#define CRASH_LAST_DELAY_MS 30000

/* Notes an early death (before READY or soon after) at now_ms. Returns the
 * delay in ms with up to a quarter of it taken off by jitter (0..1), or -1:
 * early_max deaths within within_ms, give up. */
int64_t crash_note_early(struct crash_history *h, uint64_t now_ms,
	unsigned early_max, uint64_t within_ms, double jitter);
