/* edit: a change of one plugin's rows. Everything that can fail or allocates
 * is in prepare: entries sit at their places, not live, and hold them. Commit
 * only flips, renumbers and frees. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/route/table_parts.h"

struct route_edit {
	struct route_table *table;
	uint32_t plugin;
	uint64_t serial;
	uint64_t group; /* serial of the first one prepared with it */
	bool is_open;	/* its set is not known: it cannot be committed */
	bool unchanged; /* same rows, order and declarations: set is empty */
	struct registration_set set;
	struct route_entry **entries; /* kept and new, in the order of set */
	uint32_t count;		      /* of entries */
};

/* What prepare needs on the way. */
struct preparation {
	struct route_edit *edit;
	const char *mount, *name_space;
	const char *(*plugin_name)(uint32_t, void *);
	void *user;
	struct error *err;
};

/* A row to be: its full name and where it belongs. */
struct candidate {
	const struct registration *declared;
	struct path_pattern pattern; /* http only */
	char *path;		     /* http only */
	char *name;
	struct place *place;
};

/* ---- copying what was declared ---- */

static void
set_copy(struct registration_set *to, const struct registration_set *from)
{
	to->count = from->count;
	to->items = memory_alloc((from->count + 1) * sizeof(*to->items));
	for (uint32_t i = 0; i < from->count; i++) {
		const struct registration *r = &from->items[i];

		to->items[i] = *r;
		to->items[i].name = memory_copy_text(r->name);
		to->items[i].method = memory_copy_text(r->method);
		to->items[i].path = memory_copy_text(r->path);
		to->items[i].description = memory_copy_text(r->description);
		to->items[i].help = memory_copy_text(r->help);
		to->items[i].schema_json = memory_copy_text(r->schema_json);
	}
}

static bool
text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool
declares_equal(const struct registration *a, const struct registration *b)
{
	return a->kind == b->kind && a->idempotent == b->idempotent &&
	       a->body_limit == b->body_limit &&
	       a->streams_body == b->streams_body &&
	       text_equal(a->name, b->name) &&
	       text_equal(a->method, b->method) &&
	       text_equal(a->path, b->path) &&
	       text_equal(a->description, b->description) &&
	       text_equal(a->help, b->help) &&
	       text_equal(a->schema_json, b->schema_json);
}

static bool
edit_is_unchanged(const struct route_edit *e, const struct route_slot *slot,
	const struct registration_set *set)
{
	if (slot->set.count != set->count)
		return false;
	for (uint32_t i = 0; i < set->count; i++)
		if (e->entries[i] != slot->entries[i] ||
			!declares_equal(&slot->set.items[i], &set->items[i]))
			return false;
	return true;
}

/* ---- prepare ---- */

static int
candidate_init(struct candidate *c, const struct preparation *p,
	const struct registration *r)
{
	struct places *places = &p->edit->table->places;
	const struct path_piece *first = c->pattern.pieces;

	*c = (struct candidate){.declared = r};
	if (r->kind != REGISTRATION_HTTP) {
		c->name = memory_format("%s%s%s", p->name_space,
			*p->name_space ? "." : "", r->name);
		c->place =
			places_claim_name(places, r->kind, bytes_of(c->name));
		return 0;
	}
	c->path = memory_format("%s%s", p->mount, r->path);
	c->name = memory_format("%s %s", r->method, c->path);
	if (path_parse_pattern(&c->pattern, c->path, p->err) == -1)
		return error_prefix(p->err, "http %s: ", c->name);
	if (first->kind == PATH_LITERAL && path_is_reserved(first->text))
		return error_set(p->err, "http %s: /%.*s is the gateway's own",
			c->name, (int)first->text.length, first->text.at);
	c->place = places_claim_pattern(places, &c->pattern);
	return 0;
}

static void
candidate_finish(struct candidate *c, struct route_table *t)
{
	if (c->place)
		places_release(&t->places, c->place);
	free(c->path);
	free(c->name);
}

static int
refuse(const struct preparation *p, const struct candidate *c,
	const struct route_entry *holder)
{
	const char *kind = registration_kinds[c->declared->kind].wire;
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

/* A row that its plugin does not keep, as far as is known: it goes with the
 * same commit. Should that plugin turn out to want it, it is refused then,
 * because the place is held. */
static bool
is_leaving(const struct route_entry *e, const struct route_edit *edit)
{
	const struct route_edit *other = edit->table->slots[e->row.plugin].edit;

	return e->live && other && other->group == edit->group &&
	       e->edit != other->serial;
}

/* Looks for who has the candidate's place and method. The plugin's own live
 * row goes to *keep_out if it has the same name; a renamed one will go. */
static int
candidate_check(const struct candidate *c, const struct preparation *p,
	struct route_entry **keep_out)
{
	*keep_out = NULL;
	for (struct route_entry *e = c->place->entries; e; e = e->next) {
		if (!text_equal(e->row.method, c->declared->method))
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
	return 0;
}

static struct route_entry *
entry_create(struct candidate *c, uint32_t plugin)
{
	const struct path_pattern *pattern = &c->pattern;
	struct route_entry *entry = memory_alloc(
		sizeof(*entry) + pattern->param_count * sizeof(*entry->params));
	const struct registration *r = c->declared;

	entry->row = (struct route_row){
		.kind = r->kind,
		.name = c->name,
		.path = c->path,
		.method = memory_copy_text(r->method),
		.plugin = plugin,
	};
	c->name = c->path = NULL;
	entry->method_length = r->method ? (uint32_t)strlen(r->method) : 0;
	for (unsigned i = 0; i < pattern->count; i++)
		if (pattern->pieces[i].kind != PATH_LITERAL)
			entry->params[entry->param_count++] =
				memory_copy_bytes(pattern->pieces[i].text.at,
					pattern->pieces[i].text.length);
	return entry;
}

/* Entries of a place are in the order of their methods, so that an Allow
 * header reads the same every time. */
static void
entry_put(struct route_entry *entry, struct place *place)
{
	struct route_entry **at = &place->entries;

	while (*at && entry->row.method &&
		strcmp((*at)->row.method, entry->row.method) < 0)
		at = &(*at)->next;
	entry->next = *at;
	*at = entry;
	entry->place = place;
	place->uses++;
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
			entry_put(entry, c.place);
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
		set_copy(&e->set, set);
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

/* Swaps the edit's rows into the slot; what was there is left in the edit. */
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

	assert(slot->edit == e && !e->is_open);
	if (!e->unchanged)
		edit_apply(e, slot);
	slot->worker = worker;
	e->table->generation++;
	edit_destroy(e);
}
