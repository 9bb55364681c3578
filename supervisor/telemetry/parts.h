/* parts: what the files of telemetry/ share. No other file includes it. */
#pragma once

#include "proto/util/buffer.h"
#include "proto/util/log.h"
#include "supervisor/config/config.h"
#include "supervisor/control/metrics_view.h"
#include "supervisor/plugin/child.h"
#include "supervisor/telemetry/telemetry.h"
#include "supervisor/trace/tracer.h"

#define TELEMETRY_PROGRAM "supd-export"
#define TELEMETRY_FLUSH_S 0.1
/* A collector that takes only parts of requests has a line in the log that
 * often. */
#define TELEMETRY_REFUSED_MS 60000
#define TELEMETRY_PAUSE_MIN_S 0.2
#define TELEMETRY_PAUSE_MAX_S 10.0
#define TELEMETRY_STEADY_MS 10000
#define TELEMETRY_END_MS 1500 /* at a stop, to export what is left */
#define TELEMETRY_REAP_MS 1000
#define TELEMETRY_LINE_MAX 4096
#define TELEMETRY_ERROR_BYTES 256

struct telemetry_pages {
	uint32_t interval_ms; /* 0: off */
	ev_timer due, turn;
	bool is_busy;		 /* a page is being written */
	uint64_t at_us;		 /* when it was begun */
	uint64_t samples_handed; /* of it */
	struct metrics_writer writer;
	struct metrics_pass pass;
};

struct telemetry {
	struct gateway *gateway;
	struct config *config;	/* a reference: the one in force */
	char *program;		/* absolute path */
	struct buffer settings; /* a frame of their record; empty: off */
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
	/* The frame that is being sent, and the number of its records. */
	struct buffer frame;
	uint32_t frame_counts[RECORD_SIGNAL_COUNT];
	struct buffer in; /* the beginning of a report */

	/* What the process that runs has reported since its start, and what
	 * had been handed over before that. */
	struct record_counts reported[RECORD_SIGNAL_COUNT];
	uint64_t handed_before[RECORD_SIGNAL_COUNT];
	char error[TELEMETRY_ERROR_BYTES]; /* of the last export; "": none */
	uint64_t dropped_before;	   /* exports began to fail */
	/* Refused records that the log has mentioned, and when it did. */
	uint64_t refused_logged, refused_logged_ms;
	uint64_t restarts;
};

/* ---- outlet.c ---- */
void outlet_start(struct telemetry *t);
/* Sends the records that wait, as far as the socket takes them. */
void outlet_flush(struct telemetry *t);
/* No more records follow: the process is to send what it has and end. */
void outlet_finish(struct telemetry *t);
void outlet_stop(struct telemetry *t); /* waits for that, or kills it */

/* ---- lines.c ---- */
/* The subject of the lines about telemetry itself, which are not exported. */
extern const struct log_subject telemetry_subject;
#define telemetry_log(level, ...)                                              \
	log_write(level, &telemetry_subject, "telemetry: " __VA_ARGS__)
void lines_configure(struct telemetry *t, bool is_on);

/* ---- pages.c ---- */
void pages_configure(struct telemetry *t, uint32_t interval_ms); /* 0: off */

/* ---- balance.c ---- */
/* Reads a report of the process, a line of JSON. */
void balance_read(struct telemetry *t, const char *line, size_t length);
/* The process has ended: records that it had and did not report are lost. */
void balance_lost(struct telemetry *t);
