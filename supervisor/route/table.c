/* table: lookups and slots. Lookups never allocate. edit.c changes the rows. */
#include "supervisor/route/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/route/table_parts.h"

struct route_table *
route_table_create(void)
{
	struct route_table *t = memory_alloc(sizeof(*t));

	route_nodes_init(&t->nodes);
	return t;
}

void
route_table_destroy(struct route_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->slot_count; i++)
		route_table_remove(t, i);
	route_nodes_finish(&t->nodes);
	free(t->slots);
	free(t);
}

void
route_table_watch(struct route_table *t,
	void (*on_change)(void *user, uint32_t plugin), void *user)
{
	t->on_change = on_change;
	t->user = user;
}

void
route_table_changed(struct route_table *t, uint32_t plugin)
{
	if (t->on_change)
		t->on_change(t->user, plugin);
}

uint64_t
route_table_generation(const struct route_table *t)
{
	return t->generation;
}

struct route_slot *
route_table_slot(struct route_table *t, uint32_t plugin)
{
	uint32_t count = t->slot_count ? t->slot_count : 8;

	assert(plugin < ROUTE_PLUGINS_MAX);
	if (plugin < t->slot_count)
		return &t->slots[plugin];
	while (count <= plugin)
		count *= 2;
	t->slots = memory_resize(t->slots, count * sizeof(*t->slots));
	memset(t->slots + t->slot_count, 0,
		(count - t->slot_count) * sizeof(*t->slots));
	t->slot_count = count;
	return &t->slots[plugin];
}

void
route_table_point(struct route_table *t, uint32_t plugin, uint32_t worker)
{
	route_table_slot(t, plugin)->worker = worker;
}

uint32_t
route_table_worker(const struct route_table *t, uint32_t plugin)
{
	return plugin < t->slot_count ? t->slots[plugin].worker : 0;
}

void
route_table_remove(struct route_table *t, uint32_t plugin)
{
	struct route_slot *slot;

	if (plugin >= t->slot_count)
		return;
	slot = &t->slots[plugin];
	assert(!slot->edit);
	/* removing a plugin that never served is no change */
	t->generation += slot->set.count || slot->worker;
	for (uint32_t i = 0; i < slot->set.count; i++)
		route_entry_remove(t, slot->entries[i]);
	free(slot->entries);
	registration_set_finish(&slot->set);
	*slot = (struct route_slot){0};
	route_table_changed(t, plugin);
}

void
route_entry_remove(struct route_table *t, struct route_entry *entry)
{
	struct route_node *node = entry->node;
	struct route_entry **at = &node->entries;

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	node->uses--;
	route_nodes_release(&t->nodes, node);
	for (unsigned i = 0; i < entry->param_count; i++)
		free(entry->params[i]);
	free(entry->row.name);
	free(entry->row.method);
	free(entry->row.path);
	free(entry);
}

const struct route_row *
route_table_next(const struct route_table *t, uint32_t *plugin, uint32_t *index)
{
	for (; *plugin < t->slot_count; ++*plugin, *index = 0)
		if (*index < t->slots[*plugin].set.count)
			return &t->slots[*plugin].entries[(*index)++]->row;
	return NULL;
}

/* ---- lookups ---- */

static enum route_verdict
match_set(const struct route_table *t, const struct route_entry *entry,
	struct route_match *out)
{
	out->row = &entry->row;
	out->plugin = entry->row.plugin;
	out->worker = t->slots[entry->row.plugin].worker;
	out->registration = entry->row.registration;
	return ROUTE_FOUND;
}

enum route_verdict
route_find_name(const struct route_table *t, enum registration_kind kind,
	struct bytes name, struct route_match *out)
{
	const struct route_node *node;

	assert(kind != REGISTRATION_HTTP);
	node = route_nodes_find(&t->nodes, t->nodes.roots[kind], name);
	out->param_count = 0;
	out->allow[0] = '\0';
	for (const struct route_entry *e = node ? node->entries : NULL; e;
		e = e->next)
		if (e->live)
			return match_set(t, e, out);
	return ROUTE_NONE;
}

/* A search of the trie. `values` are the params up to the present node. */
struct search {
	const struct route_nodes *nodes;
	const struct path *path;
	struct bytes method;
	struct route_match *out;
	bool websocket;	   /* rows for WebSocket connections, or the others */
	bool other_method; /* a node matched, but without the method */
	bool upgrade;	   /* one of its rows is for WebSocket connections */
};

static bool
method_is(const struct route_entry *e, const struct search *s,
	struct bytes method)
{
	return e->live && e->row.websocket == s->websocket &&
	       e->method_length == method.length &&
	       !memcmp(e->row.method, method.at, method.length);
}

static bool
allow_has(const char *allow, const char *method)
{
	size_t length = strlen(method);

	for (const char *at = allow; (at = strstr(at, method)); at += length)
		if ((at == allow || at[-1] == ' ') &&
			(!at[length] || at[length] == ','))
			return true;
	return false;
}

static void
allow_add(struct route_match *out, const char *method)
{
	size_t used = strlen(out->allow);

	if (allow_has(out->allow, method) ||
		used + 2 + strlen(method) >= sizeof(out->allow))
		return;
	if (used)
		used = (size_t)(stpcpy(out->allow + used, ", ") - out->allow);
	strcpy(out->allow + used, method);
}

/* The row with the method at a matching node, or NULL. */
static const struct route_entry *
search_take(struct search *s, const struct route_node *node)
{
	for (const struct route_entry *e = node->entries; e; e = e->next)
		if (method_is(e, s, s->method))
			return e;
	if (bytes_equal(s->method, BYTES("HEAD")))
		for (const struct route_entry *e = node->entries; e;
			e = e->next)
			if (method_is(e, s, BYTES("GET")))
				return e;
	for (const struct route_entry *e = node->entries; e; e = e->next) {
		if (!e->live)
			continue;
		s->other_method = true;
		s->upgrade |= e->row.websocket;
		allow_add(s->out, e->row.method);
		if (method_is(e, s, BYTES("GET")))
			allow_add(s->out, "HEAD");
	}
	return NULL;
}

/* Searches below a node, at most PATH_PATTERN_SEGMENTS deep. Every node has
 * one parent and one depth, so a search visits each node at most once, even
 * with backtracking; no path makes it exponential. */
static const struct route_entry *
search_below(struct search *s, const struct route_node *at, unsigned depth)
{
	const struct path *path = s->path;
	struct route_match *out = s->out;
	const unsigned params = out->param_count;
	const struct route_entry *found = NULL;
	const struct route_node *child;
	struct bytes segment, rest;

	if (depth == path->count)
		return at->entries ? search_take(s, at) : NULL;
	segment = path->segments[depth];
	child = at->literals ? route_nodes_find(s->nodes, at, segment) : NULL;
	if (child && (found = search_below(s, child, depth + 1)))
		return found;
	if (at->param && segment.length) {
		out->params[params].value = segment;
		out->param_count = params + 1;
		if ((found = search_below(s, at->param, depth + 1)))
			return found;
		out->param_count = params;
	}
	if (at->rest && (found = search_take(s, at->rest))) {
		rest.at = segment.at;
		rest.length = path->text.length -
			      (size_t)(segment.at - path->text.at);
		out->params[params].value = rest;
		out->param_count = params + 1;
	}
	return found;
}

static enum route_verdict
not_found(const struct search *s)
{
	if (!s->other_method)
		return ROUTE_NONE;
	if (s->upgrade && (bytes_equal(s->method, BYTES("GET")) ||
				  bytes_equal(s->method, BYTES("HEAD"))))
		return ROUTE_UPGRADE;
	return ROUTE_WRONG_METHOD;
}

static enum route_verdict
find_row(const struct route_table *t, struct search *s)
{
	struct route_match *out = s->out;
	const struct path *path = s->path;
	const struct route_entry *found = NULL;
	const struct route_node *whole = route_nodes_find(
		s->nodes, s->nodes->roots[REGISTRATION_HTTP], path->text);

	out->param_count = 0;
	out->allow[0] = '\0';
	if (whole)
		found = search_take(s, whole);
	if (!found && t->nodes.patterns->uses)
		found = search_below(s, t->nodes.patterns, 0);
	if (!found)
		return not_found(s);
	for (unsigned i = 0; i < out->param_count; i++)
		out->params[i].name = found->params[i];
	return match_set(t, found, out);
}

enum route_verdict
route_find_http(const struct route_table *t, struct bytes method,
	const struct path *path, struct route_match *out)
{
	struct search s = {
		.nodes = &t->nodes, .path = path, .method = method, .out = out};

	return find_row(t, &s);
}

enum route_verdict
route_find_websocket(const struct route_table *t, const struct path *path,
	struct route_match *out)
{
	struct search s = {
		.nodes = &t->nodes,
		.path = path,
		.method = BYTES("GET"),
		.out = out,
		.websocket = true,
	};

	return find_row(t, &s);
}
