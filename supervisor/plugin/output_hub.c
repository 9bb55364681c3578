/* output_hub: see output_hub.h. Each of the last OUTPUT_LINES lines of all
 * plugins is still in its ring. Of the error lines before them, the rings keep
 * at least the last OUTPUT_KEPT of all plugins. */
#include "supervisor/plugin/output_hub.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

struct hub_line {
	const struct output *output; /* NULL: the ring is gone */
	uint64_t own;		     /* the line's number in its ring */
	uint64_t number;	     /* among the lines of all plugins */
};

/* Line n, counted from 1, is at (n - 1) % OUTPUT_LINES. */
struct output_hub {
	struct hub_line lines[OUTPUT_LINES];
	struct hub_line kept[OUTPUT_KEPT]; /* error lines before, in order */
	unsigned kept_count;
	uint64_t last;
	struct list followers;
};

struct output_hub *
output_hub_create(void)
{
	struct output_hub *h = memory_alloc(sizeof(*h));

	list_init(&h->followers);
	return h;
}

void
output_hub_destroy(struct output_hub *h)
{
	free(h);
}

/* NULL: the line is no longer there. */
static const struct output_line *
line_at(const struct hub_line *p)
{
	uint64_t own = p->own;
	const struct output_line *line =
		p->output ? output_at(p->output, &own) : NULL;

	return line && own == p->own ? line : NULL;
}

/* Pushes the oldest line out; an error line is kept. */
static void
push_out(struct output_hub *h, const struct hub_line *p)
{
	const struct output_line *line = line_at(p);

	if (!line || !line->is_error)
		return;
	if (h->kept_count == OUTPUT_KEPT)
		memmove(h->kept, h->kept + 1,
			--h->kept_count * sizeof(*h->kept));
	h->kept[h->kept_count++] = *p;
}

void
output_hub_add(struct output_hub *h, const struct output *o,
	const struct output_line *line)
{
	struct hub_line *newest = &h->lines[h->last % OUTPUT_LINES];

	push_out(h, newest);
	*newest = (struct hub_line){o, line->number, ++h->last};
	list_for_each_safe (node, &h->followers) {
		struct output_follower *f =
			container_of(node, struct output_follower, node);

		f->on_line(f, line);
	}
}

void
output_hub_forget(struct output_hub *h, const struct output *o)
{
	for (size_t i = 0; i < OUTPUT_LINES; i++)
		if (h->lines[i].output == o)
			h->lines[i].output = NULL;
	for (unsigned i = 0; i < h->kept_count; i++)
		if (h->kept[i].output == o)
			h->kept[i].output = NULL;
}

static uint64_t
oldest(const struct output_hub *h)
{
	return h->last > OUTPUT_LINES ? h->last - OUTPUT_LINES + 1 : 1;
}

static const struct hub_line *
find(const struct output_hub *h, uint64_t number)
{
	return &h->lines[(number - 1) % OUTPUT_LINES];
}

static const struct output_line *
take(const struct hub_line *p, uint64_t *number, const char **id_out)
{
	const struct output_line *line = line_at(p);

	if (!line)
		return NULL;
	*number = p->number;
	*id_out = output_plugin_id(p->output);
	return line;
}

const struct output_line *
output_hub_at(const struct output_hub *h, uint64_t *number, const char **id_out)
{
	const struct output_line *line;

	for (unsigned i = 0; *number < oldest(h) && i < h->kept_count; i++)
		if (h->kept[i].number >= *number &&
			(line = take(&h->kept[i], number, id_out)))
			return line;
	if (*number < oldest(h))
		*number = oldest(h);
	for (; *number <= h->last; ++*number)
		if ((line = take(find(h, *number), number, id_out)))
			return line;
	return NULL;
}

const struct output_line *
output_hub_until(
	const struct output_hub *h, uint64_t *number, const char **id_out)
{
	const struct output_line *line;

	if (*number > h->last)
		*number = h->last;
	for (; *number >= oldest(h); --*number)
		if ((line = take(find(h, *number), number, id_out)))
			return line;
	for (unsigned i = h->kept_count; i--;)
		if (h->kept[i].number <= *number &&
			(line = take(&h->kept[i], number, id_out)))
			return line;
	return NULL;
}

uint64_t
output_hub_newest(const struct output_hub *h)
{
	return h->last;
}

void
output_hub_follow(struct output_hub *h, struct output_follower *f)
{
	list_append(&h->followers, &f->node);
}
