/* apply: puts a changed configuration and changed packages in force, for HUP,
 * supctl and HTTP alike. A plan is an apply that changes nothing. One pass at a
 * time; requests that come during a pass share the next one. */
#pragma once

#include <jansson.h>

#include "proto/verbs.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/plugin/receipt.h"

enum apply_kind {
	APPLY_ALL,     /* read the file again, put all of it in force */
	APPLY_SCAN,    /* start added plugins, touch nothing else */
	APPLY_PLAN,    /* report what APPLY_ALL would change */
	APPLY_COMPARE, /* the same, with the configuration in force */
};

/* The result of a pass. All of it is borrowed. */
struct apply_report {
	enum outcome outcome;
	const char *error; /* NULL, or why nothing was done */
	const struct problems *problems;
	uint32_t transactions, failed;
	/* The plugins that were or would be changed. */
	const char *const *plugin_ids;
	uint32_t plugin_count;
	/* For the doors: {"success", "changes":
	 * [{"path","kind","class","pluginId"}], "plugins":
	 * [{"pluginId","action","class","reasons"}], "problems": [{"text",
	 * ...}], "results": [receipt], "durationMs"}. Plans have no success and
	 * no results; with "error" nothing was done. */
	json_t *document;
};

/* In its caller's memory from apply_begin() to on_done or apply_leave(). */
struct apply_request {
	struct list node;
	enum apply_kind kind;
	bool atomic;	     /* APPLY_ALL: all or nothing */
	bool is_logged;	     /* APPLY_PLAN: also to the log and as an event */
	bool begun;	     /* later changes may not be seen by it */
	const char *trigger; /* static: "hup", "supctl", "http" */
	char by[64];	     /* who asks, set by apply_begin(); "": supd */
	/* A phase begins, or a receipt is ready; may be NULL. */
	void (*on_phase)(struct apply_request *r, const char *plugin_id,
		const char *phase, double ms_since_begin);
	void (*on_receipt)(struct apply_request *r, struct receipt *receipt);
	/* Once, never before apply_begin() returns; the request is out of all
	 * lists. */
	void (*on_done)(
		struct apply_request *r, const struct apply_report *report);
};

void apply_begin(struct gateway *g, struct apply_request *r);
/* Ends the callbacks to a request whose caller leaves; the pass goes on.
 * Idempotent. */
void apply_leave(struct apply_request *r);

/* ---- for the gateway ---- */
void apply_init(struct gateway *g);
void apply_finish(struct gateway *g); /* ends all callbacks */
/* Call when a transaction has ended: begins steps that waited for it. */
void apply_continue(struct gateway *g);
