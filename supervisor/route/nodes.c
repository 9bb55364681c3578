/* nodes: a hash: open addressing, linear probing, removal by
 * shifting back. Never looks at an entry. */
#include "supervisor/route/nodes.h"

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

/* Hashes eight bytes per step. The keys come from plugins, so clients cannot
 * make them collide. */
static inline uint32_t
hash_of(const struct route_node *parent, struct bytes text)
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

static struct route_node *
node_create(struct route_node *parent, struct bytes text, uint32_t hash)
{
	struct route_node *node = memory_alloc(sizeof(*node) + text.length);

	node->parent = parent;
	node->hash = hash;
	node->length = (uint32_t)text.length;
	if (text.length)
		memcpy(node->text, text.at, text.length);
	return node;
}

void
route_nodes_init(struct route_nodes *p)
{
	*p = (struct route_nodes){.capacity = CAPACITY_MIN};
	p->slots = memory_alloc(CAPACITY_MIN * sizeof(*p->slots));
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		p->roots[i] = node_create(NULL, BYTES(""), 0);
	p->patterns = node_create(NULL, BYTES(""), 0);
}

void
route_nodes_finish(struct route_nodes *p)
{
	assert(!p->count && !p->patterns->uses);
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		free(p->roots[i]);
	free(p->patterns);
	free(p->slots);
}

struct route_node *
route_nodes_find(const struct route_nodes *p, const struct route_node *parent,
	struct bytes text)
{
	uint32_t hash = hash_of(parent, text), mask = p->capacity - 1;

	for (uint32_t i = hash & mask; p->slots[i].node; i = (i + 1) & mask) {
		struct route_node *node = p->slots[i].node;

		if (p->slots[i].hash == hash && node->parent == parent &&
			node->length == text.length &&
			!memcmp(node->text, text.at, text.length))
			return node;
	}
	return NULL;
}

static void
slots_put(
	struct route_nodes_slot *slots, uint32_t mask, struct route_node *node)
{
	uint32_t i = node->hash & mask;

	while (slots[i].node)
		i = (i + 1) & mask;
	slots[i] = (struct route_nodes_slot){node, node->hash};
}

static void
route_nodes_grow(struct route_nodes *p)
{
	uint32_t capacity = p->capacity * 2;
	struct route_nodes_slot *slots =
		memory_alloc(capacity * sizeof(*slots));

	for (uint32_t i = 0; i < p->capacity; i++)
		if (p->slots[i].node)
			slots_put(slots, capacity - 1, p->slots[i].node);
	free(p->slots);
	p->slots = slots;
	p->capacity = capacity;
}

static struct route_node *
claim_literal(
	struct route_nodes *p, struct route_node *parent, struct bytes text)
{
	struct route_node *node = route_nodes_find(p, parent, text);

	if (node)
		return node;
	if (2 * (p->count + 1) > p->capacity)
		route_nodes_grow(p);
	node = node_create(parent, text, hash_of(parent, text));
	slots_put(p->slots, p->capacity - 1, node);
	p->count++;
	parent->uses++;
	parent->literals++;
	return node;
}

static struct route_node *
claim_wildcard(struct route_node *parent, struct route_node **child)
{
	if (!*child) {
		*child = node_create(parent, BYTES(""), 0);
		parent->uses++;
	}
	return *child;
}

struct route_node *
route_nodes_claim_name(
	struct route_nodes *p, enum registration_kind kind, struct bytes name)
{
	return claim_literal(p, p->roots[kind], name);
}

struct route_node *
route_nodes_claim_pattern(
	struct route_nodes *p, const struct path_pattern *pattern)
{
	struct route_node *at = p->patterns;

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

/* Removes a node and moves later ones of the same probe run up, so that no gap
 * ends the run early. */
static void
slots_remove(struct route_nodes *p, const struct route_node *node)
{
	uint32_t mask = p->capacity - 1, gap = node->hash & mask, i;

	while (p->slots[gap].node != node)
		gap = (gap + 1) & mask;
	for (i = (gap + 1) & mask; p->slots[i].node; i = (i + 1) & mask) {
		uint32_t home = p->slots[i].hash & mask;

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		p->slots[gap] = p->slots[i];
		gap = i;
	}
	p->slots[gap] = (struct route_nodes_slot){0};
	p->count--;
}

void
route_nodes_release(struct route_nodes *p, struct route_node *node)
{
	while (node->parent && !node->uses) {
		struct route_node *parent = node->parent;

		if (parent->param == node) {
			parent->param = NULL;
		} else if (parent->rest == node) {
			parent->rest = NULL;
		} else {
			slots_remove(p, node);
			parent->literals--;
		}
		parent->uses--;
		free(node);
		node = parent;
	}
}
