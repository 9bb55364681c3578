/* verbs: the rows of the table of verbs and of the table of outcomes. */
#include "proto/verbs.h"

#include <string.h>

#define VERB(id, command, client, ...) [VERB_##id] = {__VA_ARGS__},
const struct verb_row verb_rows[VERB_COUNT] = {
#include "proto/verbs.def"
};
#undef VERB

const struct outcome_row outcome_rows[OUTCOME_COUNT] = {
#define X(name, text, exit_code, http_status)                                  \
	[OUTCOME_##name] = {text, exit_code, http_status},
	OUTCOMES(X)
#undef X
};

const char *
verb_role_name(enum verb_role role)
{
	static const char *const names[] = {[VERB_VIEWER] = "viewer",
		[VERB_OPERATOR] = "operator",
		[VERB_ADMIN] = "admin"};

	return names[role];
}

enum verb
verb_by_name(const char *name)
{
	for (int i = 0; i < VERB_COUNT; i++)
		if (!strcmp(verb_rows[i].name, name))
			return (enum verb)i;
	return VERB_UNKNOWN;
}

enum verb
verb_by_alias(const char *alias)
{
	for (int i = 0; i < VERB_COUNT; i++)
		if (verb_rows[i].alias && !strcmp(verb_rows[i].alias, alias))
			return (enum verb)i;
	return VERB_UNKNOWN;
}
