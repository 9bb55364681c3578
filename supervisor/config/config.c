/* config: from files to the immutable result. The tables say what a key is;
 * here is what needs more than one value: defaults that plugins copy, ids,
 * the order of starting, who holds what. */
#include "supervisor/config/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/source.h"
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
	/* counting is the one change that a constant plugin knows */
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

static void
plugin_read(struct problems *problems, struct config *config,
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
	for (uint32_t i = 0; i < node->count; i++)
		plugin_read(problems, config, node->keys[i], node->items[i]);
}

json_t *
plugins_view(const void *base)
{
	const struct config *config = base;
	json_t *map = json_object();
	for (uint32_t i = 0; i < config->plugin_count; i++) {
		const struct plugin_config *plugin = config->plugins[i];
		json_t *entry = schema_view(&plugin_table, plugin);
		/* What it does not say itself is its package's to say. */
		if (!plugin->link_is_set)
			json_object_del(entry, "link");
		json_object_set_new(map, plugin->id, entry);
	}
	return map;
}

json_t *
config_view(const struct config *config, const struct config_in_force *in_force)
{
	struct config shown = *config; /* its parts stay where they are */
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

/* ---- defaults that are no constants ---- */

#ifndef SUPD_PLUGINDIR
#define SUPD_PLUGINDIR "/usr/lib/supd/plugins"
#endif

static void
add_default_peers(struct config_admin *admin)
{
	uint32_t own = geteuid();
	admin->peers.items = memory_alloc(2 * sizeof(*admin->peers.items));
	for (uint32_t i = 0; i < (own ? 2u : 1u); i++)
		admin->peers.items[admin->peers.count++] = (struct config_peer){
			.user = memory_format("%u", i ? own : 0),
			.number = i ? own : 0,
			.role = ROLE_ADMIN,
		};
}

static void
add_defaults(struct config *config, const struct node *root)
{
	const struct node *admin = node_get(root, "admin");
	if (!admin || admin->kind != NODE_MAP || !node_get(admin, "peers"))
		add_default_peers(&config->admin);
	if (!node_get(root, "plugin_dirs"))
		text_list_append(
			&config->plugin_dirs, memory_copy_text(SUPD_PLUGINDIR));
}

/* ---- loading ---- */

/* Takes root, which may be NULL after a problem. */
static void
config_fill(struct config *config, struct node *root, struct problems *problems)
{
	if (root) {
		schema_read(problems, &config_table, root, config);
		add_defaults(config, root);
	}
	node_destroy(root);
	problems_sort(problems);
}

/* Takes config; NULL if there were errors. */
static struct config *
config_if_good(struct config *config, const struct problems *problems,
	uint32_t errors_before)
{
	if (problems->errors == errors_before)
		return config;
	config_unref(config);
	return NULL;
}

/* Takes config, which may be NULL after a problem. */
static struct config *
config_order(struct config *config, struct problems *problems)
{
	if (!config)
		return NULL;
	config->start_order =
		memory_alloc((config->plugin_count + 1) * sizeof(uint32_t));
	if (!config_start_order(config, NULL, config->start_order, problems))
		return config;
	problems_sort(problems);
	config_unref(config);
	return NULL;
}

static struct config *
config_create(void)
{
	struct config *config = memory_alloc(sizeof(*config));
	config->references = 1;
	map_init(&config->by_id);
	schema_defaults(&config_table, config);
	return config;
}

struct config *
config_load_text(const char *name, const char *text, size_t length,
	struct problems *problems)
{
	uint32_t errors_before = problems->errors;
	struct config *config = config_create();
	text_list_append(&config->files, memory_copy_text(name));
	struct node *root =
		node_parse(config->files.items[0], text, length, problems);
	config_fill(config, root, problems);
	return config_order(
		config_if_good(config, problems, errors_before), problems);
}

struct config *
config_load(const char *path, struct problems *problems)
{
	return config_order(config_load_unordered(path, problems), problems);
}

/* All files as one tree; NULL if none could be read. */
static struct node *
read_files(struct config *config, const char *path, bool *complete_out,
	struct problems *problems)
{
	struct node *root = NULL;
	source_files(path, &config->files, problems);
	*complete_out = true;
	for (uint32_t i = 0; i < config->files.count; i++) {
		const char *file = config->files.items[i];
		size_t length;
		char *text = source_read(file, &length, problems);
		struct node *part =
			text ? node_parse(file, text, length, problems) : NULL;
		free(text);
		*complete_out &= part != NULL;
		if (root && part)
			node_merge(root, part, "plugins", problems);
		else if (part)
			root = part;
	}
	return root;
}

struct config *
config_load_unordered(const char *path, struct problems *problems)
{
	uint32_t errors_before = problems->errors;
	struct config *config = config_create();
	bool complete;
	config_fill(config, read_files(config, path, &complete, problems),
		problems);
	return config_if_good(config, problems, errors_before);
}

struct config *
config_load_broken(const char *path, struct config_known *known_out,
	struct problems *problems)
{
	struct config *config = config_create();
	struct node *root =
		read_files(config, path, &known_out->plugins, problems);
	const struct node *dirs = root ? node_get(root, "plugin_dirs") : NULL;
	uint32_t dir_count = dirs ? dirs->count : 0;
	bool is_list = !dirs || dirs->kind == NODE_LIST;
	config_fill(config, root, problems);
	known_out->dirs = known_out->plugins && is_list &&
			  (!dirs || dir_count == config->plugin_dirs.count);
	return config;
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
	text_list_finish(&config->files);
	schema_finish(&config_table, config);
	free(config);
}
