/* hook_counters: names of the counters, and sums. */
#include "supervisor/plugin/hook_counters.h"

const char *const hook_call_texts[HOOK_CALL_COUNT] = {
#define X(name, text) [HOOK_CALL_##name] = text,
	HOOK_CALLS(X)
#undef X
};

const char *const hook_loss_texts[HOOK_LOSS_COUNT] = {
#define X(name, text) [HOOK_LOST_##name] = text,
	HOOK_LOSSES(X)
#undef X
};

const char *const hook_verdict_texts[HOOK_VERDICT_COUNT] = {
#define X(name, text) [HOOK_VERDICT_##name] = text,
	HOOK_VERDICTS(X)
#undef X
};

void
hook_counters_answered(struct hook_counters *c, uint64_t us)
{
	metrics_observe(&c->latency, us);
	if (us > c->latency_max_us)
		c->latency_max_us = us;
}

uint64_t
hook_counters_lost(const struct hook_counters *c)
{
	uint64_t total = 0;

	for (int i = 0; i < HOOK_LOSS_COUNT; i++)
		total += c->lost[i];
	return total;
}
