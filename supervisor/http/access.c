/* Lines are gathered in a turn and written once; a file that cannot be written
 * loses lines, never time. */
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

void
access_init(struct access_log *log, struct ev_loop *loop)
{
	*log = (struct access_log){.loop = loop, .fd = -1, .fresh_fd = -1};
	ev_io_init(&log->writable, on_writable, -1, EV_WRITE);
}

static void
close_file(struct access_log *log)
{
	ev_io_stop(log->loop, &log->writable);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

void
access_finish(struct access_log *log)
{
	access_flush(log);
	access_close_new(log);
	close_file(log);
	buffer_finish(&log->pending);
	free(log->path);
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

/* What is pending goes to the old one. */
static void
take_file(struct access_log *log, int fd)
{
	access_flush(log);
	close_file(log);
	log->fd = fd;
	ev_io_set(&log->writable, fd, EV_WRITE);
}

/* Where lines go by that config: a path, or NULL. */
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

static void
drop_pending(struct access_log *log, int error)
{
	const char *at = (const char *)buffer_bytes(&log->pending);

	for (size_t i = 0; i < buffer_length(&log->pending); i++)
		log->dropped += at[i] == '\n';
	buffer_clear(&log->pending);
	log_warn("cannot write the access log %s: %s", log->path,
		strerror(error));
}

void
access_flush(struct access_log *log)
{
	size_t size = buffer_length(&log->pending);
	ssize_t n;

	if (!size || log->fd < 0 || ev_is_active(&log->writable))
		return;
	n = write(log->fd, buffer_bytes(&log->pending), size);
	if (n > 0)
		buffer_consume(&log->pending, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		drop_pending(log, errno);
	if (!buffer_length(&log->pending))
		buffer_finish(&log->pending);
	else
		ev_io_start(log->loop, &log->writable);
}

/* ---- lines ---- */

/* Tells of those that are missing as soon as there is room. */
static void
tell_dropped(struct access_log *log)
{
	log->dropped_total += log->dropped;
	log_warn("%llu lines of the access log were dropped",
		(unsigned long long)log->dropped);
	log->dropped = 0;
}

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
		if (log->dropped)
			tell_dropped(log);
		buffer_append(&log->pending, buffer_bytes(&line),
			buffer_length(&line));
		buffer_append_byte(&log->pending, '\n');
	} else {
		log->dropped++;
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

/* Appends it, cut to what a line should hold; its length. */
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
