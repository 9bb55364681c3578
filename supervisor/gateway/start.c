/* start: what the manifests of the packages say about the order of starting,
 * read before the first start of a plugin. It starts nothing. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/gateway/transaction.h"

/* What is wrong with a package is told by the start itself. */
static struct manifest *
read_manifest(const struct config *config, const struct plugin_config *entry)
{
	struct problems problems = {0};
	struct manifest *manifest = NULL;
	char *dir = NULL;

	if (package_find(config, entry, &dir, &problems) == 0)
		manifest = manifest_load(dir, &problems);
	problems_finish(&problems);
	free(dir);
	return manifest;
}

static struct manifest *
manifest_of(const struct config *config, const struct plugin_config *entry,
	struct plugin *p)
{
	if (p->active)
		return manifest_ref(p->active->manifest);
	return p->enabled && !p->stopped ? read_manifest(config, entry) : NULL;
}

/* Without it plugins that wait for each other would wait for ever. */
static bool
can_be_ordered(const struct config *config, struct manifest **manifests)
{
	uint32_t *order = memory_alloc(
		((size_t)config->plugin_count + 1) * sizeof(*order));
	struct problems problems = {0};
	bool can = config_start_order(config,
			   (const struct manifest *const *)manifests, order,
			   &problems) == 0;

	for (uint32_t i = 0; i < problems.count; i++) {
		char *text = problem_text(&problems.items[i]);

		log_warn("%s; the order that manifests ask for is not kept",
			text);
		free(text);
	}
	problems_finish(&problems);
	free(order);
	return can;
}

void
start_read_manifests(struct gateway *g, const struct config *config)
{
	struct manifest **manifests = memory_alloc(
		((size_t)config->plugin_count + 1) * sizeof(struct manifest *));
	bool can;

	for (uint32_t i = 0; i < config->plugin_count; i++) {
		struct plugin *p = gateway_plugin(g, config->plugins[i]->id);

		if (p)
			manifests[i] =
				manifest_of(config, config->plugins[i], p);
	}
	can = can_be_ordered(config, manifests);
	for (uint32_t i = 0; i < config->plugin_count; i++) {
		struct plugin *p = gateway_plugin(g, config->plugins[i]->id);

		if (p && !p->settled_once && can) {
			manifest_unref(p->before_start);
			p->before_start = manifests[i];
		} else {
			manifest_unref(manifests[i]);
		}
	}
	free(manifests);
}
