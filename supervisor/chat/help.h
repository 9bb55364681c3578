/* help: the text of /help, whose list of registered commands is made once for
 * each generation of the route table, however often it is asked for. */
#pragma once

#include "supervisor/config/config.h"
#include "supervisor/gateway/gateway.h"

#define HELP_COMMANDS_MAX 40 /* named; the others are counted */

struct help {
	uint64_t generation; /* of the route table */
	char *registered;    /* NULL: not made yet */
};

/* role: NULL: none. The caller frees. */
char *help_text(struct help *h, const struct gateway *g, const enum role *role);
void help_finish(struct help *h);
