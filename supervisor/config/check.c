/* check: everything that can be known to be wrong without starting anything.
 * It reads the config and the manifests of the enabled plugins; no plugin
 * code runs. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"

/* What was found of one plugin; both owned. */
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

/* The place of the plugin that has this package already, or `until`. */
static uint32_t
find_same(const struct finding *findings, uint32_t until, const char *dir)
{
	uint32_t i = 0;
	while (i < until &&
		(!findings[i].dir || strcmp(findings[i].dir, dir) != 0))
		i++;
	return i;
}

static void
check_plugins(const struct config *config, struct finding *findings,
	const struct manifest **manifests, struct problems *problems)
{
	for (uint32_t i = 0; i < config->plugin_count; i++) {
		const struct plugin_config *plugin = config->plugins[i];
		struct finding *f = &findings[i];
		if (!plugin->enabled || !config_id_is_valid(plugin->use) ||
			package_find(config, plugin, &f->dir, problems) < 0)
			continue;
		uint32_t same = find_same(findings, i, f->dir);
		if (same < i) {
			manifests[i] = manifests[same];
		} else {
			f->manifest = manifest_load(f->dir, problems);
			manifests[i] = f->manifest;
			if (f->manifest)
				check_name(f->dir, f->manifest, problems);
		}
		if (manifests[i])
			check_link(plugin, manifests[i], problems);
	}
}

/* It starts, but who said so had another thing in mind. */
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
check_all(const struct config *config, const struct config_known *known,
	struct problems *problems)
{
	uint32_t count = config->plugin_count;
	struct finding *findings =
		memory_alloc((count + 1) * sizeof(*findings));
	const struct manifest **manifests =
		memory_alloc((count + 1) * sizeof(*manifests));
	uint32_t *order = memory_alloc((count + 1) * sizeof(*order));
	if (known->dirs)
		check_plugins(config, findings, manifests, problems);
	if (known->plugins) {
		config_start_order(config, manifests, order, problems);
		warn_of_disabled(config, problems);
	}
	for (uint32_t i = 0; i < count; i++) {
		free(findings[i].dir);
		manifest_destroy(findings[i].manifest);
	}
	free(findings);
	free(manifests);
	free(order);
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
