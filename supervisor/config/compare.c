/* compare: the differences of two whole configs, plugin by plugin. What a
 * change costs stands in the row of its key. */
#include "supervisor/config/compare.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
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

/* Takes the texts in `change`. */
static void
collect(struct collection *c, struct config_change change)
{
	struct config_changes *changes = c->changes;
	if (changes->count == c->capacity) {
		c->capacity = c->capacity ? 2 * c->capacity : 16;
		changes->items = memory_resize(
			changes->items, c->capacity * sizeof(*changes->items));
	}
	changes->items[changes->count++] = change;
}

/* Whether the value that differs is, before and after, that of `defaults`. */
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

void
config_compare(const struct config *old, const struct config *new,
	const struct config_running *running,
	struct config_changes *changes_out)
{
	*changes_out = (struct config_changes){0};
	struct collection c = {.changes = changes_out,
		.old = old,
		.new = new,
		.running = running};
	schema_compare(&config_table, old, new, "", note, &c);
	for (uint32_t i = 0; i < old->plugin_count; i++) {
		const struct plugin_config *before = old->plugins[i];
		const struct plugin_config *after =
			config_plugin(new, before->id);
		if (after)
			compare_plugin(&c, before, after);
		else
			note_plugin(&c, before, CHANGE_REMOVED);
	}
	for (uint32_t i = 0; i < new->plugin_count; i++)
		if (!config_plugin(old, new->plugins[i]->id))
			note_plugin(&c, new->plugins[i], CHANGE_ADDED);
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

json_t *
config_changes_view(const struct config_changes *changes)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < changes->count; i++) {
		const struct config_change *c = &changes->items[i];
		if (c->inherited)
			continue;
		json_array_append_new(
			list, json_pack("{s:s,s:s,s:s,s:s?}", "path", c->path,
				      "kind", config_change_kind_name(c->kind),
				      "class", config_class_name(c->class),
				      "pluginId", c->plugin));
	}
	return list;
}
