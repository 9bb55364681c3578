/* settings: a YAML map as the JSON object that a worker is given. Values are
 * the user's secrets: no problem text quotes one. */
#pragma once

#include <jansson.h>

#include "supervisor/config/node.h"

/* A new object, whole even where there were problems. A plain scalar is null,
 * a truth value or a number if YAML's core schema and JSON agree that it is;
 * anything else is a string. */
json_t *settings_read(struct problems *problems, const struct node *map);
/* False, with a problem, for ${env:…} and ${file:…}, which are not supported
 * yet. `name` is the key that the text stands at. */
bool settings_text_is_supported(
	struct problems *problems, const char *name, const struct node *node);
