/* access: the access log: a line for each request that was answered or given
 * up. It never waits: what a slow file does not take is kept up to a limit,
 * then dropped and counted. */
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
#define ACCESS_PART_MAX 8192 /* longer paths and fields are cut */
#define ACCESS_LEFT 499	     /* the status of a request whose client had left */

struct access_log {
	struct ev_loop *loop;
	int format;	       /* enum config_access */
	char *path;	       /* NULL: lines go to supd's own log */
	int fd, fresh_fd;      /* -1: closed */
	ev_io writable;	       /* a pipe that was full */
	struct buffer pending; /* whole lines, for the file */
	uint64_t dropped, dropped_total;
};

/* What is known when a request begins. */
struct access_note {
	uint64_t began_us;
	char plugin[65];     /* "": none */
	uint32_t generation; /* 0: no worker answered */
	uint16_t method, path, query, referer, agent; /* lengths */
	bool http_1_0, has_query, has_referer, has_agent, is_malformed;
	char text[]; /* all of them, one after the other */
};

/* The rest, when it ends. */
struct access_end {
	struct bytes client, request_id;
	int status;
	uint64_t body_bytes;
};

void access_init(struct access_log *log, struct ev_loop *loop);
void access_finish(struct access_log *log);

/* What the config wants and is not open yet, without using it: -1, and
 * nothing changed, if its file cannot be opened. The old file is kept open
 * while its name is the same. Then either of the others. */
int access_open_new(
	struct access_log *log, const struct config *config, struct error *err);
void access_keep_new(struct access_log *log, const struct config *config);
void access_close_new(struct access_log *log);
/* After a rotation: the file that has the name now. -1: the old one stays. */
int access_reopen(struct access_log *log, struct error *err);
static inline bool
access_is_on(const struct access_log *log)
{
	return log->format != ACCESS_OFF;
}

/* NULL if no line is wanted; else the caller frees it. */
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
