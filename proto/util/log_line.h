/* log_line: one line of the log, for log.c alone. */
#pragma once

#include "proto/util/buffer.h"
#include "proto/util/log.h"

/* Appends the line with its newline. journald: with a priority, and text lines
 * without the time. subject may be NULL. */
void log_line(struct buffer *b, enum log_format format, bool journald,
	enum log_level level, const struct log_subject *subject,
	const struct buffer *text);
/* Appends an entry of journald's native protocol: its length in 4 bytes, as
 * they are in memory, then its fields. MESSAGE is the text after the plugin's
 * id, or the line of JSON. */
void log_entry(struct buffer *b, enum log_format format, enum log_level level,
	const struct log_subject *subject, const struct buffer *text);
/* Appends text so that it can neither end the line nor leave a JSON string;
 * what is not UTF-8 is shown as such. */
void log_escape(struct buffer *b, const char *text, size_t length, bool json);
