/* topics: an index of hooks by the pattern of their event. Finding those that
 * an event concerns costs a lookup for each word of its name, however many
 * hooks there are. Pure. */
#pragma once

#include "proto/event_name.h"
#include "proto/util/list.h"
#include "proto/util/map.h"

/* The hooks of one pattern. */
struct topic {
	struct list observers; /* struct hook.in_topic */
	struct list filters;   /* the same */
	char pattern[];
};

struct topics {
	struct map by_pattern;
};

void topics_finish(struct topics *t); /* all must have been released */
/* Finds the topic or makes it. */
struct topic *topics_claim(struct topics *t, const char *pattern);
/* Frees the topic if it has no hooks. */
void topics_release(struct topics *t, struct topic *topic);
/* NULL: no hook has that pattern. */
struct topic *topics_find(const struct topics *t, struct bytes pattern);

/* A walk over the topics that match a name:
 *	topic_walk_begin(&walk, t, name);
 *	while ((topic = topic_walk_next(&walk))) */
struct topic_walk {
	const struct topics *topics;
	char text[EVENT_NAME_MAX + 2];
	size_t length; /* of the name; 0: the walk is over */
	bool began;
};
void topic_walk_begin(
	struct topic_walk *w, const struct topics *t, struct bytes name);
struct topic *topic_walk_next(struct topic_walk *w);
