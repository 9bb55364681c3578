/* access: the access log: a line for each request that was answered or
 * abandoned. It never blocks: lines that a slow file or a full disk does not
 * take are kept up to a limit, then dropped, counted and reported once there is
 * space again. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "supervisor/config/config.h"
#include "supervisor/http/head.h"

#define ACCESS_PENDING_MAX (256 * 1024)
#define ACCESS_RETRY_S 1.0
#define ACCESS_PART_MAX 8192 /* longer paths and fields are cut */
#define ACCESS_LEFT 499	     /* status of a request whose client left */

struct access_log {
	struct ev_loop *loop;
	int format;	       /* enum config_access */
	char *path;	       /* NULL: lines go to supd's own log */
	int fd, fresh_fd;      /* -1: closed */
	ev_io writable;	       /* for a pipe that was full */
	ev_timer retry;	       /* after a failed write */
	bool failing;	       /* the last write failed */
	struct buffer pending; /* lines not written yet */
	uint64_t dropped,
		dropped_total; /* lines; dropped: since the last report */
};

/* The part of a line that is known when a request begins. */
struct access_note {
	uint64_t began_us;
	char plugin[65];     /* "": none */
	uint32_t generation; /* 0: no worker answered */
	uint16_t method, path, query, referer, agent; /* lengths */
	bool http_1_0, has_query, has_referer, has_agent, is_malformed;
	char text[]; /* all parts, one after the other */
};

/* The rest of a line, known when the request ends. */
struct access_end {
	struct bytes client, request_id;
	int status;
	uint64_t body_bytes;
};

void access_init(struct access_log *log, struct ev_loop *loop);
void access_finish(struct access_log *log);

/* Opens the file that the config names, unless it is open already, without
 * using it yet. -1: it cannot be opened, and nothing has changed. Call either
 * of the next two afterwards. */
int access_open_new(
	struct access_log *log, const struct config *config, struct error *err);
void access_keep_new(struct access_log *log, const struct config *config);
void access_close_new(struct access_log *log);
/* Opens the file again by its name, after a rotation. -1: the old one stays. */
int access_reopen(struct access_log *log, struct error *err);
static inline bool
access_is_on(const struct access_log *log)
{
	return log->format != ACCESS_OFF;
}

/* Notes the beginning of a line. NULL if no line is wanted; else the caller
 * frees the note. */
struct access_note *access_begin(
	const struct access_log *log, const struct head *h);
void access_write(struct access_log *log, const struct access_note *note,
	const struct access_end *end);
/* Once per turn. */
void access_flush(struct access_log *log);

/* ---- the lines themselves, pure: access_line.c ---- */
void access_line(struct buffer *out, int format, uint64_t wall_ms,
	uint64_t took_us, const struct access_note *note,
	const struct access_end *end);
