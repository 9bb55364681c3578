/* journal: the file of lines. Each event is in it once: two generations, and
 * other programs that rename it, may have it open at a time, and a line that a
 * crash cut short goes. Nothing is kept in memory until it is written, so a
 * full disk costs the events of that time, which are counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal_options {
	const char *path;
	uint64_t rotate_bytes;
	unsigned keep; /* PATH.1 … PATH.keep */
	bool sync_each;
	bool sync_names; /* of files, when they are rotated */
};

enum journal_result {
	JOURNAL_WRITTEN,
	JOURNAL_KNOWN,	  /* it is in the file already */
	JOURNAL_UNSYNCED, /* it is in the file, perhaps not on disk; errno */
	JOURNAL_FAILED,	  /* it is not in the file; errno */
};

struct journal;

/* The path must outlive it. NULL: no memory. Opens nothing. */
struct journal *journal_create(const struct journal_options *options);
void journal_destroy(struct journal *j); /* NULL is fine */
/* Opens the file, or creates it. -1 with errno. */
int journal_try(struct journal *j);
/* Adds a line, which ends in a newline; lines of no id may be before it. All of
 * the text is added, or nothing. */
enum journal_result journal_append(
	struct journal *j, uint64_t id, const char *line, size_t bytes);
/* Whether a line of that id is among the last ones. -1 with errno. */
int journal_knows(struct journal *j, uint64_t id);
/* What was written is on the disk. -1 with errno. */
int journal_sync(struct journal *j);
bool journal_is_synced(const struct journal *j);
/* Why the last rotation failed, so that the file grew instead: an errno, or 0.
 * Reading it resets it. */
int journal_rotate_error(struct journal *j);
