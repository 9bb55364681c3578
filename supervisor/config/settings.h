/* settings: a YAML map as the JSON object that a worker is given. Values are
 * the user's secrets: no problem text quotes one. */
#pragma once

#include <jansson.h>

#include "supervisor/config/node.h"

/* A new object, whole even where there were problems. A plain scalar is null,
 * a truth value or a number if YAML's core schema and JSON agree that it is;
 * anything else is a string. References (interpolate.h) are replaced, always
 * by text, and *shown_out gets the same object as it may be shown: references
 * as written, secrets masked. With shown_out NULL (a package's own settings)
 * references are refused. */
json_t *settings_read(
	struct problems *problems, const struct node *map, json_t **shown_out);
/* One text; the same. NULL after a problem. Both are the caller's to free. */
char *settings_read_text(struct problems *problems, const char *name,
	const struct node *node, char **shown_out);
