/* record: reads a record of supd's, value by value. What is not a record reads
 * as values that are absent; nothing beyond its bytes is read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "supervisor/trace/records.h"

struct record {
	const uint8_t *at, *end;
	unsigned left; /* values */
	enum record_type type;
	int64_t offset_us; /* of its times */
};

/* Begins to read the first record of the bytes; its length is what it returns,
 * 0: there is none of a known form. */
size_t record_begin(struct record *r, const uint8_t *at, size_t length);
/* The next value; 0 or "" if there is none of that type. */
uint64_t record_number(struct record *r);
struct bytes record_text(struct record *r);
