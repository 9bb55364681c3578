/* stage_private: what stage.c and stage_remove.c share. Nobody else includes
 * it. */
#pragma once

#include "proto/util/bytes.h"
#include "supervisor/plugin/stage.h"

/* A room that is all zero becomes one with empty lists. */
void stage_room_init(struct worker_room *room);
/* The first line of what a child said, cut to size. */
void stage_copy_line(char *to, size_t size, struct bytes said);
/* Gives a folder that is to be removed another name beside it, so that its own
 * is free; returns where it is now (the caller frees), NULL: nowhere. */
char *stage_put_away(struct worker_room *room, const char *dir);
void stage_finish_removals(struct worker_room *room);
