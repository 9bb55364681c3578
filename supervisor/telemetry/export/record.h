/* record: reads a record, value by value. Values of a malformed record read as
 * absent; nothing beyond its bytes is read. */
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

/* Begins to read the first record of the bytes. Returns its length; 0: it is
 * malformed, or of an unknown type. */
size_t record_begin(struct record *r, const uint8_t *at, size_t length);
/* The next value; 0 or "" if there is none of that type. */
uint64_t record_number(struct record *r);
struct bytes record_text(struct record *r);
