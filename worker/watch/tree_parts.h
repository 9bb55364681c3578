/* tree_parts: what tree.c and tree_mode.c share. */
#pragma once

#include "worker/watch/tree.h"

/* Takes a snapshot; with inotify, later changes have events. */
void tree_take(struct watch_tree *t, struct snapshot *out);
/* why: the reason to sweep, a static string; NULL: by inotify. */
void tree_set_mode(struct watch_tree *t, const char *why, bool is_short);
/* Before the first snapshot; reports nothing. */
void tree_first_mode(struct watch_tree *t);
struct globs tree_globs(const struct watch_tree *t);
