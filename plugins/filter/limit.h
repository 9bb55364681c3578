/* limit: limits how often something may happen for each key, with a bucket of
 * `count` tokens that refills in `per_ms`. The number of keys is bounded: a key
 * whose bucket is full again is forgotten to make room. If there is no such
 * key, new keys share one bucket, so that nobody gets more by inventing keys.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "node.h"

#define LIMIT_COUNT_MAX 1000000
#define LIMIT_KEYS 10000 /* the default */
#define LIMIT_KEYS_MAX 100000
#define LIMIT_KEY_BYTES 255 /* keys are compared by so many bytes */

struct limit_rate {
	uint32_t count;
	uint64_t per_ms;
};

struct limit;

/* Reads a rate such as "5/10s" or "100/m". NULL, or what is wrong. */
const char *limit_read_rate(struct limit_rate *rate, const char *text);
/* NULL: no memory. */
struct limit *limit_create(struct limit_rate rate, size_t keys_max);
void limit_destroy(struct limit *l); /* NULL is fine */
/* Whether it may happen now; takes a token if so. */
bool limit_allows(
	struct limit *l, const char *key, size_t bytes, uint64_t now_ms);
size_t limit_keys(const struct limit *l);
