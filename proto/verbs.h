/* verbs: what can be asked of supd and of supctl, a row each (verbs.def), and
 * how a call ends. Knows no handler. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The role that a verb needs; each role includes those before it. */
enum verb_role { VERB_VIEWER, VERB_OPERATOR, VERB_ADMIN };

#define VERB(id, ...) VERB_##id,
enum verb {
#include "proto/verbs.def"
	VERB_COUNT,
	VERB_UNKNOWN = VERB_COUNT,
};
#undef VERB

#define VERB_ARGUMENTS_MAX 12
#define VERB_CALLS_MAX 4
#define VERB_SESSIONS_MAX 3

enum argument_type {
	ARGUMENT_TEXT = 1,
	ARGUMENT_TEXTS, /* array of strings */
	ARGUMENT_FLAG,
	ARGUMENT_COUNT, /* from 0 */
	ARGUMENT_ANY,
};

/* An argument of a call, by name. */
struct verb_argument {
	const char *name;
	enum argument_type type;
	bool required;
};

enum verb_body {
	VERB_BODY_NONE,
	VERB_BODY_ARGS,	 /* an object: the verb's arguments */
	VERB_BODY_VALUE, /* any value: the argument `value_key` */
	VERB_BODY_TEXT, /* a string, as JSON, in {"text": ...}, or text/plain */
};

enum verb_answer {
	VERB_ANSWER_DOCUMENT,
	VERB_ANSWER_RESULT, /* of a call: what the plugin answered */
	VERB_ANSWER_STREAM, /* events as they happen, unless follow is false */
};

/* How a verb is called over HTTP. */
struct verb_http {
	const char *method; /* NULL: no call */
	const char *path; /* after "/api/"; {x} is the argument of that name */
	enum verb_body body;
	const char *value_key;
	const char *kind; /* the argument of that name; NULL: none */
	enum verb_answer answer;
	enum verb_role role; /* if it needs more than the verb */
};

/* How a verb is called by a session (GET /ws). */
struct verb_session {
	const char *method; /* NULL: no call */
	const char *kind;   /* the argument of that name; NULL: none */
	const char *alias;  /* another name of the argument `args`, or NULL */
};

struct verb_row {
	const char *name, *alias; /* alias: another name, or NULL */
	enum verb_role role;
	bool local;	   /* supctl's own: supd does not know it */
	bool waits;	   /* has no time limit of its own */
	const char *usage; /* arguments and main options, as help shows them */
	const char *help;
	const char *method; /* for workers, or NULL */
	struct verb_argument args[VERB_ARGUMENTS_MAX];
	struct verb_http http[VERB_CALLS_MAX];
	struct verb_session session[VERB_SESSIONS_MAX];
};
extern const struct verb_row verb_rows[VERB_COUNT];

const char *verb_role_name(enum verb_role role);
enum verb verb_by_name(const char *name);
enum verb verb_by_alias(const char *alias);

/* How a call ended: X(ENUM, "text in the answer", exit code of supctl, HTTP
 * status). Exit codes 3 (supd not running) and 130 (^C) are supctl's own. */
#define OUTCOMES(X)                                                            \
	X(DONE, "done", 0, 200)                                                \
	X(ACCEPTED, "accepted", 0, 202) /* started, not waited for */          \
	X(FAILED, "failed", 1, 422)	/* rolled back, or all of several */   \
	X(BAD_CALL, "bad_call", 2, 400) /* unknown verb, wrong arguments */    \
	X(DENIED, "denied", 4, 403)                                            \
	X(NOT_FOUND, "not_found", 5, 404) /* no such plugin, no such name */   \
	X(REFUSED, "refused", 6, 409)	  /* busy, disabled, not safe now */   \
	X(TIMED_OUT, "timed_out", 7, 504)                                      \
	X(SOME_FAILED, "some_failed", 8, 422)

enum outcome {
#define X(name, ...) OUTCOME_##name,
	OUTCOMES(X)
#undef X
		OUTCOME_COUNT,
};

struct outcome_row {
	const char *text;
	int exit_code, http_status;
};
extern const struct outcome_row outcome_rows[OUTCOME_COUNT];
