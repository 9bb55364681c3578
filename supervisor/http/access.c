/* access: gathers the lines of a turn and writes them once. Lines that cannot
 * be written are kept, up to a limit, and retried once a second. */
#include "supervisor/http/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/list.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"

static void
on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct access_log *log =
		container_of(watcher, struct access_log, writable);

	ev_io_stop(loop, watcher);
	access_flush(log);
}

static void
retry_is_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	access_flush(container_of(timer, struct access_log, retry));
}

void
access_init(struct access_log *log, struct ev_loop *loop)
{
	*log = (struct access_log){.loop = loop, .fd = -1, .fresh_fd = -1};
	ev_io_init(&log->writable, on_writable, -1, EV_WRITE);
	ev_timer_init(&log->retry, retry_is_due, 0, 0);
}

static void
close_file(struct access_log *log)
{
	ev_io_stop(log->loop, &log->writable);
	ev_timer_stop(log->loop, &log->retry);
	log->failing = false;
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

/* ---- the file ---- */

static int
open_file(const char *path, struct error *err)
{
	int fd = open(path,
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK |
			O_NOCTTY,
		0640);

	if (fd < 0)
		return error_set(err, "cannot open the access log %s: %s", path,
			strerror(errno));
	return fd;
}

static void
count_dropped(struct access_log *log, uint64_t lines)
{
	log->dropped += lines;
	log->dropped_total += lines;
}

static void
report_dropped(struct access_log *log)
{
	if (log->dropped)
		log_warn("%llu lines of the access log were dropped",
			(unsigned long long)log->dropped);
	log->dropped = 0;
}

static void
drop_pending(struct access_log *log)
{
	const char *at = (const char *)buffer_bytes(&log->pending);
	uint64_t lines = 0;

	for (size_t i = 0; i < buffer_length(&log->pending); i++)
		lines += at[i] == '\n';
	count_dropped(log, lines);
	buffer_finish(&log->pending);
}

/* Writes pending lines to the old file; the rest goes to the new one, or is
 * lost if there is none (-1). */
static void
take_file(struct access_log *log, int fd)
{
	ev_timer_stop(log->loop, &log->retry);
	access_flush(log);
	close_file(log);
	log->fd = fd;
	if (fd < 0) {
		drop_pending(log);
		report_dropped(log);
		return;
	}
	ev_io_set(&log->writable, fd, EV_WRITE);
}

void
access_finish(struct access_log *log)
{
	access_close_new(log);
	take_file(log, -1);
	free(log->path);
}

/* The file that the config names, or NULL. */
static const char *
path_of(const struct config *config)
{
	return config->log.access == ACCESS_OFF ? NULL
						: config->log.access_file;
}

static bool
is_open(const struct access_log *log, const char *path)
{
	return log->path && !strcmp(path, log->path);
}

int
access_open_new(
	struct access_log *log, const struct config *config, struct error *err)
{
	const char *path = path_of(config);

	access_close_new(log);
	if (path && !is_open(log, path))
		log->fresh_fd = open_file(path, err);
	return path && !is_open(log, path) && log->fresh_fd < 0 ? -1 : 0;
}

void
access_keep_new(struct access_log *log, const struct config *config)
{
	const char *path = path_of(config);

	log->format = config->log.access;
	if (path && is_open(log, path))
		return;
	take_file(log, log->fresh_fd);
	log->fresh_fd = -1;
	free(log->path);
	log->path = path ? memory_copy_text(path) : NULL;
}

void
access_close_new(struct access_log *log)
{
	if (log->fresh_fd >= 0)
		close(log->fresh_fd);
	log->fresh_fd = -1;
}

int
access_reopen(struct access_log *log, struct error *err)
{
	int fd;

	if (!log->path)
		return 0;
	fd = open_file(log->path, err);
	if (fd < 0)
		return -1;
	take_file(log, fd);
	return 0;
}

/* Reports the failure once until writing works again. */
static void
note_failed(struct access_log *log, int error)
{
	if (!log->failing)
		log_warn("cannot write the access log %s: %s; retrying "
			 "every second",
			log->path, strerror(error));
	log->failing = true;
	ev_timer_set(&log->retry, ACCESS_RETRY_S, 0);
	ev_timer_start(log->loop, &log->retry);
}

/* The rate limit keeps a slow reader of the file from filling supd's own log.
 */
static void
note_written(struct access_log *log)
{
	if (log->failing)
		log_warn("the access log %s is written again", log->path);
	if (log->failing ||
		buffer_length(&log->pending) < ACCESS_PENDING_MAX / 2)
		report_dropped(log);
	log->failing = false;
}

void
access_flush(struct access_log *log)
{
	size_t size = buffer_length(&log->pending);
	ssize_t n;

	if (!size || log->fd < 0 || ev_is_active(&log->writable) ||
		ev_is_active(&log->retry))
		return;
	n = write(log->fd, buffer_bytes(&log->pending), size);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		note_failed(log, errno);
		return;
	}
	if (n > 0) {
		buffer_consume(&log->pending, (size_t)n);
		note_written(log);
	}
	if (!buffer_length(&log->pending))
		buffer_finish(&log->pending);
	else
		ev_io_start(log->loop, &log->writable);
}

/* ---- lines ---- */

void
access_write(struct access_log *log, const struct access_note *note,
	const struct access_end *end)
{
	uint64_t took_us = clock_us() - note->began_us;
	struct buffer line = {0};

	access_line(&line, log->format, clock_wall_ms(), took_us, note, end);
	if (!log->path) {
		log_record(&line, log->format == ACCESS_JSON);
	} else if (buffer_length(&log->pending) + buffer_length(&line) <
		   ACCESS_PENDING_MAX) {
		buffer_append(&log->pending, buffer_bytes(&line),
			buffer_length(&line));
		buffer_append_byte(&log->pending, '\n');
	} else {
		count_dropped(log, 1);
	}
	buffer_finish(&line);
}

/* ---- notes ---- */

static struct bytes
field_of(const struct head *h, struct bytes name, bool *is_there)
{
	for (unsigned i = 0; i < h->field_count; i++)
		if (bytes_equal(h->fields[i].name, name)) {
			*is_there = true;
			return h->fields[i].value;
		}
	return (struct bytes){"", 0};
}

/* Appends a part, cut to ACCESS_PART_MAX; returns its length. */
static uint16_t
keep(char **at, struct bytes part)
{
	size_t length =
		part.length < ACCESS_PART_MAX ? part.length : ACCESS_PART_MAX;

	memcpy(*at, part.at, length);
	*at += length;
	return (uint16_t)length;
}

struct access_note *
access_begin(const struct access_log *log, const struct head *h)
{
	struct bytes referer = {"", 0}, agent = {"", 0};
	struct access_note *n;
	bool well = h->fields != NULL, has_referer = false, has_agent = false;
	char *at;

	if (!access_is_on(log))
		return NULL;
	if (well) {
		referer = field_of(h, BYTES("referer"), &has_referer);
		agent = field_of(h, BYTES("user-agent"), &has_agent);
	}
	n = memory_alloc(
		sizeof(*n) +
		(well ? h->method.length + h->path.length + h->query.length
		      : 0) +
		referer.length + agent.length);
	n->began_us = clock_us();
	n->http_1_0 = h->http_1_0;
	n->is_malformed = !well;
	n->has_referer = has_referer;
	n->has_agent = has_agent;
	at = n->text;
	if (!well)
		return n;
	n->has_query = h->query.length > 0;
	n->method = keep(&at, h->method);
	n->path = keep(&at, h->path);
	n->query = keep(&at, h->query);
	n->referer = keep(&at, referer);
	n->agent = keep(&at, agent);
	return n;
}
