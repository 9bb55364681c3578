/* choice: which names of a package are staged. Pure. */
#pragma once

#include <stdbool.h>

#include "worker/stage.h"

/* Hidden, or a byte-code cache: neither copied nor part of the digest. */
bool choice_leaves_out(const char *name);
/* The same of any component of a relative path. */
bool choice_leaves_out_path(const char *path);
/* Whether the first component of a path in the package is linked instead. */
bool choice_is_shared(const struct stage_order *order, const char *path);
