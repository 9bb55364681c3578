/* order: who starts before whom. A depth-first walk over `requires`, in the
 * order of the files, so that nothing moves without a reason. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/units.h"

#define CHAIN_MAX 6 /* links of a circle that are told */

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

/* "PLUGIN requires ID", and where that is said. */
struct requirement {
	const char *id; /* NULL past the end */
	const char *file;
	struct config_place at;
};

/* The plugin's own, then those of its manifest. */
static struct requirement
requirement(const struct walk *w, uint32_t place, uint32_t i)
{
	const struct plugin_config *plugin = w->config->plugins[place];
	const struct manifest *manifest =
		w->manifests ? w->manifests[place] : NULL;
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
	struct walk *w, uint32_t place, const struct requirement *found)
{
	const char *id = w->config->plugins[place]->id;
	struct near near;
	near_init(&near, found->id);
	bool is_told = w->problems->count < PROBLEMS_MAX;
	for (uint32_t i = 0; is_told && i < w->config->plugin_count; i++)
		if (i != place)
			near_offer(&near, w->config->plugins[i]->id);
	problems_add(w->problems, found->file, found->at.line, found->at.column,
		"'%s' requires '%s', which is not among the plugins%s", id,
		found->id, near_hint(&near));
	w->failed = true;
}

/* What the plugin at this step of the path requires next. */
static struct requirement
step_of(const struct walk *w, uint32_t step)
{
	const struct visit *visit = &w->path[step];
	return requirement(w, visit->place, visit->next - 1);
}

/* The path from `place` to its end requires `place` again. */
static void
problem_of_cycle(struct walk *w, uint32_t place)
{
	uint32_t from = w->path_count - 1;
	while (w->path[from].place != place)
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
			w->config->plugins[w->path[i].place]->id, next.id,
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
enter(struct walk *w, uint32_t place)
{
	w->marks[place] = ON_PATH;
	w->path[w->path_count++] = (struct visit){.place = place};
}

static void
follow(struct walk *w, uint32_t place, const struct requirement *found)
{
	enum mark *mark = map_get(&w->places, found->id, strlen(found->id));
	if (!mark) {
		problem_of_unknown(w, place, found);
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
		struct requirement found =
			requirement(w, now->place, now->next++);
		if (found.id) {
			follow(w, now->place, &found);
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
