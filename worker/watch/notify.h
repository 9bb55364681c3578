/* notify: inotify for many owners: which owner wants events of which folder.
 * Several may want the same folder, which has one watch of the kernel. It does
 * not judge events. Source: inotify(7). */
#pragma once

#include <stdbool.h>

#include "proto/util/list.h"

struct notify;

/* One that wants events; memory of the caller. */
struct notify_owner {
	struct list wants;
	unsigned round;
	/* name: of the entry that changed, or NULL: the folder itself.
	 * is_content: a file changed in content or times, none came or went,
	 * and the owner wants the whole folder, not this name. */
	void (*on_change)(
		struct notify_owner *o, const char *name, bool is_content);
};

/* NULL: there is no inotify (errno). */
struct notify *notify_create(void);
void notify_destroy(struct notify *n); /* its owners must have left */
int notify_fd(const struct notify *n); /* readable: call notify_read() */
/* Reads events, up to a limit, and calls the owners. False: the kernel dropped
 * events, and every owner must look. */
bool notify_read(struct notify *n);
/* The same, with all events that there are at the call. */
bool notify_read_all(struct notify *n);

/* A round: notify_begin(), then a call for each thing that the owner wants,
 * then notify_end(), which drops what it no longer wants. */
void notify_begin(struct notify_owner *o);
/* name: only this entry of the folder; NULL: all. 0: watched, or the folder
 * does not exist; -1: the kernel has no watch left, or none for this (errno).
 */
int notify_want(struct notify *n, struct notify_owner *o, const char *folder,
	const char *name);
/* Wants the path itself, as far as it exists and wherever its links lead: a
 * change of any part of it is an event. Returns as notify_want(). */
int notify_want_path(
	struct notify *n, struct notify_owner *o, const char *path);
void notify_end(struct notify *n, struct notify_owner *o);
void notify_leave(struct notify *n, struct notify_owner *o);
