/* registration: the kinds of things a worker offers, and one worker's declared
 * set. Knows no route table and no process. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/error.h"

/* X(ENUM, "kind on the wire", "key in a receipt", receipt has names,
 *   supported so far) */
#define REGISTRATION_KINDS(X)                                                  \
	X(CHANNEL, "channel", "channels", true, false)                         \
	X(TOOL, "tool", "tools", true, true)                                   \
	X(COMMAND, "command", "commands", true, true)                          \
	X(HTTP, "http", "httpRoutes", false, true)                             \
	X(METHOD, "method", "wsMethods", true, true)                           \
	X(SERVICE, "service", "services", true, false)                         \
	X(HOOK, "hook", "hooks", false, false)                                 \
	X(SCHEDULE, "schedule", "schedules", true, false)                      \
	X(CLI, "cli", "cli", true, false)

enum registration_kind {
#define X(name, ...) REGISTRATION_##name,
	REGISTRATION_KINDS(X)
#undef X
		REGISTRATION_KIND_COUNT,
};

struct registration_kind_row {
	const char *wire;    /* "http" */
	const char *receipt; /* "httpRoutes" */
	bool named;	     /* the receipt lists names, else a count */
	bool supported;	     /* http, tool, command, method so far */
};
extern const struct registration_kind_row
	registration_kinds[REGISTRATION_KIND_COUNT];
/* -1 if there is none */
int registration_kind_by_wire(const char *text, size_t length);

struct registration {
	enum registration_kind kind;
	char *name;	/* http: "GET /hello"; as registered, without mount */
	char *method;	/* http only: upper case token */
	char *path;	/* http only: pattern */
	int idempotent; /* -1: as the method says; 0 no; 1 yes */
	int64_t body_limit; /* bytes, -1: the gateway's */
	bool streams_body;  /* http: sent with its head, the body in chunks */
	char *description, *help; /* may be NULL */
	char *schema_json;	  /* tool: JSON Schema text, may be NULL */
};

struct registration_set {
	struct registration *items; /* in the order of `ready` */
	uint32_t count;
};

#define REGISTRATIONS_MAX 4096 /* per worker */

/* Reads the second param of `ready`. Fails naming the index and field: a kind
 * unknown or not supported yet, a missing or ill-formed name (names are
 * [A-Za-z0-9_.:/-]{1,128}), method or path, the same registration twice. */
int registration_set_read(struct registration_set *set,
	const msgpack_object *list, struct error *err);
void registration_set_finish(struct registration_set *set);

/* "http:GET /hello", "tool:hello": the spelling of `keep` and `dropped`. The
 * caller frees. */
char *registration_label(const struct registration *r);
/* NULL if the set has none of that kind and name. */
const struct registration *registration_find(const struct registration_set *set,
	enum registration_kind kind, const char *name);
/* True if both have the same kinds, names, methods and paths in any order. */
bool registration_set_equal(
	const struct registration_set *a, const struct registration_set *b);
/* Whether a request for it may be sent a second time: the registration's own
 * word, else GET HEAD OPTIONS PUT DELETE by method; tools and others not. */
bool registration_is_idempotent(
	const struct registration *r, const char *method, size_t method_length);
