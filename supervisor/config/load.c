/* load: reads files into a configuration, at once or in steps, so that the loop
 * can go on in between. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/source.h"
#include "supervisor/config/tables.h"

#define NODES_AT_ONCE 100 /* nodes of a file per step */

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

static bool
has_value(const struct node *root, const char *key)
{
	const struct node *value =
		root->kind == NODE_MAP ? node_get(root, key) : NULL;
	return value && !node_is_empty(value);
}

void
config_refuse_nothing(const struct config *config, struct problems *problems)
{
	const char *file = config->files.count ? config->files.items[0] : "";
	if (!config->says_plugins)
		problems_add(problems, file, 0, 0,
			"no plugins: if none is wanted, say 'plugins: {}'");
	if (!config->says_listen)
		problems_add(problems, file, 0, 0,
			"no listeners: if none is wanted, say 'listen: []'");
}

/* Reads everything but the entries of plugins. */
static void
fill_begin(struct config *config, const struct node *root,
	struct problems *problems)
{
	config->says_plugins = has_value(root, "plugins");
	config->says_listen = has_value(root, "listen");
	schema_read(problems, &config_table, root, config);
	config_places_add(&config->places, "", root, "plugins");
	add_defaults(config, root);
}

/* The map of plugins; NULL: there is none. */
static struct node *
entries_of(const struct node *root)
{
	struct node *plugins = node_get(root, "plugins");
	return plugins && plugins->kind == NODE_MAP ? plugins : NULL;
}

/* Reads an entry and frees its nodes. */
static void
read_entry(struct config *config, struct node *entries, uint32_t i,
	struct problems *problems)
{
	const struct node *key = entries->keys[i];
	char *path = memory_format("plugins.%s", key->text);
	config_places_add_one(&config->places, path, key);
	config_places_add(&config->places, path, entries->items[i], NULL);
	free(path);
	config_read_plugin(problems, config, key, entries->items[i]);
	node_destroy(entries->items[i]);
	entries->items[i] = NULL;
}

/* Takes root, which may be NULL after a problem. */
static void
config_fill(struct config *config, struct node *root, struct problems *problems)
{
	struct node *entries;
	if (root) {
		fill_begin(config, root, problems);
		entries = entries_of(root);
		for (uint32_t i = 0; entries && i < entries->count; i++)
			read_entry(config, entries, i, problems);
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
	config_places_sort(&config->places);
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

/* ---- files ---- */

enum phase { LOAD_FILES, LOAD_ENTRIES, LOAD_ORDER, LOAD_DONE };

struct config_loading {
	struct problems *problems;
	uint32_t errors_before;
	struct config *config;
	enum phase phase;
	struct node *root; /* NULL if none could be read */
	bool complete;	   /* no file is missing */

	uint32_t file; /* index of the current or next file */
	char *text;
	struct node_reading *reading;

	struct node *entries; /* the map of plugins, or NULL */
	uint32_t entry;	      /* index of the next entry */
};

struct config_loading *
config_loading_create(const char *path, struct problems *problems)
{
	struct config_loading *l = memory_alloc(sizeof(*l));
	l->problems = problems;
	l->errors_before = problems->errors;
	l->config = config_create();
	l->complete = true;
	source_files(path, &l->config->files, problems);
	return l;
}

/* Merges the file that was read into the others. */
static void
end_file(struct config_loading *l)
{
	struct node *part = l->reading ? node_reading_finish(l->reading) : NULL;
	l->reading = NULL;
	free(l->text);
	l->text = NULL;
	l->file++;
	l->complete &= part != NULL;
	if (l->root && part)
		node_merge(l->root, part, "plugins", l->problems);
	else if (part)
		l->root = part;
}

static void
begin_file(struct config_loading *l)
{
	const char *file = l->config->files.items[l->file];
	size_t length;
	l->text = source_read(file, &length, l->problems);
	if (l->text)
		l->reading =
			node_reading_create(file, l->text, length, l->problems);
	else
		end_file(l);
}

static void
step_files(struct config_loading *l)
{
	if (l->reading) {
		if (node_reading_step(l->reading, NODES_AT_ONCE))
			end_file(l);
	} else if (l->file < l->config->files.count) {
		begin_file(l);
	} else {
		if (l->root) {
			fill_begin(l->config, l->root, l->problems);
			l->entries = entries_of(l->root);
		}
		l->phase = LOAD_ENTRIES;
	}
}

static void
step_entries(struct config_loading *l)
{
	if (l->entries && l->entry < l->entries->count) {
		read_entry(l->config, l->entries, l->entry++, l->problems);
		return;
	}
	problems_sort(l->problems);
	l->config = config_if_good(l->config, l->problems, l->errors_before);
	l->phase = LOAD_ORDER;
}

bool
config_loading_step(struct config_loading *l)
{
	switch (l->phase) {
	case LOAD_FILES:
		step_files(l);
		break;
	case LOAD_ENTRIES:
		step_entries(l);
		break;
	case LOAD_ORDER:
		l->config = config_order(l->config, l->problems);
		l->phase = LOAD_DONE;
		break;
	case LOAD_DONE:
		break;
	}
	return l->phase == LOAD_DONE;
}

struct config *
config_loading_finish(struct config_loading *l)
{
	struct config *config = l->config;
	if (l->reading)
		end_file(l);
	node_destroy(l->root);
	if (l->phase != LOAD_DONE) {
		config_unref(config);
		config = NULL;
	}
	free(l);
	return config;
}

struct config *
config_load(const char *path, struct problems *problems)
{
	struct config_loading *l = config_loading_create(path, problems);
	while (!config_loading_step(l))
		;
	return config_loading_finish(l);
}

struct config *
config_load_broken(const char *path, struct config_known *known_out,
	struct problems *problems)
{
	struct config_loading *l = config_loading_create(path, problems);
	struct config *config = l->config;
	const struct node *dirs;
	uint32_t dir_count;
	bool is_list;

	while (l->phase == LOAD_FILES)
		step_files(l);
	dirs = l->root ? node_get(l->root, "plugin_dirs") : NULL;
	dir_count = dirs ? dirs->count : 0;
	is_list = !dirs || dirs->kind == NODE_LIST;
	for (; l->entries && l->entry < l->entries->count; l->entry++)
		read_entry(config, l->entries, l->entry, problems);
	problems_sort(problems);
	known_out->plugins = l->complete;
	known_out->dirs = known_out->plugins && is_list &&
			  (!dirs || dir_count == config->plugin_dirs.count);
	config_ref(config);
	config_loading_finish(l);
	return config;
}
