/* grammar: what a word of a command line may be, read from the tables' own
 * texts ("tool|command|method NAME", "[--kind KIND]", "ID..."), so that the
 * completions need no list of their own. Pure. */
#pragma once

#include "proto/util/buffer.h"
#include "tools/supctl/options.h"

enum word_kind {
	WORD_NONE,    /* no such word */
	WORD_FREE,    /* anything: nothing to offer */
	WORD_CHOICE,  /* one of a few, separated by | */
	WORD_ID,      /* a plugin */
	WORD_PACKAGE, /* a package that a plugin uses */
	WORD_OFFERED, /* what plugins registered, of the kind of the word
			 before */
	WORD_CLI,     /* a command line of a plugin */
	WORD_FILE,
	WORD_DIR,
};

struct word {
	enum word_kind kind;
	bool repeats;	     /* as often as one likes, from here on */
	struct buffer name;  /* as the table has it: "ID" */
	struct buffer texts; /* WORD_CHOICE: "a b c"; both NUL-terminated */
};

/* The word of that number, from 0, behind a verb. word_finish() it. */
struct word grammar_word(enum verb verb, unsigned number);
/* Whether a verb takes that many words. */
bool grammar_takes(enum verb verb, int count);
/* The value of an option; WORD_NONE if it has none. */
struct word grammar_value(enum option_id id);
void word_finish(struct word *w);
