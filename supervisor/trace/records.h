/* records: a queue of what is to be exported, as MessagePack, until it is
 * handed to the process that exports it. Bounded in number and bytes: a record
 * that does not fit is dropped and counted. Knows no process and no endpoint.
 *
 * A record is an array that begins with its type; times are microseconds of
 * CLOCK_MONOTONIC. Strings are cut to RECORD_TEXT_MAX. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/trace.h"
#include "proto/util/buffer.h"

#define RECORDS_MAX 65536
#define RECORDS_BYTES_MAX ((size_t)8 << 20)
#define RECORDS_SOON_BYTES ((size_t)32 << 10) /* hand them over at once */
#define RECORD_TEXT_MAX 255

/* What is exported: X(ENUM, "name in metrics") */
#define RECORD_SIGNALS(X)                                                      \
	X(SPANS, "spans")                                                      \
	X(METRICS, "metrics")                                                  \
	X(LOGS, "logs")

enum record_signal {
#define X(name, text) RECORD_##name,
	RECORD_SIGNALS(X)
#undef X
		RECORD_SIGNAL_COUNT,
};
extern const char *const record_signal_texts[RECORD_SIGNAL_COUNT];

/* X(ENUM, values of the array with the type) */
#define RECORD_TYPES(X)                                                        \
	/* type, trace high, low, span, parent, began, ended, method, path,    \
	 * route, status, plugin, generation, client, is_https, error */       \
	X(SERVER, 16)                                                          \
	/* type, trace high, low, span, parent, began, ended, kind, name,      \
	 * plugin, generation, sends, error, text */                           \
	X(REQUEST, 14)                                                         \
	/* type, trace high, low, span, parent, began, ended, span kind, name, \
	 * plugin, generation, id, error, text */                              \
	X(STEP, 14)                                                            \
	/* type, trace high, low, span, time, level, plugin, generation, pid,  \
	 * stream, text */                                                     \
	X(LINE, 11)                                                            \
	/* type, time, since, a part of the page of metrics as bin */          \
	X(PAGE, 4)                                                             \
	/* type, endpoint, headers, resource, timeout_ms */                    \
	X(SETTINGS, 5)

enum record_type {
#define X(name, values) RECORD_##name,
	RECORD_TYPES(X)
#undef X
		RECORD_TYPE_COUNT,
};

/* Why a record was dropped: X(ENUM, "reason in metrics") */
#define RECORD_DROPS(X)                                                        \
	X(OVERFLOW, "queue_full")                                              \
	X(REFUSED, "refused") /* by the collector */                           \
	X(FAILED, "unsent")   /* the collector was down for too long */        \
	X(LOST, "exporter_died")

enum record_drop {
#define X(name, text) RECORD_DROP_##name,
	RECORD_DROPS(X)
#undef X
		RECORD_DROP_COUNT,
};
extern const char *const record_drop_texts[RECORD_DROP_COUNT];

struct records {
	bool is_on; /* if not, no record is taken or counted */
	struct buffer waiting;
	uint32_t count; /* in waiting; then by signal */
	uint32_t counts[RECORD_SIGNAL_COUNT];
	/* Since the start. made: with those that did not fit here (overflow);
	 * handed: to the process, which reports what becomes of them. Those
	 * that it has not reported when it ends count as lost. */
	struct record_counts {
		uint64_t made, handed, exported;
		uint64_t dropped[RECORD_DROP_COUNT];
	} totals[RECORD_SIGNAL_COUNT];
	bool is_failing; /* the last export */
	/* The queue is no longer empty; it has RECORDS_SOON_BYTES. */
	void (*on_first)(struct records *r);
	void (*on_many)(struct records *r);
};

void records_finish(struct records *r);
/* Room for a record of at most `bytes`; NULL: there is none, and the record is
 * counted as dropped, or nothing is exported. */
uint8_t *records_begin(
	struct records *r, enum record_signal signal, size_t bytes);
void records_end(struct records *r, enum record_signal signal, uint8_t *end);
