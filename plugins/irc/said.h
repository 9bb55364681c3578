/* said: reads a PRIVMSG as a message for supd: an object of id, at, from, nick,
 * chat, direct, mentioned, verified, raw and text. Keeps nothing. */
#pragma once

#include <jansson.h>

struct line;
struct session;
struct settings;

/* A new object, whose id is "" if the server gives none. NULL: it has no
 * sender, or no text. */
json_t *said_read(const struct line *line, const struct session *s,
	const struct settings *settings);
