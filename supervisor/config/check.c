/* check: finds everything that is wrong without starting anything. It reads the
 * config and the manifests of the enabled plugins; no plugin code runs. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/schema.h"
#include "supervisor/config/settings.h"
#include "supervisor/config/source.h"

/* The package of one plugin; both members are owned. */
struct finding {
	char *dir;
	struct manifest *manifest; /* NULL if broken, disabled or read for an
				      earlier plugin */
};

static void
check_link(const struct plugin_config *plugin, const struct manifest *manifest,
	struct problems *problems)
{
	if (plugin->link_is_set && plugin->limits.link == LINK_NATIVE &&
		manifest->exec.count)
		problems_add(problems, plugin->file, plugin->line,
			plugin->column,
			"'%s': 'link: native' is for C plugins; the package "
			"'%s' is a program and brings its own",
			plugin->id, plugin->use);
}

static void
check_settings(const struct plugin_config *plugin,
	const struct manifest *manifest, struct problems *problems)
{
	json_t *settings = plugin_settings(plugin, manifest);
	if (settings_bytes(settings) > SETTINGS_BYTES_MAX)
		problems_add(problems, plugin->file, plugin->line,
			plugin->column,
			"'%s': the settings, with those of its package, must "
			"not be larger than %d KiB",
			plugin->id, SETTINGS_BYTES_MAX / 1024);
	json_decref(settings);
}

static void
check_name(const char *dir, const struct manifest *manifest,
	struct problems *problems)
{
	const char *folder = strrchr(dir, '/') + 1;
	if (strcmp(folder, manifest->name) != 0)
		problems_warn(problems, manifest->file, 1, 1,
			"the package calls itself '%s', but its folder is "
			"'%s', and that is its name",
			manifest->name, folder);
}

struct package_check {
	const struct config *config; /* borrowed */
	struct finding *findings;
	const struct manifest **manifests;
	struct map by_dir; /* struct finding *, the first with that package */
	uint32_t next;
};

struct package_check *
package_check_create(const struct config *config)
{
	struct package_check *c = memory_alloc(sizeof(*c));
	size_t most = (size_t)config->plugin_count + 1;
	c->config = config;
	c->findings = memory_alloc(most * sizeof(*c->findings));
	c->manifests = memory_alloc(most * sizeof(*c->manifests));
	map_init(&c->by_dir);
	return c;
}

void
package_check_destroy(struct package_check *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->config->plugin_count; i++) {
		free(c->findings[i].dir);
		manifest_destroy(c->findings[i].manifest);
	}
	map_finish(&c->by_dir);
	free(c->findings);
	free(c->manifests);
	free(c);
}

static void
check_plugin(struct package_check *c, uint32_t i, struct problems *problems)
{
	const struct plugin_config *plugin = c->config->plugins[i];
	struct finding *f = &c->findings[i], *same;
	if (!plugin->enabled || !config_id_is_valid(plugin->use) ||
		package_find(c->config, plugin, &f->dir, problems) < 0)
		return;
	same = map_get(&c->by_dir, f->dir, strlen(f->dir));
	if (same) {
		c->manifests[i] = same->manifest;
	} else {
		map_set(&c->by_dir, f->dir, strlen(f->dir), f);
		f->manifest = manifest_load(f->dir, problems);
		c->manifests[i] = f->manifest;
		if (f->manifest)
			check_name(f->dir, f->manifest, problems);
	}
	if (!c->manifests[i])
		return;
	check_link(plugin, c->manifests[i], problems);
	check_settings(plugin, c->manifests[i], problems);
}

/* Warns if a plugin requires a disabled one: it starts, but probably not as
 * meant. */
static void
warn_of_disabled(const struct config *config, struct problems *problems)
{
	for (uint32_t i = 0; i < config->plugin_count; i++) {
		const struct plugin_config *plugin = config->plugins[i];
		for (uint32_t j = 0; j < plugin->requires.count; j++) {
			const struct plugin_config *other = config_plugin(
				config, plugin->requires.items[j]);
			if (plugin->enabled && other && !other->enabled)
				problems_warn(problems, plugin->file,
					plugin->requires_at[j].line,
					plugin->requires_at[j].column,
					"'%s' requires '%s', which is disabled",
					plugin->id, other->id);
		}
	}
}

static void
check_order(const struct package_check *c, struct problems *problems)
{
	uint32_t *order = memory_alloc(
		((size_t)c->config->plugin_count + 1) * sizeof(*order));
	config_start_order(c->config, c->manifests, order, problems);
	warn_of_disabled(c->config, problems);
	free(order);
}

bool
package_check_step(
	struct package_check *c, uint32_t most, struct problems *problems)
{
	while (most-- && c->next < c->config->plugin_count)
		check_plugin(c, c->next++, problems);
	if (c->next < c->config->plugin_count)
		return false;
	check_order(c, problems);
	return true;
}

static void
check_all(const struct config *config, const struct config_known *known,
	struct problems *problems)
{
	struct package_check *c = package_check_create(config);
	if (!known->dirs)
		c->next = config->plugin_count;
	if (known->plugins) {
		config_refuse_nothing(config, problems);
		package_check_step(c, UINT32_MAX, problems);
	}
	package_check_destroy(c);
}

static bool
is_folder(const char *path)
{
	struct stat status;

	return !stat(path, &status) && S_ISDIR(status.st_mode);
}

static bool
is_manifest(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, MANIFEST_FILE);
}

bool
config_is_package(const char *path)
{
	return is_folder(path) || is_manifest(path);
}

/* The folder as an absolute path: its name is the package's. The caller
 * frees. */
static char *
package_folder(const char *path)
{
	char *folder = is_folder(path) ? memory_copy_text(path)
				       : path_beside(path, ".");
	char *real = realpath(folder, NULL);

	if (!real)
		return folder;
	free(folder);
	return real;
}

uint32_t
package_check(const char *path, FILE *out)
{
	struct problems problems = {0};
	char *folder = package_folder(path);
	struct manifest *manifest = manifest_load(folder, &problems);
	uint32_t errors;

	if (manifest && strrchr(folder, '/'))
		check_name(folder, manifest, &problems);
	manifest_destroy(manifest);
	problems_print(&problems, out);
	errors = problems.errors;
	problems_finish(&problems);
	free(folder);
	return errors;
}

uint32_t
config_check(const char *path, FILE *out)
{
	struct problems problems = {0};
	struct config_known known;
	struct config *config = config_load_broken(path, &known, &problems);
	check_all(config, &known, &problems);
	config_unref(config);
	problems_sort(&problems);
	problems_print(&problems, out);
	uint32_t errors = problems.errors;
	problems_finish(&problems);
	return errors;
}
