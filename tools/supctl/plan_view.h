/* plan_view: a plan as text. */
#pragma once

#include <jansson.h>

/* What a row of "changes" takes: its class, or for a whole plugin what becomes
 * of it, "start" or "stop". Valid as long as the document. */
const char *plan_word(const json_t *document, const json_t *change);

/* "changes", "plugins" and "problems" of plan, reload --plan and apply. */
void plan_print(const json_t *document);
