/* plan_view: a plan as text. */
#pragma once

#include <jansson.h>

/* "changes", "plugins" and "problems" of plan, reload --plan and apply. */
void plan_print(const json_t *document);
