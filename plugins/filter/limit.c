#include "limit.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct bucket {
	struct bucket *newer, *older; /* by last use */
	double tokens;
	uint64_t at_ms;
	char key[]; /* NUL-terminated */
};

struct limit {
	struct limit_rate rate;
	size_t keys, keys_max;
	void *tree; /* of tsearch(): balanced, whatever the keys are */
	struct bucket *newest, *oldest;
	struct bucket *shared; /* by all keys for which there is no room */
};

const char *
limit_read_rate(struct limit_rate *rate, const char *text)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
		{"d", 86400000}};
	static const char *form = "must be a rate such as 5/10s or 100/h";
	char *end = NULL;
	unsigned long long count, times = 1;

	if (*text < '0' || *text > '9')
		return form;
	count = strtoull(text, &end, 10);
	if (*end++ != '/')
		return form;
	if (*end >= '0' && *end <= '9')
		times = strtoull(end, &end, 10);
	if (!count || count > LIMIT_COUNT_MAX || !times || times > 100000)
		return "must have a count of 1 to 1000000 and a period of 1 to "
		       "100000 units";
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name)) {
			*rate = (struct limit_rate){
				(uint32_t)count, times * units[i].ms};
			return NULL;
		}
	return form;
}

static struct bucket *
bucket_create(const struct limit *l, const char *key)
{
	size_t bytes = strlen(key) + 1;
	struct bucket *b = calloc(1, sizeof(*b) + bytes);

	if (!b)
		return NULL;
	memcpy(b->key, key, bytes);
	b->tokens = l->rate.count;
	return b;
}

struct limit *
limit_create(struct limit_rate rate, size_t keys_max)
{
	struct limit *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->rate = rate;
	l->keys_max = keys_max;
	l->shared = bucket_create(l, "");
	if (!l->shared) {
		free(l);
		return NULL;
	}
	return l;
}

void
limit_destroy(struct limit *l)
{
	if (!l)
		return;
	tdestroy(l->tree, free);
	free(l->shared);
	free(l);
}

size_t
limit_keys(const struct limit *l)
{
	return l->keys;
}

/* ---- buckets ---- */

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct bucket *)a)->key,
		((const struct bucket *)b)->key);
}

static void
fill(const struct limit *l, struct bucket *b, uint64_t now_ms)
{
	uint64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;

	b->tokens += (double)passed * l->rate.count / (double)l->rate.per_ms;
	if (b->tokens > l->rate.count)
		b->tokens = l->rate.count;
	b->at_ms = now_ms;
}

static void
unlink_bucket(struct limit *l, struct bucket *b)
{
	*(b->newer ? &b->newer->older : &l->newest) = b->older;
	*(b->older ? &b->older->newer : &l->oldest) = b->newer;
}

static void
link_newest(struct limit *l, struct bucket *b)
{
	b->older = l->newest;
	b->newer = NULL;
	*(l->newest ? &l->newest->newer : &l->oldest) = b;
	l->newest = b;
}

/* Makes room for a key, if necessary by forgetting the least recently used one.
 * false: its bucket may not be full again, so it has to stay. */
static bool
make_room(struct limit *l, uint64_t now_ms)
{
	struct bucket *b = l->oldest;

	if (l->keys < l->keys_max)
		return true;
	if (now_ms - b->at_ms < l->rate.per_ms)
		return false;
	unlink_bucket(l, b);
	tdelete(b, &l->tree, compare);
	free(b);
	l->keys--;
	return true;
}

static struct bucket *
bucket_of(struct limit *l, const char *key, uint64_t now_ms)
{
	struct bucket *b = bucket_create(l, key), **found;

	if (!b)
		return l->shared;
	found = tfind(b, &l->tree, compare);
	if (found) {
		free(b);
		unlink_bucket(l, *found);
		link_newest(l, *found);
		return *found;
	}
	if (!make_room(l, now_ms) || !tsearch(b, &l->tree, compare)) {
		free(b);
		return l->shared;
	}
	b->at_ms = now_ms;
	l->keys++;
	link_newest(l, b);
	return b;
}

bool
limit_allows(struct limit *l, const char *key, size_t bytes, uint64_t now_ms)
{
	char name[LIMIT_KEY_BYTES + 1];
	struct bucket *b;

	if (bytes > LIMIT_KEY_BYTES)
		bytes = LIMIT_KEY_BYTES;
	memcpy(name, key, bytes);
	name[bytes] = 0;
	b = bucket_of(l, name, now_ms);
	fill(l, b, now_ms);
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}
