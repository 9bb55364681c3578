/* output: the ring of one plugin's lines. It makes text valid, numbers it and
 * tells followers and the log; it never reads a descriptor and never blocks. */
#include "supervisor/plugin/output.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"

#define CAPACITY_MIN 16 /* most plugins write little */

/* Line n (counted from 1) is at (n - 1) % capacity; the last `count` lines are
 * there. The ring grows to OUTPUT_LINES while nothing was overwritten, so
 * growing keeps every line in its place. */
struct output {
	char *plugin_id;
	struct output_line *lines;
	unsigned capacity, count;
	uint64_t last; /* number of the newest */
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
	list_for_each_safe (node, &o->followers)
		list_remove(node);
	for (unsigned i = 0; i < o->count; i++)
		free(o->lines[i].text);
	free(o->lines);
	free(o->plugin_id);
	free(o);
}

/* A copy in which what is no UTF-8, and NUL, is U+FFFD. */
static char *
valid_text(struct bytes line)
{
	const uint8_t *at = (const uint8_t *)line.at;
	size_t left = line.length, length;
	struct buffer b = {0};

	if (utf8_is_valid(at, left) && (!left || !memchr(at, 0, left)))
		return memory_copy_bytes(line.at, line.length);
	for (; left; at += length, left -= length) {
		length = *at ? utf8_length(at, left) : 0;
		if (length)
			buffer_append(&b, at, length);
		else
			buffer_append(&b, "\xef\xbf\xbd", 3);
		length = length ? length : 1;
	}
	buffer_append(&b, "", 1);
	return (char *)b.memory; /* nothing was consumed: it begins there */
}

static struct output_line *
next_place(struct output *o)
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
		free(line->text);
	else
		o->count++;
	return line;
}

void
output_add_at(struct output *o, enum log_level level, uint32_t generation,
	int pid, const char *stream, struct bytes text)
{
	struct log_subject subject = {
		.plugin = o->plugin_id,
		.generation = generation,
		.pid = pid,
		.stream = stream,
	};
	struct output_line *line = next_place(o);

	*line = (struct output_line){
		.number = ++o->last,
		.wall_ms = clock_wall_ms(),
		.generation = generation,
		.pid = pid,
		.stream = stream,
		.text = valid_text(text),
	};
	log_write(level, &subject, "%s", line->text);
	list_for_each_safe (node, &o->followers) {
		struct output_follower *f =
			container_of(node, struct output_follower, node);

		f->on_line(f, line);
	}
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
