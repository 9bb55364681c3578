/* template: text with fields in it: "[{from.name}] {text}". A brace that begins
 * no field is itself; an absent field is nothing, one that is no string is its
 * JSON. */
#pragma once

#include <jansson.h>

#include "work.h"

/* The value, with the fields of all its strings filled in: a new reference.
 * NULL: see work->why. */
json_t *template_fill(const json_t *value, json_t *data, struct work *work);
