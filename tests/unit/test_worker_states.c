/* test_worker_states: the table of a worker's life, place by place. */
#include <criterion/criterion.h>

#include "supervisor/plugin/worker_states.h"

#define S(name) WORKER_##name
#define E(name) WORKER_EVENT_##name

static void
walk(const enum worker_event *events, const enum worker_state *states)
{
	enum worker_state s = WORKER_STARTING;

	for (size_t i = 0; s != WORKER_DEAD; i++) {
		s = worker_state_next(s, events[i]);
		cr_expect(s == states[i], "%s after %s", worker_state_text(s),
			worker_event_text(events[i]));
	}
}

Test(worker_states, a_life_that_is_reverted_once)
{
	static const enum worker_event events[] = {E(HELLO), E(DECLARED),
		E(HEALTHY), E(SWAP), E(RETIRE), E(DRAINED), E(REVERT),
		E(RETIRE), E(REVERT), E(STOP), E(EXIT)};
	static const enum worker_state states[] = {S(INITIALISING), S(CHECKING),
		S(READY), S(SERVING), S(DRAINING), S(STANDBY), S(SERVING),
		S(DRAINING), S(SERVING), S(STOPPING), S(DEAD)};

	walk(events, states);
}

Test(worker_states, stop_and_fault_stop_and_an_exit_ends_from_anywhere)
{
	for (enum worker_state s = 0; s < S(STOPPING); s++) {
		cr_expect(worker_state_next(s, E(STOP)) == S(STOPPING));
		cr_expect(worker_state_next(s, E(FAULT)) == S(STOPPING));
		cr_expect(worker_state_next(s, E(EXIT)) == S(DEAD));
	}
	cr_expect(worker_state_next(S(STOPPING), E(EXIT)) == S(DEAD));
}

Test(worker_states, nothing_comes_back_from_the_end)
{
	for (enum worker_state s = S(STOPPING); s <= S(DEAD); s++)
		for (enum worker_event e = 0; e < WORKER_EVENT_COUNT; e++)
			if (worker_state_takes(s, e))
				cr_expect(worker_state_next(s, e) >= s);
	cr_expect(!worker_state_takes(S(DEAD), E(EXIT)), "an exit comes once");
}

Test(worker_states, a_worker_is_proven_before_it_serves)
{
	for (enum worker_state s = 0; s < WORKER_STATE_COUNT; s++) {
		cr_expect(worker_state_takes(s, E(SWAP)) == (s == S(READY)));
		cr_expect(worker_state_takes(s, E(HEALTHY)) ==
			  (s == S(CHECKING)));
	}
}

Test(worker_states, a_late_drained_means_nothing)
{
	for (enum worker_state s = 0; s < S(DEAD); s++)
		if (s != S(DRAINING))
			cr_expect(worker_state_next(s, E(DRAINED)) == s);
}
