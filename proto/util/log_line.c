/* log_line: one line of the log, in each format. No text can forge a line: it
 * is escaped here. */
#include "proto/util/log_line.h"

#include <string.h>
#include <time.h>

#include "proto/util/clean.h"
#include "proto/util/clock.h"
#include "proto/util/utf8.h"

static const struct {
	const char *text;
	int priority;
} log_levels[] = {
#define X(name, text, priority) [LOG_##name] = {text, priority},
	LOG_LEVELS(X)
#undef X
};

static void
log_escape_byte(struct buffer *b, uint8_t byte, bool json)
{
	if (byte == '\n' || byte == '\t' || byte == '\r')
		buffer_format(b, "\\%c",
			byte == '\n'   ? 'n'
			: byte == '\t' ? 't'
				       : 'r');
	else
		buffer_format(b, json ? "\\u%04x" : "\\x%02x", byte);
}

static bool
log_is_plain(uint8_t byte, bool json)
{
	return byte >= 0x20 && byte < 0x7f &&
	       !(json && (byte == '"' || byte == '\\'));
}

/* Appends the one character at `at`, which is not plain; returns its size. */
static size_t
log_escape_one(struct buffer *b, const uint8_t *at, size_t left, bool json)
{
	uint32_t character;
	size_t length = utf8_read(at, left, &character);

	if (!length && json) {
		buffer_append_text(b, "\\ufffd");
	} else if (!length || *at < 0x20 || *at == 0x7f) {
		log_escape_byte(b, *at, json);
	} else if (length == 2 && clean_is_harmful(character)) {
		log_escape_byte(b, at[1], json); /* C1 controls */
	} else if (clean_is_harmful(character)) {
		buffer_format(b, "\\u%04x", character);
	} else {
		if (length == 1)
			buffer_append_byte(b, '\\');
		buffer_append(b, at, length);
	}
	return length ? length : 1;
}

void
log_escape(struct buffer *b, const char *text, size_t left, bool json)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t length;

	for (; left; at += length, left -= length) {
		length = 0;
		while (length < left && log_is_plain(at[length], json))
			length++;
		if (length)
			buffer_append(b, at, length);
		else
			length = log_escape_one(b, at, left, json);
	}
}

static void
log_time(struct buffer *b)
{
	uint64_t now_ms = clock_wall_ms();
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buffer_format(b, "%s.%03uZ", text, (unsigned)(now_ms % 1000));
}

static void
log_field(struct buffer *b, const char *name, const char *value, bool json)
{
	if (!value)
		return;
	buffer_format(b, json ? ",\"%s\":\"" : "%s=", name);
	log_escape(b, value, strlen(value), json);
	buffer_append_byte(b, json ? '"' : ' ');
}

static void
log_number(struct buffer *b, const char *name, long value, bool json)
{
	if (value)
		buffer_format(b, json ? ",\"%s\":%ld" : "%s=%ld ", name, value);
}

void
log_line(struct buffer *b, enum log_format format, bool journald,
	enum log_level level, const struct log_subject *subject,
	const struct buffer *text)
{
	bool json = format == LOG_JSON;
	struct log_subject none = {0};

	subject = subject ? subject : &none;
	if (journald)
		buffer_format(b, "<%d>", log_levels[level].priority);
	if (json) {
		buffer_append_text(b, "{\"time\":\"");
		log_time(b);
		buffer_format(b, "\",\"level\":\"%s\"", log_levels[level].text);
	} else {
		if (!journald) {
			log_time(b);
			buffer_append_byte(b, ' ');
		}
		buffer_format(b, "%s ", log_levels[level].text);
	}
	log_field(b, "plugin", subject->plugin, json);
	log_number(b, json ? "generation" : "gen", subject->generation, json);
	log_number(b, "pid", subject->pid, json);
	log_field(b, "stream", subject->stream, json);
	if (json)
		buffer_append_text(b, ",\"message\":\"");
	log_escape(
		b, (const char *)buffer_bytes(text), buffer_length(text), json);
	buffer_append_text(b, json ? "\"}\n" : "\n");
}

/* A value with a newline has another form, which no value here needs, because
 * control characters are escaped. */
static void
log_entry_field(struct buffer *b, const char *name, const char *value)
{
	if (!value)
		return;
	buffer_format(b, "%s=", name);
	log_escape(b, value, strlen(value), false);
	buffer_append_byte(b, '\n');
}

static void
log_entry_number(struct buffer *b, const char *name, long value)
{
	if (value)
		buffer_format(b, "%s=%ld\n", name, value);
}

void
log_entry(struct buffer *b, enum log_format format, enum log_level level,
	const struct log_subject *subject, const struct buffer *text)
{
	size_t begin = buffer_length(b);
	uint32_t length = 0;

	buffer_append(b, &length, sizeof(length));
	buffer_format(b, "PRIORITY=%d\nSYSLOG_IDENTIFIER=supd\n",
		log_levels[level].priority);
	if (subject) {
		log_entry_field(b, "PLUGIN", subject->plugin);
		log_entry_number(b, "GENERATION", subject->generation);
		log_entry_number(b, "WORKER_PID", subject->pid);
		log_entry_field(b, "STREAM", subject->stream);
		log_entry_field(b, "RELOAD", subject->reload);
	}
	buffer_append_text(b, "MESSAGE=");
	if (format == LOG_JSON) {
		log_line(b, format, false, level, subject, text);
	} else {
		if (subject && subject->plugin)
			buffer_format(b, "%s: ", subject->plugin);
		log_escape(b, (const char *)buffer_bytes(text),
			buffer_length(text), false);
		buffer_append_byte(b, '\n');
	}
	length = (uint32_t)(buffer_length(b) - begin - sizeof(length));
	memcpy(buffer_bytes(b) + begin, &length, sizeof(length));
}

bool
log_level_parse(const char *text, enum log_level *level_out)
{
	for (size_t i = 0; i < sizeof(log_levels) / sizeof(*log_levels); i++)
		if (!strcmp(text, log_levels[i].text)) {
			*level_out = (enum log_level)i;
			return true;
		}
	return false;
}

bool
log_format_parse(const char *text, enum log_format *format_out)
{
	bool json = !strcmp(text, "json");

	*format_out = json ? LOG_JSON : LOG_TEXT;
	return json || !strcmp(text, "text");
}
