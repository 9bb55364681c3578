/* transaction: the inside of a transaction, shared by the files of reload/:
 * table (states and programs), steps (from state to state), begin, staging,
 * proof, set (several as one), order (of a set's members), handover (of state),
 * commit (the swap), verdict, settle, halt (stop, restart), configure, account
 * (the receipt). Outside reload/ only apply/ includes this. */
#pragma once

#include "supervisor/reload/reload.h"
#include "supervisor/reload/table.h"
#include "supervisor/plugin/stage.h"

/* The state that the old worker passes to its successor. */
struct handover {
	bool begun; /* a hand-over has begun */
	bool lost;  /* the candidate starts empty */
	struct state_blob blob;
	int64_t bytes; /* -1: none was taken */
};

/* What cannot exist twice passes from the old worker to its successor. */
struct takeover {
	bool begun;   /* the old worker was asked for it, and requests wait */
	bool tried;   /* the candidate was asked to take */
	bool is_over; /* it can no longer be given back */
	bool is_lost; /* giving back failed */
	uint64_t begun_us;
	double ms; /* until the outcome */
};

/* The numbers and lists of the receipt. */
struct figures {
	uint32_t previous_generation;
	int previous_pid;
	uint64_t begun_us, phase_us, committed_us;
	double phase_ms[PHASE_COUNT]; /* < 0: not reached */
	uint32_t held;
	uint32_t in_flight_at_swap;
	uint64_t finished_at_swap, left_at_swap;	/* of the old worker */
	int64_t drained, aborted;			/* -1: unknown yet */
	json_t *removed, *registered, *dropped, *added; /* NULL: empty */
	struct registration_set before; /* of an old worker that is gone */
	bool is_judged;			/* the verdict was given */
	struct receipt_worker judged;	/* the worker at the verdict */
};

struct announcement;

struct reload {
	struct list node;	/* in plugin.settling */
	struct list turn;	/* in gateway.begun or gateway.staging_queue */
	struct list member;	/* in set.members, until the verdict */
	struct reload_set *set; /* NULL: not in a set */
	struct gateway *gateway;
	struct plugin *plugin;
	char id[24], trigger[24], by[64];
	enum reload_kind asked; /* what was asked for */
	enum reload_kind kind; /* the present kind; see reload_go_otherwise() */
	enum reload_state state;
	/* While FAILING or GIVING_BACK: the state that failed. */
	enum reload_state failed_in;
	struct wheel_timer deadline; /* of the state: its row's on_due() */
	ev_timer soon;		     /* the row's soon(), in the next turn */
	enum plugin_source source;
	bool force, no_drop, if_changed;
	bool is_retry;	    /* retries a start that failed by a shortage */
	bool is_unreported; /* its end is counted, not reported: news_takes() */
	bool is_named;	    /* error says in which state it failed */
	bool is_spawned;    /* the candidate's end removes its stage */
	bool seen;	    /* mark of a search for circles */
	const char *fallback; /* NULL, or what was started instead */
	json_t *cause;	      /* see cause.h; NULL: none but who asked */
	char fallback_text[320];

	/* What the candidate is made of. */
	struct plugin_config *config; /* a reference */
	struct manifest *manifest;    /* owned */
	json_t *settings;
	char *stage_dir, *digest;
	uint32_t generation;
	struct stage *stage; /* in progress */

	/* Borrowed; NULL once the worker exits. */
	struct worker *fresh; /* the candidate, later the active one */
	struct worker *old;   /* the one that was active at the commit */

	uint32_t asked_by;  /* the worker that asked for this, or 0 */
	uint64_t wave;	    /* of required.c; 0: it is not part of one */
	uint32_t waits_for; /* the plugin whose reload it waits for */
	struct announcement *announcement; /* in progress, or NULL */
	struct takeover takeover;
	struct handover handover;
	struct figures figures;
	struct trace_span span;
	struct error error;

	struct list watchers; /* struct reload_watcher.node */
};

enum set_stage {
	SET_PROVING,
	SET_HANDING, /* all members are proven; state is handed over */
	SET_OVER,    /* the set commits, or all members fail */
};

/* Members are in the order of joining. The set is freed with its last member.
 */
struct reload_set {
	struct gateway *gateway;
	uint64_t number;
	struct list members;
	bool is_atomic; /* false: a sequence */
	bool is_closed; /* no more members may join */
	bool has_failed;
	enum set_stage stage;
	bool is_advancing; /* a loop of set.c advances proven members */
	unsigned uses;	   /* running functions of set.c; not freed while > 0 */
	struct error error;	     /* of the first that failed */
	uint64_t limit_ms;	     /* duration of `deadline` */
	struct wheel_timer deadline; /* armed by the first member that starts */
};

/* ---- steps.c ---- */
const struct reload_row *reload_row(const struct reload *r);
const struct reload_program *reload_program(const struct reload *r);
/* Whether it ended with neither a commit nor a failure: there was nothing to
 * do. */
bool reload_has_ended_early(const struct reload *r);
/* The next state of r's program that applies. */
enum reload_state reload_following(const struct reload *r);
/* Go to that state. Whatever calls a row's enter() may end the transaction. */
void reload_advance(struct reload *r); /* step and enter */
void reload_step(struct reload *r);
void reload_enter(struct reload *r);
void reload_end(struct reload *r); /* goes to SETTLED at once */
/* The kind turned out impossible: begins again as the kind `otherwise`. */
void reload_go_otherwise(struct reload *r);
void reload_revert(struct reload *r);
void reload_soon(
	struct reload *r); /* calls the row's soon() again, in the next turn */
/* Ends the phase before its state ends. */
void reload_leave_phase(struct reload *r);
/* The candidate went down: goes to FAILING, until its exit status is known. */
void reload_await_exit(struct reload *r);
/* Gives back what was taken over, before the failure goes on. */
void reload_give_back(struct reload *r);
/* The state that a failure now is attributed to. */
enum reload_state reload_failed_in(const struct reload *r);
/* Calls undo() of the states that r went through, the last one first, and moves
 * to ROLLED_BACK; the caller then calls reload_enter(). */
void reload_roll_back(struct reload *r);

/* ---- begin.c ---- */
enum reload_refusal reload_admit(struct gateway *g, const struct plugin *p,
	enum reload_kind kind, bool needs_enabled, struct error *err);
/* Calls begin() in the next turn of the loop, unless the queue is empty. */
void reload_turn_soon(struct gateway *g, const struct list *queue,
	ev_timer *next,
	void (*begin)(struct ev_loop *loop, ev_timer *timer, int events));
/* Looks again at transactions that wait for others. */
void reload_begin_later(struct gateway *g);
/* A stop was admitted and saved: ends the transaction in progress, if any. */
void reload_give_way(struct plugin *p);
struct reload *reload_create(struct gateway *g, struct plugin *p,
	enum reload_kind kind, const char *trigger,
	struct reload_watcher *watcher, char *id_out);
void reload_destroy(struct reload *r);

/* ---- staging.c ---- */
void staging_leave_queue(struct reload *r);
void staging_enter(struct reload *r);
void staging_undo(struct reload *r);
void staging_spawn(struct reload *r);
void staging_unspawn(struct reload *r);
/* if_changed, and nothing had. */
bool reload_is_unchanged(const struct reload *r);

/* ---- proof.c ---- */
/* Whether it may overtake first starts: it replaces a worker that serves or
 * served, or a user waits for it. */
bool reload_is_urgent(const struct reload *r);
bool reload_is_served(const struct reload *r);
int reload_on_declared(struct reload *r, struct error *err);
void reload_on_candidate_down(struct reload *r);
uint64_t candidate_exit_deadline(const struct reload *r);
/* The candidate is gone. */
void reload_on_candidate_exit(struct reload *r);
/* r->error says why. The verdict follows at once, or after GIVING_BACK. */
void reload_fail(struct reload *r);
void reload_fail_with(struct reload *r, const char *why);
/* The same without giving back, as the plugin stops: the verdict is given. */
void reload_abandon(struct reload *r);
/* Whether a set has all that the manifest keeps. */
int reload_check_kept(const struct manifest *manifest,
	const struct registration_set *set, struct error *err);

/* ---- handover.c ---- */
bool handover_exports(const struct reload *r);
uint64_t handover_export_deadline(const struct reload *r);
void handover_hold(struct reload *r);
void handover_begin(struct reload *r);
void handover_on_quiet(struct reload *r);
void handover_on_exported(
	struct reload *r, struct state_blob *state, const struct error *err);
void handover_on_export_due(struct reload *r);
void handover_on_old_down(struct reload *r, bool reverted);
bool handover_imports(const struct reload *r);
uint64_t handover_deadline(const struct reload *r);
void handover_import(struct reload *r);
void handover_on_imported(
	struct reload *r, struct state_blob *state, const struct error *err);
void handover_on_import_due(struct reload *r);
void handover_release(struct reload *r); /* releases held requests */
void handover_undo(struct reload *r);
/* The answers that `old` may still owe while a reload waits for its requests:
 * that to the worker's own call for this reload. */
uint32_t reload_owed(const struct reload *r, const struct worker *old);
/* Fails, because requests in flight did not end in time, or else for `why`. */
void reload_fail_late(struct reload *r, const char *why);

/* ---- announce.c ---- */
bool announce_applies(const struct reload *r);
uint64_t announce_most_ms(void); /* the longest that it takes */
uint64_t announce_deadline(const struct reload *r);
void announce_enter(struct reload *r);
void announce_look(struct reload *r);
void announce_on_due(struct reload *r);
void announce_on_old_down(struct reload *r, bool reverted);
void announce_undo(struct reload *r);

/* ---- takeover.c ---- */
bool takeover_overlaps(const struct reload *r);
uint64_t takeover_overlap_deadline(const struct reload *r);
void takeover_overlap(struct reload *r);
void takeover_on_overlap_due(struct reload *r);
uint64_t takeover_most_ms(const struct reload *r); /* if nothing ends early */
bool takeover_applies(const struct reload *r);
bool takeover_has_begun(const struct reload *r);
uint64_t takeover_half(const struct reload *r); /* IMPORTING ends by then */
uint64_t takeover_quiesce_deadline(const struct reload *r);
uint64_t takeover_take_deadline(const struct reload *r);
uint64_t takeover_back_deadline(const struct reload *r);
void takeover_hold(struct reload *r);
void takeover_begin(struct reload *r);
void takeover_on_quiet(struct reload *r);
void takeover_on_quiesce_due(struct reload *r);
void takeover_on_old_down(struct reload *r, bool reverted);
void takeover_take(struct reload *r);
void takeover_on_take_due(struct reload *r);
void takeover_note_end(struct reload *r);
void takeover_let_go(struct reload *r);
/* Whether a failure must go to GIVING_BACK first. */
bool takeover_must_give_back(const struct reload *r);
void takeover_give_back(struct reload *r);
void takeover_give(struct reload *r);
void takeover_on_gone(struct reload *r);
void takeover_on_back_due(struct reload *r);
void takeover_on_taker_down(struct reload *r, bool reverted);
void takeover_give_up(struct reload *r); /* the plugin has failed */
void takeover_undo(struct reload *r);

/* ---- configure.c ---- */
bool configure_is_possible(const struct reload *r);
uint64_t configure_deadline(const struct reload *r);
void configure_enter(struct reload *r);
void configure_on_due(struct reload *r);
void configure_on_answer(
	struct reload *r, struct state_blob *state, const struct error *err);
void configure_on_old_down(struct reload *r, bool reverted);
void configure_undo(struct reload *r);

/* ---- verdict.c ---- */
/* Gives the verdict: frees the plugin for its next transaction and calls the
 * watchers. */
void reload_give_verdict(struct reload *r);
/* Log lines of successes. */
void verdict_log_swapped(const struct reload *r, double ms);
void verdict_log_proven(const struct reload *r, double ms);
void verdict_log_configured(const struct reload *r, double ms);
void verdict_log_stopped(const struct reload *r, double ms);

/* ---- commit.c ---- */
/* The edit that makes the plugin serve exactly `set`; NULL with err: refused.
 */
struct route_edit *reload_prepare_rows(struct plugin *p,
	const struct registration_set *set, const struct plugin_config *config,
	struct error *err);
/* Checks that the candidate's routes are free, given the routes of the set's
 * other members that are known by now. */
int commit_check(struct reload *r, struct error *err);
/* Swaps all members of a set and gives the verdicts. All must be COMMITTING. If
 * they are proofs, discards the candidates instead. */
void commit_all(struct reload **members, size_t count);
void commit_one(struct reload *r);

/* ---- set.c ---- */
void set_join(struct reload_set *set, struct reload *r);
/* A member was refused, so no other begins. */
void set_refuse(struct reload_set *set, const struct plugin *p,
	const struct error *why);
bool set_has(const struct reload *r);	    /* it is in a set */
bool set_is_atomic(const struct reload *r); /* it is in an atomic set */
void set_on_spawned(struct reload *r);
/* A member of an atomic set is proven: members that require it start. When all
 * are proven they go on, and when all are ready they commit. */
void set_on_proven(struct reload *r);
void set_on_ready(struct reload *r);
void set_on_commit(struct reload_set *set); /* after this no member can fail */
/* A member fails; set_leave() follows with its verdict. */
void set_note_failure(struct reload *r);
/* The others fail, too, while the first one gives back. */
void set_fail_others(struct reload_set *set);
/* A member's verdict was given. May free the set. */
void set_leave(struct reload_set *set, struct reload *r);

/* ---- order.c ---- */
/* A member is staged: it goes on once the members that it requires are proven,
 * and fails if they require it in turn. */
void order_on_staged(struct reload *r);
void order_start_waiting(
	struct reload_set *set); /* members that may start now */

/* ---- reload_news.c ---- */
/* Failed reloads of a plugin that are reported at once; after that, one a
 * second. */
#define NEWS_REPEATS_AT_ONCE 20
/* Whether the end of a reload is reported in the log, the events and the
 * history. False: this plugin had too many failures, so this one is only
 * counted, and their number is reported once a second. The caller still gets
 * the whole verdict. */
bool news_takes(const struct reload *r);
void news_phase(
	const struct reload *r, enum receipt_phase phase, double since_ms);
void news_verdict(struct reload *r, struct receipt *receipt);
void news_settled(struct reload *r, struct receipt *receipt);

/* ---- settle.c ---- */
void settle_begin(struct reload *r);
bool settle_has_old(const struct reload *r);
bool settle_drains(const struct reload *r); /* the old worker still drains */
uint64_t settle_deadline(const struct reload *r);
void settle_enter(struct reload *r);
void settle_on_drained(struct reload *r);
void settle_on_retired(struct reload *r);
void settle_on_old_down(struct reload *r, bool reverted);
void settle_enter_end(struct reload *r);
void settle_end(struct reload *r);
/* The transaction whose old worker this is, or NULL. */
struct reload *reload_find_by_old(struct plugin *p, const struct worker *w);
/* A worker is gone or goes down: forgets it, and ends the transaction that
 * waited for it. */
void settle_forget(struct plugin *p, struct worker *w);
/* The active worker went down: reverts to the old one if possible (true). */
bool settle_revert(struct plugin *p, struct worker *w);
void settle_end_all(struct plugin *p); /* the plugin stops */
/* The active worker has other settings now: those that stand by, or drain, have
 * the old ones, so the plugin does not go back to them. */
void settle_end_reverts(struct plugin *p);

/* ---- halt.c ---- */
void halt_enter(struct reload *r);
uint64_t halt_deadline(const struct reload *r);
void halt_on_due(struct reload *r);
void halt_on_drained(struct reload *r);
void halt_on_exit(struct reload *r);

/* ---- account.c ---- */
void figures_init(struct figures *f); /* begins now; no phase is reached */
void figures_finish(struct figures *f);
struct receipt *account_receipt(
	const struct reload *r); /* the present receipt */
/* Notes whom r replaces, for the receipt. */
void account_note_old(struct reload *r, const struct worker *old);
/* The same of a worker that will be gone at the verdict. */
void account_keep_old(struct reload *r, const struct worker *old);
/* For a receipt: names by kind. */
json_t *account_counts(const struct registration_set *set);
/* The next registration from *at on that is in `before` but not in `after`;
 * advances *at. NULL: no more. A NULL set is empty. */
const struct registration *account_next_dropped(
	const struct registration_set *before,
	const struct registration_set *after, uint32_t *at);
json_t *account_dropped(const struct registration_set *before,
	const struct registration_set *after); /* their labels */

/* ---- crash.c ---- */
/* Restarts a plugin without worker and transaction, now or later, or gives it
 * up. served: the dead worker had served for CRASH_SERVED_MS. */
void crash_restart(struct plugin *p, bool served);
void crash_forget(struct plugin *p); /* forgets its crashes */

/* ---- required.c ---- */
/* r has its verdict: notes who is to be reloaded after it. */
void required_note(struct reload *r);
/* Whether r begins later, because a plugin is being reloaded after which its
 * own is: both have changed. */
bool required_must_wait(struct reload *r);
/* Whether the one for which it must wait has not been reloaded yet. */
bool required_still_waits(const struct reload *r);
/* Begins those whose wait has ended. */
void required_begin(struct gateway *g);
/* The plugin is reloaded anyway, or removed. */
void required_forget(struct plugin *p);

/* ---- offer.c ---- */
/* The worker went down or is gone: its offer in progress is forgotten. */
void offer_forget(struct plugin *p, const struct worker *w);
/* The worker offers other registrations. It is answered before this returns, or
 * once the services that it drops are stopped. */
void offer_from(struct worker *w, const struct message *m);

/* ---- events.c ---- */
extern const struct worker_ops gateway_worker_ops;
