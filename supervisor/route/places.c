/* places: the hash of places: open addressing, linear probing, removal by
 * shifting back. Never looks at an entry. */
#include "supervisor/route/places.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

#define CAPACITY_MIN 64

__extension__ typedef unsigned __int128 wide;

static inline uint64_t
mix(uint64_t a, uint64_t b)
{
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes a step. The keys in the table are the plugins', so a client
 * cannot make them collide. */
static inline uint32_t
hash_of(const struct place *parent, struct bytes text)
{
	uint64_t hash = (uint64_t)(uintptr_t)parent ^ text.length;
	const char *at = text.at;
	size_t left = text.length;
	uint64_t word;

	for (; left >= 8; at += 8, left -= 8) {
		memcpy(&word, at, 8);
		hash = mix(hash ^ word, 0x9e3779b97f4a7c15u);
	}
	word = 0;
	for (size_t i = 0; i < left; i++)
		word = word << 8 | (unsigned char)at[i];
	hash = mix(hash ^ word, 0xd6e8feb86659fd93u);
	return (uint32_t)(hash ^ hash >> 32);
}

static struct place *
place_create(struct place *parent, struct bytes text, uint32_t hash)
{
	struct place *place = memory_alloc(sizeof(*place) + text.length);

	place->parent = parent;
	place->hash = hash;
	place->length = (uint32_t)text.length;
	if (text.length)
		memcpy(place->text, text.at, text.length);
	return place;
}

void
places_init(struct places *p)
{
	*p = (struct places){.capacity = CAPACITY_MIN};
	p->slots = memory_alloc(CAPACITY_MIN * sizeof(*p->slots));
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		p->roots[i] = place_create(NULL, BYTES(""), 0);
	p->patterns = place_create(NULL, BYTES(""), 0);
}

void
places_finish(struct places *p)
{
	assert(!p->count && !p->patterns->uses);
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		free(p->roots[i]);
	free(p->patterns);
	free(p->slots);
}

struct place *
places_find(
	const struct places *p, const struct place *parent, struct bytes text)
{
	uint32_t hash = hash_of(parent, text), mask = p->capacity - 1;

	for (uint32_t i = hash & mask; p->slots[i].place; i = (i + 1) & mask) {
		struct place *place = p->slots[i].place;

		if (p->slots[i].hash == hash && place->parent == parent &&
			place->length == text.length &&
			!memcmp(place->text, text.at, text.length))
			return place;
	}
	return NULL;
}

static void
slots_put(struct places_slot *slots, uint32_t mask, struct place *place)
{
	uint32_t i = place->hash & mask;

	while (slots[i].place)
		i = (i + 1) & mask;
	slots[i] = (struct places_slot){place, place->hash};
}

static void
places_grow(struct places *p)
{
	uint32_t capacity = p->capacity * 2;
	struct places_slot *slots = memory_alloc(capacity * sizeof(*slots));

	for (uint32_t i = 0; i < p->capacity; i++)
		if (p->slots[i].place)
			slots_put(slots, capacity - 1, p->slots[i].place);
	free(p->slots);
	p->slots = slots;
	p->capacity = capacity;
}

static struct place *
claim_literal(struct places *p, struct place *parent, struct bytes text)
{
	struct place *place = places_find(p, parent, text);

	if (place)
		return place;
	if (2 * (p->count + 1) > p->capacity)
		places_grow(p);
	place = place_create(parent, text, hash_of(parent, text));
	slots_put(p->slots, p->capacity - 1, place);
	p->count++;
	parent->uses++;
	parent->literals++;
	return place;
}

static struct place *
claim_wildcard(struct place *parent, struct place **child)
{
	if (!*child) {
		*child = place_create(parent, BYTES(""), 0);
		parent->uses++;
	}
	return *child;
}

struct place *
places_claim_name(
	struct places *p, enum registration_kind kind, struct bytes name)
{
	return claim_literal(p, p->roots[kind], name);
}

struct place *
places_claim_pattern(struct places *p, const struct path_pattern *pattern)
{
	struct place *at = p->patterns;

	if (!pattern->param_count)
		return claim_literal(
			p, p->roots[REGISTRATION_HTTP], pattern->text);
	for (unsigned i = 0; i < pattern->count; i++) {
		const struct path_piece *piece = &pattern->pieces[i];

		if (piece->kind == PATH_LITERAL)
			at = claim_literal(p, at, piece->text);
		else if (piece->kind == PATH_PARAM)
			at = claim_wildcard(at, &at->param);
		else
			at = claim_wildcard(at, &at->rest);
	}
	return at;
}

/* Later places of the same probe run move up, so that no gap ends it early. */
static void
slots_remove(struct places *p, const struct place *place)
{
	uint32_t mask = p->capacity - 1, gap = place->hash & mask, i;

	while (p->slots[gap].place != place)
		gap = (gap + 1) & mask;
	for (i = (gap + 1) & mask; p->slots[i].place; i = (i + 1) & mask) {
		uint32_t home = p->slots[i].hash & mask;

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		p->slots[gap] = p->slots[i];
		gap = i;
	}
	p->slots[gap] = (struct places_slot){0};
	p->count--;
}

void
places_release(struct places *p, struct place *place)
{
	while (place->parent && !place->uses) {
		struct place *parent = place->parent;

		if (parent->param == place) {
			parent->param = NULL;
		} else if (parent->rest == place) {
			parent->rest = NULL;
		} else {
			slots_remove(p, place);
			parent->literals--;
		}
		parent->uses--;
		free(place);
		place = parent;
	}
}
