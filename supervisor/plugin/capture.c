/* capture: lines out of bytes, and the limit on them. It reads no descriptor.
 */
#include "supervisor/plugin/capture.h"

#include <stdio.h>
#include <string.h>

#include "proto/util/clock.h"

static const char *const stream_names[CAPTURE_STREAMS] = {
	[CAPTURE_STDOUT] = "stdout", [CAPTURE_STDERR] = "stderr"};

void
capture_init(
	struct capture *c, struct output *output, uint32_t generation, int pid)
{
	*c = (struct capture){
		.output = output, .generation = generation, .pid = pid};
}

void
capture_finish(struct capture *c)
{
	for (unsigned i = 0; i < CAPTURE_STREAMS; i++)
		buffer_finish(&c->partial[i]);
}

static void
tell_dropped(struct capture *c)
{
	char text[96];
	int length;

	if (!c->dropped)
		return;
	length = snprintf(text, sizeof(text),
		"%u lines left out: more than %d in a second", c->dropped,
		CAPTURE_LINES_PER_SECOND);
	c->dropped = 0;
	output_add_at(c->output, LOG_WARN, c->generation, c->pid, "log",
		(struct bytes){text, (size_t)length});
}

static bool
may_pass(struct capture *c)
{
	uint64_t second = clock_ms() / 1000;

	if (second != c->second) {
		tell_dropped(c);
		c->second = second;
		c->passed = 0;
	}
	if (c->passed < CAPTURE_LINES_PER_SECOND) {
		c->passed++;
		return true;
	}
	c->dropped++;
	return false;
}

static void
add_line(struct capture *c, enum log_level level, const char *stream,
	struct bytes line)
{
	if (line.length && line.at[line.length - 1] == '\r')
		line.length--;
	if (may_pass(c))
		output_add_at(
			c->output, level, c->generation, c->pid, stream, line);
}

/* Cuts one line or one piece of a long one off the front; false: there is no
 * whole one. */
static bool
cut_line(struct bytes *rest, struct bytes *line_out)
{
	size_t look = rest->length < OUTPUT_LINE_BYTES ? rest->length
						       : OUTPUT_LINE_BYTES;
	const char *end = look ? memchr(rest->at, '\n', look) : NULL;
	size_t used;

	if (!end && rest->length < OUTPUT_LINE_BYTES)
		return false;
	line_out->at = rest->at;
	line_out->length = end ? (size_t)(end - rest->at) : OUTPUT_LINE_BYTES;
	used = line_out->length + (end ? 1 : 0);
	rest->at += used;
	rest->length -= used;
	return true;
}

/* Adds to the line that has begun; what comes after its end is returned. */
static struct bytes
go_on(struct capture *c, enum capture_stream stream, struct bytes bytes)
{
	struct buffer *partial = &c->partial[stream];
	size_t room = OUTPUT_LINE_BYTES - buffer_length(partial);
	size_t take = bytes.length < room ? bytes.length : room;
	const char *end = memchr(bytes.at, '\n', take);

	if (end)
		take = (size_t)(end - bytes.at);
	buffer_append(partial, bytes.at, take);
	if (end || buffer_length(partial) == OUTPUT_LINE_BYTES) {
		add_line(c, LOG_INFO, stream_names[stream],
			(struct bytes){(const char *)buffer_bytes(partial),
				buffer_length(partial)});
		buffer_clear(partial);
	}
	take += end ? 1 : 0;
	return (struct bytes){bytes.at + take, bytes.length - take};
}

void
capture_feed(struct capture *c, enum capture_stream stream, struct bytes bytes)
{
	struct buffer *partial = &c->partial[stream];
	struct bytes line;

	if (bytes.length && buffer_length(partial))
		bytes = go_on(c, stream, bytes);
	if (buffer_length(partial))
		return;
	while (cut_line(&bytes, &line))
		add_line(c, LOG_INFO, stream_names[stream], line);
	if (bytes.length)
		buffer_append(partial, bytes.at, bytes.length);
}

void
capture_log(struct capture *c, enum log_level level, struct bytes text)
{
	struct bytes line;

	while (cut_line(&text, &line))
		add_line(c, level, "log", line);
	if (text.length)
		add_line(c, level, "log", text);
}

void
capture_end(struct capture *c)
{
	for (unsigned i = 0; i < CAPTURE_STREAMS; i++) {
		struct buffer *partial = &c->partial[i];
		struct bytes line = {(const char *)buffer_bytes(partial),
			buffer_length(partial)};

		if (line.length)
			add_line(c, LOG_INFO, stream_names[i], line);
		buffer_clear(partial);
	}
	tell_dropped(c);
}
