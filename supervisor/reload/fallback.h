/* fallback: decides what to try next when a start failed and nothing serves. */
#pragma once

#include "supervisor/reload/transaction.h"

/* Call after a rollback if nothing serves. After a failed start from the
 * package, tries the proven stage. After a failed start from a stage, checks
 * the stage for damage; if it is damaged, tries the package, then the older
 * stage. Else the crash policy decides. */
void fallback_begin(struct reload *r);
