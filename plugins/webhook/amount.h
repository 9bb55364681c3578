/* amount: settings that are a time, a size or a count: "10s", "64KiB", 5. */
#pragma once

#include <jansson.h>
#include <stdint.h>

enum amount { AMOUNT_MS, AMOUNT_BYTES, AMOUNT_COUNT };

struct range {
	uint64_t least, most;
};

/* The setting `key` of a map, which keeps its value if it is absent. -1 with
 * the reason, which names the setting: it has no such form, or is out of
 * range. */
int amount_read(const json_t *map, const char *key, enum amount kind,
	struct range range, uint64_t *value, char why[256]);
