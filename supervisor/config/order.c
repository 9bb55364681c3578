/* order: finds the order of starting by a depth-first walk over `requires`, in
 * the order of the files, so that unrelated plugins keep their order. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/near.h"
#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/units.h"

#define CHAIN_MAX 6 /* links of a circle that are named */

enum mark { UNSEEN, ON_PATH, ORDERED };

struct walk {
	const struct config *config;
	const struct manifest *const *manifests;
	struct problems *problems;
	enum mark *marks; /* by index in config->plugins */
	struct map by_id; /* id -> &marks[index] */
	struct visit {
		uint32_t index;
		uint32_t next; /* index of its next requirement */
	} * path;
	uint32_t path_count;
	uint32_t *order;
	uint32_t order_count;
	bool failed;
};

/* "PLUGIN requires ID", and its position in a file. */
struct requirement {
	const char *id; /* NULL past the end */
	const char *file;
	struct config_position at;
};

/* Requirement i of a plugin: first its own, then those of its manifest. */
static struct requirement
requirement(const struct walk *w, uint32_t index, uint32_t i)
{
	const struct plugin_config *plugin = w->config->plugins[index];
	const struct manifest *manifest =
		w->manifests ? w->manifests[index] : NULL;
	uint32_t own = plugin->requires.count;
	if (i < own)
		return (struct requirement){plugin->requires.items[i],
			plugin->file, plugin->requires_at[i]};
	i -= own;
	if (manifest && i < manifest->requires.count)
		return (struct requirement){manifest->requires.items[i],
			manifest->file, manifest->requires_at[i]};
	return (struct requirement){0};
}

static void
problem_of_unknown(
	struct walk *w, uint32_t index, const struct requirement *found)
{
	const char *id = w->config->plugins[index]->id;
	struct near near;
	near_init(&near, found->id);
	bool is_reported = w->problems->count < PROBLEMS_MAX;
	for (uint32_t i = 0; is_reported && i < w->config->plugin_count; i++)
		if (i != index)
			near_offer(&near, w->config->plugins[i]->id);
	problems_add(w->problems, found->file, found->at.line, found->at.column,
		"'%s' requires '%s', which is not among the plugins%s", id,
		found->id, near_hint(&near));
	w->failed = true;
}

/* The requirement that the plugin at this step of the path visits now. */
static struct requirement
step_of(const struct walk *w, uint32_t step)
{
	const struct visit *visit = &w->path[step];
	return requirement(w, visit->index, visit->next - 1);
}

/* Reports a circle: the path from `index` to its end requires `index`. */
static void
problem_of_cycle(struct walk *w, uint32_t index)
{
	uint32_t from = w->path_count - 1;
	while (w->path[from].index != index)
		from--;
	struct requirement first = step_of(w, from);
	struct buffer text = {0};
	for (uint32_t i = from; i < w->path_count; i++) {
		struct requirement next = step_of(w, i);
		if (i - from == CHAIN_MAX) {
			buffer_format(
				&text, ", and %u more", w->path_count - i);
			break;
		}
		buffer_format(&text, "%s'%s' requires '%s' (%s:%u)",
			i > from ? ", " : "",
			w->config->plugins[w->path[i].index]->id, next.id,
			next.file, next.at.line);
	}
	if (from + 1 == w->path_count)
		problems_add(w->problems, first.file, first.at.line,
			first.at.column, "'%s' requires itself", first.id);
	else
		problems_add(w->problems, first.file, first.at.line,
			first.at.column,
			"plugins require each other in a circle: %.*s",
			(int)buffer_length(&text),
			(const char *)buffer_bytes(&text));
	buffer_finish(&text);
	w->failed = true;
}

static void
enter(struct walk *w, uint32_t index)
{
	w->marks[index] = ON_PATH;
	w->path[w->path_count++] = (struct visit){.index = index};
}

static void
follow(struct walk *w, uint32_t index, const struct requirement *found)
{
	enum mark *mark = map_get(&w->by_id, found->id, strlen(found->id));
	if (!mark) {
		problem_of_unknown(w, index, found);
		return;
	}
	uint32_t next = (uint32_t)(mark - w->marks);
	if (*mark == ON_PATH)
		problem_of_cycle(w, next);
	else if (*mark == UNSEEN)
		enter(w, next);
}

/* Not recursive, because a chain may be as long as the list of plugins. */
static void
visit(struct walk *w, uint32_t start)
{
	enter(w, start);
	while (w->path_count) {
		struct visit *now = &w->path[w->path_count - 1];
		struct requirement found =
			requirement(w, now->index, now->next++);
		if (found.id) {
			follow(w, now->index, &found);
			continue;
		}
		w->marks[now->index] = ORDERED;
		w->order[w->order_count++] = now->index;
		w->path_count--;
	}
}

int
config_start_order(const struct config *config,
	const struct manifest *const *manifests, uint32_t *order_out,
	struct problems *problems)
{
	uint32_t count = config->plugin_count;
	struct walk w = {
		.config = config,
		.manifests = manifests,
		.problems = problems,
		.marks = memory_alloc((count + 1) * sizeof(enum mark)),
		.path = memory_alloc((count + 1) * sizeof(struct visit)),
		.order = order_out,
	};
	for (uint32_t i = 0; i < count; i++)
		map_set(&w.by_id, config->plugins[i]->id,
			strlen(config->plugins[i]->id), &w.marks[i]);
	for (uint32_t i = 0; i < count; i++)
		if (w.marks[i] == UNSEEN)
			visit(&w, i);
	map_finish(&w.by_id);
	free(w.marks);
	free(w.path);
	return w.failed ? -1 : 0;
}
