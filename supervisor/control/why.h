/* why: why a plugin is in the state that it is in, as a sentence for `show`:
 * "stopped: by uid 0 (supctl) at 2026-11-30T10:00:00Z; …". Reads the live
 * objects and the history, and changes nothing. */
#pragma once

#include "supervisor/plugin/plugin.h"

/* The caller frees. */
char *why_text(const struct plugin *p);
