/* request: the table from ids to requests. Never calls an owner, never sends,
 * knows no queue. */
#include "supervisor/route/request.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/util/memory.h"

#define CAPACITY_MIN 1024

const struct request_failure_row request_failures[REQUEST_FAILURE_COUNT] = {
#define X(name, ...) [REQUEST_##name] = {__VA_ARGS__},
	REQUEST_FAILURES(X)
#undef X
};

/* Ids count up. The low bits of an id are the slot, the others tell different
 * requests in a slot apart. Used slots are skipped, so an id is reused only
 * after 2^32 others, and consecutive ids have adjacent slots. */
struct request_table {
	struct request_slot {
		uint32_t id; /* 0: free */
		struct request *request;
	} * slots;
	/* By slot; NULL until the first request that makes a call. */
	struct chain **chains;
	uint32_t capacity; /* a power of two, at most half full */
	uint32_t count;
	uint32_t last_id;
};

struct request_table *
request_table_create(void)
{
	struct request_table *t = memory_alloc(sizeof(*t));

	t->capacity = CAPACITY_MIN;
	t->slots = memory_alloc(t->capacity * sizeof(*t->slots));
	return t;
}

void
request_table_destroy(struct request_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; t->chains && i < t->capacity; i++)
		chain_unref(t->chains[i]);
	free(t->chains);
	free(t->slots);
	free(t);
}

/* Doubles the slots. Ids that differ in their low bits also differ with one bit
 * more, so none collide. */
static void
table_grow(struct request_table *t)
{
	uint32_t capacity = t->capacity * 2;
	struct request_slot *slots = memory_alloc(capacity * sizeof(*slots));
	struct chain **chains =
		t->chains ? memory_alloc(capacity * sizeof(*chains)) : NULL;

	for (uint32_t i = 0; i < t->capacity; i++) {
		uint32_t to = t->slots[i].id & (capacity - 1);

		if (!t->slots[i].id)
			continue;
		slots[to] = t->slots[i];
		if (chains)
			chains[to] = t->chains[i];
	}
	free(t->chains);
	free(t->slots);
	t->chains = chains;
	t->slots = slots;
	t->capacity = capacity;
}

bool
request_table_add(struct request_table *t, struct request *r)
{
	uint32_t id = t->last_id;

	assert(!r->id);
	if (2 * (t->count + 1) > t->capacity) {
		if (t->capacity == REQUEST_TABLE_MAX)
			return false;
		table_grow(t);
	}
	do
		id++;
	while (!id || t->slots[id & (t->capacity - 1)].id);
	t->slots[id & (t->capacity - 1)] = (struct request_slot){id, r};
	t->last_id = r->id = id;
	t->count++;
	return true;
}

void
request_table_remove(struct request_table *t, struct request *r)
{
	uint32_t place = r->id & (t->capacity - 1);
	struct request_slot *slot = &t->slots[place];

	assert(r->id && slot->request == r && slot->id == r->id);
	*slot = (struct request_slot){0};
	if (t->chains && t->chains[place]) {
		chain_unref(t->chains[place]);
		t->chains[place] = NULL;
	}
	r->id = 0;
	t->count--;
}

void
request_table_replace(
	struct request_table *t, uint32_t id, struct request *heir)
{
	struct request_slot *slot = &t->slots[id & (t->capacity - 1)];

	assert(id && slot->id == id && !heir->id);
	slot->request = heir;
	heir->id = id;
}

static struct request *
find_at(const struct request_table *t, uint32_t id, uint32_t worker,
	enum request_where where)
{
	const struct request_slot *slot = &t->slots[id & (t->capacity - 1)];
	struct request *r = slot->request;

	if (!id || slot->id != id || !worker || r->worker != worker ||
		r->where != where)
		return NULL;
	return r;
}

struct request *
request_table_find(const struct request_table *t, uint32_t id, uint32_t worker)
{
	return find_at(t, id, worker, REQUEST_SENT);
}

struct request *
request_table_find_open(
	const struct request_table *t, uint32_t id, uint32_t worker)
{
	return find_at(t, id, worker, REQUEST_OPEN);
}

uint32_t
request_table_count(const struct request_table *t)
{
	return t->count;
}

struct chain *
request_table_chain(const struct request_table *t, uint32_t id)
{
	uint32_t place = id & (t->capacity - 1);

	assert(id && t->slots[place].id == id);
	return t->chains ? t->chains[place] : NULL;
}

void
request_table_set_chain(
	struct request_table *t, uint32_t id, struct chain *chain)
{
	uint32_t place = id & (t->capacity - 1);

	assert(id && t->slots[place].id == id);
	if (!t->chains)
		t->chains = memory_alloc(t->capacity * sizeof(*t->chains));
	chain_unref(t->chains[place]);
	t->chains[place] = chain;
}
