/* stage_check: checks whether a kept stage still has its proven content. The
 * last proven stage is checked after a start from it failed: if it is damaged,
 * the package is started instead. The older stage is checked before a start
 * from it. */
#pragma once

#include "supervisor/config/manifest.h"
#include "supervisor/plugin/plugin.h"

/* Begins a check. manifest: the stage's; NULL: unreadable. A start or the crash
 * policy follows. */
void stage_check_begin(struct plugin *p, enum plugin_source which,
	const struct manifest *manifest);
