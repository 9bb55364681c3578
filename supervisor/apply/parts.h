/* apply_parts: the inside of an apply, for its own files: apply (passes),
 * apply_read (the file), apply_plan (what differs), apply_do (the
 * transactions), apply_atomic (transactions as one set), apply_document (the
 * report). */
#pragma once

#include "proto/util/map.h"
#include "supervisor/config/compare.h"
#include "supervisor/apply/apply.h"
#include "supervisor/reload/cause.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/plugin/survey.h"

#define APPLY_ACTIONS(X)                                                       \
	X(NONE, "none")                                                        \
	X(LIVE, "live")	    /* takes effect at once, no transaction */         \
	X(STOP, "stop")	    /* taken out or disabled */                        \
	X(START, "start")   /* added, enabled, or not running though it ought  \
			       to */                                           \
	X(RELOAD, "reload") /* settings or digest differ from what runs */     \
	X(CONFIGURE, "configure") /* only settings, and the worker takes them  \
				   */

enum apply_action {
#define X(name, text) ACTION_##name,
	APPLY_ACTIONS(X)
#undef X
		ACTION_COUNT,
};
extern const char *const apply_action_texts[ACTION_COUNT];

#define NOT_SURVEYED UINT32_MAX

/* What a pass does with one plugin. */
struct apply_step {
	char *id;
	enum apply_action action;
	enum config_class class;
	json_t *reasons;	     /* array of words */
	struct plugin_config *entry; /* a reference; NULL: removed */
	char *folder;	       /* of its package; NULL: not searched for */
	bool missing;	       /* the package was not found */
	uint32_t survey_index; /* index in the survey, or NOT_SURVEYED */
	bool is_done;	       /* its transaction is over */
};

struct apply_plan {
	struct apply_step *steps; /* stops first, then in starting order */
	uint32_t count, capacity;
};

#define APPLY_SLICE_US 1000 /* of a turn; then one step more must not begin */
#define APPLY_EVENT_CHANGES_MAX 100
/* Transactions begun per turn, and the pause after them: each causes later
 * work, such as an exit to handle. */
#define APPLY_BEGUN_PER_TURN 8
#define APPLY_BEGUN_PAUSE_S 0.004

struct apply_pass {
	struct gateway *gateway;
	struct apply_lane *lane;
	enum apply_kind kind;
	bool atomic;
	char trigger[24], by[64]; /* by: the first that asked, or "" */
	struct list requests;	  /* struct apply_request.node */
	uint64_t begun_us;
	struct problems problems;
	struct error error;    /* why nothing was done, or "" */
	struct config *config; /* a reference */
	bool is_in_force;      /* for a plan: config was found good */

	/* The work in progress, a slice per turn of the loop. */
	ev_timer slice;
	bool (*step)(struct apply_pass *pass);
	void (*then)(struct apply_pass *pass);
	uint32_t at;   /* the next element, from 0 */
	unsigned most; /* steps per turn; 0: limited by time only */

	/* The reading. */
	struct config_loading *loading;
	struct config *old; /* a reference */
	struct config_comparison *comparison;
	struct package_check *check;

	struct config_changes changes;
	struct map first_change; /* see apply_reasons_index() */
	unsigned not_applied;	 /* changes that need a restart of supd */
	struct apply_plan plan;
	struct survey *survey;

	/* The doing. */
	struct start_manifests *manifests;
	struct list fresh; /* items that have not begun yet */
	struct list items;
	unsigned pending; /* items, and one while apply_do() itself runs */
	struct receipt **receipts; /* references */
	uint32_t receipt_count;
	json_t *document;	 /* made when the pass ends */
	const char **plugin_ids; /* borrowed from the steps */
	uint32_t plugin_count;
	unsigned failed; /* of these */
	bool has_starts; /* starts plugins that did not exist */

	/* All or nothing. */
	struct list members;
	unsigned members_awaited;
	ev_timer later;
	bool is_busy; /* refused: a plugin has another transaction */
};

/* ---- apply.c ---- */
/* Makes the document in slices, then calls on_done of all requests and frees
 * the pass. */
void apply_pass_end(struct apply_pass *pass);
/* Calls step() in slices, from the next turn of the loop on, until it returns
 * false for "no more"; then calls then(). Both may end the pass. */
void apply_work(struct apply_pass *pass, bool (*step)(struct apply_pass *pass),
	void (*then)(struct apply_pass *pass));
/* The configuration passed all checks that start nothing: adopts supd's own
 * part (if not a plan), then collects the plugins. */
void apply_put_in_force(struct apply_pass *pass);
/* The steps of the plan exist: has the packages in the survey compared. */
void apply_compare_packages(struct apply_pass *pass);
void apply_planned(struct apply_pass *pass); /* the plan is decided */
/* Puts supd's own part (listeners, log, tokens) in force. */
void apply_keep(struct apply_pass *pass);

/* ---- read.c ---- */
/* apply_put_in_force() or apply_pass_end() follows. */
void apply_read(struct apply_pass *pass);
void apply_read_abandon(struct apply_pass *pass); /* idempotent */

/* ---- plan.c ---- */
/* Lists the plugins and fills the survey. Problems go to the pass.
 * apply_compare_packages() follows. */
void apply_plan_collect(struct apply_pass *pass);
/* Decides by what runs now and by the answers. apply_planned() follows. */
void apply_plan_decide(struct apply_pass *pass);
void apply_plan_finish(struct apply_plan *plan);
bool apply_plugin_configures(const struct plugin *p);

/* ---- reasons.c ---- */
/* Notes where the changes of each plugin begin; before apply_cause(). */
void apply_reasons_index(struct apply_pass *pass);
/* The cause of the step's transaction; the caller's. */
json_t *apply_cause(
	const struct apply_pass *pass, const struct apply_step *step);

/* ---- doing.c ---- */
/* apply_pass_end() follows, perhaps at once. */
void apply_do(struct apply_pass *pass);
void apply_do_continue(struct apply_pass *pass);
void apply_do_abandon(struct apply_pass *pass);
void apply_note_receipt(struct apply_pass *pass, struct receipt *receipt);
void apply_note_phase(struct apply_pass *pass, const char *plugin_id,
	const char *phase, double ms_since_begin);

/* ---- atomic.c ---- */
/* The same as one set: all steps or none. */
void apply_atomic(struct apply_pass *pass);
void apply_atomic_abandon(struct apply_pass *pass);

/* ---- document.c ---- */
/* Makes pass->document: steps until true, then the rest. */
bool apply_document_step(struct apply_pass *pass);
void apply_document_finish(struct apply_pass *pass);
struct apply_report apply_report_of(const struct apply_pass *pass);
void apply_log_changes(const struct apply_pass *pass);
void apply_log(const struct apply_pass *pass);

/* ---- advice.c ---- */
/* Writes a plan to the log. */
void apply_log_plan(const struct apply_pass *pass);
