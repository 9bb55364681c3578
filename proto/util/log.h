/* log: one line per event on stderr, as text or as JSON, or one entry with
 * fields to journald. It never blocks: lines go to a bounded ring first, lines
 * that do not fit are counted and reported once there is room again. A write
 * that fails (a full disk, a reader that is gone) loses nothing by itself: the
 * ring is kept and written a second later. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"

#define LOG_LEVELS(X)                                                          \
	X(ERROR, "error", 3)                                                   \
	X(WARN, "warn", 4)                                                     \
	X(INFO, "info", 6)                                                     \
	X(DEBUG, "debug", 7)

enum log_level {
#define X(name, text, priority) LOG_##name,
	LOG_LEVELS(X)
#undef X
};

enum log_format { LOG_TEXT, LOG_JSON };

/* What a line is about; a NULL pointer or zero field is left out. */
struct log_subject {
	const char *plugin;
	uint32_t generation;
	int pid;
	const char *stream; /* "stdout" or "stderr" of a worker */
	const char *reload; /* the transaction's id; only journald gets it, as
			       the text has it already */
};

/* fd is used as it is; if it may block (tty, pipe) log opens it anew through
 * /proc/self/fd so that its O_NONBLOCK is ours alone. Before log_open lines go
 * to stderr at once.
 *
 * journald is recognised by $JOURNAL_STREAM. Entries then go to its socket in
 * its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), with MESSAGE,
 * PRIORITY, SYSLOG_IDENTIFIER and, of what has them, PLUGIN, GENERATION,
 * WORKER_PID, STREAM and RELOAD; or if the socket cannot be reached, to fd as
 * lines with <N> priorities. */
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"
#define LOG_JOURNAL_VARIABLE                                                   \
	"SUPD_JOURNAL_SOCKET" /* another one, for tests                        \
			       */
void log_open(int fd, enum log_format format, enum log_level level);
void log_set(enum log_format format, enum log_level level);
void log_get(enum log_format *format_out, enum log_level *level_out);
bool log_level_parse(const char *text, enum log_level *level_out);
bool log_format_parse(const char *text, enum log_format *format_out);
bool log_is_on(enum log_level level);

void log_write(enum log_level level, const struct log_subject *subject,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A record that is not an event of supd (an access line): at any level, in the
 * log's format, or as the line that it is already. It gives way to events. */
void log_record(const struct buffer *text, bool is_line);

#define log_error(...) log_write(LOG_ERROR, NULL, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, NULL, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)                                                         \
	do {                                                                   \
		if (log_is_on(LOG_DEBUG))                                      \
			log_write(LOG_DEBUG, NULL, __VA_ARGS__);               \
	} while (0)

/* Writes what the ring holds without blocking; true when it is empty. The
 * loop calls it once a turn, and again on log_fd() becoming writable. */
bool log_flush(void);
/* While writes fail: until when log_flush() writes nothing. 0: they do not. */
uint64_t log_retry_in_ms(void);
uint64_t log_dropped_total(void); /* lines, since the start */
int log_fd(void);
/* After a log rotation: if lines go to a regular file, the file that has its
 * name now is opened in its place. -1 with errno: the old one stays. */
int log_reopen(void);
void log_close(void); /* flushes for at most 200 ms */
