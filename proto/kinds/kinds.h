/* kinds: what a worker can register: a row of operations for each kind. A new
 * kind is a file beside this one with its row, a line in the list here, and
 * what it keeps in struct registration. */
#pragma once

#include "proto/kinds/fields.h"
#include "proto/message.h"
#include "proto/util/bytes.h"

/* X(ENUM, name of its row): in the order of a receipt */
#define REGISTRATION_KINDS(X)                                                  \
	X(CHANNEL, channel)                                                    \
	X(TOOL, tool)                                                          \
	X(COMMAND, command)                                                    \
	X(HTTP, http)                                                          \
	X(METHOD, method)                                                      \
	X(SERVICE, service)                                                    \
	X(HOOK, hook)                                                          \
	X(SCHEDULE, schedule)                                                  \
	X(CLI, cli)

enum registration_kind {
#define X(name, ...) REGISTRATION_##name,
	REGISTRATION_KINDS(X)
#undef X
		REGISTRATION_KIND_COUNT,
};

/* Who can ask for one. */
enum kind_caller {
	KIND_CALLER_NONE,
	KIND_CALLER_CLIENT, /* clients of HTTP, by method and path */
	KIND_CALLER_NAME,   /* users and other plugins, by its name */
};

struct map;

struct registration_kind_row {
	const char *wire;	    /* "http" */
	const char *receipt;	    /* key in a receipt: "httpRoutes" */
	const char *noun;	    /* for users, without the s of a plural */
	bool named;		    /* the receipt lists names, else a count */
	bool shared;		    /* several plugins may have the same name */
	const struct field *fields; /* besides those that all kinds have */
	size_t field_count;
	/* Checks what was read and completes it, its name at least. */
	int (*check)(struct registration *r, struct error *err);
	/* Completes it with what the registrations of a set share: `common` is
	 * a map of the kind's own, whose values these registrations keep alive.
	 * NULL: nothing. */
	int (*share)(
		struct registration *r, struct map *common, struct error *err);
	/* What both made besides the fields, in a copy of the struct and at
	 * the end; NULL: nothing. */
	void (*copied)(struct registration *r);
	void (*finish)(struct registration *r);
	/* How many parts of schemas check compiled; NULL: none. */
	uint32_t (*parts)(const struct registration *r);
	enum kind_caller caller;
	enum message_name message; /* that asks the worker for one */
	bool takes_text; /* its argument is a string, and its deadline the last
			    param */
	/* Whether a request may be sent twice if the registration does not say;
	 * NULL: never. */
	bool (*is_idempotent)(struct bytes method);
};

extern const struct registration_kind_row
	*const registration_kinds[REGISTRATION_KIND_COUNT];

/* -1 if there is none */
int registration_kind_by_wire(const char *text, size_t length);
int registration_kind_by_message(enum message_name message);

/* ---- for rows ---- */
#define REGISTRATION_NAME_BYTES 128
/* What is called by its name: [A-Za-z0-9_.:/-]{1,128}. */
#define KIND_CALL                                                              \
	.fields = kind_call_fields, .field_count = KIND_CALL_FIELDS,           \
	.check = kind_call_check, .copied = kind_call_copied,                  \
	.finish = kind_call_finish, .parts = kind_call_parts,                  \
	.caller = KIND_CALLER_NAME
#define KIND_CALL_FIELDS 2
extern const struct field kind_call_fields[KIND_CALL_FIELDS];
/* Of every kind but http: [A-Za-z0-9_.:/-]{1,128}. */
int kind_name_check(struct registration *r, struct error *err);
int kind_call_check(struct registration *r, struct error *err);
void kind_call_copied(struct registration *r);
void kind_call_finish(struct registration *r);
uint32_t kind_call_parts(const struct registration *r);
bool kind_consists_of(struct bytes text, const char *allowed, size_t max_bytes);
#define KIND_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define KIND_DIGITS "0123456789"

#define X(name, row) extern const struct registration_kind_row kind_##row;
REGISTRATION_KINDS(X)
#undef X
