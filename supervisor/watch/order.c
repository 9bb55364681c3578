/* order: what the child watches for a plugin and for the configuration. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/paths.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/schema.h"
#include "supervisor/watch/parts.h"

#define REFERENCE "${file:"

static json_t *
texts(const struct text_list *list, const char *const *defaults)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_string(list->items[i]));
	for (size_t i = 0; !list->count && defaults[i]; i++)
		json_array_append_new(array, json_string(defaults[i]));
	return array;
}

/* more: further keys; taken, may be NULL. */
static char *
line_of(const struct watch *w, const char *key, json_t *roots, json_t *include,
	json_t *ignore, json_t *more)
{
	json_t *order = json_pack("{s:s, s:o, s:o, s:o, s:I}", "watch", key,
		"roots", roots, "include", include, "ignore", ignore,
		"debounce", (json_int_t)w->gateway->config->reload.debounce_ms);
	char *text, *line;

	json_object_update(order, more);
	json_decref(more);
	text = order ? json_dumps(order, JSON_COMPACT) : NULL;

	json_decref(order);
	if (!text)
		return NULL;
	line = memory_format("%s\n", text);
	free(text);
	return line;
}

/* ---- plugins ---- */

/* The manifest that it serves or starts with, or NULL. */
static struct manifest *
manifest_of(const struct plugin *p)
{
	const struct worker *w = plugin_serving(p);

	return w ? w->manifest : p->before_start;
}

const struct manifest_watch *
order_manifest(const struct plugin *p)
{
	const struct manifest *m = manifest_of(p);

	return m ? &m->watch : NULL;
}

/* The files that its settings name. */
static json_t *
files_of(const struct plugin *p)
{
	const struct manifest *m = manifest_of(p);
	json_t *files = json_array(), *settings;

	if (!m || !m->watch.settings.count)
		return files;
	settings = plugin_settings(p->wanted, m);
	for (uint32_t i = 0; i < m->watch.settings.count; i++) {
		json_t *path =
			json_object_get(settings, m->watch.settings.items[i]);

		if (json_is_string(path) && json_string_value(path)[0] == '/')
			json_array_append(files, path);
	}
	json_decref(settings);
	return files;
}

bool
order_has_files(const struct plugin *p)
{
	json_t *files = files_of(p);
	bool has = json_array_size(files);

	json_decref(files);
	return has;
}

/* Files that a build always makes: the programs of the manifest. NULL: there is
 * no build. */
static json_t *
made_of(const struct worker *serving)
{
	const struct manifest *m = serving ? serving->manifest : NULL;
	json_t *made;

	if (!m || !m->watch.run.count)
		return NULL;
	made = json_array();
	if (m->run)
		json_array_append_new(made, json_string(m->run));
	for (uint32_t i = 0; i < m->exec.count; i++)
		json_array_append_new(made, json_string(m->exec.items[i]));
	return json_pack("{s:o}", "made", made);
}

char *
order_of_plugin(const struct watch *w, const struct plugin *p)
{
	static const char *const all[] = {"*", NULL};
	static const char *const hidden[] = {"__pycache__", ".*", NULL};
	static const struct manifest_watch none;
	const struct manifest_watch *m = order_manifest(p);
	const struct worker *serving = plugin_serving(p);
	const struct text_list *share =
		serving ? &serving->manifest->share : NULL;
	json_t *roots, *ignore, *files, *more;
	char *file;

	if (!p->source)
		return NULL;
	if (!m)
		m = &none;
	roots = json_pack("[s]", p->source);
	file = memory_format("%s/" MANIFEST_FILE, p->source);
	for (uint32_t i = 0; roots && i < m->also.count; i++) {
		char *path = path_beside(file, m->also.items[i]);

		json_array_append_new(roots, json_string(path));
		free(path);
	}
	free(file);
	ignore = texts(&m->ignore, hidden);
	/* Files that are linked, not copied, are not part of the package. */
	for (uint32_t i = 0; share && i < share->count; i++) {
		char *path = memory_format("/%s", share->items[i]);

		json_array_append_new(ignore, json_string(path));
		free(path);
	}
	more = made_of(serving);
	files = files_of(p);
	json_array_extend(roots, files);
	if (json_array_size(files)) {
		more = more ? more : json_object();
		json_object_set(more, "files", files);
	}
	json_decref(files);
	return line_of(w, p->id, roots, texts(&m->include, all), ignore, more);
}

/* ---- the configuration ---- */

static void
add_once(json_t *roots, const char *path, size_t length)
{
	for (size_t i = 0; i < json_array_size(roots); i++) {
		const json_t *root = json_array_get(roots, i);

		if (json_string_length(root) == length &&
			!memcmp(json_string_value(root), path, length))
			return;
	}
	json_array_append_new(roots, json_stringn(path, length));
}

/* The files that a string, as written in the configuration, refers to. */
static void
add_references(json_t *roots, const char *text)
{
	for (const char *at = text; (at = strstr(at, REFERENCE));) {
		size_t length;

		at += strlen(REFERENCE);
		length = strcspn(at, "}");
		if (at[0] == '/' && at[length])
			add_once(roots, at, length);
	}
}

static void
add_settings(json_t *roots, json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_string(value))
		add_references(roots, json_string_value(value));
	json_object_foreach(value, key, member) add_settings(roots, member);
	json_array_foreach(value, i, member) add_settings(roots, member);
}

static void
add_file(json_t *roots, const char *path)
{
	char *absolute = paths_absolute(path);

	if (absolute)
		add_once(roots, absolute, strlen(absolute));
	free(absolute);
}

char *
order_of_config(const struct watch *w)
{
	const struct config *config = w->gateway->config;
	json_t *roots = json_array();
	char *beside = path_beside(w->gateway->config_file, "conf.d");
	const json_t *path;
	size_t k;

	add_file(roots, w->gateway->config_file);
	add_file(roots, beside);
	free(beside);
	for (uint32_t i = 0; i < config->plugin_count; i++) {
		const struct plugin_config *p = config->plugins[i];

		for (uint32_t j = 0; j < p->env_shown.count; j++)
			add_references(roots, p->env_shown.items[j]);
		add_settings(roots, p->settings_shown);
	}
	json_array_foreach(w->absent, k, path) add_once(
		roots, json_string_value(path), json_string_length(path));
	return line_of(w, WATCH_CONFIG_KEY, roots, json_pack("[s]", "*.yaml"),
		json_pack("[s]", ".*"),
		json_array_size(w->absent)
			? json_pack("{s:O}", "absent", w->absent)
			: NULL);
}
