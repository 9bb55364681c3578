/* interpolate: replaces ${env:NAME}, ${file:PATH} and ${credential:NAME} in a
 * value of the config, so that secrets can be kept elsewhere. Problems never
 * quote the replacement.
 */
#pragma once

#include "proto/util/buffer.h"
#include "supervisor/config/node.h"

#define REFERENCE_FILE_BYTES_MAX (64u << 10)
#define INTERPOLATED_BYTES_MAX (1u << 20) /* a message to a worker */

struct interpolated {
	struct buffer text; /* for the worker, not NUL-terminated */
	/* for display: references unresolved, paths absolute */
	struct buffer shown;
	/* It consists of references only, so `shown` reveals nothing. */
	bool is_reference;
};

/* Whether a text has a reference or the beginning of one. */
bool interpolate_is_needed(const struct node *node);
/* The text of a scalar with its references replaced: ${env:NAME} by the
 * variable of supd's own environment, ${file:PATH} by the file's text without
 * one newline at its end (a relative path is beside the node's file),
 * ${credential:NAME} by that of NAME in $CREDENTIALS_DIRECTORY, and $${ by ${.
 * -1 with a problem at the node, whose key is `name`; out is the caller's to
 * finish in any case. */
int interpolate(struct problems *problems, const char *name,
	const struct node *node, struct interpolated *out);
void interpolated_finish(struct interpolated *i);

/* For values where references are not allowed: false, with a problem, if the
 * text has an ${env:} or ${file:}. */
bool interpolate_refuse(struct problems *problems, const char *name,
	const struct node *node, const char *where_allowed);
