/* settings: a YAML map as the JSON object that a worker gets. Values may be
 * secret: problems never quote one. */
#pragma once

#include <jansson.h>

#include "proto/message.h"
#include "supervisor/config/node.h"

/* The limit of a plugin's merged settings, which must fit into one message. */
#define SETTINGS_BYTES_MAX (WIRE_MESSAGE_MAX - 16 * 1024)

/* The size of settings as they are sent to a worker. */
size_t settings_bytes(const json_t *settings);
/* Reads a new object, which is complete even after problems. A plain scalar is
 * null, a boolean or a number if YAML's core schema and JSON agree on it;
 * anything else is a string. References (interpolate.h) are replaced, always by
 * strings. *shown_out gets the object as it may be shown: references as
 * written, secrets masked. With shown_out NULL (a package's settings)
 * references are refused. */
json_t *settings_read(
	struct problems *problems, const struct node *map, json_t **shown_out);
/* The same for one string. NULL after a problem. The caller frees both. */
char *settings_read_text(struct problems *problems, const char *name,
	const struct node *node, char **shown_out);
