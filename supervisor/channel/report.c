/* report: see the header. */
#include "supervisor/channel/report.h"

bool
report_may(struct report_gate *g, uint64_t now_ms, unsigned *hidden_out)
{
	if (g->spent_ms < now_ms)
		g->spent_ms = now_ms;
	if (g->spent_ms - now_ms >=
		(uint64_t)REPORT_AT_ONCE * REPORT_PERIOD_MS) {
		g->hidden++;
		return false;
	}
	g->spent_ms += REPORT_PERIOD_MS;
	*hidden_out = g->hidden;
	g->hidden = 0;
	return true;
}
