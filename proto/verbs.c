/* verbs: the rows of the table of verbs and of the table of outcomes. */
#include "proto/verbs.h"

#include <string.h>

const struct verb_row verb_rows[VERB_COUNT] = {
#define X(name, text, role, arguments, help)                                   \
	[VERB_##name] = {text, VERB_##role, arguments, help},
	VERBS(X)
#undef X
};

const struct outcome_row outcome_rows[OUTCOME_COUNT] = {
#define X(name, text, exit_code, http_status)                                  \
	[OUTCOME_##name] = {text, exit_code, http_status},
	OUTCOMES(X)
#undef X
};

/* Verbs that are promised and not there yet: refused by name. */
static const char *const planned[] = {"watch"};

enum verb
verb_by_name(const char *name)
{
	for (int i = 0; i < VERB_COUNT; i++)
		if (!strcmp(verb_rows[i].name, name))
			return (enum verb)i;
	return VERB_UNKNOWN;
}

bool
verb_is_local(enum verb verb)
{
	return verb == VERB_CHECK || verb == VERB_TOKEN || verb == VERB_NEW ||
	       verb == VERB_COMPLETION;
}

bool
verb_is_planned(const char *name)
{
	for (size_t i = 0; i < sizeof(planned) / sizeof(*planned); i++)
		if (!strcmp(planned[i], name))
			return true;
	return false;
}
