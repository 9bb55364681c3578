/* text: see the header. A key that a document lacks, or null, is left out. */
#include "supervisor/chat/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clean.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"

#define LINE_BYTES 4096 /* before it is shortened */

/* ---- lines ---- */

void
text_line(struct buffer *out, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;
	size_t length;

	va_start(args, format);
	length = text_vformat(line, sizeof(line), format, args);
	va_end(args);
	for (size_t i = 0; i < length; i++)
		if (strchr("\r\n\t", line[i]))
			line[i] = ' ';
	clean_text(line, "");
	text_shorten(line, TEXT_LINE_MAX);
	if (buffer_length(out))
		buffer_append_byte(out, '\n');
	buffer_append_text(out, line);
}

char *
text_take(struct buffer *lines)
{
	char *text =
		memory_copy_bytes(buffer_bytes(lines), buffer_length(lines));

	buffer_finish(lines);
	return text;
}

void
text_time(char *out, size_t size, uint64_t seconds)
{
	uint64_t minutes = seconds / 60, hours = minutes / 60;

	if (hours >= 24)
		snprintf(out, size, "%" PRIu64 "d %" PRIu64 "h", hours / 24,
			hours % 24);
	else if (hours)
		snprintf(out, size, "%" PRIu64 "h %" PRIu64 "m", hours,
			minutes % 60);
	else if (minutes)
		snprintf(out, size, "%" PRIu64 "m %" PRIu64 "s", minutes,
			seconds % 60);
	else
		snprintf(out, size, "%" PRIu64 "s", seconds);
}

/* ---- fields ---- */

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static json_int_t
number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool
has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value && !json_is_null(value);
}

/* Appends to a string of a fixed size what still fits. */
static void __attribute__((format(printf, 3, 4)))
add(char *text, size_t size, const char *format, ...)
{
	size_t length = strlen(text);
	va_list args;

	va_start(args, format);
	text_vformat(text + length, size - length, format, args);
	va_end(args);
}

/* ---- receipts ---- */

static void
add_counts(char *line, size_t size, const json_t *receipt)
{
	json_t *kinds = json_object_get(receipt, "registered"), *names;
	const char *kind, *before = "; registered: ";

	json_object_foreach(kinds, kind, names)
	{
		size_t count = json_is_array(names)
				       ? json_array_size(names)
				       : (size_t)json_integer_value(names);

		if (!count)
			continue;
		add(line, size, "%s%s %zu", before, kind, count);
		before = ", ";
	}
}

static void
add_lost(char *line, size_t size, const json_t *receipt)
{
	const json_t *dropped = json_object_get(receipt, "dropped");
	size_t count = json_array_size(dropped);

	if (count)
		add(line, size, "; dropped: %s",
			json_string_value(json_array_get(dropped, 0)));
	if (count > 1)
		add(line, size, " and %zu more", count - 1);
	if (has(receipt, "takeMs"))
		add(line, size, "; taken over in %.0f ms",
			json_number_value(json_object_get(receipt, "takeMs")));
	if (number_of(receipt, "held"))
		add(line, size, "; %" JSON_INTEGER_FORMAT " held",
			number_of(receipt, "held"));
}

static void
put_success(struct buffer *out, const json_t *receipt)
{
	char line[LINE_BYTES] = "", version[80] = "";

	if (*text_of(receipt, "version"))
		text_format(version, sizeof(version), ", version %.60s",
			text_of(receipt, "version"));
	if (json_is_true(json_object_get(receipt, "unchanged")))
		add(line, sizeof(line), "nothing to do");
	else if (has(receipt, "previousGeneration"))
		add(line, sizeof(line),
			"generation %" JSON_INTEGER_FORMAT
			" -> %" JSON_INTEGER_FORMAT "%s",
			number_of(receipt, "previousGeneration"),
			number_of(receipt, "generation"), version);
	else if (has(receipt, "generation"))
		add(line, sizeof(line), "generation %" JSON_INTEGER_FORMAT "%s",
			number_of(receipt, "generation"), version);
	add(line, sizeof(line), " in %.0f ms",
		json_number_value(json_object_get(receipt, "durationMs")));
	add_counts(line, sizeof(line), receipt);
	add_lost(line, sizeof(line), receipt);
	text_line(out, "%s: %s done: %s", text_of(receipt, "pluginId"),
		has(receipt, "kind") ? text_of(receipt, "kind") : "reload",
		line);
}

/* The error begins with the phase. */
static void
put_failure(struct buffer *out, const json_t *receipt)
{
	char after[48] = "", serves[64] = "nothing serves it";
	const char *state = text_of(receipt, "state");

	if (!strcmp(state, "refused")) {
		text_line(out, "%s: refused: %s", text_of(receipt, "pluginId"),
			text_of(receipt, "error"));
		return;
	}
	if (has(receipt, "durationMs"))
		text_format(after, sizeof(after), " after %.0f ms",
			json_number_value(
				json_object_get(receipt, "durationMs")));
	if (has(receipt, "generation"))
		text_format(serves, sizeof(serves),
			"generation %" JSON_INTEGER_FORMAT " serves",
			number_of(receipt, "generation"));
	text_line(out, "%s: %s %s%s: %s; %s", text_of(receipt, "pluginId"),
		has(receipt, "kind") ? text_of(receipt, "kind") : "reload",
		!strcmp(state, "reverted") ? "reverted"
		: !strcmp(state, "failed") ? "failed"
					   : "rolled back",
		after, text_of(receipt, "error"), serves);
}

void
text_receipt(struct buffer *out, const json_t *receipt)
{
	if (json_is_true(json_object_get(receipt, "success")))
		put_success(out, receipt);
	else
		put_failure(out, receipt);
}

/* ---- what a worker wrote ---- */

static bool
is_from(const json_t *line, const char *stream)
{
	const char *from = text_of(line, "stream");

	return stream ? !strcmp(from, stream) : strcmp(from, "supd") != 0;
}

void
text_log(struct buffer *out, const json_t *log, const char *stream)
{
	size_t from = json_array_size(log), found = 0;

	while (from && found < TEXT_LOG_LINES)
		found += is_from(json_array_get(log, --from), stream);
	for (; from < json_array_size(log); from++)
		if (is_from(json_array_get(log, from), stream))
			text_line(out, "> %s",
				text_of(json_array_get(log, from), "text"));
}

/* ---- plugins ---- */

static void
add_age(char *line, size_t size, const json_t *row)
{
	char age[32];

	if (!has(row, "uptimeSeconds"))
		return;
	text_time(age, sizeof(age), (uint64_t)number_of(row, "uptimeSeconds"));
	add(line, size, ", up %s", age);
}

static void
put_state(struct buffer *out, const json_t *row)
{
	char line[512] = "";

	if (has(row, "generation"))
		add(line, sizeof(line), ", generation %" JSON_INTEGER_FORMAT,
			number_of(row, "generation"));
	if (*text_of(row, "version"))
		add(line, sizeof(line), ", version %.60s",
			text_of(row, "version"));
	add_age(line, sizeof(line), row);
	if (!json_is_true(json_object_get(row, "enabled")))
		add(line, sizeof(line), ", disabled");
	text_line(out, "%s: %s%s", text_of(row, "id"), text_of(row, "state"),
		line);
}

void
text_plugin(struct buffer *out, const json_t *row)
{
	put_state(out, row);
}

static void
put_last_reload(struct buffer *out, const json_t *row)
{
	const json_t *last = json_object_get(row, "lastReload");

	if (!json_is_object(last))
		return;
	text_line(out, "last reload: %s in %.0f ms (%s)%s%s",
		text_of(last, "state"),
		json_number_value(json_object_get(last, "durationMs")),
		text_of(last, "trigger"), has(last, "error") ? ": " : "",
		text_of(last, "error"));
}

static void
put_running(struct buffer *out, const json_t *row, const char *key,
	const char *noun)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(row, key), i, one)
		text_line(out, "%s %s: %s%s%s", noun, text_of(one, "name"),
			text_of(one, "state"), has(one, "text") ? ": " : "",
			text_of(one, "text"));
}

static void
put_trouble(struct buffer *out, const json_t *row)
{
	static const struct {
		const char *key, *text;
	} troubles[] = {{"failure", "failure"}, {"lastCrash", "last crash"},
		{"stateLost", "state lost"}, {"stageDamaged", "stage damaged"},
		{"runsOlder", "runs an older generation"}};

	for (size_t i = 0; i < sizeof(troubles) / sizeof(*troubles); i++)
		if (*text_of(row, troubles[i].key))
			text_line(out, "%s: %s", troubles[i].text,
				text_of(row, troubles[i].key));
}

void
text_plugin_whole(struct buffer *out, const json_t *row)
{
	put_state(out, row);
	text_line(out,
		"in flight: %" JSON_INTEGER_FORMAT
		", held: %" JSON_INTEGER_FORMAT
		", restarts: %" JSON_INTEGER_FORMAT,
		number_of(row, "inFlight"), number_of(row, "held"),
		number_of(row, "restarts"));
	put_last_reload(out, row);
	put_running(out, row, "channels", "channel");
	put_running(out, row, "services", "service");
	put_trouble(out, row);
}

void
text_gateway(struct buffer *out, const json_t *status)
{
	char up[32];

	text_time(up, sizeof(up), (uint64_t)number_of(status, "uptimeSeconds"));
	text_line(out, "supd %s: %s, up %s", text_of(status, "version"),
		json_is_true(json_object_get(status, "stopping")) ? "stopping"
		: json_is_true(json_object_get(status, "ready"))
			? "ready"
			: "not ready yet",
		up);
	if (*text_of(status, "configRefused"))
		text_line(out, "configuration refused: %s",
			text_of(status, "configRefused"));
}
