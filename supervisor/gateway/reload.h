/* reload: the transaction that replaces a plugin's worker: stage, spawn,
 * prove, swap, settle; and its rollback and revert. A first start and a crash
 * restart are the same transaction without an old worker. One per plugin at a
 * time until its verdict. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

#define RELOAD_STATES(X)                                                       \
	X(QUEUED, "queued")                                                    \
	X(STOPPING, "stopping") /* stop and restart only: the old one goes */  \
	X(CONFIGURING, "configuring") /* the running worker is asked */        \
	X(STAGING, "staging")                                                  \
	X(SPAWNING, "spawning")	  /* until hello */                            \
	X(CHECKING, "checking")	  /* init, ready, health, probes */            \
	X(QUIESCING, "quiescing") /* requests are held, the old one's state    \
				     is awaited */                             \
	X(TAKING, "taking")	  /* the candidate gets it */                  \
	X(COMMITTED, "committed") /* the verdict: success */                   \
	X(SETTLING, "settling")	  /* the old one drains and stands by */       \
	X(SETTLED, "settled")                                                  \
	X(ROLLED_BACK, "rolled_back")                                          \
	X(REVERTED, "reverted")

enum reload_state {
#define X(name, text) RELOAD_##name,
	RELOAD_STATES(X)
#undef X
		RELOAD_STATE_COUNT,
};

struct reload_options {
	const char *trigger; /* "supctl", "http", "hup", "start", "crash" */
	bool force;	     /* the old one's in-flight work ends at the swap */
	bool no_drop;	     /* a registration that would go is a failure */
	bool from_stage;   /* start from the last proven stage, do not stage */
	bool if_changed;   /* equal digest and settings: end without a spawn */
	bool prove;	   /* the candidate is proven, shown and discarded */
	uint32_t asked_by; /* the worker that calls for it, 0: none */
	struct reload_set *set; /* NULL: by itself */
};

/* Several as one transaction: none commits before all are proven, then all do
 * in one loop callback; one that fails or is refused before that fails all of
 * them. A row may move from one member to another. They start in the order of
 * `requires`, and the set must be proven within the largest start_timeout and
 * health_timeout of its members (as many times as starting slots are too few)
 * from its first start on. Members join by options.set; after
 * reload_set_close() nobody does, and the set frees itself with the last
 * verdict. */
struct reload_set *reload_set_create(struct gateway *g);
/* The same for several that need not be one: each is a transaction of its own
 * and only waits for the verdicts of those that it requires. */
struct reload_set *reload_sequence_create(struct gateway *g);
void reload_set_close(struct reload_set *set);

enum reload_refusal {
	RELOAD_ACCEPTED,
	RELOAD_BUSY, /* "reload already in progress" */
	RELOAD_DISABLED,
	RELOAD_GATEWAY_STOPPING,
};

/* Follows one reload. Phases come as they begin; the verdict is the receipt
 * at COMMITTED, ROLLED_BACK or refused; settled comes last, if it was a
 * success: at SETTLED or REVERTED with the final receipt. Receipts are
 * borrowed. After on_verdict with failure, or on_settled, the watcher is out
 * of the list. */
struct reload_watcher {
	struct list node;
	void (*on_phase)(struct reload_watcher *w, const char *plugin_id,
		const char *phase, double ms_since_begin);
	void (*on_verdict)(struct reload_watcher *w, json_t *receipt);
	void (*on_settled)(struct reload_watcher *w, json_t *receipt);
};

/* Begins one; the verdict never comes before this returns. watcher may be
 * NULL. If refused nothing has changed, err has the reason, and
 * reload_refused_receipt() gives the receipt. id_out (may be NULL, 24 bytes).
 */
enum reload_refusal reload_begin(struct gateway *g, struct plugin *p,
	const struct reload_options *options, struct reload_watcher *watcher,
	char *id_out, struct error *err);
/* Whether reload_begin() would refuse; changes nothing. */
enum reload_refusal reload_check(
	struct gateway *g, const struct plugin *p, struct error *err);
json_t *reload_refused_receipt(struct gateway *g, const struct plugin *p,
	const char *trigger, const char *reason);
void reload_unwatch(struct reload_watcher *w);
/* {safe, reason} without changing anything; reason_out NULL if safe. */
bool reload_is_safe(const struct gateway *g, const struct plugin *p,
	const char **reason_out);

/* start, stop and restart of a person are transactions too and give receipts.
 * stop: drains within stop_timeout; its verdict comes when the worker is gone,
 * and it stays stopped over restarts of supd. restart: the same, then a start
 * from the package, while requests are held. start of what serves is done at
 * once. */
enum reload_refusal reload_begin_start(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
enum reload_refusal reload_begin_stop(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
/* What the person says of a plugin holds until its `enabled` changes in the
 * file. enable: starts it, also if it was stopped. disable: stops it, and its
 * routes are gone at once. */
enum reload_refusal reload_begin_enable(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
enum reload_refusal reload_begin_disable(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
/* The wanted config's settings are told to the running worker (the manifest
 * says `configure: true`); the receipt's mode is configure. If the worker
 * refuses them a reload follows by itself and its receipt's fallback says so.
 */
enum reload_refusal reload_begin_configure(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
enum reload_refusal reload_begin_restart(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
