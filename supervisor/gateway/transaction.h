/* transaction: the inside of a reload, shared by the files of gateway/ that
 * carry it: reload (to the proof), commit (the swap), set (several as one),
 * settle (after the verdict), halt (stop, restart), receipt (what it says).
 * Nobody above gateway/ includes this. */
#pragma once

#include "supervisor/gateway/reload.h"
#include "supervisor/plugin/stage.h"

#define RELOAD_EVENTS(X)                                                       \
	X(HALT, "halt") /* stop or restart begins */                           \
	X(CONFIGURE, "configure")                                              \
	X(BEGIN, "begin")                                                      \
	X(STAGED, "staged")                                                    \
	X(HELLO, "hello")                                                      \
	X(QUIESCE, "quiesce")                                                  \
	X(TAKE, "take")                                                        \
	X(COMMIT, "commit")                                                    \
	X(SETTLE, "settle") /* an old worker is there to drain */              \
	X(DONE, "done")                                                        \
	X(FAIL, "fail")                                                        \
	X(CRASH, "crash")

enum reload_event {
#define X(name, text) RELOAD_EVENT_##name,
	RELOAD_EVENTS(X)
#undef X
		RELOAD_EVENT_COUNT,
};

enum reload_kind { KIND_RELOAD, KIND_STOP, KIND_RESTART, KIND_CONFIGURE };

/* Phases of a receipt, in its order. */
#define RELOAD_PHASES(X)                                                       \
	X(STAGING, "staging")                                                  \
	X(SPAWNING, "spawning")                                                \
	X(CHECKING, "checking")                                                \
	X(STATE, "state") /* its hand-over, while requests are held */         \
	X(COMMIT, "commit")                                                    \
	X(DRAINING, "draining")

enum reload_phase {
#define X(name, text) PHASE_##name,
	RELOAD_PHASES(X)
#undef X
		PHASE_COUNT,
};

struct reload {
	struct list node;	/* the plugin's settling */
	struct list turn;	/* the gateway's staging_queue */
	struct list member;	/* the set's members, until its verdict */
	struct reload_set *set; /* NULL: by itself */
	struct gateway *gateway;
	struct plugin *plugin;
	char id[24], trigger[24];
	enum reload_kind kind;
	enum reload_state state;
	bool force, no_drop, from_stage, if_changed, prove;
	bool if_serving_done; /* start of what serves: nothing to do */
	bool has_turn;	      /* counts in staging_count */
	bool unchanged;	      /* if_changed, and nothing has */
	bool waits;	      /* staged; what it requires comes first */
	bool seen;	      /* by a search for circles */
	bool proven;	      /* and its candidate has not gone since */
	bool probation_over;
	const char *fallback; /* NULL, or what it started instead */
	char fallback_text[320];

	/* What the candidate is made of. */
	struct plugin_config *config; /* a reference */
	struct manifest *manifest;    /* owned */
	json_t *settings;
	char *stage_dir, *digest;
	uint32_t generation;
	struct stage *stage; /* under way */

	/* Borrowed; NULL again when it exits. */
	struct worker *fresh; /* the candidate, later the active one */
	struct worker *old;   /* the one that was active at the commit */

	/* The hand-over of state. */
	uint32_t asked_by;  /* the worker that waits for this, or 0 */
	bool hands, handed; /* there is one; it is over */
	bool state_lost;    /* the candidate starts empty */
	struct state_blob state_blob;
	int64_t state_bytes; /* -1: none was taken */

	/* For the receipt. */
	uint32_t previous_generation;
	int previous_pid;
	uint64_t begun_us, phase_us, committed_us;
	double phase_ms[PHASE_COUNT]; /* < 0: not reached */
	uint32_t held;
	uint32_t in_flight_at_swap;
	uint64_t finished_at_swap, left_at_swap;	/* of the old one */
	int64_t drained, aborted;			/* -1: not known yet */
	json_t *removed, *registered, *dropped, *added; /* NULL: empty */
	struct error error;

	struct list watchers; /* struct reload_watcher.node */
	ev_timer kick;	      /* begins it; later the wait for an exit */
	/* Before the commit: the limit of a stop's drain, of the hand-over or
	 * of configure. */
	struct wheel_timer probation;
};

extern const char *const reload_state_texts[RELOAD_STATE_COUNT];
extern const char *const reload_phase_texts[PHASE_COUNT];

/* ---- reload_steps.c ---- */
const char *reload_event_text(enum reload_event e);
/* The state that follows. An event that cannot come in that state unless supd
 * itself is wrong aborts; reload_state_takes() is false for it. */
enum reload_state reload_state_next(enum reload_state s, enum reload_event e);
bool reload_state_takes(enum reload_state s, enum reload_event e);

/* Members in the order of joining. It goes with the last of them. */
struct reload_set {
	struct gateway *gateway;
	struct list members;
	bool is_atomic; /* else: a sequence */
	bool is_closed; /* nobody joins any more */
	bool has_failed;
	bool is_handing;	     /* all are proven, state is handed over */
	bool is_over;		     /* it commits, or all of it fails */
	unsigned uses;		     /* by the functions of set.c: it stays */
	struct error error;	     /* of the first that failed */
	uint64_t limit_ms;	     /* of `deadline` */
	struct wheel_timer deadline; /* armed by the first that starts */
};

/* ---- reload_steps.c: also the clock of the phases ---- */
void reload_step(struct reload *r, enum reload_event event);
void reload_enter_phase(struct reload *r, enum reload_phase phase);
void reload_leave_phase(struct reload *r, enum reload_phase phase);

/* ---- reload_begin.c ---- */
enum reload_refusal reload_admit(struct gateway *g, const struct plugin *p,
	bool needs_enabled, struct error *err);
struct reload *reload_create(struct gateway *g, struct plugin *p,
	enum reload_kind kind, const char *trigger,
	struct reload_watcher *watcher, char *id_out);
void reload_destroy(struct reload *r);

/* ---- reload.c ---- */
void reload_run(struct reload *r);   /* from the package or the stage on */
void reload_spawn(struct reload *r); /* it is staged, and its turn */
void reload_fail(struct reload *r);  /* r->error says why */

/* The edit by which the plugin would serve exactly set; NULL with err. */
struct route_edit *reload_prepare_rows(struct plugin *p,
	const struct registration_set *set, const struct plugin_config *config,
	struct error *err);

/* News of workers, by events.c. */
void reload_on_hello(struct reload *r);
int reload_on_declared(struct reload *r, struct error *err);
void reload_on_proven(struct reload *r);
void reload_on_candidate_down(struct reload *r);
void reload_on_candidate_exit(struct reload *r);
/* The plugin's active worker went down meanwhile; reverted: the one before it
 * serves again. */
void reload_on_active_down(struct reload *r, bool reverted);

/* ---- handover.c ---- */
/* All of its party are proven: if there is state to hand over that begins, and
 * true; it goes on from the loop. */
bool handover_begin(struct reload *r);
void handover_on_quiet(struct reload *r);
void handover_on_exported(
	struct reload *r, struct state_blob *state, const struct error *err);
void handover_on_imported(struct reload *r, const struct error *err);
void handover_on_old_down(struct reload *r, bool reverted);
/* Whatever came of it: requests are held no longer. */
void handover_end(struct reload *r);

/* ---- configure.c ---- */
void configure_begin(struct reload *r);
void configure_on_answer(struct reload *r, const struct error *err);

/* ---- verdict.c ---- */
/* Frees the plugin for the next one and tells the watchers. */
void reload_give_verdict(struct reload *r);

/* ---- commit.c ---- */
/* Whether the rows of the candidate could be, as far as the other members of
 * its set are known. */
int commit_check(struct reload *r, struct error *err);
/* Swaps the members of a set, or a transaction that is by itself, and gives
 * the verdicts. All of them are proven; if that was all they were to be, the
 * candidates are discarded instead. */
void commit_all(struct reload **members, size_t count);

/* ---- set.c ---- */
void set_join(struct reload_set *set, struct reload *r);
/* A member could not begin: none of the others will. */
void set_refuse(struct reload_set *set, const struct plugin *p,
	const struct error *why);
/* Whether a staged member may start now; if not it is started later. -1 with
 * r->error: what it requires requires it. */
int set_may_spawn(struct reload *r, bool *may_out);
void set_on_spawned(struct reload *r);
/* A member is proven: goes on with those that require it, and commits when
 * all are. */
void set_on_proven(struct reload *r);
void set_on_handed(struct reload *r);	    /* its state is where it belongs */
void set_on_commit(struct reload_set *set); /* nothing can fail any more */
/* A member fails; set_leave() with its verdict follows. */
void set_note_failure(struct reload *r);
/* A member's verdict was given. The set may be gone after this. */
void set_leave(struct reload_set *set, struct reload *r);

/* ---- settle.c ---- */
void settle_begin(struct reload *r); /* after the verdict; may destroy r */
void settle_on_drained(struct plugin *p, struct worker *w);
/* A worker is gone or going: forget it, and end what waited for it. */
void settle_forget(struct plugin *p, struct worker *w);
/* The active worker went down: true if the old one serves again. */
bool settle_revert(struct plugin *p, struct worker *w);
void settle_end_all(struct plugin *p); /* the plugin stops */

/* ---- halt.c ---- */
void halt_begin(struct reload *r);
void halt_on_drained(struct reload *r);
void halt_on_exit(struct reload *r);

/* ---- receipt.c ---- */
json_t *receipt_make(const struct reload *r);
json_t *receipt_counts(const struct registration_set *set);
/* Labels that `before` has and `after` has not; NULL sets are empty. */
json_t *receipt_dropped(const struct registration_set *before,
	const struct registration_set *after);

/* ---- start.c ---- */
/* For what has not been started once: what its package requires. Plugins of
 * `config` that are there; where that makes a circle it is told and left. */
void start_read_manifests(struct gateway *g, const struct config *config);

/* ---- enable.c ---- */
/* Whether it is enabled, by what it is wanted to be and what a person said;
 * that is forgotten where the file's value has changed since. */
void enable_follow(struct plugin *p);

/* ---- crash.c ---- */
/* The plugin has no worker and no transaction: restart it now, later, or give
 * it up. served: the dead one had been serving long enough. */
void crash_restart(struct plugin *p, bool served);
void crash_forget(struct plugin *p); /* its past counts no more */

/* ---- gateway.c ---- */
struct plugin *gateway_add(
	struct gateway *g, const struct plugin_config *config);
/* Starts what waited for others to be settled. */
void gateway_start_waiting(struct gateway *g);
/* All that it requires have served or failed once, or are not to run. */
bool gateway_may_start(const struct gateway *g, const struct plugin *p);
/* A plugin without workers may be gone for good, and so may supd. */
void gateway_on_worker_gone(struct gateway *g, struct plugin *p);

/* ---- events.c ---- */
extern const struct worker_ops gateway_worker_ops;
