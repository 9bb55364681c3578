/* crash: decides how long to wait before a dead plugin is restarted, and when
 * to give up. Pure, for tests; crash.c applies it. */
#pragma once

#include <stdint.h>

#include "supervisor/plugin/plugin.h"

/* A worker that served this long is restarted at once. Less than 1 s, so that a
 * worker killed every second does not back off. */
#define CRASH_SERVED_MS 800
#define CRASH_FIRST_DELAY_MS 100
#define CRASH_LAST_DELAY_MS 30000

/* Notes an early death (before READY or soon after) at now_ms. Returns the
 * delay in ms, reduced by up to a quarter by jitter (0..1); or -1 to give up,
 * after early_max deaths within within_ms. */
int64_t crash_note_early(struct crash_history *h, uint64_t now_ms,
	unsigned early_max, uint64_t within_ms, double jitter);

/* Pauses after a start that failed because space, memory, descriptors or
 * processes ran out. That is not the plugin's fault: it counts as no early
 * death, and the start is retried until it succeeds or fails for another
 * reason. */
#define CRASH_STARVED_FIRST_MS 1000
#define CRASH_STARVED_LAST_MS 30000
/* Notes such a start. Returns the pause in ms, jitter as above. */
int64_t crash_note_starved(struct crash_history *h, double jitter);
/* Schedules a retry of a failed start; from: where that start got its files. */
void crash_retry(struct plugin *p, enum plugin_source from);
