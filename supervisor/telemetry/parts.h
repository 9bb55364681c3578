/* parts: what the files of telemetry/ share. Nobody else includes it. */
#pragma once

#include "proto/util/buffer.h"
#include "proto/util/log.h"
#include "supervisor/config/config.h"
#include "supervisor/control/metrics_view.h"
#include "supervisor/plugin/child.h"
#include "supervisor/telemetry/telemetry.h"
#include "supervisor/trace/tracer.h"

#define TELEMETRY_FLUSH_S 0.1
/* A collector that takes only parts of requests has a line in the log that
 * often. */
#define TELEMETRY_REFUSED_MS 60000
#define TELEMETRY_PAUSE_MIN_S 0.2
#define TELEMETRY_PAUSE_MAX_S 10.0
#define TELEMETRY_STEADY_MS 10000
#define TELEMETRY_END_MS 1500 /* at a stop, for what is left */
#define TELEMETRY_REAP_MS 1000
#define TELEMETRY_LINE_MAX 4096
#define TELEMETRY_ERROR_BYTES 256

struct telemetry_pages {
	uint32_t interval_ms; /* 0: off */
	ev_timer due, turn;
	bool is_busy; /* with a page, which was begun at: */
	uint64_t at_us;
	uint64_t samples_handed; /* of the page */
	struct metrics_writer writer;
	struct metrics_pass pass;
};

struct telemetry {
	struct gateway *gateway;
	struct config *config;	/* a reference: the one in force */
	char *program;		/* absolute path */
	struct buffer settings; /* a frame with the record, or empty: off */
	bool is_on;
	bool are_settings_due; /* to be sent before the next frame */
	bool is_leaving;       /* the process sends what it has and ends */
	bool is_shut;	       /* nothing more goes to that process */

	struct child child;
	int fd; /* -1: closed */
	ev_io readable, writable;
	ev_timer flush, respawn;
	struct telemetry_pages pages;
	double pause_s;
	uint64_t spawned_ms;
	/* The frame that is being sent, and how many records it has. */
	struct buffer frame;
	uint32_t frame_counts[RECORD_SIGNAL_COUNT];
	struct buffer in; /* of a report */

	/* As the process that runs has reported; all since its start. */
	struct record_counts reported[RECORD_SIGNAL_COUNT];
	uint64_t handed_before[RECORD_SIGNAL_COUNT];
	char error[TELEMETRY_ERROR_BYTES]; /* of the last export; "": fine */
	uint64_t dropped_before;	   /* the episode of failures */
	/* Refused records that the log has mentioned, and when it did. */
	uint64_t refused_logged, refused_logged_ms;
	uint64_t restarts;
};

/* ---- outlet.c ---- */
void outlet_start(struct telemetry *t);
/* Sends what waits, as far as the socket takes it. */
void outlet_flush(struct telemetry *t);
void outlet_finish(struct telemetry *t); /* no more follows: it may end */
void outlet_stop(struct telemetry *t);

/* ---- lines.c ---- */
/* What a line of telemetry itself is about: it is not exported. */
extern const struct log_subject telemetry_subject;
#define telemetry_log(level, ...)                                              \
	log_write(level, &telemetry_subject, "telemetry: " __VA_ARGS__)
void lines_configure(struct telemetry *t, bool is_on);

/* ---- pages.c ---- */
void pages_configure(struct telemetry *t, uint32_t interval_ms); /* 0: off */

/* ---- balance.c ---- */
/* A line of the process: what became of what it was given. */
void balance_read(struct telemetry *t, const char *line, size_t length);
/* The process is gone, with what it had. */
void balance_lost(struct telemetry *t);
