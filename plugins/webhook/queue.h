/* queue: the deliveries that wait for one target, in order, on disk. One file
 * of lines: what was added, what is done, and how often the first has failed.
 * It survives the end of the worker, not a failure of power. Only the owner of
 * the files (owner.h) may have a queue open. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_ID_BYTES (32 + 1)

struct queue;

struct queue_limits {
	uint64_t events, bytes;
};

/* The first delivery. */
struct queue_head {
	char id[QUEUE_ID_BYTES];
	uint64_t added_ms, next_ms; /* not tried again before that */
	unsigned failures;
	size_t body_bytes;
};

enum queue_result { QUEUE_ADDED, QUEUE_KNOWN, QUEUE_FULL, QUEUE_FAILED };

/* Reads DIR/NAME.queue, and makes it if there is none. NULL with errno. */
struct queue *queue_open(const char *dir, const char *name);
void queue_close(struct queue *q); /* NULL is fine */
/* The id is 32 hex digits; the body is one line. KNOWN: it was added before,
 * not long ago. FAILED: the disk refuses it (errno). */
enum queue_result queue_add(struct queue *q, const struct queue_limits *limits,
	const char *id, uint64_t now_ms, const char *body);
bool queue_first(const struct queue *q, struct queue_head *head_out);
/* The body of the first; the caller frees. NULL with errno. */
char *queue_first_body(const struct queue *q);
/* The first is done with, delivered or not. */
void queue_remove_first(struct queue *q);
void queue_fail_first(struct queue *q, uint64_t next_ms);
size_t queue_count(const struct queue *q);
