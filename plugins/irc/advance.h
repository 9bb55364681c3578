/* advance: a session in advance of the channel's start, while the worker before
 * this one has the channel. It is in all channels, by another nick, when that
 * one leaves, so nothing that is said meanwhile is missed, however long the
 * server takes to let it in. */
#pragma once

#include <stdbool.h>

struct bot;

/* Whether another worker has the channel, as far as is known; then it begins,
 * and calls sup_ready() when it is in the channels, or cannot get there. */
bool advance_begin(struct bot *b);
/* The channel starts, and the worker before has let go of it: if there is a
 * session, it is used once it has the nick, by bot_use_first(). */
bool advance_take(struct bot *b);
/* Ends it, if there is one. */
void advance_abandon(struct bot *b);

/* The channel is in use by that nick, or not (NULL), for the next worker. */
void advance_note(const struct bot *b, const char *nick);
