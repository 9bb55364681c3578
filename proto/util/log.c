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
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/log_line.h"
#include "proto/util/log_tap.h"
#include "proto/util/text.h"

#define LOG_RING_BYTES (256 * 1024)
#define LOG_TEXT_BYTES (8 * 1024) /* longer ones are cut in the middle */
#define LOG_CLOSE_MS 200
#define LOG_RETRY_MS 1000

static struct {
	int fd;
	bool opened, owned, socket, pollable, journald;
	bool entries; /* the ring has entries of journald, not lines */
	enum log_format format;
	enum log_level level;
	uint64_t dropped, dropped_total;
	uint64_t retry_ms;	  /* when to write again; 0: at once */
	size_t start, length;	  /* of the ring's content */
	struct buffer text, line; /* scratch */
	char *ring;
	char path[4096]; /* of a regular file, as it was opened */
	log_tap tap;
	void *tap_user;
} logger = {.fd = STDERR_FILENO, .level = LOG_INFO};

/* ---- journald's socket ---- */

static int
log_journal_connect(int fd)
{
	const char *path = getenv(LOG_JOURNAL_VARIABLE);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!path)
		path = LOG_JOURNAL_SOCKET;
	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

/* -1: lines go to where they would without it. */
static int
log_journal_open(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && log_journal_connect(fd) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
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

static void
log_render(struct buffer *line, enum log_level level,
	const struct log_subject *subject, const struct buffer *text)
{
	if (logger.entries)
		log_entry(line, logger.format, level, subject, text);
	else
		log_line(line, logger.format, logger.journald, level, subject,
			text);
}

/* Reports how many lines were dropped, if there is room for that again. */
static bool
log_report_dropped(void)
{
	struct buffer text = {0}, line = {0};
	bool reported;

	buffer_format(&text, "%llu log lines dropped",
		(unsigned long long)logger.dropped);
	log_render(&line, LOG_WARN, NULL, &text);
	reported = log_ring_put(&line);
	if (reported)
		logger.dropped = 0;
	buffer_finish(&text);
	buffer_finish(&line);
	return reported;
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

/* A full disk may block each try for a while, so it gets one a second. */
static void
log_put_failed(void)
{
	logger.retry_ms = clock_ms() + LOG_RETRY_MS;
}

static void
log_ring_copy(void *to, size_t from, size_t size)
{
	size_t start = (logger.start + from) % LOG_RING_BYTES;
	size_t first =
		LOG_RING_BYTES - start < size ? LOG_RING_BYTES - start : size;

	memcpy(to, logger.ring + start, first);
	memcpy((char *)to + first, logger.ring, size - first);
}

/* The first entry, as one datagram. Returns what it takes of the ring. */
static ssize_t
log_put_entry(void)
{
	struct buffer entry = {0};
	uint32_t length;
	ssize_t put;

	log_ring_copy(&length, 0, sizeof(length));
	log_ring_copy(buffer_reserve(&entry, length), sizeof(length), length);
	put = send(logger.fd, buffer_bytes(&entry), length,
		MSG_DONTWAIT | MSG_NOSIGNAL);
	/* journald was restarted: its socket is another one. */
	if (put < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS &&
		log_journal_connect(logger.fd) == 0)
		put = send(logger.fd, buffer_bytes(&entry), length,
			MSG_DONTWAIT | MSG_NOSIGNAL);
	if (put < 0 && errno == EMSGSIZE)
		put = 0; /* it can never be sent */
	buffer_finish(&entry);
	return put < 0 ? -1 : (ssize_t)(sizeof(length) + length);
}

static ssize_t
log_put_next(void)
{
	size_t size = LOG_RING_BYTES - logger.start;

	if (logger.entries)
		return log_put_entry();
	if (size > logger.length)
		size = logger.length;
	return log_put(logger.ring + logger.start, size);
}

bool
log_flush(void)
{
	if (logger.retry_ms && clock_ms() < logger.retry_ms)
		return false;
	while (logger.length) {
		ssize_t put = log_put_next();

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return false;
		if (put <= 0) {
			log_put_failed();
			return false;
		}
		logger.retry_ms = 0;
		logger.start = (logger.start + (size_t)put) % LOG_RING_BYTES;
		logger.length -= (size_t)put;
		if (!logger.length && logger.dropped)
			log_report_dropped();
	}
	return true;
}

uint64_t
log_retry_in_ms(void)
{
	uint64_t now = clock_ms();

	if (!logger.retry_ms)
		return 0;
	return logger.retry_ms > now ? logger.retry_ms - now : 1;
}

static void
log_drop(void)
{
	logger.dropped++;
	logger.dropped_total++;
}

uint64_t
log_dropped_total(void)
{
	return logger.dropped_total;
}

/* Puts logger.line in the ring; what may wait leaves room for what may not. */
static void
log_put_line(bool may_wait)
{
	if (logger.length > LOG_RING_BYTES / 2)
		log_flush();
	if ((may_wait && logger.length > LOG_RING_BYTES / 2) ||
		(logger.dropped && !log_report_dropped()) ||
		!log_ring_put(&logger.line))
		log_drop();
}

static void
log_call_tap(enum log_level level, const struct log_subject *subject,
	const struct buffer *text)
{
	if (logger.tap)
		logger.tap(logger.tap_user, level, subject,
			(struct bytes){(const char *)buffer_bytes(text),
				buffer_length(text)});
}

void
log_set_tap(log_tap tap, void *user)
{
	logger.tap = tap;
	logger.tap_user = user;
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
	if (length > LOG_TEXT_BYTES) {
		text_shorten((char *)buffer_bytes(text), LOG_TEXT_BYTES);
		length = (int)strlen((char *)buffer_bytes(text));
	}
	buffer_commit(text, length > 0 ? (size_t)length : 0);
	log_render(line, level, subject, text);
	if (!logger.opened) {
		if (write(logger.fd, buffer_bytes(line), buffer_length(line)) <
			0)
			log_drop();
	} else {
		/* A worker that floods leaves room for supd's own lines. */
		log_put_line(subject && subject->stream);
	}
	log_call_tap(level, subject, text);
	errno = saved;
}

void
log_record(const struct buffer *text, bool is_line)
{
	struct buffer *line = &logger.line;

	if (!logger.opened)
		return;
	buffer_clear(line);
	if (!is_line || logger.entries) {
		log_render(line, LOG_INFO, NULL, text);
	} else {
		if (logger.journald)
			buffer_append_text(line, "<6>");
		buffer_append(line, buffer_bytes(text), buffer_length(text));
		buffer_append_byte(line, '\n');
	}
	log_put_line(true);
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
	/* Whoever truncates the file must not get a hole of NULs in it. */
	if (S_ISREG(st.st_mode))
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND);
	logger.owned = own >= 0;
	if (logger.owned)
		logger.fd = own;
	logger.socket = S_ISSOCK(st.st_mode);
	log_note_path(&st);
	logger.journald = log_is_journald(&st);
	logger.entries = false;
	if (logger.journald && (own = log_journal_open()) >= 0) {
		if (logger.owned)
			close(logger.fd);
		logger.fd = own;
		logger.owned = logger.socket = logger.entries = true;
	}
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

void
log_get(enum log_format *format_out, enum log_level *level_out)
{
	*format_out = logger.format;
	*level_out = logger.level;
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
	logger.retry_ms = 0;
	log_flush();
	dup2(fd, logger.fd);
	logger.retry_ms = 0;
	close(fd);
	return 0;
}

void
log_close(void)
{
	uint64_t until = clock_ms() + LOG_CLOSE_MS, now;

	if (!logger.opened)
		return;
	logger.retry_ms = 0;
	while (!log_flush() && !logger.retry_ms && (now = clock_ms()) < until) {
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
	logger.retry_ms = 0;
	logger.opened = logger.owned = logger.socket = logger.pollable =
		logger.journald = logger.entries = false;
}
