/* record: what became of every request of a run, kept in memory and written
 * at its end. Knows no sockets. Times are CLOCK_MONOTONIC in microseconds. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RECORD_OUTCOMES(X)                                                     \
	X(OK, ok)                                                              \
	X(CONNECT, connect)	/* the connection was refused */               \
	X(CLOSED, closed)	/* the connection ended before the answer */   \
	X(STATUS, status)	/* not 200 */                                  \
	X(BODY, body)		/* not what was asked for */                   \
	X(MALFORMED, malformed) /* not HTTP as we know it */                   \
	X(TIMEOUT, timeout)

enum record_outcome {
#define X(upper, lower) RECORD_##upper,
	RECORD_OUTCOMES(X)
#undef X
		RECORD_OUTCOME_COUNT
};

/* Written to the log as it stands: 40 bytes, little endian. version and pid
 * are 0 where the answer does not tell. */
struct record {
	uint64_t due_us; /* when the schedule wanted it sent */
	uint64_t sent_us;
	uint64_t end_us;
	uint32_t version;
	uint32_t pid;
	uint16_t status;
	uint8_t outcome;
	uint8_t post; /* 1: POST, 0: GET */
	uint16_t connection;
	uint16_t unused;
};

struct run {
	struct record *records;
	size_t count, room;
	uint64_t closed_connections; /* by the server, also while idle */
	uint64_t unasked;	     /* answers that nobody had asked for */
	uint64_t statuses[600];
	uint64_t start_us, end_us;
};

void run_init(struct run *r);
void run_finish(struct run *r);
void run_add(struct run *r, const struct record *record);
void run_print(const struct run *r);		     /* JSON to stdout */
int run_save(const struct run *r, const char *path); /* -1: errno */
uint64_t run_now_us(void);
