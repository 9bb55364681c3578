/* rule: one rule: for which events, on which conditions, and what it does.
 * Reads nodes; rules.h applies them. */
#pragma once

#include "condition.h"
#include "limit.h"
#include "redact.h"

#define RULE_CONDITIONS_MAX 32
#define RULE_CHANGES_MAX 32   /* fields that one rule renames or enriches */
#define RULE_TEXT_MAX 255     /* name and reasons */
#define RULES_KEYS_MAX 500000 /* of all limits together */

/* What may be filtered. X(ENUM, "event") */
#define RULE_EVENTS(X)                                                         \
	X(MESSAGE_INBOUND, "message.inbound")                                  \
	X(MESSAGE_SENDING, "message.sending")                                  \
	X(TOOL_BEFORE, "tool.before")                                          \
	X(TOOL_AFTER, "tool.after")                                            \
	X(COMMAND_BEFORE, "command.before")

enum rule_event {
#define X(name, text) EVENT_##name,
	RULE_EVENTS(X)
#undef X
		EVENT_COUNT,
};
extern const char *const rule_events[EVENT_COUNT];
int rule_event_of(const char *name); /* -1: there is no such event */

enum rule_kind {
	RULE_DROP,
	RULE_RENAME,
	RULE_REDACT,
	RULE_ENRICH,
	RULE_LIMIT,
	RULE_KIND_COUNT,
};
extern const char *const rule_kinds[RULE_KIND_COUNT];

/* A field and what becomes of it. */
struct change {
	struct field field, to; /* rename */
	json_t *value;		/* enrich */
};

struct rule {
	char *name;
	unsigned events; /* bits of enum rule_event */
	struct condition *conditions;
	size_t condition_count;

	enum rule_kind kind;
	char *reason; /* drop, limit */
	struct change *changes;
	size_t change_count;
	struct redact redact;
	struct limit *limit;
	struct field key; /* limit; no words: one bucket for all */

	uint64_t matched, stopped, failed;
};

/* Reads the rule of that number, from 1. -1 with the reason; finish it in
 * either case. It must not be moved afterwards. keys_left: of all limits. */
int rule_read(struct rule *r, size_t number, const struct node *n,
	size_t *keys_left, char why[WHY_BYTES]);
void rule_finish(struct rule *r);
