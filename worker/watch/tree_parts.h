/* tree_parts: the inside of a tree, for its own files: tree and tree_mode. */
#pragma once

#include "worker/watch/tree.h"

/* What there is now; hears of what changes from then on, if by inotify. */
void tree_take(struct watch_tree *t, struct snapshot *out);
/* why: static, of a sweep; NULL: by inotify. */
void tree_set_mode(struct watch_tree *t, const char *why, bool is_short);
/* Before anything was taken; reports nothing. */
void tree_first_mode(struct watch_tree *t);
struct globs tree_globs(const struct watch_tree *t);
