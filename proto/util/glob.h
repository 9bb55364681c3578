/* glob: whether a text matches a pattern in which * stands for any characters,
 * also none. No other character is special, because ids of senders contain
 * brackets and backslashes. Pure. */
#pragma once

#include <stdbool.h>

#include "proto/util/bytes.h"

/* In at most pattern times text steps. */
bool glob_matches(struct bytes pattern, struct bytes text);
