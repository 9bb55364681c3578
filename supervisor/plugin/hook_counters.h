/* hook_counters: what became of the events that hooks were to get, of one hook
 * or of all hooks of a plugin. */
#pragma once

#include <stdint.h>

#include "supervisor/ops/metrics.h"

/* Calls of hooks by outcome. X(ENUM, "name") */
#define HOOK_CALLS(X)                                                          \
	X(DONE, "done")                                                        \
	X(FAILED, "failed") /* an error, or a malformed answer */              \
	X(LATE, "late")	    /* no answer in time */                            \
	X(DIED, "died")	    /* the worker died, or ended its requests */       \
	X(ABSENT, "absent") /* a filter: no worker took it */

enum hook_call {
#define X(name, text) HOOK_CALL_##name,
	HOOK_CALLS(X)
#undef X
		HOOK_CALL_COUNT,
};
extern const char *const hook_call_texts[HOOK_CALL_COUNT];

/* What filters said. X(ENUM, "name on the wire") */
#define HOOK_VERDICTS(X)                                                       \
	X(PASS, "pass")                                                        \
	X(CHANGE, "change") /* the data is replaced */                         \
	X(STOP, "stop")	    /* refused */                                      \
	X(CLAIM, "claim")   /* handled: the data is the answer */

enum hook_verdict {
#define X(name, text) HOOK_VERDICT_##name,
	HOOK_VERDICTS(X)
#undef X
		HOOK_VERDICT_COUNT,
};
extern const char *const hook_verdict_texts[HOOK_VERDICT_COUNT];

/* Why an observer did not get an event. X(ENUM, "name") */
#define HOOK_LOSSES(X)                                                         \
	X(FULL, "queue_full")  /* too many wait */                             \
	X(DIED, "worker_died") /* and it is not idempotent, or died twice */   \
	X(GONE, "removed")     /* with its plugin, or by a new version */

enum hook_loss {
#define X(name, text) HOOK_LOST_##name,
	HOOK_LOSSES(X)
#undef X
		HOOK_LOSS_COUNT,
};
extern const char *const hook_loss_texts[HOOK_LOSS_COUNT];

struct hook_counters {
	uint64_t calls[HOOK_CALL_COUNT];
	uint64_t lost[HOOK_LOSS_COUNT];
	uint64_t verdicts[HOOK_VERDICT_COUNT];
	uint64_t skipped; /* calls of a filter that failed: it was skipped, */
	uint64_t stopped; /* or stopped the event, as its on_error says */
	struct metrics_histogram latency; /* of those that were answered */
	uint64_t latency_max_us;
};

void hook_counters_answered(struct hook_counters *c, uint64_t us);
uint64_t hook_counters_lost(const struct hook_counters *c); /* for any reason */
