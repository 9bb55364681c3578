/* accept: reads the Accept field. Pure. */
#pragma once

#include <stdbool.h>

#include "proto/util/bytes.h"

/* Whether the value of an Accept field names application/json with a quality
 * other than 0. "*" does not count: a client that accepts anything gets text.
 */
bool accept_has_json(struct bytes value);
