/* verbs: what the control socket understands, in one table that supd's
 * commands, supctl's parser and its help are made from. Knows no handler. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The least role of a verb: each role can all that is before it. */
enum verb_role { VERB_VIEWER, VERB_OPERATOR, VERB_ADMIN };

/* CHECK, TOKEN, NEW and COMPLETION are supctl's own: supd does not know them.
 * X(ENUM, "verb", least role, "arguments as help shows them", "what it does")
 */
#define VERBS(X)                                                               \
	X(STATUS, "status", VIEWER, "[ID]",                                    \
		"Show the gateway and its plugins, or one of them.")           \
	X(LIST, "list", VIEWER, "", "List the plugins.")                       \
	X(SHOW, "show", VIEWER, "ID", "Show everything about one plugin.")     \
	X(ROUTES, "routes", VIEWER, "[--kind KIND] [--plugin ID]",             \
		"List what the workers registered.")                           \
	X(RELOAD, "reload", OPERATOR,                                          \
		"ID... | --all | --changed | --package NAME",                  \
		"Replace the workers of plugins by new ones, proven first.")   \
	X(CAN_RELOAD, "can-reload", VIEWER, "ID",                              \
		"Say whether a reload is safe now; exits 6 if not.")           \
	X(START, "start", OPERATOR, "ID", "Start a plugin.")                   \
	X(STOP, "stop", OPERATOR, "ID", "Stop a plugin; it stays stopped.")    \
	X(RESTART, "restart", OPERATOR, "ID", "Stop a plugin and start it.")   \
	X(ENABLE, "enable", OPERATOR, "ID",                                    \
		"Enable a plugin over what the file says, and start it.")      \
	X(DISABLE, "disable", OPERATOR, "ID",                                  \
		"Disable a plugin over what the file says, and stop it.")      \
	X(CHECK, "check", VIEWER, "[FILE]",                                    \
		"Validate a configuration and its packages, offline.")         \
	X(PLAN, "plan", VIEWER, "",                                            \
		"Show what apply would do and what each change costs.")        \
	X(APPLY, "apply", OPERATOR, "[--atomic]",                              \
		"Read the configuration and the packages again and put what "  \
		"changed in force.")                                           \
	X(SCAN, "scan", OPERATOR, "",                                          \
		"Start what was added since, touch nothing else.")             \
	X(LOGS, "logs", VIEWER, "[-f] [-n N] ID",                              \
		"Show the last lines that a plugin's workers wrote.")          \
	X(CALL, "call", OPERATOR, "tool|command|method NAME [ARGS]",           \
		"Call what a plugin registered.")                              \
	X(EMIT, "emit", OPERATOR, "EVENT [JSON]",                              \
		"Put an event into the gateway's event stream.")               \
	X(EVENTS, "events", VIEWER, "[-f] [-n N]",                             \
		"Show the gateway's last events, and those that come.")        \
	X(HISTORY, "history", VIEWER, "[-n N] [ID]",                           \
		"Show past verdicts, oldest first; they outlive supd.")        \
	X(CONFIG, "config", VIEWER, "",                                        \
		"Show the configuration in force, secrets masked.")            \
	X(METRICS, "metrics", VIEWER, "", "Show the counters of /metrics.")    \
	X(TOKEN, "token", VIEWER, "new [NAME]",                                \
		"Make a token and its hash; asks no daemon.")                  \
	X(NEW, "new", VIEWER, "c|python|node NAME",                            \
		"Make a package to begin with; asks no daemon.")               \
	X(COMPLETION, "completion", VIEWER, "bash|zsh|fish",                   \
		"Print the completion of a shell; asks no daemon.")            \
	X(VERSION, "version", VIEWER, "", "Show the versions of both sides.")  \
	X(SHUTDOWN, "shutdown", ADMIN, "", "Stop supd gracefully.")

enum verb {
#define X(name, ...) VERB_##name,
	VERBS(X)
#undef X
		VERB_COUNT,
	VERB_UNKNOWN = VERB_COUNT,
};

struct verb_row {
	const char *name;
	enum verb_role role;
	const char *arguments, *help;
};
extern const struct verb_row verb_rows[VERB_COUNT];

enum verb verb_by_name(const char *name);
/* supctl's own: asks no daemon, so it needs no role. */
bool verb_is_local(enum verb verb);
/* A verb of the contract that is not there yet ("enable", "watch", ...). */
bool verb_is_planned(const char *name);

/* How a call ended: X(ENUM, "text in the answer", exit code of supctl, HTTP
 * status). Exit codes 3 (supd not running) and 130 (^C) are supctl's own. */
#define OUTCOMES(X)                                                            \
	X(DONE, "done", 0, 200)                                                \
	X(ACCEPTED, "accepted", 0, 202) /* begun, not waited for */            \
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
