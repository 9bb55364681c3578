/* worker_states: the table of a worker's life. It does nothing; worker_step()
 * in worker.c acts on it. */
#include "supervisor/plugin/worker_states.h"

#include <assert.h>

static const char *const state_texts[] = {
#define X(name, text) [WORKER_##name] = text,
	WORKER_STATES(X)
#undef X
};

static const char *const event_texts[] = {
#define X(name, text) [WORKER_EVENT_##name] = text,
	WORKER_EVENTS(X)
#undef X
};

/* No event leads back to STARTING (0), so an empty cell means that the event
 * cannot occur in that state. */
#define NEVER WORKER_STARTING
#define STAY WORKER_STATE_COUNT

/* FAULT comes from a deadline or failed check before READY, later from a lost
 * connection. RETIRE and STOP are allowed while a worker goes down: the caller
 * gets on_exit. */
static const enum worker_state next[][WORKER_EVENT_COUNT] = {
	[WORKER_STARTING] =
		{
			[WORKER_EVENT_HELLO] = WORKER_INITIALISING,
			[WORKER_EVENT_DRAINED] = STAY,
			[WORKER_EVENT_STOP] = WORKER_STOPPING,
			[WORKER_EVENT_FAULT] = WORKER_STOPPING,
			[WORKER_EVENT_EXIT] = WORKER_DEAD,
		},
	[WORKER_INITIALISING] =
		{
			[WORKER_EVENT_DECLARED] = WORKER_CHECKING,
			[WORKER_EVENT_DRAINED] = STAY,
			[WORKER_EVENT_STOP] = WORKER_STOPPING,
			[WORKER_EVENT_FAULT] = WORKER_STOPPING,
			[WORKER_EVENT_EXIT] = WORKER_DEAD,
		},
	[WORKER_CHECKING] =
		{
			[WORKER_EVENT_HEALTHY] = WORKER_READY,
			[WORKER_EVENT_DRAINED] = STAY,
			[WORKER_EVENT_STOP] = WORKER_STOPPING,
			[WORKER_EVENT_FAULT] = WORKER_STOPPING,
			[WORKER_EVENT_EXIT] = WORKER_DEAD,
		},
	[WORKER_READY] =
		{
			[WORKER_EVENT_SWAP] = WORKER_SERVING,
			[WORKER_EVENT_DRAINED] = STAY,
			[WORKER_EVENT_STOP] = WORKER_STOPPING,
			[WORKER_EVENT_FAULT] = WORKER_STOPPING,
			[WORKER_EVENT_EXIT] = WORKER_DEAD,
		},
	[WORKER_SERVING] =
		{
			[WORKER_EVENT_RETIRE] = WORKER_DRAINING,
			[WORKER_EVENT_DRAINED] =
				STAY, /* late, after a resume */
			[WORKER_EVENT_STOP] = WORKER_STOPPING,
			[WORKER_EVENT_FAULT] = WORKER_STOPPING,
			[WORKER_EVENT_EXIT] = WORKER_DEAD,
		},
	[WORKER_DRAINING] =
		{
			[WORKER_EVENT_RETIRE] = STAY,
			[WORKER_EVENT_DRAINED] = WORKER_STANDBY,
			[WORKER_EVENT_REVERT] = WORKER_SERVING,
			[WORKER_EVENT_STOP] = WORKER_STOPPING,
			[WORKER_EVENT_FAULT] = WORKER_STOPPING,
			[WORKER_EVENT_EXIT] = WORKER_DEAD,
		},
	[WORKER_STANDBY] =
		{
			[WORKER_EVENT_RETIRE] = STAY,
			[WORKER_EVENT_DRAINED] = STAY,
			[WORKER_EVENT_REVERT] = WORKER_SERVING,
			[WORKER_EVENT_STOP] = WORKER_STOPPING,
			[WORKER_EVENT_FAULT] = WORKER_STOPPING,
			[WORKER_EVENT_EXIT] = WORKER_DEAD,
		},
	[WORKER_STOPPING] =
		{
			[WORKER_EVENT_RETIRE] = STAY,
			[WORKER_EVENT_DRAINED] = STAY,
			[WORKER_EVENT_STOP] = STAY,
			[WORKER_EVENT_FAULT] = STAY,
			[WORKER_EVENT_EXIT] = WORKER_DEAD,
		},
	[WORKER_DEAD] =
		{
			[WORKER_EVENT_RETIRE] = STAY,
			[WORKER_EVENT_STOP] = STAY,
			[WORKER_EVENT_FAULT] = STAY,
		},
};

static_assert(sizeof(next) / sizeof(next[0]) == WORKER_STATE_COUNT,
	"every state has a row");
static_assert(
	sizeof(state_texts) / sizeof(state_texts[0]) == WORKER_STATE_COUNT,
	"every state has a text");
static_assert(
	sizeof(event_texts) / sizeof(event_texts[0]) == WORKER_EVENT_COUNT,
	"every event has a text");

const char *
worker_state_text(enum worker_state s)
{
	return state_texts[s];
}

const char *
worker_event_text(enum worker_event e)
{
	return event_texts[e];
}

bool
worker_state_takes(enum worker_state s, enum worker_event e)
{
	return next[s][e] != NEVER;
}

enum worker_state
worker_state_next(enum worker_state s, enum worker_event e)
{
	assert(worker_state_takes(s, e));
	return next[s][e] == STAY ? s : next[s][e];
}
