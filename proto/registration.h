/* registration: one thing that a worker offers, and one worker's declared set.
 * What each kind is lies in kinds/. Knows no route table and no process. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/json_schema.h"
#include "proto/kinds/kinds.h"
#include "proto/util/error.h"
#include "proto/when/when.h"

struct registration {
	enum registration_kind kind;
	char *name;	/* http: "GET /hello" or "GET /chat websocket"; as
			   registered, without mount */
	int idempotent; /* -1: depends on the kind; 0 no; 1 yes */
	char *description, *help; /* may be NULL */
	union {
		struct {
			char *method;	    /* upper case token */
			char *path;	    /* pattern */
			int64_t body_limit; /* bytes, -1: the gateway's */
			bool streams_body;  /* sent with its head, the body in
					       chunks */
			bool websocket;	    /* takes WebSocket connections */
			bool pinned;	    /* they stay with their worker */
			char *protocols;    /* "a, b"; NULL: none */
			int64_t message_limit; /* bytes, -1: the default */
		} http;
		struct {
			char *schema_json; /* JSON Schema, may be NULL */
			int validate;	   /* 0: only described by it */
			/* The same, compiled, a reference: what arguments are
			 * checked against; NULL: they are not checked. */
			struct json_schema *schema;
		} call; /* tool, command, method */
		struct {
			char *event; /* a pattern */
			bool filter;
			int64_t priority;   /* of a filter: higher first */
			char *match_json;   /* may be NULL */
			int64_t timeout_ms; /* of one call */
			char *on_error;	    /* "skip", "stop" or NULL: skip */
			/* match_json read, a reference; NULL: all events. */
			json_t *match;
		} hook;
		struct {
			bool overlap; /* may run in two workers at a time */
		} service;
		struct {
			char *can; /* "text, reply": words of the contract */
			char *ack; /* "stored", "handled" or NULL: stored */
			bool overlap;
			int64_t text_limit; /* bytes; -1: none */
			bool announce;
		} channel;
		struct {
			char *when_text, *zone_name; /* zone may be NULL */
			char *catch_up;		     /* "one", "none" or NULL */
			int64_t timeout_ms;	     /* -1: the plugin's */
			struct when when;
			struct zone *zone; /* a reference */
		} schedule;
		struct {
			char *arguments; /* for people: "FILE...", or NULL */
		} cli;
	};
};

/* Nothing is said. */
void registration_init(struct registration *r, enum registration_kind kind);
/* -1 with err: registration_finish() is the caller's in any case. */
int registration_read(
	struct registration *r, const msgpack_object *item, struct error *err);
void registration_copy(
	struct registration *to, const struct registration *from);
/* Both declare the same, to the last field. */
bool registration_equal(
	const struct registration *a, const struct registration *b);
/* A service or a channel: it runs on its own in a worker. */
static inline bool
registration_runs(const struct registration *r)
{
	return r->kind == REGISTRATION_SERVICE ||
	       r->kind == REGISTRATION_CHANNEL;
}

/* Of one that runs: whether it may do so in two workers at a time. */
static inline bool
registration_overlaps(const struct registration *r)
{
	return r->kind == REGISTRATION_SERVICE ? r->service.overlap
					       : r->channel.overlap;
}

/* Of a channel: whether its `can` has the word. */
bool registration_can(const struct registration *r, const char *ability);
/* The map that registration_read() reads. */
void registration_pack(const struct registration *r, msgpack_packer *out);
void registration_finish(struct registration *r);

/* Bytes of a message of a WebSocket connection, unless message_limit says. */
#define REGISTRATION_MESSAGE_LIMIT (1024 * 1024)

struct registration_set {
	struct registration *items; /* in the order of `ready` */
	uint32_t count;
	uint32_t part_count; /* of the schemas of all items */
	/* Places in items, sorted by kind and name, for registration_find().
	 * NULL in a set that was not read from a worker. */
	uint32_t *order;
};

#define REGISTRATIONS_MAX 4096		  /* per worker */
#define REGISTRATION_PARTS_MAX 65536	  /* of the schemas of a worker */
#define REGISTRATION_TEXT_MAX (16 * 1024) /* of a description or help */

/* Reads the second param of `ready`. Fails naming the index and field: a kind
 * unknown, a missing or ill-formed name (names are
 * [A-Za-z0-9_.:/-]{1,128}), method or path, a field
 * that is given twice, the same registration twice. */
int registration_set_read(struct registration_set *set,
	const msgpack_object *list, struct error *err);
void registration_set_finish(struct registration_set *set);
void registration_set_copy(
	struct registration_set *to, const struct registration_set *from);

/* "http:GET /hello", "tool:hello": the spelling of `keep` and `dropped`. The
 * caller frees. */
char *registration_label(const struct registration *r);
/* NULL if the set has none of that kind and name. */
const struct registration *registration_find(const struct registration_set *set,
	enum registration_kind kind, const char *name);
/* Whether a request for it may be sent a second time: as the registration
 * says; else yes for the methods GET HEAD OPTIONS PUT DELETE, no for tools and
 * others. */
bool registration_is_idempotent(
	const struct registration *r, const char *method, size_t method_length);
