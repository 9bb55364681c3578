/* reload_steps: the states of a transaction as a table, the one function that
 * changes them, and the clock of its phases. */
#include <assert.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/transaction.h"

const char *const reload_state_texts[RELOAD_STATE_COUNT] = {
#define X(name, text) [RELOAD_##name] = text,
	RELOAD_STATES(X)
#undef X
};

const char *const reload_phase_texts[PHASE_COUNT] = {
#define X(name, text) [PHASE_##name] = text,
	RELOAD_PHASES(X)
#undef X
};

static const char *const event_texts[] = {
#define X(name, text) [RELOAD_EVENT_##name] = text,
	RELOAD_EVENTS(X)
#undef X
};
static_assert(sizeof(event_texts) / sizeof(*event_texts) == RELOAD_EVENT_COUNT,
	"every event has a name");

/* 0 is QUEUED, which nothing leads back to: "not allowed". */
#define TO(state) RELOAD_##state
static const enum reload_state table[RELOAD_STATE_COUNT][RELOAD_EVENT_COUNT] = {
	[RELOAD_QUEUED] = {[RELOAD_EVENT_HALT] = TO(STOPPING),
		[RELOAD_EVENT_CONFIGURE] = TO(CONFIGURING),
		[RELOAD_EVENT_BEGIN] = TO(STAGING),
		[RELOAD_EVENT_DONE] = TO(SETTLED),
		[RELOAD_EVENT_FAIL] = TO(ROLLED_BACK)},
	[RELOAD_STOPPING] = {[RELOAD_EVENT_BEGIN] = TO(STAGING),
		[RELOAD_EVENT_DONE] = TO(SETTLED),
		[RELOAD_EVENT_FAIL] = TO(ROLLED_BACK)},
	[RELOAD_CONFIGURING] = {[RELOAD_EVENT_BEGIN] = TO(STAGING),
		[RELOAD_EVENT_DONE] = TO(SETTLED),
		[RELOAD_EVENT_FAIL] = TO(ROLLED_BACK)},
	[RELOAD_STAGING] = {[RELOAD_EVENT_STAGED] = TO(SPAWNING),
		[RELOAD_EVENT_DONE] = TO(SETTLED),
		[RELOAD_EVENT_FAIL] = TO(ROLLED_BACK)},
	[RELOAD_SPAWNING] = {[RELOAD_EVENT_HELLO] = TO(CHECKING),
		[RELOAD_EVENT_FAIL] = TO(ROLLED_BACK)},
	[RELOAD_CHECKING] = {[RELOAD_EVENT_COMMIT] = TO(COMMITTED),
		[RELOAD_EVENT_DONE] = TO(SETTLED), /* proven and discarded */
		[RELOAD_EVENT_QUIESCE] = TO(QUIESCING),
		[RELOAD_EVENT_FAIL] = TO(ROLLED_BACK)},
	[RELOAD_QUIESCING] = {[RELOAD_EVENT_TAKE] = TO(TAKING),
		[RELOAD_EVENT_FAIL] = TO(ROLLED_BACK)},
	[RELOAD_TAKING] = {[RELOAD_EVENT_COMMIT] = TO(COMMITTED),
		[RELOAD_EVENT_FAIL] = TO(ROLLED_BACK)},
	[RELOAD_COMMITTED] = {[RELOAD_EVENT_SETTLE] = TO(SETTLING),
		[RELOAD_EVENT_DONE] = TO(SETTLED)},
	[RELOAD_SETTLING] = {[RELOAD_EVENT_DONE] = TO(SETTLED),
		[RELOAD_EVENT_CRASH] = TO(REVERTED)},
};
#undef TO

const char *
reload_event_text(enum reload_event e)
{
	return event_texts[e];
}

bool
reload_state_takes(enum reload_state s, enum reload_event e)
{
	return table[s][e] != RELOAD_QUEUED;
}

enum reload_state
reload_state_next(enum reload_state s, enum reload_event e)
{
	assert(reload_state_takes(s, e));
	return table[s][e];
}

void
reload_step(struct reload *r, enum reload_event event)
{
	enum reload_state from = r->state, to = reload_state_next(from, event);
	struct log_subject subject = {
		.plugin = r->plugin->id, .generation = r->generation};

	r->state = to;
	if (log_is_on(LOG_DEBUG))
		log_write(LOG_DEBUG, &subject, "reload %s %s->%s %s", r->id,
			reload_state_texts[from], reload_state_texts[to],
			reload_event_text(event));
}

void
reload_enter_phase(struct reload *r, enum reload_phase phase)
{
	double since = (double)(clock_us() - r->begun_us) / 1000;

	r->phase_us = clock_us();
	news_phase(r, reload_phase_texts[phase], since);
	list_for_each_safe (node, &r->watchers) {
		struct reload_watcher *w =
			container_of(node, struct reload_watcher, node);

		if (w->on_phase)
			w->on_phase(w, r->plugin->id, reload_phase_texts[phase],
				since);
	}
}

void
reload_leave_phase(struct reload *r, enum reload_phase phase)
{
	r->phase_ms[phase] = (double)(clock_us() - r->phase_us) / 1000;
}
