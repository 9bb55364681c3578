/* older: the stage proven before the present one, which is started if the
 * present one is damaged and the package does not start either. */
#pragma once

#include "supervisor/reload/transaction.h"

/* Whether there is an older stage to try after r failed. */
bool older_is_next(const struct reload *r);
/* Call when r, a start from the package, failed: checks the digest of the older
 * stage. A start from it, or the crash policy, follows. */
void older_begin(const struct reload *r);
/* Repeats the check after a shortage. */
void older_begin_again(struct plugin *p);
/* The older stage is intact: begins a start from it. */
void older_start(struct plugin *p);
/* At the commit of r: if plugin_runs_older() now, reports it. */
void older_note(struct reload *r);
