/* receipt: the report of a transaction. It is made once and then not changed;
 * readers share it by references. The doors show it as JSON (control socket,
 * HTTP, events, history); supd itself never reads the JSON. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/verbs.h"

/* X(ENUM, "text", outcome) */
#define RECEIPT_STATES(X)                                                      \
	X(QUEUED, "queued", ACCEPTED) /* it has only begun */                  \
	X(DONE, "done", DONE)                                                  \
	X(SETTLED, "settled", DONE)                                            \
	X(ROLLED_BACK, "rolled_back", FAILED)                                  \
	X(FAILED, "failed", FAILED) /* and nothing could be given back */      \
	X(REVERTED, "reverted", FAILED)                                        \
	X(REFUSED, "refused", REFUSED)

enum receipt_state {
#define X(name, ...) RECEIPT_##name,
	RECEIPT_STATES(X)
#undef X
		RECEIPT_STATE_COUNT,
};

/* In the order of the receipt. */
#define RECEIPT_PHASES(X)                                                      \
	X(STAGING, "staging")                                                  \
	X(SPAWNING, "spawning")                                                \
	X(CHECKING, "checking")                                                \
	X(QUIESCING,                                                           \
		"quiescing") /* from here to the outcome, requests wait */     \
	X(STATE, "state")    /* hand-over of state, while requests are held */ \
	X(TAKING, "taking")                                                    \
	X(GIVING, "givingBack")                                                \
	X(COMMIT, "commit")                                                    \
	X(DRAINING, "draining")

enum receipt_phase {
	PHASE_NONE,
#define X(name, text) PHASE_##name,
	RECEIPT_PHASES(X)
#undef X
		PHASE_COUNT,
};
extern const char *const receipt_phase_texts[PHASE_COUNT];

/* The worker that serves; 0 and NULL: none. */
struct receipt_worker {
	uint32_t generation, previous_generation;
	int pid, previous_pid;
	char *version, *digest;
};
void receipt_worker_copy(
	struct receipt_worker *to, const struct receipt_worker *from);
void receipt_worker_finish(struct receipt_worker *w);

struct receipt {
	uint32_t more_references; /* beside the first */
	enum receipt_state state;
	enum outcome outcome; /* the state's, unless something else failed */
	char id[24];	      /* "": the transaction never began */
	const char *kind; /* "reload", "start", "stop", ...; static; or NULL */
	char trigger[24], by[64]; /* by: the caller, or "" */
	char *plugin_id;
	const char *mode; /* static */
	char *fallback;	  /* or NULL */
	json_t *cause;	  /* why it was begun, see reload/cause.h; or NULL */
	struct receipt_worker worker;
	double duration_ms, phase_ms[PHASE_COUNT]; /* < 0: not reached */
	uint32_t held;
	int64_t drained, aborted; /* -1: unknown yet */
	bool takes_over;	  /* there was a take-over */
	double take_ms;		  /* the time for which requests were held */
	bool hands_over;	  /* state was handed over, or lost */
	bool state_lost;
	int64_t state_bytes; /* -1: none was taken */
	bool is_proof;
	bool is_unchanged; /* success, and nothing was done */
	char *error;	   /* NULL: none */
	/* JSON lists for the view; NULL: empty. */
	json_t *removed, *registered; /* by kind */
	json_t *dropped, *added;      /* labels */
	json_t *log;		      /* lines */
	/* What the worker has yet to take, and those of its services that do
	 * not run; NULL: none. */
	json_t *take, *services;
	json_t *view; /* see receipt_view() */
};

/* Creates a receipt with the outcome of its state; all else is empty or
 * unknown. */
struct receipt *receipt_create(enum receipt_state state);
struct receipt *receipt_ref(const struct receipt *r);
void receipt_unref(struct receipt *r); /* NULL is fine */
/* A copy that may be changed until it is shown. */
struct receipt *receipt_copy(const struct receipt *r);
bool receipt_has_succeeded(const struct receipt *r);
/* The JSON view, made at the first use. Borrowed; do not change it. */
json_t *receipt_view(struct receipt *r);
