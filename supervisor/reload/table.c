/* table: the rows and the programs. The prefix of each function names its file.
 */
#include "supervisor/reload/table.h"

#include <assert.h>

#include "supervisor/reload/transaction.h"

const char *const reload_state_texts[RELOAD_STATE_COUNT] = {
#define X(name, text) [RELOAD_##name] = text,
	RELOAD_STATES(X)
#undef X
};

const char *const reload_kind_texts[KIND_COUNT] = {
#define X(name, text) [KIND_##name] = text,
	RELOAD_KINDS(X)
#undef X
};

const struct reload_row reload_rows[] = {
	[RELOAD_QUEUED] =
		{
			.failed = "staging",
			.may_starve = true,
			.undo = staging_leave_queue,
		},
	[RELOAD_STOPPING] =
		{
			.failed = "stopping",
			.may_starve = true,
			.enter = halt_enter,
			.deadline = halt_deadline,
			.on_due = halt_on_due,
			.on_old_drained = halt_on_drained,
			.on_old_exit = halt_on_exit,
		},
	[RELOAD_CONFIGURING] =
		{
			.phase = PHASE_CHECKING,
			.failed = "configuring",
			.may_starve = true,
			.enter = configure_enter,
			.deadline = configure_deadline,
			.on_due = configure_on_due,
			.asked = PARTY_ACTIVE,
			.on_answer = configure_on_answer,
			.on_old_down = configure_on_old_down,
			.undo = configure_undo,
		},
	[RELOAD_STAGING] =
		{
			.phase = PHASE_STAGING,
			.failed = "staging",
			.may_starve = true,
			.enter = staging_enter,
			.undo = staging_undo,
		},
	[RELOAD_WAITING] =
		{
			.failed = "staging",
			.may_starve = true,
			.applies = set_has,
			.enter = order_on_staged,
		},
	[RELOAD_SPAWNING] =
		{
			.phase = PHASE_SPAWNING,
			.failed = "spawning",
			.may_starve = true,
			.enter = staging_spawn,
			.cue = CUE_HELLO,
			.undo = staging_unspawn,
		},
	[RELOAD_CHECKING] =
		{
			.phase = PHASE_CHECKING,
			.failed = "checking",
			.cue = CUE_PROVEN,
		},
	[RELOAD_OVERLAPPING] =
		{
			.phase = PHASE_CHECKING,
			.failed = "checking",
			.applies = takeover_overlaps,
			.enter = takeover_overlap,
			.deadline = takeover_overlap_deadline,
			.on_due = takeover_on_overlap_due,
			.tasked = PARTY_CANDIDATE,
		},
	[RELOAD_PROVEN] =
		{
			.failed = "checking",
			.is_proven = true,
			.applies = set_is_atomic,
			.enter = set_on_proven,
		},
	[RELOAD_ANNOUNCING] =
		{
			.failed = "checking",
			.is_proven = true,
			.applies = announce_applies,
			.enter = announce_enter,
			.soon = announce_look,
			.deadline = announce_deadline,
			.on_due = announce_on_due,
			.on_old_down = announce_on_old_down,
			.undo = announce_undo,
		},
	[RELOAD_QUIESCING] =
		{
			.phase = PHASE_QUIESCING,
			.failed = "quiescing",
			.is_proven = true,
			.applies = takeover_applies,
			.enter = takeover_hold,
			.soon = takeover_begin,
			.deadline = takeover_quiesce_deadline,
			.on_due = takeover_on_quiesce_due,
			.tasked = PARTY_ACTIVE,
			.on_quiet = takeover_on_quiet,
			.on_old_down = takeover_on_old_down,
			.undo = takeover_undo,
		},
	[RELOAD_EXPORTING] =
		{
			.phase = PHASE_STATE,
			.failed = "state",
			.is_proven = true,
			.applies = handover_exports,
			.enter = handover_hold,
			.soon = handover_begin,
			.deadline = handover_export_deadline,
			.on_due = handover_on_export_due,
			.asked = PARTY_ACTIVE,
			.on_answer = handover_on_exported,
			.on_quiet = handover_on_quiet,
			.on_old_down = handover_on_old_down,
			.undo = handover_undo,
		},
	[RELOAD_IMPORTING] =
		{
			.phase = PHASE_STATE,
			.failed = "state",
			.is_proven = true,
			.applies = handover_imports,
			.enter = handover_import,
			.deadline = handover_deadline,
			.on_due = handover_on_import_due,
			.asked = PARTY_CANDIDATE,
			.on_answer = handover_on_imported,
		},
	[RELOAD_TAKING] =
		{
			.phase = PHASE_TAKING,
			.failed = "taking",
			.is_proven = true,
			.applies = takeover_has_begun,
			.enter = takeover_take,
			.deadline = takeover_take_deadline,
			.on_due = takeover_on_take_due,
			.tasked = PARTY_CANDIDATE,
		},
	[RELOAD_READY] =
		{
			.failed = "checking",
			.is_proven = true,
			.applies = set_is_atomic,
			.enter = set_on_ready,
		},
	[RELOAD_COMMITTING] =
		{
			.phase = PHASE_COMMIT,
			.failed = "checking",
			.is_proven = true,
			.enter = commit_one,
		},
	[RELOAD_COMMITTED] =
		{
			.receipt = RECEIPT_DONE,
			.is_proven = true,
			.enter = reload_give_verdict,
			.after_verdict = settle_begin,
		},
	[RELOAD_SETTLING] =
		{
			.receipt = RECEIPT_DONE,
			.phase = PHASE_DRAINING,
			.applies = settle_has_old,
			.enter = settle_enter,
			.deadline = settle_deadline,
			.on_due = reload_advance,
			.on_old_drained = settle_on_drained,
			.on_old_down = settle_on_old_down,
		},
	[RELOAD_RETIRING] =
		{
			.receipt = RECEIPT_DONE,
			.phase = PHASE_DRAINING,
			.applies = settle_drains,
			.on_old_drained = settle_on_retired,
			.on_old_down = settle_on_old_down,
		},
	[RELOAD_SETTLED] =
		{
			.receipt = RECEIPT_SETTLED,
			.enter = settle_enter_end,
			.after_verdict = settle_end,
		},
	[RELOAD_FAILING] =
		{
			.deadline = candidate_exit_deadline,
			.on_due = reload_fail,
		},
	[RELOAD_GIVING_BACK] =
		{
			.phase = PHASE_GIVING,
			.enter = takeover_give_back,
			.soon = takeover_give,
			.deadline = takeover_back_deadline,
			.on_due = takeover_on_back_due,
			.tasked = PARTY_BOTH,
			.on_old_down = takeover_on_taker_down,
			.on_candidate_exit = takeover_on_gone,
		},
	[RELOAD_ROLLED_BACK] =
		{
			.receipt = RECEIPT_ROLLED_BACK,
			.has_failed = true,
			.enter = reload_give_verdict,
			.after_verdict = reload_destroy,
		},
	[RELOAD_REVERTED] =
		{
			.receipt = RECEIPT_REVERTED,
			.has_failed = true,
			.enter = settle_end,
		},
};
static_assert(sizeof(reload_rows) / sizeof(*reload_rows) == RELOAD_STATE_COUNT,
	"every state has a row");

#define PROGRAM(...)                                                           \
	(const enum reload_state[])                                            \
	{                                                                      \
		RELOAD_QUEUED, __VA_ARGS__, RELOAD_SETTLED                     \
	}
/* Parts of programs: the candidate is made and checked, gets the state, and
 * replaces the old worker. */
#define PROOF RELOAD_STAGING, RELOAD_WAITING, RELOAD_SPAWNING, RELOAD_CHECKING
#define HAND_OVER                                                              \
	RELOAD_OVERLAPPING, RELOAD_PROVEN, RELOAD_ANNOUNCING,                  \
		RELOAD_QUIESCING, RELOAD_EXPORTING, RELOAD_IMPORTING,          \
		RELOAD_TAKING
#define SWAP                                                                   \
	RELOAD_READY, RELOAD_COMMITTING, RELOAD_COMMITTED, RELOAD_SETTLING,    \
		RELOAD_RETIRING

const struct reload_program reload_programs[] = {
	[KIND_RELOAD] =
		{
			.mode = "overlap",
			.states = PROGRAM(PROOF, HAND_OVER, SWAP),
			.gives_way = true,
			.log_done = verdict_log_swapped,
		},
	[KIND_START] =
		{
			.mode = "overlap",
			.states = PROGRAM(PROOF, HAND_OVER, SWAP),
			.gives_way = true,
			.is_done = reload_is_served,
			.log_done = verdict_log_swapped,
		},
	[KIND_PROVE] =
		{
			.mode = "overlap",
			.states = PROGRAM(PROOF, RELOAD_OVERLAPPING,
				RELOAD_PROVEN, RELOAD_READY, RELOAD_COMMITTING),
			.is_proof = true,
			.gives_way = true,
			.log_done = verdict_log_proven,
		},
	[KIND_CONFIGURE] =
		{
			.mode = "configure",
			.states = PROGRAM(RELOAD_CONFIGURING),
			.gives_way = true,
			.is_possible = configure_is_possible,
			.otherwise = KIND_RELOAD,
			.log_done = verdict_log_configured,
		},
	[KIND_STOP] =
		{
			.mode = "overlap",
			.states = PROGRAM(RELOAD_STOPPING),
			.stops = true,
			.log_done = verdict_log_stopped,
		},
	[KIND_RESTART] =
		{
			.mode = "overlap",
			.states = PROGRAM(RELOAD_ANNOUNCING, RELOAD_STOPPING,
				PROOF, RELOAD_COMMITTING, RELOAD_COMMITTED),
			.log_done = verdict_log_swapped,
		},
};
static_assert(sizeof(reload_programs) / sizeof(*reload_programs) == KIND_COUNT,
	"every kind has a program");

enum reload_state
reload_program_next(enum reload_kind kind, enum reload_state s)
{
	const enum reload_state *at = reload_programs[kind].states;

	while (*at != s) {
		assert(*at != RELOAD_SETTLED);
		at++;
	}
	assert(*at != RELOAD_SETTLED);
	return at[1];
}
