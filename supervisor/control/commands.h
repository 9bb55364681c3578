/* commands: what a person or program can ask of supd, in one table: verb, least
 * role, arguments, handler. supctl's socket, the HTTP API and workers that call
 * the gateway all come through command_run(). Knows no socket and no HTTP. */
#pragma once

#include <jansson.h>

#include "proto/verbs.h"
#include "supervisor/config/config.h"
#include "supervisor/gateway/gateway.h"

/* One call, in its caller's memory. command_run() begins it; on_done ends it,
 * exactly once, possibly before command_run() returns. */
struct command_call {
	struct gateway *gateway;
	enum role role;
	bool nobody;	  /* no role at all: everything is denied */
	const char *door; /* "supctl", "http", "plugin": a receipt's trigger;
			     static */
	uint32_t worker;  /* the worker that calls; 0: somebody else */
	/* What happens meanwhile: {"phase","pluginId","ms"}, {"line":{...}},
	 * {"receipt":{...}} of one of several, {"verdict":{...}} before the
	 * end of a wait for settled. May be NULL. Borrowed. The call must not
	 * be abandoned or freed in it. */
	void (*on_progress)(struct command_call *call, json_t *event);
	/* result is borrowed and never NULL: the document of section 5 of the
	 * contract, or {"error": "one sentence"}. The call may be freed. */
	void (*on_done)(struct command_call *call, enum outcome outcome,
		json_t *result);
	/* `shutdown` was asked for; on_done follows, so nothing of the call
	 * may go in it. NULL: this door cannot. */
	void (*on_shutdown)(struct command_call *call);
	void *user;
	struct command_job *job; /* commands' own; NULL before and after */
};

/* args is an object (or NULL: none), borrowed; an argument that the verb does
 * not have is refused. Verbs and arguments ("x?" may be absent):
 *   status {id?}   list {}   show {id}   routes {kind?, plugin?}
 *   reload {pluginId | pluginIds | all | changed | package, wait?, force?,
 *	noDrop?, ifSafe?, atomic?, plan?, prove?}; wait: "verdict" (default, or
 *	true), "settled", "no" (or false: OUTCOME_ACCEPTED with
 *	{"id","pluginId"}, or {"results":[...]})
 *   can-reload {id}   start {id}   stop {id}   restart {id}
 *   logs {id, lines?, follow?}   call {kind, name, args?, timeoutMs?}
 *   enable {id}   disable {id}   plan {}   apply {atomic?}   scan {}
 *   emit {name, data?}   events {lines?, after?, follow?}; after: a seq, then
 *	all that is kept of what came later   history {id?, lines?}
 *   config {}   metrics {format?}; "json" (default) or "text"
 *   version {}   shutdown {}
 * A POST body of /api/plugins/reload is reload's args as it stands. */
void command_run(
	struct command_call *call, const char *verb, const json_t *args);
/* Arguments that came as texts only (a query): those that the verb takes as
 * numbers or flags become such, if they say one. */
void command_read_texts(const char *verb, json_t *args);
/* The caller goes away: no callback comes any more. What the call began in the
 * gateway goes on; a follower or a request of `call` ends. */
void command_abandon(struct command_call *call);
/* supd goes: a call whose progress was the answer (a follower) ends now. */
void command_end(struct command_call *call);

/* The verb of a gateway method ("plugins.list", "plugins.reload", "..."),
 * NULL: none of supd's own. */
const char *command_by_method(const char *name, size_t length);

/* A worker's `call`: "plugins.*" methods as operator, and the tools, commands
 * and methods of other plugins through dispatch. Answers on the worker, if it
 * is still there by then. */
void commands_worker_call(
	struct gateway *g, struct worker *w, const struct message *m);
