/* stage_private: what stage.c and stage_remove.c share. Nobody else includes
 * it. */
#pragma once

#include "proto/util/bytes.h"
#include "supervisor/plugin/stage.h"

/* Initialises the lists of workers that are all zero. */
void stage_lists_init(struct workers *workers);
/* Copies the first line of a child's output, cut to size. */
void stage_copy_line(char *to, size_t size, struct bytes said);
/* Renames a folder that is to be removed, so that its name can be used again;
 * returns its new path (the caller frees), or NULL if it does not exist. */
char *stage_put_away(struct workers *workers, const char *dir);
void stage_finish_removals(struct workers *workers);
