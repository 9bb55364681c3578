/* words: the table of built-in commands, which dispatch, help and the manual
 * read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/verbs.h"
#include "supervisor/chat/parts.h"

struct word {
	const char *name, *usage, *help;
	enum verb verb;	      /* of the table of commands, whose role it needs;
				 VERB_UNKNOWN: none */
	unsigned least, most; /* words after it */
	/* The message ends when the command begins. */
	bool ends_at_once;
	/* Ends the call, now or later. args: the words after it. */
	void (*run)(struct chat_call *c, const json_t *args);
	/* The answer, if the table of commands has one. */
	void (*answer)(const struct chat_call *c, struct buffer *out,
		const json_t *result);
};

extern const struct word words[];
extern const size_t words_count;

/* Who has no role may use it. */
static inline bool
word_is_for_all(const struct word *w)
{
	return w->verb == VERB_UNKNOWN;
}

/* NULL: none has that name. */
const struct word *word_by_name(const char *name);
