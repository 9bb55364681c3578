/* log: a ring of whole lines between the loop and stderr. Only this file has
 * mutable globals. Nothing here waits, but log_close(), and that 200 ms. */
#include "proto/util/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/utf8.h"

#define LOG_RING_BYTES (256 * 1024)
#define LOG_CLOSE_MS 200

static const struct {
	const char *text;
	int priority;
} log_rows[] = {
#define X(name, text, priority) [LOG_##name] = {text, priority},
	LOG_LEVELS(X)
#undef X
};

static struct {
	int fd;
	bool opened, owned, socket, pollable, journald;
	enum log_format format;
	enum log_level level;
	uint64_t dropped;
	size_t start, length;	  /* of the ring's content */
	struct buffer text, line; /* scratch */
	char *ring;
	char path[4096]; /* of a regular file, as it was opened */
} logger = {.fd = STDERR_FILENO, .level = LOG_INFO};

/* ---- one line ---- */

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

/* Appends text so that it can neither end the line nor leave a JSON string;
 * what is not UTF-8 is shown as such. */
static void
log_escape(struct buffer *b, const char *text, size_t left, bool json)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t length;

	for (; left; at += length, left -= length) {
		length = utf8_length(at, left);
		if (!length) {
			length = 1;
			if (json)
				buffer_append_text(b, "\\ufffd");
			else
				log_escape_byte(b, *at, false);
		} else if (*at < 0x20 || *at == 0x7f) {
			log_escape_byte(b, *at, json);
		} else if (length == 2 && at[0] == 0xc2 && at[1] < 0xa0) {
			log_escape_byte(b, at[1], json); /* C1 controls */
		} else {
			if (json && (*at == '"' || *at == '\\'))
				buffer_append_byte(b, '\\');
			buffer_append(b, at, length);
		}
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

static void
log_line(struct buffer *b, enum log_level level,
	const struct log_subject *subject, const struct buffer *text)
{
	bool json = logger.format == LOG_JSON;
	struct log_subject none = {0};

	subject = subject ? subject : &none;
	if (logger.journald)
		buffer_format(b, "<%d>", log_rows[level].priority);
	if (json) {
		buffer_append_text(b, "{\"time\":\"");
		log_time(b);
		buffer_format(b, "\",\"level\":\"%s\"", log_rows[level].text);
	} else {
		if (!logger.journald) {
			log_time(b);
			buffer_append_byte(b, ' ');
		}
		buffer_format(b, "%s ", log_rows[level].text);
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

/* ---- the ring ---- */

static bool
log_ring_put(const struct buffer *line)
{
	const char *at = (const char *)buffer_bytes(line);
	size_t size = buffer_length(line), end, first;

	if (size > LOG_RING_BYTES - logger.length)
		return false;
	end = (logger.start + logger.length) % LOG_RING_BYTES;
	first = LOG_RING_BYTES - end < size ? LOG_RING_BYTES - end : size;
	memcpy(logger.ring + end, at, first);
	memcpy(logger.ring, at + first, size - first);
	logger.length += size;
	return true;
}

/* Tells how many lines were dropped, if there is room for that again. */
static bool
log_tell_dropped(void)
{
	struct buffer text = {0}, line = {0};
	bool told;

	buffer_format(&text, "%llu log lines dropped",
		(unsigned long long)logger.dropped);
	log_line(&line, LOG_WARN, NULL, &text);
	told = log_ring_put(&line);
	if (told)
		logger.dropped = 0;
	buffer_finish(&text);
	buffer_finish(&line);
	return told;
}

/* Writes without blocking: -1 with EAGAIN where that would. */
static ssize_t
log_put(const char *at, size_t size)
{
	struct pollfd ready = {.fd = logger.fd, .events = POLLOUT};

	if (logger.socket)
		return send(logger.fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (logger.pollable) {
		/* Not ours to make non-blocking: a pipe or tty that polls
		 * writable takes this much without waiting. */
		if (poll(&ready, 1, 0) != 1) {
			errno = EAGAIN;
			return -1;
		}
		size = size < 512 ? size : 512;
	}
	return write(logger.fd, at, size);
}

bool
log_flush(void)
{
	while (logger.length) {
		size_t size = LOG_RING_BYTES - logger.start;
		ssize_t put;

		if (size > logger.length)
			size = logger.length;
		put = log_put(logger.ring + logger.start, size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return false;
		if (put < 0)
			put = (ssize_t)size; /* nobody reads it any more */
		logger.start = (logger.start + (size_t)put) % LOG_RING_BYTES;
		logger.length -= (size_t)put;
		if (!logger.length && logger.dropped)
			log_tell_dropped();
	}
	return true;
}

void
log_write(enum log_level level, const struct log_subject *subject,
	const char *format, ...)
{
	struct buffer *text = &logger.text, *line = &logger.line;
	int saved = errno, length;
	va_list args, again;

	if (!log_is_on(level))
		return;
	buffer_clear(text);
	buffer_clear(line);
	va_start(args, format);
	va_copy(again, args);
	length =
		vsnprintf((char *)buffer_reserve(text, 256), 256, format, args);
	if (length >= 256)
		vsnprintf((char *)buffer_reserve(text, (size_t)length + 1),
			(size_t)length + 1, format, again);
	va_end(again);
	va_end(args);
	buffer_commit(text, length > 0 ? (size_t)length : 0);
	log_line(line, level, subject, text);
	if (!logger.opened) {
		if (write(logger.fd, buffer_bytes(line), buffer_length(line)) <
			0)
			logger.dropped++;
	} else {
		if (logger.length > LOG_RING_BYTES / 2)
			log_flush();
		if ((logger.dropped && !log_tell_dropped()) ||
			!log_ring_put(line))
			logger.dropped++;
	}
	errno = saved;
}

/* ---- where it goes ---- */

static bool
log_is_journald(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       device == st->st_dev && inode == st->st_ino;
}

/* The name that a rotation gives to the next file. */
static void
log_note_path(const struct stat *st)
{
	char link[32];
	ssize_t size = -1;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", logger.fd);
	if (S_ISREG(st->st_mode))
		size = readlink(link, logger.path, sizeof(logger.path) - 1);
	logger.path[size < 0 ? 0 : size] = '\0';
}

void
log_open(int fd, enum log_format format, enum log_level level)
{
	char path[32];
	struct stat st = {0};
	int own = -1;

	log_close();
	logger.fd = fd;
	if (fstat(fd, &st) == 0 &&
		(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		logger.pollable = own < 0;
	}
	logger.owned = own >= 0;
	if (logger.owned)
		logger.fd = own;
	logger.socket = S_ISSOCK(st.st_mode);
	log_note_path(&st);
	logger.journald = log_is_journald(&st);
	logger.ring = malloc(LOG_RING_BYTES);
	assert(logger.ring);
	logger.opened = true;
	log_set(format, level);
}

void
log_set(enum log_format format, enum log_level level)
{
	logger.format = format;
	logger.level = level;
}

bool
log_level_parse(const char *text, enum log_level *level_out)
{
	for (size_t i = 0; i < sizeof(log_rows) / sizeof(*log_rows); i++)
		if (!strcmp(text, log_rows[i].text)) {
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

bool
log_is_on(enum log_level level)
{
	return level <= logger.level;
}

int
log_fd(void)
{
	return logger.fd;
}

int
log_reopen(void)
{
	int fd;

	if (!*logger.path)
		return 0;
	fd = open(logger.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -1;
	log_flush();
	dup2(fd, logger.fd);
	close(fd);
	return 0;
}

void
log_close(void)
{
	uint64_t until = clock_ms() + LOG_CLOSE_MS, now;

	if (!logger.opened)
		return;
	while (!log_flush() && (now = clock_ms()) < until) {
		struct pollfd ready = {.fd = logger.fd, .events = POLLOUT};

		if (poll(&ready, 1, (int)(until - now)) < 0 && errno != EINTR)
			break;
	}
	if (logger.owned)
		close(logger.fd);
	free(logger.ring);
	buffer_finish(&logger.text);
	buffer_finish(&logger.line);
	logger.ring = NULL;
	logger.fd = STDERR_FILENO;
	logger.start = logger.length = 0;
	logger.opened = logger.owned = logger.socket = logger.pollable =
		logger.journald = false;
}
