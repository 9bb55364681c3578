/* commands: everything that a client can ask of supd: the handlers of the rows
 * of proto/verbs.def. supctl's socket, the HTTP API and workers that call the
 * gateway all come through command_run(). Knows no socket and no HTTP. */
#pragma once

#include <jansson.h>

#include "proto/verbs.h"
#include "supervisor/config/config.h"
#include "supervisor/gateway/gateway.h"

struct page;
struct command_call;

struct command_stream {
	void (*input)(struct command_call *call, struct bytes piece, bool more);
	/* The caller has passed on that much of the output. */
	void (*credit)(struct command_call *call, uint64_t bytes);
};

/* One call, in the caller's memory. command_run() begins it; on_done ends it
 * exactly once, possibly before command_run() returns. */
struct command_call {
	struct gateway *gateway;
	enum role role;
	bool nobody; /* the caller has no role: everything is denied */
	/* The caller follows events by reading the journal itself. It gets
	 * {"after": seq, "dropped": N} at the start, and a notice of each new
	 * event. */
	bool reads_journal;
	const char *caller; /* "uid 1000", "the token 'web'"; or NULL */
	const char *door;   /* static: "supctl", "http", "session", "plugin",
			       "chat" */
	uint32_t worker;    /* the calling worker; 0: not a worker */
	struct trace_context trace; /* that it is made in; all zero: none */
	/* Progress: {"phase","pluginId","ms"}, {"line":{...}},
	 * {"receipt":{...}} of one of several plugins, {"verdict":{...}} if the
	 * call waits for settled. The event is borrowed. May be NULL. The
	 * callback must not abandon or free the call. */
	void (*on_progress)(struct command_call *call, json_t *event);
	/* result is borrowed and never NULL: the verb's document, or {"error":
	 * "one sentence"}. The callback may free the call. */
	void (*on_done)(struct command_call *call, enum outcome outcome,
		json_t *result);
	/* Replaces on_done for a long document: JSON text and a newline, and
	 * MessagePack if wanted. The page is borrowed; the callback may free
	 * the call. NULL: a door that reads only some members of documents,
	 * and asks for no lists. */
	void (*on_page)(struct command_call *call, enum outcome outcome,
		struct page *page);
	bool wants_packed;
	/* A call that streams (`x`): what it writes, and how many bytes of
	 * input the caller may send from now on. NULL: this door, or this
	 * session now, has no streams. Must not abandon or free the call. */
	void (*on_output)(
		struct command_call *call, int fd, struct bytes piece);
	void (*on_input_credit)(struct command_call *call, uint64_t bytes);
	/* Set by such a call: what comes from the caller. Each may end it. */
	const struct command_stream *stream;
	/* The call is `shutdown`. on_done follows, so the callback must not
	 * free the call. NULL: this door cannot shut supd down. */
	void (*on_shutdown)(struct command_call *call);
	void *user;
	struct command_job
		*job;	   /* private to commands; NULL before and after */
	bool has_receipts; /* the result has receipts, whatever the outcome */
};

/* args is a borrowed object, or NULL for none; an argument that is not in the
 * verb's row (proto/verbs.def) is refused. */
void command_run(
	struct command_call *call, const char *verb, const json_t *args);
/* Converts string arguments (of a query) to the numbers and flags that the verb
 * takes; strings that do not convert stay strings. */
void command_read_texts(const char *verb, json_t *args);
/* Ends all callbacks, because the caller leaves. Transactions that the call
 * began go on; a follower or a request of `call` ends. */
void command_abandon(struct command_call *call);
/* supd stops: ends a call whose progress is its answer (a follower). */
void command_end(struct command_call *call);

/* The verb of one of supd's own methods ("plugins.list", ...); NULL: the method
 * is not supd's. */
const char *command_by_method(const char *name, size_t length);

/* Handles a worker's `call`: "plugins.*" methods as operator, and the tools,
 * commands and methods of other plugins through dispatch. The answer goes to
 * the worker, if it still exists then. */
void commands_worker_call(
	struct gateway *g, struct worker *w, const struct message *m);
