/* config: the immutable result of reading. The tables define single keys; this
 * file does what needs several values: defaults that plugins copy, ids,
 * references. load.c reads the files. */
#include "supervisor/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/tables.h"

/* ---- plugins ---- */

static struct plugin_config *
plugin_create(
	const struct config *config, const struct node *key, const char *id)
{
	struct plugin_config *plugin = memory_alloc(sizeof(*plugin));
	plugin->references = 1;
	plugin->id = memory_copy_text(id);
	plugin->file = memory_copy_text(key->file);
	plugin->line = key->line;
	plugin->column = key->column;
	schema_defaults(&plugin_table, plugin);
	plugin->limits = config->defaults;
	return plugin;
}

struct plugin_config *
plugin_config_ref(const struct plugin_config *plugin)
{
	/* only the reference count of a const plugin changes */
	struct plugin_config *counted =
		(struct plugin_config *)(uintptr_t)plugin;
	counted->references++;
	return counted;
}

void
plugin_config_unref(struct plugin_config *plugin)
{
	if (!plugin || --plugin->references)
		return;
	schema_finish(&plugin_table, plugin);
	free(plugin->requires_at);
	free(plugin->id);
	free(plugin->file);
	free(plugin);
}

void
config_read_plugin(struct problems *problems, struct config *config,
	const struct node *key, const struct node *item)
{
	if (strlen(key->text) != key->length ||
		!config_id_is_valid(key->text)) {
		check_id(problems, key, NULL);
		return;
	}
	struct plugin_config *plugin = plugin_create(config, key, key->text);
	config->plugins[config->plugin_count++] = plugin;
	map_set(&config->by_id, key->text, key->length, plugin);
	if (item->kind == NODE_MAP) {
		schema_read(problems, &plugin_table, item, plugin);
		plugin->link_is_set = node_get(item, "link");
	} else if (item->kind != NODE_BROKEN && !node_is_empty(item)) {
		node_problem(problems, item, "'%s' must be a map, not %s",
			key->text, node_kind_name(item));
	}
	if (!plugin->use)
		plugin->use = memory_copy_text(plugin->id);
	if (!plugin->settings)
		plugin->settings = json_object();
	if (!plugin->settings_shown)
		plugin->settings_shown = json_object();
}

void
plugins_read(struct problems *problems, const struct node *node, void *base)
{
	struct config *config = base;
	if (node->kind != NODE_MAP) {
		if (!node_is_empty(node))
			node_problem(problems, node,
				"'plugins' must be a map of ids, not %s",
				node_kind_name(node));
		return;
	}
	config->plugins =
		memory_alloc((node->count + 1) * sizeof(*config->plugins));
}

json_t *
config_plugin_view(const struct plugin_config *plugin)
{
	json_t *entry = schema_view(&plugin_table, plugin);

	/* a link that is not set here is decided by the package */
	if (!plugin->link_is_set)
		json_object_del(entry, "link");
	return entry;
}

json_t *
plugins_view(const void *base)
{
	const struct config *config = base;
	json_t *map = json_object();
	for (uint32_t i = 0; i < config->plugin_count; i++)
		json_object_set_new(map, config->plugins[i]->id,
			config_plugin_view(config->plugins[i]));
	return map;
}

json_t *
config_view(const struct config *config, const struct config_in_force *in_force)
{
	struct config shown = *config; /* a shallow copy */
	if (in_force) {
		shown.runtime_dir = in_force->runtime_dir;
		shown.state_dir = in_force->state_dir;
		shown.log.level = in_force->log_level;
		shown.log.format = in_force->log_format;
	}
	return schema_view(&config_table, &shown);
}

struct plugin_config *
config_plugin(const struct config *config, const char *id)
{
	return map_get(&config->by_id, id, strlen(id));
}

struct config *
config_ref(struct config *config)
{
	config->references++;
	return config;
}

void
config_unref(struct config *config)
{
	if (!config || --config->references)
		return;
	for (uint32_t i = 0; i < config->plugin_count; i++)
		plugin_config_unref(config->plugins[i]);
	free(config->plugins);
	free(config->start_order);
	map_finish(&config->by_id);
	config_places_finish(&config->places);
	text_list_finish(&config->files);
	schema_finish(&config_table, config);
	free(config);
}
