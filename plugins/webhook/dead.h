/* dead: the file of the deliveries that were given up, for people to read: one
 * JSON object a line. It is bounded: beyond half of the limit it becomes
 * dead-letters.1.jsonl, and the one before that goes. */
#pragma once

#include <stdint.h>

struct letter {
	const char *target, *id, *reason, *body; /* the body is JSON text */
	uint64_t added_ms, given_up_ms;
	unsigned failures;
	long status; /* of the last answer; 0: none */
};

/* Appends to DIR/dead-letters.jsonl. -1 with errno. */
int dead_write(const char *dir, uint64_t limit_bytes, const struct letter *l);
