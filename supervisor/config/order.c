/* order: who starts before whom. A depth-first walk over `requires`, in the
 * order of the files, so that nothing moves without a reason. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/units.h"

enum mark { UNSEEN, ON_PATH, PLACED };

struct walk {
	const struct config *config;
	const struct manifest *const *manifests;
	struct problems *problems;
	enum mark *marks;  /* by place in config->plugins */
	struct map places; /* id -> &marks[place] */
	struct visit {
		uint32_t place;
		uint32_t next; /* of its requirements */
	} * path;
	uint32_t path_count;
	uint32_t *order;
	uint32_t order_count;
	bool failed;
};

/* The plugin's own requirements, then its manifest's. NULL past the end. */
static const char *
requirement(const struct walk *w, uint32_t place, uint32_t i)
{
	const struct text_list *own = &w->config->plugins[place]->requires;
	if (i < own->count)
		return own->items[i];
	const struct manifest *manifest =
		w->manifests ? w->manifests[place] : NULL;
	i -= own->count;
	return manifest && i < manifest->requires.count
		       ? manifest->requires.items[i]
		       : NULL;
}

static void
problem_of_unknown(struct walk *w, uint32_t place, const char *id)
{
	const struct plugin_config *plugin = w->config->plugins[place];
	struct near near;
	near_init(&near, id);
	bool is_told = w->problems->count < PROBLEMS_MAX;
	for (uint32_t i = 0; is_told && i < w->config->plugin_count; i++)
		near_offer(&near, w->config->plugins[i]->id);
	problems_add(w->problems, plugin->file, plugin->line, plugin->column,
		"'%s' requires '%s', which is not among the plugins%s",
		plugin->id, id, near_hint(&near));
	w->failed = true;
}

/* The path from `place` to its end requires `place` again. */
static void
problem_of_cycle(struct walk *w, uint32_t place)
{
	uint32_t from = w->path_count;
	while (w->path[from - 1].place != place)
		from--;
	struct buffer text = {0};
	for (uint32_t i = from - 1; i < w->path_count; i++)
		buffer_format(&text, "'%s' requires ",
			w->config->plugins[w->path[i].place]->id);
	const struct plugin_config *plugin = w->config->plugins[place];
	problems_add(w->problems, plugin->file, plugin->line, plugin->column,
		"plugins require each other in a circle: %.*s'%s'",
		(int)buffer_length(&text), (const char *)buffer_bytes(&text),
		plugin->id);
	buffer_finish(&text);
	w->failed = true;
}

static void
enter(struct walk *w, uint32_t place)
{
	w->marks[place] = ON_PATH;
	w->path[w->path_count++] = (struct visit){.place = place};
}

static void
follow(struct walk *w, uint32_t place, const char *id)
{
	enum mark *mark = map_get(&w->places, id, strlen(id));
	if (!mark) {
		problem_of_unknown(w, place, id);
		return;
	}
	uint32_t next = (uint32_t)(mark - w->marks);
	if (*mark == ON_PATH)
		problem_of_cycle(w, next);
	else if (*mark == UNSEEN)
		enter(w, next);
}

/* Not recursive: a chain may be as long as there are plugins. */
static void
visit(struct walk *w, uint32_t start)
{
	enter(w, start);
	while (w->path_count) {
		struct visit *now = &w->path[w->path_count - 1];
		const char *id = requirement(w, now->place, now->next++);
		if (id) {
			follow(w, now->place, id);
			continue;
		}
		w->marks[now->place] = PLACED;
		w->order[w->order_count++] = now->place;
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
		map_set(&w.places, config->plugins[i]->id,
			strlen(config->plugins[i]->id), &w.marks[i]);
	for (uint32_t i = 0; i < count; i++)
		if (w.marks[i] == UNSEEN)
			visit(&w, i);
	map_finish(&w.places);
	free(w.marks);
	free(w.path);
	return w.failed ? -1 : 0;
}
