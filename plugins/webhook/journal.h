/* journal: the file that keeps what was seen over crashes and restarts, a line
 * per delivery. Two generations may have it open at a time: each reads what the
 * other one has added. Without a disk the deliveries are in memory only. */
#pragma once

#include "seen.h"

struct sup;
struct journal;

/* Reads DIR/delivered into `seen`, which must outlive it. NULL: no memory. */
struct journal *journal_open(struct sup *p, const char *dir, struct seen *seen);
void journal_close(struct journal *j); /* NULL is fine */
/* Reads what another generation has written meanwhile. */
void journal_catch_up(struct journal *j);
/* Adds it to what was seen and to the file. */
void journal_add(struct journal *j, const struct seen_key *key, uint64_t at_ms);
/* Writes the file anew when most of its lines are forgotten. */
void journal_compact(struct journal *j);
