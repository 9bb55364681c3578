/* compare: finds the differences of two whole configs, plugin by plugin. The
 * class of a change is in the row of its key. */
#include "supervisor/config/compare.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/config/tables.h"

struct collection {
	struct config_changes *changes;
	uint32_t capacity;
	const struct config *old, *new;
	const struct config_running *running;	/* or NULL */
	const struct plugin_config *old_plugin; /* or NULL */
	bool configures;			/* its running manifest */
};

const char *
config_change_kind_name(enum config_change_kind kind)
{
	static const char *const words[] = {
		[CHANGE_ADDED] = "added",
		[CHANGE_REMOVED] = "removed",
		[CHANGE_CHANGED] = "changed",
	};
	return words[kind];
}

/* Takes ownership of the strings in `change`. */
static void
collect(struct collection *c, struct config_change change)
{
	struct config_changes *changes = c->changes;
	const struct config_place *place;
	if (changes->count == c->capacity) {
		c->capacity = c->capacity ? 2 * c->capacity : 16;
		changes->items = memory_resize(
			changes->items, c->capacity * sizeof(*changes->items));
	}
	place = change.kind == CHANGE_REMOVED
			? NULL
			: config_places_find(&c->new->places, change.path);
	if (place) {
		change.file = place->file;
		change.line = place->line;
	}
	changes->items[changes->count++] = change;
}

/* Whether the value was and is that of `defaults`. */
static bool
is_inherited(const struct collection *c, const struct schema_row *row,
	const void *old, const void *new)
{
	if (!c->old_plugin)
		return false;
	const char *limits = (const char *)&c->old_plugin->limits;
	ptrdiff_t offset = (const char *)old - limits;
	if (offset < 0 || offset >= (ptrdiff_t)sizeof(struct plugin_limits))
		return false;
	return schema_value_same(
		       row, old, (const char *)&c->old->defaults + offset) &&
	       schema_value_same(
		       row, new, (const char *)&c->new->defaults + offset);
}

static void
note(void *user, const char *path, enum config_change_kind kind,
	const struct schema_row *row, const void *old, const void *new)
{
	struct collection *c = user;
	const struct plugin_config *plugin = c->old_plugin;
	collect(c,
		(struct config_change){
			.kind = kind,
			.class = schema_class(row, c->configures),
			.path = memory_copy_text(path),
			.plugin = plugin ? memory_copy_text(plugin->id) : NULL,
			.inherited = is_inherited(c, row, old, new),
		});
}

static void
note_plugin(struct collection *c, const struct plugin_config *plugin,
	enum config_change_kind kind)
{
	collect(c, (struct config_change){
			   .kind = kind,
			   .class = CLASS_RELOAD,
			   .path = memory_format("plugins.%s", plugin->id),
			   .plugin = memory_copy_text(plugin->id),
		   });
}

static void
compare_plugin(struct collection *c, const struct plugin_config *old,
	const struct plugin_config *new)
{
	const struct config_running *running = c->running;
	c->old_plugin = old;
	c->configures = running && running->configures(running->user, old->id);
	char *prefix = memory_format("plugins.%s", old->id);
	schema_compare(&plugin_table, old, new, prefix, note, c);
	free(prefix);
	c->old_plugin = NULL;
	c->configures = false;
}

/* ---- in steps ---- */

struct config_comparison {
	struct collection c;
	struct config_running running;
	bool began;
	uint32_t next; /* index in the old plugins, then in the new ones */
};

struct config_comparison *
config_comparison_create(const struct config *old, const struct config *new,
	const struct config_running *running,
	struct config_changes *changes_out)
{
	struct config_comparison *k = memory_alloc(sizeof(*k));
	*changes_out = (struct config_changes){0};
	k->c = (struct collection){
		.changes = changes_out, .old = old, .new = new};
	if (running) {
		k->running = *running;
		k->c.running = &k->running;
	}
	return k;
}

static void
compare_old(struct collection *c, const struct plugin_config *before)
{
	const struct plugin_config *after = config_plugin(c->new, before->id);
	if (after)
		compare_plugin(c, before, after);
	else
		note_plugin(c, before, CHANGE_REMOVED);
}

static void
compare_new(struct collection *c, const struct plugin_config *after)
{
	if (!config_plugin(c->old, after->id))
		note_plugin(c, after, CHANGE_ADDED);
}

bool
config_comparison_step(struct config_comparison *k)
{
	struct collection *c = &k->c;
	uint32_t old_count = c->old->plugin_count;
	uint32_t count = old_count + c->new->plugin_count;
	if (!k->began) {
		schema_compare(&config_table, c->old, c->new, "", note, c);
		k->began = true;
	} else if (k->next < old_count) {
		compare_old(c, c->old->plugins[k->next++]);
	} else if (k->next < count) {
		compare_new(c, c->new->plugins[k->next++ - old_count]);
	}
	return k->next == count;
}

void
config_comparison_destroy(struct config_comparison *k)
{
	free(k);
}

void
config_compare(const struct config *old, const struct config *new,
	const struct config_running *running,
	struct config_changes *changes_out)
{
	struct config_comparison *k =
		config_comparison_create(old, new, running, changes_out);
	while (!config_comparison_step(k))
		;
	config_comparison_destroy(k);
}

void
config_changes_finish(struct config_changes *changes)
{
	for (uint32_t i = 0; i < changes->count; i++) {
		free(changes->items[i].path);
		free(changes->items[i].plugin);
	}
	free(changes->items);
	*changes = (struct config_changes){0};
}

struct cost {
	bool configures;
	int dearest; /* enum config_class; -1: nothing differs */
};

static void
note_class(void *user, const char *path, enum config_change_kind kind,
	const struct schema_row *row, const void *old, const void *new)
{
	struct cost *cost = user;
	int class = (int)schema_class(row, cost->configures);
	if (class > cost->dearest)
		cost->dearest = class;
}

bool
config_plugin_differs(const struct plugin_config *in_force,
	const struct plugin_config *wanted, bool configures,
	enum config_class *class_out)
{
	struct cost cost = {configures, -1};
	schema_compare(&plugin_table, in_force, wanted, "", note_class, &cost);
	*class_out =
		cost.dearest < 0 ? CLASS_LIVE : (enum config_class)cost.dearest;
	return cost.dearest >= 0;
}

static void
note_reason(void *user, const char *path, enum config_change_kind kind,
	const struct schema_row *row, const void *old, const void *new)
{
	json_t *reasons = user;
	json_t *word = json_stringn(path, strcspn(path, ".["));
	size_t i;
	json_t *before;
	json_array_foreach(reasons, i, before)
	{
		if (!json_equal(before, word))
			continue;
		json_decref(word);
		return;
	}
	json_array_append_new(reasons, word);
}

json_t *
config_plugin_reasons(const struct plugin_config *in_force,
	const struct plugin_config *wanted)
{
	json_t *reasons = json_array();
	schema_compare(
		&plugin_table, in_force, wanted, "", note_reason, reasons);
	return reasons;
}

void
config_keep_unchangeable(struct config *new, const struct config *old)
{
	for (const struct schema_row *row = config_table.rows; row->type;
		row++) {
		if (row->class != CLASS_RESTART || row->type != SCHEMA_PATH)
			continue;
		char **mine = schema_field(row, new);
		char *const *theirs = schema_field_const(row, old);
		char *kept = *theirs ? memory_copy_text(*theirs) : NULL;
		free(*mine);
		*mine = kept;
	}
}

bool
config_changes_touch(const struct config_changes *changes, const char *path)
{
	size_t length = strlen(path);
	for (uint32_t i = 0; i < changes->count; i++) {
		const char *changed = changes->items[i].path;
		if (!strncmp(changed, path, length) &&
			strchr(".[", changed[length]))
			return true; /* also at the terminating NUL */
	}
	return false;
}

const char *
config_change_place(
	const struct config_change *c, char text[CONFIG_PLACE_TEXT_BYTES])
{
	text[0] = '\0';
	if (c->file)
		text_format(text, CONFIG_PLACE_TEXT_BYTES, " (%s:%u)", c->file,
			c->line);
	return text;
}

json_t *
config_change_view(const struct config_change *c)
{
	return json_pack("{s:s,s:s,s:s,s:s?,s:s?,s:o}", "path", c->path, "kind",
		config_change_kind_name(c->kind), "class",
		config_class_name(c->class), "pluginId", c->plugin, "file",
		c->file, "line", c->file ? json_integer(c->line) : json_null());
}

json_t *
config_changes_view(const struct config_changes *changes)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < changes->count; i++)
		if (!changes->items[i].inherited)
			json_array_append_new(
				list, config_change_view(&changes->items[i]));
	return list;
}
