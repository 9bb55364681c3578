/* options: what was typed, checked against the tables of verbs and options.
 * Talks to nobody. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/util/error.h"
#include "proto/verbs.h"

/* Exit codes that are supctl's own; the others come with the answer. */
#define EXIT_USAGE 2
#define EXIT_NOT_RUNNING 3
#define EXIT_DENIED 4
#define EXIT_TIMED_OUT 7
#define EXIT_INTERRUPTED 130

#define TIMEOUT_UNSET UINT64_MAX

struct options {
	const char *socket;
	bool json, no_color, help, own_version;
	uint64_t timeout_ms; /* TIMEOUT_UNSET: the verb's own */
	enum verb verb;
	char **words; /* after the verb */
	int word_count;
	/* of verbs */
	const char *kind, *plugin, *package, *wait;
	bool all, force, no_drop, if_safe, atomic, prove, no_wait, follow;
	bool lines_set;
	unsigned lines;
};

/* -1 with err: usage. argv is reordered. */
int options_read(struct options *o, int argc, char **argv, struct error *err);
/* All verbs and global options, or one verb with its own. */
void options_print_help(FILE *out, enum verb verb);
/* "500ms", "10s", "5m", "1h", or a number of seconds. */
int duration_read(const char *text, uint64_t *ms_out);
