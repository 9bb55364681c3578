/* heard: messages of users on their way to supd. Those that supd has not taken
 * when the channel stops are kept in a file until its next start, because an
 * IRC server sends nothing twice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEARD_KEPT_MAX (1024 * 1024) /* bytes; further messages are lost */

struct heard;
struct line;
struct session;
struct settings;
struct sup;

/* on_full: take no more lines until heard_has_room(). NULL: no memory. */
struct heard *heard_create(struct sup *p, const struct settings *s,
	void (*on_full)(void *owner), void *owner);
void heard_set_settings(struct heard *h, const struct settings *s);

/* The channel starts: messages that the last stop left go to supd first. */
void heard_begin(struct heard *h, uint64_t epoch);
/* The channel stops: from now on messages are only kept. */
void heard_end(struct heard *h);
/* It has stopped: messages that are kept go to the file. */
void heard_save(struct heard *h);
/* supd takes messages again. Returns whether it still does when it has those
 * that waited. */
bool heard_has_room(struct heard *h);
/* A PRIVMSG of a session. */
void heard_take(
	struct heard *h, const struct session *s, const struct line *line);
