/* transaction: the inside of a reload, shared by the files of gateway/ that
 * carry it: reload (to the verdict), settle (after it), halt (stop, restart),
 * receipt (what it says). Nobody above gateway/ includes this. */
#pragma once

#include "supervisor/gateway/reload.h"
#include "supervisor/plugin/stage.h"

#define RELOAD_EVENTS(X)                                                       \
	X(HALT, "halt") /* stop or restart begins */                           \
	X(BEGIN, "begin")                                                      \
	X(STAGED, "staged")                                                    \
	X(HELLO, "hello")                                                      \
	X(QUIESCE, "quiesce") /* exclusive */                                  \
	X(TAKE, "take")	      /* exclusive */                                  \
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

enum reload_kind { KIND_RELOAD, KIND_STOP, KIND_RESTART };

/* Phases of a receipt, in its order. */
#define RELOAD_PHASES(X)                                                       \
	X(STAGING, "staging")                                                  \
	X(SPAWNING, "spawning")                                                \
	X(CHECKING, "checking")                                                \
	X(COMMIT, "commit")                                                    \
	X(DRAINING, "draining")

enum reload_phase {
#define X(name, text) PHASE_##name,
	RELOAD_PHASES(X)
#undef X
		PHASE_COUNT,
};

struct reload {
	struct list node; /* the plugin's settling */
	struct list turn; /* the gateway's staging_queue */
	struct gateway *gateway;
	struct plugin *plugin;
	char id[24], trigger[24];
	enum reload_kind kind;
	enum reload_state state;
	bool force, no_drop, from_stage, if_changed;
	bool if_serving_done; /* start of what serves: nothing to do */
	bool has_turn;	      /* counts in staging_count */
	bool unchanged;	      /* if_changed, and nothing has */
	bool probation_over;
	const char *fallback; /* NULL, or what it started instead */

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

	/* For the receipt. */
	uint32_t previous_generation;
	int previous_pid;
	uint64_t begun_us, phase_us, committed_us;
	double phase_ms[PHASE_COUNT]; /* < 0: not reached */
	uint32_t held;
	uint32_t in_flight_at_swap;
	uint64_t answered_at_swap;		/* of the old one */
	int64_t drained, aborted;		/* -1: not known yet */
	json_t *removed, *registered, *dropped; /* NULL: empty */
	struct error error;

	struct list watchers; /* struct reload_watcher.node */
	ev_timer kick;	      /* begins it; later the wait for an exit */
	struct wheel_timer probation; /* stop: the drain's limit */
};

extern const char *const reload_state_texts[RELOAD_STATE_COUNT];
extern const char *const reload_phase_texts[PHASE_COUNT];

/* ---- reload_steps.c ---- */
const char *reload_event_text(enum reload_event e);
/* The state that follows. An event that cannot come in that state unless supd
 * itself is wrong aborts; reload_state_takes() is false for it. */
enum reload_state reload_state_next(enum reload_state s, enum reload_event e);
bool reload_state_takes(enum reload_state s, enum reload_event e);

/* ---- reload.c ---- */
void reload_step(struct reload *r, enum reload_event event);
void reload_enter_phase(struct reload *r, enum reload_phase phase);
void reload_leave_phase(struct reload *r, enum reload_phase phase);
enum reload_refusal reload_admit(struct gateway *g, struct plugin *p,
	bool needs_enabled, struct error *err);
struct reload *reload_create(struct gateway *g, struct plugin *p,
	enum reload_kind kind, const char *trigger,
	struct reload_watcher *watcher, char *id_out);
void reload_destroy(struct reload *r);
void reload_run(struct reload *r); /* from the package or the stage on */
/* The verdict: frees the plugin for the next one and tells the watchers. */
void reload_give_verdict(struct reload *r);
void reload_fail(struct reload *r); /* r->error says why */

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
