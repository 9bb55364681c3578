/* apply: the one way by which another configuration, or another content of the
 * packages, comes in force: for HUP, supctl and HTTP alike. plan is the same
 * without the doing. One pass at a time; what is asked for during one shares
 * the next. */
#pragma once

#include <jansson.h>

#include "proto/verbs.h"
#include "supervisor/gateway/gateway.h"

enum apply_kind {
	APPLY_ALL,  /* the file is read again, and all of it is put in force */
	APPLY_SCAN, /* what was added is started, nothing else is touched */
	APPLY_PLAN, /* what APPLY_ALL would do */
	APPLY_COMPARE, /* the same for the configuration in force: what a
			  reload of what changed would do */
};

/* In its caller's memory from apply_begin() to on_done or apply_leave(). */
struct apply_request {
	struct list node;
	enum apply_kind kind;
	bool atomic;	     /* APPLY_ALL: all of it or nothing */
	bool begun;	     /* what changes from now on it may not see */
	const char *trigger; /* static: "hup", "supctl", "http" */
	/* Phases and receipts as they come; may be NULL. */
	void (*on_phase)(struct apply_request *r, const char *plugin_id,
		const char *phase, double ms_since_begin);
	void (*on_receipt)(struct apply_request *r, json_t *receipt);
	/* Once, never before apply_begin() returns; the request is out of all
	 * lists. document is borrowed:
	 *   {"success", "changes": [{"path","kind","class","pluginId"}],
	 *    "plugins": [{"pluginId","action","class","reasons"}],
	 *    "problems": [{"text", ...}], "results": [receipt], "durationMs"}
	 * plans have no success and no results; with "error" nothing was
	 * done. */
	void (*on_done)(struct apply_request *r, enum outcome outcome,
		json_t *document);
};

void apply_begin(struct gateway *g, struct apply_request *r);
/* The caller goes; what the pass does goes on. Idempotent. */
void apply_leave(struct apply_request *r);

/* ---- for the gateway ---- */
void apply_init(struct gateway *g);
void apply_finish(struct gateway *g); /* no callback comes any more */
/* A transaction has ended: begin what waited for others. */
void apply_continue(struct gateway *g);
