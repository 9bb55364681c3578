/* output: the ring of one plugin's lines. It makes text valid, numbers the
 * lines and passes them to followers and the log; it never reads a descriptor
 * and never blocks. */
#include "supervisor/plugin/output.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/plugin/output_hub.h"

#define CAPACITY_MIN 16 /* most plugins write little */

/* Line n (counted from 1) is at (n - 1) % capacity; the last `count` lines are
 * there. The ring grows to OUTPUT_LINES while nothing was overwritten, so
 * growing moves no line. */
struct output {
	char *plugin_id;
	struct output_line *lines;
	unsigned capacity, count;
	uint64_t last; /* number of the newest */
	struct output_line
		*kept; /* error lines pushed out of the ring, in order */
	unsigned kept_count;
	struct output_hub *hub; /* or NULL */
	struct list followers;
};

struct output *
output_create(const char *plugin_id)
{
	struct output *o = memory_alloc(sizeof(*o));

	o->plugin_id = memory_copy_text(plugin_id);
	list_init(&o->followers);
	return o;
}

void
output_destroy(struct output *o)
{
	if (!o)
		return;
	while (!list_is_empty(&o->followers)) {
		struct output_follower *f = container_of(
			o->followers.next, struct output_follower, node);

		list_remove(&f->node);
		if (f->on_gone)
			f->on_gone(f);
	}
	if (o->hub)
		output_hub_forget(o->hub, o);
	for (unsigned i = 0; i < o->count; i++)
		free(o->lines[i].text);
	for (unsigned i = 0; i < o->kept_count; i++)
		free(o->kept[i].text);
	free(o->lines);
	free(o->kept);
	free(o->plugin_id);
	free(o);
}

void
output_join(struct output *o, struct output_hub *hub)
{
	o->hub = hub;
}

const char *
output_plugin_id(const struct output *o)
{
	return o->plugin_id;
}

/* Pushes a line out of the ring; an error line is kept. */
static void
push_out(struct output *o, struct output_line *line)
{
	if (!line->is_error) {
		free(line->text);
		return;
	}
	if (!o->kept)
		o->kept = memory_alloc(OUTPUT_KEPT * sizeof(*o->kept));
	if (o->kept_count == OUTPUT_KEPT) {
		free(o->kept[0].text);
		memmove(o->kept, o->kept + 1,
			--o->kept_count * sizeof(*o->kept));
	}
	o->kept[o->kept_count++] = *line;
}

static struct output_line *
next_line(struct output *o)
{
	struct output_line *line;

	if (o->count == o->capacity && o->capacity < OUTPUT_LINES) {
		o->capacity = o->capacity ? o->capacity * 2 : CAPACITY_MIN;
		if (o->capacity > OUTPUT_LINES)
			o->capacity = OUTPUT_LINES;
		o->lines = memory_resize(
			o->lines, o->capacity * sizeof(*o->lines));
	}
	line = &o->lines[o->last % o->capacity];
	if (o->count == o->capacity)
		push_out(o, line);
	else
		o->count++;
	return line;
}

static void
add(struct output *o, enum log_level level, const struct output_line *fields,
	struct bytes text)
{
	struct log_subject subject = {
		.plugin = o->plugin_id,
		.generation = fields->generation,
		.pid = fields->pid,
		.stream = fields->stream,
	};
	struct output_line *line = next_line(o);

	*line = *fields;
	line->number = ++o->last;
	line->wall_ms = clock_wall_ms();
	line->text = text_valid_copy(text);
	log_write(level, &subject, "%s", line->text);
	list_for_each_safe (node, &o->followers) {
		struct output_follower *f =
			container_of(node, struct output_follower, node);

		f->on_line(f, line);
	}
	if (o->hub)
		output_hub_add(o->hub, o, line);
}

void
output_add_at(struct output *o, enum log_level level, uint32_t generation,
	int pid, const char *stream, struct bytes text)
{
	struct output_line line = {
		.generation = generation, .pid = pid, .stream = stream};

	add(o, level, &line, text);
}

void
output_add_error(struct output *o, enum log_level level, uint32_t generation,
	int pid, const char *stream, struct bytes text)
{
	struct output_line line = {.generation = generation,
		.pid = pid,
		.stream = stream,
		.is_error = true};

	add(o, level, &line, text);
}

void
output_add(struct output *o, uint32_t generation, int pid, const char *stream,
	struct bytes line)
{
	output_add_at(o, LOG_INFO, generation, pid, stream, line);
}

json_t *
output_line_json(const struct output_line *line)
{
	return json_pack("{s:I, s:I, s:i, s:s, s:s}", "time",
		(json_int_t)line->wall_ms, "generation",
		(json_int_t)line->generation, "pid", line->pid, "stream",
		line->stream, "text", line->text);
}

json_t *
output_last(const struct output *o, unsigned count, uint32_t generation)
{
	json_t *lines = json_array();
	uint64_t oldest = o->last - o->count, from = o->last;
	unsigned found = 0;

	if (!count)
		count = OUTPUT_LINES;
	while (from > oldest && found < count) {
		from--;
		if (!generation ||
			o->lines[from % o->capacity].generation == generation)
			found++;
	}
	for (uint64_t n = from; n < o->last; n++) {
		const struct output_line *line = &o->lines[n % o->capacity];

		if (!generation || line->generation == generation)
			json_array_append_new(lines, output_line_json(line));
	}
	return lines;
}

/* The kept error lines are older than those of the ring. */
const struct output_line *
output_at(const struct output *o, uint64_t *number)
{
	uint64_t oldest = o->last - o->count + 1;

	for (unsigned i = 0; *number < oldest && i < o->kept_count; i++)
		if (o->kept[i].number >= *number) {
			*number = o->kept[i].number;
			return &o->kept[i];
		}
	if (*number < oldest)
		*number = oldest;
	return *number > o->last ? NULL
				 : &o->lines[(*number - 1) % o->capacity];
}

const struct output_line *
output_until(const struct output *o, uint64_t *number)
{
	if (*number > o->last)
		*number = o->last;
	if (o->count && *number > o->last - o->count)
		return &o->lines[(*number - 1) % o->capacity];
	for (unsigned i = o->kept_count; i--;)
		if (o->kept[i].number <= *number) {
			*number = o->kept[i].number;
			return &o->kept[i];
		}
	return NULL;
}

uint64_t
output_newest(const struct output *o)
{
	return o->last;
}

void
output_follow(struct output *o, struct output_follower *f)
{
	list_append(&o->followers, &f->node);
}

void
output_unfollow(struct output_follower *f)
{
	list_remove(&f->node);
}
