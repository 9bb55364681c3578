/* origin: where changes of a package come from while its build runs: from the
 * build, or from somebody who saves a file that it is built from. Nobody says
 * so, so it is told from what changed at other times, and in other builds. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proto/util/map.h"

/* Paths and suffixes that are remembered. Others count as sources. */
#define ORIGIN_FILES_MAX 20000

struct origin {
	struct map files, suffixes;
};

void origin_finish(struct origin *o);
/* The file changed while no build ran: it is a source. */
void origin_note_source(struct origin *o, const char *path);
/* Whether the build made what changed while it ran:
 *   - never a file that has also changed at another time, nor one with the
 *     suffix of such a file: these are sources;
 *   - one of `made`, an array of paths, is the build's, whatever else holds;
 *   - so is a file that it created (is_new) in the package (path is relative);
 *   - any other is the build's from the third time on. */
bool origin_is_build(
	struct origin *o, const json_t *made, const char *path, bool is_new);
