/* options: the command line, checked against the tables of verbs and options.
 * Does no I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/error.h"
#include "proto/verbs.h"

/* Exit codes of a call that never reached supd; the others come with the
 * answer. All are described in exit_rows. */
#define EXIT_USAGE 2
#define EXIT_NOT_RUNNING 3
#define EXIT_DENIED 4
#define EXIT_TIMED_OUT 7
#define EXIT_MALFORMED 9 /* the answer cannot be understood */
/* Of a command line that had begun: how it would have ended is unknown. */
#define EXIT_CUT 126
#define EXIT_INTERRUPTED 130

struct exit_row {
	int code;
	const char *text; /* a few words, for help and the manual */
	const char *more; /* a sentence for the manual alone, or NULL */
};
extern const struct exit_row exit_rows[]; /* ends with a NULL text */

#define TIMEOUT_UNSET UINT64_MAX

enum option_id {
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_TIMEOUT,
	OPTION_NO_COLOR,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_KIND,
	OPTION_PLUGIN,
	OPTION_ALL,
	OPTION_CHANGED,
	OPTION_PACKAGE,
	OPTION_ATOMIC,
	OPTION_PLAN,
	OPTION_PROVE,
	OPTION_FORCE,
	OPTION_NO_DROP,
	OPTION_IF_SAFE,
	OPTION_WAIT,
	OPTION_NO_WAIT,
	OPTION_FOLLOW,
	OPTION_LINES,
	OPTION_DIR,
	OPTION_RAW,
	OPTION_ROLE,
	OPTION_SINCE,
	OPTION_GREP,
	OPTION_WIDE,
	OPTION_READY,
	OPTION_BEFORE,
	OPTION_EDIT,
	OPTION_DELETE,
	OPTION_REACT,
	OPTION_BATCH,
	OPTION_DELAY,
	OPTION_SORT,
	OPTION_COUNT,
};

struct options {
	uint64_t given; /* bits by option_id */
	const char *socket;
	bool json, no_color, help, own_version;
	uint64_t timeout_ms; /* TIMEOUT_UNSET: the verb's own */
	enum verb verb;
	char **words; /* after the verb */
	int word_count;
	/* of verbs */
	const char *kind, *plugin, *package, *wait, *dir, *role, *grep;
	const char *edit, *delete, *react, *sort;
	uint64_t since_ms; /* since 1970; 0: ever */
	int64_t before;	   /* 0: unset */
	uint64_t delay_ms; /* 0: unset */
	bool all, changed, atomic, plan, prove;
	bool force, no_drop, if_safe, no_wait, follow, raw, wide, batch, ready;
	unsigned lines;
};

struct option_row {
	const char *name;
	char letter;	      /* 0: none */
	const char *argument; /* as help shows it ("ID", "a|b"), or NULL */
	uint64_t verbs;	      /* bits by verb, 0: every verb */
	const char *help;
	/* What it does for one verb instead, if that help is set. */
	struct {
		enum verb verb;
		const char *help;
	} except;
	/* Where it goes in struct options: a bool without an argument, else a
	 * text; `read` does it instead if it is set. */
	size_t offset;
	int (*read)(struct options *o, const char *text, struct error *err);
};
extern const struct option_row option_rows[OPTION_COUNT];

static inline bool
option_is_of(enum option_id id, enum verb verb)
{
	uint64_t verbs = option_rows[id].verbs;

	return verb == VERB_UNKNOWN ? !verbs : (verbs >> verb) & 1;
}

static inline const char *
option_help(enum option_id id, enum verb verb)
{
	const struct option_row *row = &option_rows[id];

	return row->except.help && row->except.verb == verb ? row->except.help
							    : row->help;
}

static inline bool
option_is_given(const struct options *o, enum option_id id)
{
	return (o->given >> id) & 1;
}

/* -1 with err: usage. argv is reordered. Even then o->json says whether the
 * error is wanted as a document. */
int options_read(struct options *o, int argc, char **argv, struct error *err);
/* "500ms", "10s", "5m", "1h", or a number of seconds. */
int duration_read(const char *text, uint64_t *ms_out);
