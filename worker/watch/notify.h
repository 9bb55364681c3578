/* notify: inotify for many owners: who wants to hear of what in which folder.
 * Several owners may want the same folder, which then has one watch of the
 * kernel. It decides nothing. Source: inotify(7). */
#pragma once

#include <stdbool.h>

#include "proto/util/list.h"

struct notify;

/* One that wants to hear of changes; in its owner's memory. */
struct notify_owner {
	struct list wants;
	unsigned round;
	/* name: of the entry that changed, or NULL: the folder itself.
	 * is_content: what is in a file or its times, not which there are, and
	 * its folder is wanted, not this name. */
	void (*on_change)(
		struct notify_owner *o, const char *name, bool is_content);
};

/* NULL: there is no inotify (errno). */
struct notify *notify_create(void);
void notify_destroy(struct notify *n); /* its owners must have left */
int notify_fd(const struct notify *n); /* readable: call notify_read() */
/* Reads what is there and calls the owners; at most so many events. False: the
 * kernel dropped events, and everybody must look. */
bool notify_read(struct notify *n);
/* The same, with all events that there are at the call. */
bool notify_read_all(struct notify *n);

/* A round: notify_begin(), then everything that the owner wants to hear of,
 * then notify_end(), which drops what it wanted before. */
void notify_begin(struct notify_owner *o);
/* name: only this entry of the folder; NULL: all. 0: heard of, or the folder
 * does not exist; -1: the kernel has no watch left, or none for this (errno).
 */
int notify_want(struct notify *n, struct notify_owner *o, const char *folder,
	const char *name);
/* The path itself, wherever its links lead and as far as it exists: hears of it
 * when any part of that changes. As notify_want(). */
int notify_want_path(
	struct notify *n, struct notify_owner *o, const char *path);
void notify_end(struct notify *n, struct notify_owner *o);
void notify_leave(struct notify *n, struct notify_owner *o);
