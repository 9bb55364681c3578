/* link: one connection to a server, plain or TLS, that gives lines and takes
 * lines. Knows nothing of what they say. Never blocks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "line.h"

struct settings;
struct sup;

#define LINK_UNSENT_MAX (32 * 1024) /* bytes; beyond that it is closed */

struct link;

struct link_ops {
	void (*on_open)(void *owner);  /* connected, and TLS is agreed on */
	void (*on_lines)(void *owner); /* link_next() may have some */
	/* It is over, by itself; once. The owner destroys it, now or later. */
	void (*on_close)(void *owner, const char *why);
	/* It was destroyed, and none of its callbacks runs any more: the owner
	 * may free itself. */
	void (*on_gone)(void *owner);
};

/* Connects to the server of the settings, which must stay until on_open. None
 * of the functions is called before this returns. */
struct link *link_create(struct sup *p, const struct settings *s,
	const struct link_ops *ops, void *owner);
/* Closes it at once; no other function of ops than on_gone is called. May be
 * called by any of them. */
void link_destroy(struct link *l);

/* The next line that is there; valid until the next call. */
bool link_next(struct link *l, struct line *line);
/* Between these two nothing is read, and link_next() has nothing. */
void link_pause(struct link *l);
void link_resume(struct link *l);
/* Adds CR LF. What the server does not read waits, up to LINK_UNSENT_MAX. */
void link_say(struct link *l, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
