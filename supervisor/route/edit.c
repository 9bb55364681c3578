/* edit: a change of one plugin's rows. Everything that can fail or allocate is
 * in prepare, which puts entries at their nodes, reserved but not live. Commit
 * only flips, renumbers and frees. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/route/table_parts.h"

struct route_edit {
	struct route_table *table;
	uint32_t plugin;
	uint64_t serial;
	uint64_t group; /* serial of the first edit prepared with it */
	bool is_open;	/* its set is unknown: it cannot be committed */
	bool unchanged; /* same rows, order and declarations: set is empty */
	struct registration_set set;
	struct route_entry **entries; /* kept and new, in the order of set */
	uint32_t count;		      /* of entries */
};

/* The working state of prepare. */
struct preparation {
	struct route_edit *edit;
	const char *mount, *name_space;
	const char *(*plugin_name)(uint32_t, void *);
	void *user;
	struct error *err;
};

/* A row to be made: its full name and its node. */
struct candidate {
	const struct registration *declared;
	const struct registration_kind_row *kind;
	struct path_pattern pattern; /* these three http only */
	const char *method;
	char *path;
	char *name;
	struct route_node *node;
};

static bool
edit_is_unchanged(const struct route_edit *e, const struct route_slot *slot,
	const struct registration_set *set)
{
	if (slot->set.count != set->count)
		return false;
	for (uint32_t i = 0; i < set->count; i++)
		if (e->entries[i] != slot->entries[i] ||
			!registration_equal(
				&slot->set.items[i], &set->items[i]))
			return false;
	return true;
}

/* ---- prepare ---- */

static int
candidate_init(struct candidate *c, const struct preparation *p,
	const struct registration *r)
{
	struct route_nodes *nodes = &p->edit->table->nodes;
	const struct path_piece *first = c->pattern.pieces;

	*c = (struct candidate){
		.declared = r, .kind = registration_kinds[r->kind]};
	if (c->kind->caller != KIND_CALLER_CLIENT) {
		c->name = memory_format("%s%s%s", p->name_space,
			*p->name_space ? "." : "", r->name);
		c->node = route_nodes_claim_name(
			nodes, r->kind, bytes_of(c->name));
		return 0;
	}
	c->method = r->http.method;
	c->path = memory_format("%s%s", p->mount, r->http.path);
	c->name = memory_format("%s %s%s", c->method, c->path,
		r->http.websocket ? " websocket" : "");
	if (path_parse_pattern(&c->pattern, c->path, p->err) == -1)
		return error_prefix(p->err, "http %s: ", c->name);
	if (first->kind == PATH_LITERAL && path_is_reserved(first->text))
		return error_set(p->err, "http %s: /%.*s is the gateway's own",
			c->name, (int)first->text.length, first->text.at);
	c->node = route_nodes_claim_pattern(nodes, &c->pattern);
	return 0;
}

static void
candidate_finish(struct candidate *c, struct route_table *t)
{
	if (c->node)
		route_nodes_release(&t->nodes, c->node);
	free(c->path);
	free(c->name);
}

static int
refuse(const struct preparation *p, const struct candidate *c,
	const struct route_entry *holder)
{
	const char *kind = c->kind->wire;
	const char *owner = NULL;
	char how[160] = "registered twice";

	if (holder->row.plugin != p->edit->plugin) {
		if (p->plugin_name)
			owner = p->plugin_name(holder->row.plugin, p->user);
		snprintf(how, sizeof(how), "taken by plugin '%s'",
			owner ? owner : "?");
	}
	if (!strcmp(c->name, holder->row.name))
		return error_set(p->err, "%s %s is %s", kind, c->name, how);
	return error_set(p->err, "%s %s is %s (as %s)", kind, c->name, how,
		holder->row.name);
}

/* Whether the row will go with the same commit, as far as is known. If its
 * plugin turns out to want it after all, that plugin is refused, because the
 * node is reserved. */
static bool
is_leaving(const struct route_entry *e, const struct route_edit *edit)
{
	const struct route_edit *other = edit->table->slots[e->row.plugin].edit;

	return e->live && other && other->group == edit->group &&
	       e->edit != other->serial;
}

static bool
is_websocket(const struct registration *r)
{
	return r->kind == REGISTRATION_HTTP && r->http.websocket;
}

static bool
method_equal(const struct route_entry *e, const struct candidate *c)
{
	return text_same(e->row.method, c->method) &&
	       e->row.websocket == is_websocket(c->declared);
}

/* Finds the row that has the candidate's node and method. *keep_out is the
 * plugin's own live row if it has the same name; a renamed row will go. */
static int
candidate_check(const struct candidate *c, const struct preparation *p,
	struct route_entry **keep_out)
{
	unsigned methods = 0;

	*keep_out = NULL;
	for (struct route_entry *e = c->node->entries; e; e = e->next) {
		if (e->row.plugin != p->edit->plugin && c->kind->shared)
			continue;
		methods++;
		if (!method_equal(e, c))
			continue;
		if (e->row.plugin != p->edit->plugin) {
			if (is_leaving(e, p->edit))
				continue;
			return refuse(p, c, e);
		}
		if (e->edit == p->edit->serial)
			return refuse(p, c, e);
		if (!strcmp(e->row.name, c->name))
			*keep_out = e;
	}
	if (!*keep_out && methods >= ROUTE_METHODS_MAX)
		return error_set(p->err,
			"http %s: the path has more than %d methods", c->name,
			ROUTE_METHODS_MAX);
	return 0;
}

static struct route_entry *
entry_create(struct candidate *c, uint32_t plugin)
{
	const struct path_pattern *pattern = &c->pattern;
	struct route_entry *entry = memory_alloc(
		sizeof(*entry) + pattern->param_count * sizeof(*entry->params));

	entry->row = (struct route_row){
		.kind = c->declared->kind,
		.name = c->name,
		.path = c->path,
		.method = memory_copy_text(c->method),
		.websocket = is_websocket(c->declared),
		.plugin = plugin,
	};
	c->name = c->path = NULL;
	entry->method_length = c->method ? (uint32_t)strlen(c->method) : 0;
	for (unsigned i = 0; i < pattern->count; i++)
		if (pattern->pieces[i].kind != PATH_LITERAL)
			entry->params[entry->param_count++] =
				memory_copy_bytes(pattern->pieces[i].text.at,
					pattern->pieces[i].text.length);
	return entry;
}

/* Keeps the entries of a node sorted by method, so that Allow headers have a
 * stable order. */
static void
entry_put(struct route_entry *entry, struct route_node *node)
{
	struct route_entry **at = &node->entries;

	while (*at && entry->row.method &&
		strcmp((*at)->row.method, entry->row.method) < 0)
		at = &(*at)->next;
	entry->next = *at;
	*at = entry;
	entry->node = node;
	node->uses++;
}

static int
edit_add(struct route_edit *e, const struct preparation *p,
	const struct registration *r)
{
	struct route_entry *entry = NULL;
	struct candidate c;
	int result = candidate_init(&c, p, r);

	if (result == 0)
		result = candidate_check(&c, p, &entry);
	if (result == 0) {
		if (!entry) {
			entry = entry_create(&c, e->plugin);
			entry_put(entry, c.node);
		}
		entry->edit = e->serial;
		e->entries[e->count++] = entry;
	}
	candidate_finish(&c, e->table);
	return result;
}

static struct route_edit *
edit_create(struct route_table *t, const struct route_wish *wish)
{
	struct route_edit *e = memory_alloc(sizeof(*e));
	struct route_slot *slot = route_table_slot(t, wish->plugin);
	uint32_t count = wish->set ? wish->set->count : 0;

	assert(!slot->edit);
	slot->edit = e;
	e->table = t;
	e->plugin = wish->plugin;
	e->serial = ++t->edits;
	e->is_open = !wish->set;
	e->entries = memory_alloc((count + 1) * sizeof(*e->entries));
	return e;
}

static int
edit_fill(struct route_edit *e, const struct route_wish *wish,
	const char *(*plugin_name)(uint32_t, void *), void *user,
	struct error *err)
{
	const struct registration_set *set = wish->set;
	struct preparation p = {e, wish->mount ? wish->mount : "",
		wish->name_space ? wish->name_space : "", plugin_name, user,
		err};

	for (uint32_t i = 0; set && i < set->count; i++)
		if (edit_add(e, &p, &set->items[i]) == -1)
			return -1;
	e->unchanged =
		set && edit_is_unchanged(e, &e->table->slots[e->plugin], set);
	if (set && !e->unchanged)
		registration_set_copy(&e->set, set);
	return 0;
}

int
route_edit_prepare_all(struct route_table *t, struct route_wish *wishes,
	size_t count, const char *(*plugin_name)(uint32_t, void *), void *user,
	struct error *err)
{
	int result = 0;

	for (size_t i = 0; i < count; i++) {
		wishes[i].edit = edit_create(t, &wishes[i]);
		wishes[i].edit->group = wishes[0].edit->serial;
	}
	for (size_t i = 0; i < count && !result; i++) {
		result = edit_fill(
			wishes[i].edit, &wishes[i], plugin_name, user, err);
		wishes[i].refused = result != 0;
	}
	for (size_t i = 0; i < count && result; i++) {
		route_edit_discard(wishes[i].edit);
		wishes[i].edit = NULL;
	}
	return result;
}

struct route_edit *
route_edit_prepare(struct route_table *t, uint32_t plugin,
	const struct registration_set *set, const char *mount,
	const char *name_space, const char *(*plugin_name)(uint32_t, void *),
	void *user, struct error *err)
{
	struct route_wish wish = {.plugin = plugin,
		.set = set,
		.mount = mount,
		.name_space = name_space};

	route_edit_prepare_all(t, &wish, 1, plugin_name, user, err);
	return wish.edit;
}

/* ---- the changes of an edit ---- */

static bool
is_changed(const struct route_edit *e, uint32_t i)
{
	return !registration_equal(
		e->entries[i]->row.declared, &e->set.items[i]);
}

void
route_edit_compare(const struct route_edit *e,
	void (*report)(void *user, enum route_change what,
		const struct route_row *row),
	void *user)
{
	const struct route_slot *slot = &e->table->slots[e->plugin];

	if (e->unchanged)
		return;
	for (uint32_t i = 0; i < slot->set.count; i++)
		if (slot->entries[i]->edit != e->serial)
			report(user, ROUTE_REMOVED, &slot->entries[i]->row);
	for (uint32_t i = 0; i < e->count; i++)
		if (!e->entries[i]->live)
			report(user, ROUTE_ADDED, &e->entries[i]->row);
		else if (is_changed(e, i))
			report(user, ROUTE_CHANGED, &e->entries[i]->row);
}

/* ---- the end of an edit ---- */

static void
edit_destroy(struct route_edit *e)
{
	e->table->slots[e->plugin].edit = NULL;
	registration_set_finish(&e->set);
	free(e->entries);
	free(e);
}

void
route_edit_discard(struct route_edit *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < e->count; i++)
		if (!e->entries[i]->live)
			route_entry_remove(e->table, e->entries[i]);
	edit_destroy(e);
}

/* Swaps the edit's rows with those of the slot. */
static void
edit_apply(struct route_edit *e, struct route_slot *slot)
{
	struct registration_set old_set = slot->set;
	struct route_entry **old_entries = slot->entries;

	for (uint32_t i = 0; i < old_set.count; i++)
		if (old_entries[i]->edit != e->serial)
			route_entry_remove(e->table, old_entries[i]);
	slot->set = e->set;
	slot->entries = e->entries;
	for (uint32_t i = 0; i < slot->set.count; i++) {
		struct route_entry *entry = slot->entries[i];

		entry->live = true;
		entry->row.registration = i;
		entry->row.declared = &slot->set.items[i];
	}
	e->set = old_set;
	e->entries = old_entries;
}

void
route_edit_commit(struct route_edit *e, uint32_t worker)
{
	struct route_slot *slot = &e->table->slots[e->plugin];

	struct route_table *t = e->table;
	uint32_t plugin = e->plugin;
	bool changed = !e->unchanged;

	assert(slot->edit == e && !e->is_open);
	if (changed)
		edit_apply(e, slot);
	slot->worker = worker;
	t->generation++;
	edit_destroy(e);
	if (changed)
		route_table_changed(t, plugin);
}
