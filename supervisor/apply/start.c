/* start: reads from the manifests in which order plugins start, before their
 * first start. It starts nothing. */
#include "supervisor/apply/start.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

/* Problems of a package are reported by its start, not here. */
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

/* Without this check, plugins that require each other would wait forever. */
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

		log_warn("%s; ignoring the start order of the manifests", text);
		free(text);
	}
	problems_finish(&problems);
	free(order);
	return can;
}

struct start_manifests {
	struct gateway *gateway;
	const struct config *config;
	struct manifest **items; /* by index in the config; NULL: none */
	uint32_t at;
};

struct start_manifests *
start_manifests_create(struct gateway *g, const struct config *config)
{
	struct start_manifests *s = memory_alloc(sizeof(*s));

	s->gateway = g;
	s->config = config;
	s->items = memory_alloc(
		((size_t)config->plugin_count + 1) * sizeof(*s->items));
	return s;
}

bool
start_manifests_step(struct start_manifests *s)
{
	const struct plugin_config *entry;
	struct plugin *p;

	if (s->at == s->config->plugin_count)
		return true;
	entry = s->config->plugins[s->at];
	p = gateway_plugin(s->gateway, entry->id);
	if (p)
		s->items[s->at] = manifest_of(s->config, entry, p);
	s->at++;
	return false;
}

void
start_manifests_destroy(struct start_manifests *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->config->plugin_count; i++)
		manifest_unref(s->items[i]);
	free(s->items);
	free(s);
}

void
start_manifests_finish(struct start_manifests *s)
{
	bool can = can_be_ordered(s->config, s->items);

	for (uint32_t i = 0; can && i < s->config->plugin_count; i++) {
		struct plugin *p =
			gateway_plugin(s->gateway, s->config->plugins[i]->id);

		if (!p || p->settled_once)
			continue;
		manifest_unref(p->before_start);
		p->before_start = s->items[i];
		s->items[i] = NULL;
	}
	start_manifests_destroy(s);
}
