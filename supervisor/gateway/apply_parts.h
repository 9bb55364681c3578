/* apply_parts: the inside of an apply, for its own files: apply (passes),
 * apply_plan (what differs), apply_do (the transactions), apply_atomic (those
 * of all or nothing), apply_document (what it says). */
#pragma once

#include "supervisor/config/compare.h"
#include "supervisor/gateway/apply.h"
#include "supervisor/gateway/transaction.h"
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

/* What becomes of one plugin. */
struct apply_step {
	char *id;
	enum apply_action action;
	enum config_class class;
	json_t *reasons;	     /* array of words */
	struct plugin_config *entry; /* a reference; NULL: taken out */
	char *folder;		     /* of its package; NULL: not looked for */
	bool missing;		     /* there is no package */
	uint32_t place;		     /* in the survey, or NOT_SURVEYED */
	bool is_done;		     /* its transaction is over */
};

struct apply_plan {
	struct apply_step *steps; /* stops first, then the order of starting */
	uint32_t count;
};

struct apply_pass {
	struct gateway *gateway;
	struct apply_lane *lane;
	enum apply_kind kind;
	bool atomic;
	char trigger[24];
	struct list requests; /* struct apply_request.node */
	uint64_t begun_us;
	struct problems problems;
	struct error error;    /* why nothing was done, or "" */
	struct config *config; /* a reference */
	struct config_changes changes;
	unsigned not_applied; /* changes that only a restart brings */
	struct apply_plan plan;
	struct survey *survey;

	/* The doing. */
	struct list items;
	unsigned pending; /* items, and one for the beginning itself */
	json_t *receipts;
	unsigned failed; /* of these */
	bool has_starts; /* of plugins that were not there */

	/* All or nothing. */
	struct list members;
	unsigned members_awaited;
	ev_timer later;
	bool is_busy; /* refused: a plugin has another transaction */
};

/* ---- apply.c ---- */
void apply_pass_end(struct apply_pass *pass); /* tells all; frees */
/* The part that is not the plugins' comes in force. */
void apply_keep(struct apply_pass *pass);

/* ---- apply_plan.c ---- */
/* Lists the plugins and fills the survey. Problems go to the pass. */
void apply_plan_collect(struct apply_pass *pass);
/* Decides by what runs now and by the answers. */
void apply_plan_decide(struct apply_pass *pass);
void apply_plan_finish(struct apply_plan *plan);
bool apply_plugin_configures(const struct plugin *p);

/* ---- apply_do.c ---- */
/* apply_pass_end() follows, perhaps at once. */
void apply_do(struct apply_pass *pass);
void apply_do_continue(struct apply_pass *pass);
void apply_do_abandon(struct apply_pass *pass);
void apply_note_receipt(struct apply_pass *pass, json_t *receipt);
void apply_note_phase(struct apply_pass *pass, const char *plugin_id,
	const char *phase, double ms_since_begin);

/* ---- apply_atomic.c ---- */
/* The same, after all that can fail; or nothing of it. */
void apply_atomic(struct apply_pass *pass);
void apply_atomic_abandon(struct apply_pass *pass);

/* ---- apply_document.c ---- */
json_t *apply_document(const struct apply_pass *pass);
enum outcome apply_outcome(const struct apply_pass *pass);
void apply_log_changes(const struct apply_pass *pass);
void apply_log(const struct apply_pass *pass);
