/* top_document: the figures of `top` as JSON. */
#pragma once

#include <jansson.h>

#include "tools/supctl/top_figures.h"

/* The plugins as they are sorted; what is unknown is null. The caller drops
 * it. */
json_t *top_document(const struct top_figures *f);
