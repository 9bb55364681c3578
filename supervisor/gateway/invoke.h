/* invoke: one call of a tool, command or method that a plugin registered, sent
 * through dispatch and answered as JSON. For clients of the API and for other
 * plugins; HTTP requests to plugins do not pass here. */
#pragma once

#include <jansson.h>

#include "proto/util/buffer.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/route/request.h"

#define INVOKE_ARGS_MAX (WIRE_MESSAGE_MAX - 16 * 1024)

struct invoke;

struct invoke_end {
	bool ok;
	json_t *value;	      /* if ok: the answer, borrowed */
	enum wire_error code; /* if not ok */
	const char *text;     /* if not ok: one sentence */
	bool is_death;	      /* if not ok: its worker died with it */
	int http_status;      /* if not ok: the matching status */
};

/* Sees calls before they are sent and before their ends are reported. It is
 * asked only while somebody listens, which is the watcher's to know. */
struct call_watcher {
	/* True: the watcher has the call, and goes on or ends it later, or has
	 * done so. */
	bool (*begins)(struct invoke *v);
	/* Of a call that has begun: true: the watcher reports the end later,
	 * or has reported it. `end` and what it points to are borrowed. */
	bool (*ends)(struct invoke *v, const struct invoke_end *end);
	/* The call is over; v->watch is freed. */
	void (*left)(struct invoke *v);
};

struct invoke {
	struct request request;
	struct gateway *gateway;
	enum registration_kind kind;  /* tool, command or method */
	bool is_unknown;	      /* no plugin registered it */
	bool is_refused;	      /* the arguments do not fit its schema */
	char *full_name;	      /* "PLUGIN:NAME" or the name, as called */
	char *name;		      /* as the worker registered it */
	json_t *value;		      /* a reference, until the call is sent */
	struct buffer args;	      /* packed; for a command its text */
	struct buffer caller;	      /* packed: the caller */
	const char *door, *caller_id; /* the same, until it has begun */
	uint64_t due_ms; /* by the caller's limit; 0: the plugin's counts */
	const struct call_watcher *watcher; /* of watch */
	void *watch; /* the watcher's; NULL: it does not watch */
	/* Once, possibly before invoke_begin() returns; call invoke_finish()
	 * in it. */
	void (*done)(struct invoke *v, const struct invoke_end *end);
};

/* In this order: init, inherit if there is something, pack the args and the
 * caller, begin, finish. */
void invoke_init(struct invoke *v, struct gateway *g,
	void (*done)(struct invoke *v, const struct invoke_end *end));
/* {"door": door} or {"door": door, "plugin": plugin_id} */
void invoke_pack_caller(
	struct invoke *v, const char *door, const char *plugin_id);
/* Any other caller, an object with the member "door" (borrowed). */
void invoke_pack_caller_value(struct invoke *v, const json_t *caller);
/* The call is made in the name of a request: it continues that request's chain,
 * of which a reference is taken, and its deadline is not later than due_ms (0:
 * no limit). The chain must not be full. */
void invoke_inherit(struct invoke *v, struct chain *chain, uint64_t due_ms);
/* Packs the arguments (NULL: none): any value, but for a command a string
 * without NUL. Returns -1 with err if they cannot be sent. */
int invoke_pack_args(struct invoke *v, enum registration_kind kind,
	const json_t *args, struct error *err);
/* timeout_ms 0: the plugin's request_timeout. */
void invoke_begin(struct invoke *v, enum registration_kind kind,
	struct bytes name, uint64_t timeout_ms);
/* ---- for the watcher ---- */
/* Sends the call, with these arguments (borrowed) if not NULL, to who serves it
 * now. */
void invoke_go_on(struct invoke *v, json_t *args);
/* Ends the call; done() may free v. */
void invoke_end_with(struct invoke *v, const struct invoke_end *end);

/* Frees what v owns. A call still in flight is cancelled without done(). */
void invoke_finish(struct invoke *v);
/* "tool", "command" or "method" as a registration_kind; -1: another text. */
int invoke_kind(struct bytes text);
