/* reload: the transaction that replaces a plugin's worker: stage, spawn, prove,
 * swap, settle. A failure before the swap rolls it back, a crash of the new
 * worker during the probation reverts it. First starts and crash restarts are
 * the same transaction without an old worker. A plugin has at most one
 * transaction that has no verdict yet. */
#pragma once

#include "supervisor/gateway/gateway.h"

struct buffer;

struct reload_options {
	const char *trigger; /* "supctl", "http", "hup", "start", "crash" */
	bool force;	     /* end the old worker's requests at the swap */
	bool no_drop;	     /* fail if a registration would be dropped */
	enum plugin_source source;
	bool if_changed;	/* nothing changed: end without a spawn */
	bool prove;		/* prove the candidate, report, discard it */
	uint32_t asked_by;	/* the worker that asked for it; 0: none */
	struct reload_set *set; /* NULL: not in a set */
};

/* An atomic set: several transactions as one. All members commit in one
 * callback of the loop, once all are proven; if one fails or is refused before
 * that, all fail. A route may move from one member to another. Members start in
 * the order of `requires`. From its first start on, the set must be proven
 * within the largest start_timeout and health_timeout of its members,
 * multiplied if starting slots are too few. Members join by options.set until
 * reload_set_close(); the set frees itself with the last verdict. */
struct reload_set *reload_set_create(struct gateway *g);
/* A sequence: each member is a transaction of its own and only waits for the
 * verdicts of the members that it requires. */
struct reload_set *reload_sequence_create(struct gateway *g);
void reload_set_close(struct reload_set *set);

enum reload_refusal {
	RELOAD_ACCEPTED,
	RELOAD_BUSY, /* "reload already in progress" */
	RELOAD_DISABLED,
	RELOAD_GATEWAY_STOPPING,
	RELOAD_NOT_SAVED, /* the user's decision could not be saved */
};

/* Follows one transaction. on_phase is called as each phase begins; on_verdict
 * at COMMITTED or ROLLED_BACK; and after a success on_settled at SETTLED or
 * REVERTED, with the final receipt. Receipts are borrowed. The watcher is out
 * of the list after on_settled, or after on_verdict with a failure. */
struct reload_watcher {
	struct list node;
	void (*on_phase)(struct reload_watcher *w, const char *plugin_id,
		const char *phase, double ms_since_begin);
	void (*on_verdict)(struct reload_watcher *w, struct receipt *receipt);
	void (*on_settled)(struct reload_watcher *w, struct receipt *receipt);
};

/* Begins a reload; on_verdict is never called before this returns. watcher may
 * be NULL. After a refusal nothing has changed, err has the reason, and
 * reload_refused_receipt() makes the receipt. id_out has room for 24 bytes, or
 * is NULL. */
enum reload_refusal reload_begin(struct gateway *g, struct plugin *p,
	const struct reload_options *options, struct reload_watcher *watcher,
	char *id_out, struct error *err);
/* Whether reload_begin() would refuse, and why; changes nothing. */
enum reload_refusal reload_check(
	struct gateway *g, const struct plugin *p, struct error *err);
/* The receipt of a refusal, with the state "refused"; for RELOAD_NOT_SAVED, a
 * failure, "rolled_back". */
struct receipt *reload_refused_receipt(struct gateway *g,
	const struct plugin *p, const char *trigger, enum reload_refusal why,
	const char *reason);
/* Whether the package's folder exists. */
bool reload_package_is_there(const struct plugin *p);
/* Appends what the plugin's transaction in progress is, and where it is:
 * "r-7 (reload, supctl, uid 0): checking". */
void reload_describe(const struct plugin *p, struct buffer *out);
void reload_unwatch(struct reload_watcher *w);
/* Whether a reload may begin now; if not, *reason_out (else NULL) says why.
 * Changes nothing. */
bool reload_is_safe(const struct gateway *g, const struct plugin *p,
	const char **reason_out);

/* start, stop and restart by a user are transactions with receipts, too. A
 * start of a plugin that serves is done at once. A stop drains within
 * stop_timeout; its verdict comes when the worker is gone, and the plugin stays
 * stopped over restarts of supd. A restart is a stop and a start from the
 * package; requests are held meanwhile. */
enum reload_refusal reload_begin_start(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
enum reload_refusal reload_begin_stop(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
/* Sends the wanted config's settings to the running worker, whose manifest must
 * say `configure: true`; the receipt's mode is "configure". If the worker
 * refuses them, the transaction goes on as a reload, as the receipt's
 * `fallback` says. */
enum reload_refusal reload_begin_configure(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
enum reload_refusal reload_begin_restart(struct gateway *g, struct plugin *p,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err);
