/* topics: patterns are keys of a map; a name is looked up as it is, with each
 * of its ends replaced by `*`, and as `*`. */
#include "supervisor/event/topics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

void
topics_finish(struct topics *t)
{
	assert(!t->by_pattern.count);
	map_finish(&t->by_pattern);
}

struct topic *
topics_find(const struct topics *t, struct bytes pattern)
{
	return map_get(&t->by_pattern, pattern.at, pattern.length);
}

struct topic *
topics_claim(struct topics *t, const char *pattern)
{
	size_t length = strlen(pattern);
	struct topic *topic = map_get(&t->by_pattern, pattern, length);

	if (topic)
		return topic;
	topic = memory_alloc(sizeof(*topic) + length + 1);
	memcpy(topic->pattern, pattern, length + 1);
	list_init(&topic->observers);
	list_init(&topic->filters);
	map_set(&t->by_pattern, pattern, length, topic);
	return topic;
}

void
topics_release(struct topics *t, struct topic *topic)
{
	if (!list_is_empty(&topic->observers) ||
		!list_is_empty(&topic->filters))
		return;
	map_remove(&t->by_pattern, topic->pattern, strlen(topic->pattern));
	free(topic);
}

void
topic_walk_begin(
	struct topic_walk *w, const struct topics *t, struct bytes name)
{
	w->topics = t;
	w->began = false;
	w->length = name.length <= EVENT_NAME_MAX ? name.length : 0;
	if (w->length)
		memcpy(w->text, name.at, name.length);
}

/* The next key: the name, then "a.b.*", "a.*" and "*". */
static bool
next_key(struct topic_walk *w)
{
	size_t dot;

	if (!w->length)
		return false;
	if (!w->began) {
		w->began = true;
		return true;
	}
	if (w->length == 1 && w->text[0] == '*')
		return false;
	/* behind the last dot that is not the end of this key's stem */
	dot = w->length - 1;
	if (w->text[dot] == '*')
		dot = dot ? dot - 1 : 0;
	while (dot && w->text[dot - 1] != '.')
		dot--;
	w->text[dot] = '*';
	w->length = dot + 1;
	return true;
}

struct topic *
topic_walk_next(struct topic_walk *w)
{
	struct topic *topic;

	while (next_key(w)) {
		topic = topics_find(
			w->topics, (struct bytes){w->text, w->length});
		if (topic)
			return topic;
	}
	return NULL;
}
