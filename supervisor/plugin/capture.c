/* capture: cuts bytes into lines and limits their rate. It reads no descriptor.
 */
#include "supervisor/plugin/capture.h"

#include <stdio.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"

/* One byte more than a piece may have, which shows whether the last character
 * of the piece is complete. */
#define LOOK_BYTES (OUTPUT_LINE_BYTES + 1)
#define NAMED_MAX 4 /* paths that are replaced in a line */

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

void
capture_name_package(struct capture *c, const char *staged, const char *package)
{
	c->staged = (struct capture_folder){staged, strlen(staged)};
	c->package = (struct capture_folder){package, strlen(package)};
}

static void
report_dropped(struct capture *c)
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
may_pass(struct capture *c, bool is_error)
{
	uint64_t second = clock_ms() / 1000;

	if (second != c->second) {
		report_dropped(c);
		c->second = second;
		c->passed = c->errors = 0;
	}
	if (c->passed < CAPTURE_LINES_PER_SECOND) {
		c->passed++;
		return true;
	}
	if (is_error && c->errors < CAPTURE_ERRORS_PER_SECOND) {
		c->errors++;
		return true;
	}
	c->dropped++;
	return false;
}

/* Writes the line with its first NAMED_MAX paths changed to those of the
 * package. */
static void
write_named(struct capture *c, struct bytes line, struct buffer *out)
{
	const char *at = line.at, *end = line.at + line.length, *found;

	for (unsigned i = 0; i < NAMED_MAX; i++) {
		found = memmem(at, (size_t)(end - at), c->staged.path,
			c->staged.length);
		if (!found)
			break;
		buffer_append(out, at, (size_t)(found - at));
		buffer_append(out, c->package.path, c->package.length);
		at = found + c->staged.length;
	}
	buffer_append(out, at, (size_t)(end - at));
}

/* As strerror() and Node say it. */
static bool
says_address_in_use(struct bytes line)
{
	static const struct bytes words[] = {
		BYTES_INIT("Address already in use"), BYTES_INIT("EADDRINUSE")};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (memmem(line.at, line.length, words[i].at, words[i].length))
			return true;
	return false;
}

static void
pass_line(struct capture *c, enum log_level level, const char *stream,
	struct bytes line, bool is_error)
{
	struct buffer named = {0};

	c->address_in_use = c->address_in_use || says_address_in_use(line);
	if (c->staged.length && memmem(line.at, line.length, c->staged.path,
					c->staged.length)) {
		write_named(c, line, &named);
		line.at = (const char *)buffer_bytes(&named);
		line.length = text_fit(
			line.at, buffer_length(&named), OUTPUT_LINE_BYTES);
	}
	if (is_error)
		output_add_error(
			c->output, level, c->generation, c->pid, stream, line);
	else
		output_add_at(
			c->output, level, c->generation, c->pid, stream, line);
	buffer_finish(&named);
}

/* NULL: a message, whose level says whether it is an error. */
static struct error_lines *
trace_of(struct capture *c, const char *stream)
{
	for (unsigned i = 0; i < CAPTURE_STREAMS; i++)
		if (stream == stream_names[i])
			return &c->traces[i];
	return NULL;
}

static void
add_line(struct capture *c, enum log_level level, const char *stream,
	struct bytes line)
{
	struct error_lines *trace = trace_of(c, stream);
	bool is_error;

	if (line.length && line.at[line.length - 1] == '\r')
		line.length--;
	is_error = level <= LOG_WARN;
	if (trace)
		is_error = error_line_take(trace, line) || is_error;
	if (may_pass(c, is_error))
		pass_line(c, level, stream, line, is_error);
}

/* Takes a line, or a piece of one that is too long; *is_cut says whether the
 * previous one was such a piece. An empty rest after a piece is not a line. */
static void
take_line(struct capture *c, bool *is_cut, enum log_level level,
	const char *stream, struct bytes line, bool ended)
{
	bool goes_on = *is_cut;

	*is_cut = !ended;
	if (goes_on && (!line.length || bytes_equal(line, BYTES("\r"))))
		return;
	add_line(c, level, stream, line);
}

/* Cuts one line, or one piece of a long line, off the front; false: neither is
 * complete. A piece ends with a complete character. */
static bool
cut_line(struct bytes *rest, struct bytes *line_out, bool *ended_out)
{
	size_t look = rest->length < LOOK_BYTES ? rest->length : LOOK_BYTES;
	const char *end = look ? memchr(rest->at, '\n', look) : NULL;
	size_t used;

	if (!end && rest->length < LOOK_BYTES)
		return false;
	*ended_out = end != NULL;
	line_out->at = rest->at;
	line_out->length =
		end ? (size_t)(end - rest->at)
		    : text_fit(rest->at, rest->length, OUTPUT_LINE_BYTES);
	used = line_out->length + (end ? 1 : 0);
	rest->at += used;
	rest->length -= used;
	return true;
}

/* Whether a line is to be dropped before it is cut off. */
static bool
drops(struct capture *c, const char *stream, struct bytes rest)
{
	const struct error_lines *trace = trace_of(c, stream);

	if (!trace || c->errors >= CAPTURE_ERRORS_PER_SECOND)
		return true;
	return !trace->inside && !error_line_begins(rest);
}

/* Counts and skips the lines in `rest` once the second's share is used up. Only
 * lines that may report an error get a closer look. */
static void
drop_lines(struct capture *c, const char *stream, struct bytes *rest)
{
	const char *newline;

	if (c->passed < CAPTURE_LINES_PER_SECOND)
		return;
	while (rest->length && drops(c, stream, *rest) &&
		(newline = memchr(rest->at, '\n', rest->length))) {
		newline++;
		rest->length -= (size_t)(newline - rest->at);
		rest->at = newline;
		c->dropped++;
	}
}

/* Adds the whole lines at the front of *rest and takes them off it. */
static void
add_lines(struct capture *c, bool *is_cut, enum log_level level,
	const char *stream, struct bytes *rest)
{
	struct bytes line;
	const char *at;
	bool ended;

	while (cut_line(rest, &line, &ended)) {
		take_line(c, is_cut, level, stream, line, ended);
		at = rest->at;
		drop_lines(c, stream, rest);
		if (rest->at != at)
			*is_cut = false;
	}
}

/* Takes the line, or the first piece of a longer one, out of `partial`. */
static void
take_partial(struct capture *c, enum capture_stream stream, bool ended)
{
	struct buffer *partial = &c->partial[stream];
	struct bytes line = {
		(const char *)buffer_bytes(partial), buffer_length(partial)};

	if (!ended)
		line.length = text_fit(line.at, line.length, OUTPUT_LINE_BYTES);
	take_line(c, &c->is_cut[stream], LOG_INFO, stream_names[stream], line,
		ended);
	if (ended)
		buffer_clear(partial);
	else
		buffer_consume(partial, line.length);
}

/* Adds to the incomplete line; returns the bytes after its end, or after the
 * end of its first piece. */
static struct bytes
go_on(struct capture *c, enum capture_stream stream, struct bytes bytes)
{
	struct buffer *partial = &c->partial[stream];
	size_t room = LOOK_BYTES - buffer_length(partial);
	size_t take = bytes.length < room ? bytes.length : room;
	const char *end = memchr(bytes.at, '\n', take);

	if (end)
		take = (size_t)(end - bytes.at);
	buffer_append(partial, bytes.at, take);
	if (end || buffer_length(partial) == LOOK_BYTES)
		take_partial(c, stream, end != NULL);
	take += end ? 1 : 0;
	return (struct bytes){bytes.at + take, bytes.length - take};
}

void
capture_feed(struct capture *c, enum capture_stream stream, struct bytes bytes)
{
	struct buffer *partial = &c->partial[stream];

	while (bytes.length && buffer_length(partial))
		bytes = go_on(c, stream, bytes);
	if (!bytes.length)
		return;
	add_lines(
		c, &c->is_cut[stream], LOG_INFO, stream_names[stream], &bytes);
	if (bytes.length)
		buffer_append(partial, bytes.at, bytes.length);
}

void
capture_log(struct capture *c, enum log_level level, struct bytes text)
{
	bool is_cut = false;

	add_lines(c, &is_cut, level, "log", &text);
	if (text.length)
		add_line(c, level, "log", text);
}

void
capture_report(struct capture *c)
{
	if (clock_ms() / 1000 != c->second)
		report_dropped(c);
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
	report_dropped(c);
}
