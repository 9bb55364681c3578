/* table: what a transaction does in each state (its row), and which states each
 * kind of transaction goes through (its program). Constant; steps.c walks it. A
 * new way to reload is a program and the rows that it needs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/plugin/receipt.h"

struct error;
struct reload;
struct state_blob;

#define RELOAD_STATES(X)                                                       \
	X(QUEUED, "queued")                                                    \
	X(STOPPING, "stopping")	      /* the old worker drains and ends */     \
	X(CONFIGURING, "configuring") /* asks the running worker */            \
	X(STAGING, "staging")                                                  \
	X(WAITING, "waiting") /* in a set: for its requirements */             \
	X(SPAWNING, "spawning")                                                \
	X(CHECKING, "checking")	      /* init, ready, health, probes */        \
	X(OVERLAPPING, "overlapping") /* services beside the old ones */       \
	X(PROVEN, "proven")	      /* in a set: until all members are */    \
	X(ANNOUNCING, "announcing")   /* people are told, if they want it */   \
	X(QUIESCING, "quiescing")     /* requests are held */                  \
	X(EXPORTING, "exporting")     /* requests are held */                  \
	X(IMPORTING, "importing")                                              \
	X(TAKING, "taking")                                                    \
	X(READY, "ready")	    /* in a set: until all members are */      \
	X(COMMITTING, "committing") /* in one callback of the loop */          \
	X(COMMITTED, "committed")   /* the verdict is success */               \
	X(SETTLING, "settling")	    /* the old worker drains, stands by */     \
	X(RETIRING, "retiring")	    /* probation is over, still drains */      \
	X(SETTLED, "settled")                                                  \
	X(FAILING, "failing")	      /* the candidate goes down */            \
	X(GIVING_BACK, "giving_back") /* the old worker takes again */         \
	X(ROLLED_BACK, "rolled_back")                                          \
	X(REVERTED, "reverted")

enum reload_state {
#define X(name, text) RELOAD_##name,
	RELOAD_STATES(X)
#undef X
		RELOAD_STATE_COUNT,
};

#define RELOAD_KINDS(X)                                                        \
	X(RELOAD, "reload") /* first starts and crash restarts, too */         \
	X(START, "start")   /* by a user */                                    \
	X(PROVE, "prove")                                                      \
	X(CONFIGURE, "configure")                                              \
	X(STOP, "stop")                                                        \
	X(RESTART, "restart")

enum reload_kind {
#define X(name, text) KIND_##name,
	RELOAD_KINDS(X)
#undef X
		KIND_COUNT,
};

/* The news of the candidate that ends a state. */
enum reload_cue { CUE_NONE, CUE_HELLO, CUE_PROVEN };

/* The worker whose answer a state awaits. */
enum reload_party { PARTY_NONE, PARTY_ACTIVE, PARTY_CANDIDATE, PARTY_BOTH };

/* One per state. A NULL function does nothing. */
struct reload_row {
	enum receipt_phase phase; /* the phase that the state is part of */
	const char *failed;	  /* "FAILED: cause"; NULL: cannot fail */
	bool may_starve; /* a failure may be a shortage (descriptors, disk) */
	bool is_proven;	 /* the candidate is proven and exists */
	bool has_failed; /* an unsuccessful end */
	enum receipt_state receipt; /* state in a receipt */
	/* False: the state is skipped. NULL: it always applies. */
	bool (*applies)(const struct reload *r);
	/* Called on entering; may end the transaction. */
	void (*enter)(struct reload *r);
	/* Called in the next turn of the loop, if the state still lasts. */
	void (*soon)(struct reload *r);
	/* The clock_ms() at which on_due() is called, if the state still lasts.
	 */
	uint64_t (*deadline)(const struct reload *r);
	void (*on_due)(struct reload *r);
	enum reload_cue cue;
	enum reload_party asked;
	void (*on_answer)(struct reload *r, struct state_blob *state,
		const struct error *err);
	enum reload_party tasked; /* whose services are started or stopped */
	void (*on_quiet)(
		struct reload *r); /* the active worker has no request left */
	/* The old worker has drained, goes down, is gone. reverted: the worker
	 * before it serves again. */
	void (*on_old_drained)(struct reload *r);
	void (*on_old_down)(struct reload *r, bool reverted);
	void (*on_old_exit)(struct reload *r);
	/* The candidate is gone. NULL: that is a failure. */
	void (*on_candidate_exit)(struct reload *r);
	/* Called after a failure in this state or a later one: reverses what
	 * the state did, if anything. */
	void (*undo)(struct reload *r);
	void (*after_verdict)(struct reload *r); /* may end the transaction */
};

struct reload_program {
	const char *mode; /* of the receipt */
	/* From QUEUED to SETTLED. */
	const enum reload_state *states;
	bool stops;	/* the plugin has no worker afterwards */
	bool is_proof;	/* the candidate is always discarded */
	bool gives_way; /* to a stop */
	/* Called before the transaction begins. is_done: there is nothing to
	 * do. is_possible: if not, it goes on as the kind `otherwise`. NULL: no
	 * test. */
	bool (*is_done)(const struct reload *r);
	bool (*is_possible)(const struct reload *r);
	enum reload_kind otherwise;
	void (*log_done)(const struct reload *r, double ms);
};

extern const struct reload_row reload_rows[RELOAD_STATE_COUNT];
extern const struct reload_program reload_programs[KIND_COUNT];
extern const char *const reload_state_texts[RELOAD_STATE_COUNT];
extern const char *const reload_kind_texts[KIND_COUNT];

/* The state after s in the program of a kind; s must be in it and not the last.
 */
enum reload_state reload_program_next(
	enum reload_kind kind, enum reload_state s);
