/* package: finds packages. It reads no manifest. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/near.h"
#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/units.h"

static bool
has_manifest(const char *folder, const char *name, struct stat *status_out)
{
	char *path = memory_format("%s/%s/%s", folder, name, MANIFEST_FILE);
	bool found = stat(path, status_out) == 0;
	free(path);
	return found;
}

static int
is_candidate(const struct dirent *entry)
{
	return config_id_is_valid(entry->d_name);
}

/* The name of the most similar package in all folders, which the caller frees;
 * or NULL. */
static char *
nearest(const struct config *config, const char *use)
{
	struct near near;
	near_init(&near, use);
	char *best = NULL;
	for (uint32_t i = 0; i < config->plugin_dirs.count; i++) {
		const char *folder = config->plugin_dirs.items[i];
		struct dirent **entries;
		int count = scandir(folder, &entries, is_candidate, alphasort);
		for (int j = 0; j < count; j++) {
			struct stat status;
			near.best = NULL;
			if (has_manifest(folder, entries[j]->d_name, &status))
				near_offer(&near, entries[j]->d_name);
			if (near.best) {
				free(best);
				best = memory_copy_text(near.best);
			}
			free(entries[j]);
		}
		if (count >= 0)
			free(entries);
	}
	return best;
}

static void
problem_of_missing(const struct config *config,
	const struct plugin_config *plugin, struct problems *problems)
{
	char *best = nearest(config, plugin->use);
	struct buffer folders = {0};
	for (uint32_t i = 0; i < config->plugin_dirs.count; i++)
		buffer_format(&folders, "%s%s", i ? ", " : "",
			config->plugin_dirs.items[i]);
	problems_add(problems, plugin->file, plugin->line, plugin->column,
		"'%s': package '%s' not found in %.*s%s%s%s", plugin->id,
		plugin->use, (int)buffer_length(&folders),
		buffer_length(&folders) ? (const char *)buffer_bytes(&folders)
					: "",
		best ? "; did you mean '" : "", best ? best : "",
		best ? "'?" : "");
	buffer_finish(&folders);
	free(best);
}

int
package_find(const struct config *config, const struct plugin_config *plugin,
	char **dir_out, struct problems *problems)
{
	struct stat first, other;
	char *found = NULL;
	for (uint32_t i = 0; i < config->plugin_dirs.count; i++) {
		const char *folder = config->plugin_dirs.items[i];
		if (!found) {
			if (has_manifest(folder, plugin->use, &first))
				found = memory_format(
					"%s/%s", folder, plugin->use);
			continue;
		}
		if (has_manifest(folder, plugin->use, &other) &&
			(other.st_ino != first.st_ino ||
				other.st_dev != first.st_dev))
			problems_warn(problems, plugin->file, plugin->line,
				plugin->column,
				"the package %s/%s is hidden by %s", folder,
				plugin->use, found);
	}
	*dir_out = found;
	if (found)
		return 0;
	problem_of_missing(config, plugin, problems);
	return -1;
}
