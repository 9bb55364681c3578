/* origin: decides who made a change of a package while its build ran: the
 * build, or a user who saved a file that it is built from. It judges by what
 * changed at other times and in other builds. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proto/util/map.h"

/* Paths, and suffixes, that are remembered. Others count as sources. */
#define ORIGIN_FILES_MAX 20000

struct origin {
	struct map files, suffixes;
};

void origin_finish(struct origin *o);
/* The file changed while no build ran: it is a source. */
void origin_note_source(struct origin *o, const char *path);
/* Whether the build made a file that changed while it ran; the first rule that
 * fits decides:
 *   - the build made each of `made`, an array of paths, and each file that it
 *     was found to make before;
 *   - a file that has changed at another time, or has the suffix of such a
 * file, is a source;
 *   - the build made a file that is new (is_new) in the package (path is
 *     relative);
 *   - any other counts as made by the build from the third time on. */
bool origin_is_build(
	struct origin *o, const json_t *made, const char *path, bool is_new);
