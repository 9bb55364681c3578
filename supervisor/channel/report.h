/* report: how many lines a kind of failure may write to the log: some at once,
 * then one a second, which says how many were left out. Events and counters
 * have all of them. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REPORT_AT_ONCE 20
#define REPORT_PERIOD_MS 1000
#define REPORT_REASON_BYTES 200 /* of what a platform says, in such a line */

struct report_gate {
	uint64_t spent_ms; /* the lines so far, as time that has to pass */
	unsigned hidden;   /* since the last line */
};

/* True: write a line now; *hidden_out were left out before it. */
bool report_may(struct report_gate *g, uint64_t now_ms, unsigned *hidden_out);
