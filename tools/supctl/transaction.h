/* transaction: a call that replaces workers: its phases as they happen, its
 * receipts as sentences, its exit code. Phases go to stderr, verdicts to
 * stdout, failures to stderr. */
#pragma once

#include "tools/supctl/supctl.h"

/* Runs the call; args' reference is taken. rest, if not NULL, prints what the
 * document of several has beside its receipts. */
int transaction_run(const struct options *o, json_t *args,
	void (*rest)(const struct options *o, const json_t *document));
