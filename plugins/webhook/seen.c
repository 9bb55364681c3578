#include "seen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sign.h"

#define NONE UINT32_MAX
#define AT_DIGITS 13

struct entry {
	struct seen_key key;
	uint64_t at_ms;
	uint32_t next; /* in its bucket */
};

/* A ring of entries in the order of their times, and a chain of them per
 * bucket. The keys are hashes, but the ids are a stranger's choice: the salt
 * keeps him from choosing the bucket. */
struct seen {
	struct entry *ring;
	uint32_t *buckets;
	size_t max, first, count;
	uint64_t salt;
};

struct seen *
seen_create(size_t max)
{
	struct seen *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->max = max;
	s->ring = calloc(max, sizeof(*s->ring));
	s->buckets = malloc(max * sizeof(*s->buckets));
	if (!s->ring || !s->buckets ||
		getrandom(&s->salt, sizeof(s->salt), 0) < 0) {
		seen_destroy(s);
		return NULL;
	}
	memset(s->buckets, 0xff, max * sizeof(*s->buckets));
	return s;
}

void
seen_destroy(struct seen *s)
{
	if (!s)
		return;
	free(s->ring);
	free(s->buckets);
	free(s);
}

static unsigned
digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void
key_from_hex(struct seen_key *key, const char *hex)
{
	for (size_t i = 0; i < SEEN_KEY_BYTES; i++)
		key->bytes[i] = (unsigned char)(digit(hex[2 * i]) << 4 |
						digit(hex[2 * i + 1]));
}

struct seen_key
seen_key_of(const char *endpoint, const char *id)
{
	size_t name = strlen(endpoint) + 1, bytes = name + strlen(id);
	char *text = malloc(bytes + 1), hex[SIGN_HEX_BYTES];
	struct seen_key key;

	if (!text)
		abort();
	memcpy(text, endpoint, name);
	memcpy(text + name, id, bytes - name);
	sign_hash(text, bytes, hex);
	key_from_hex(&key, hex);
	free(text);
	return key;
}

static uint32_t *
bucket_of(const struct seen *s, const struct seen_key *key)
{
	uint64_t number;

	memcpy(&number, key->bytes, sizeof(number));
	number = (number ^ s->salt) * (s->salt | 1);
	return &s->buckets[(number >> 32) % s->max];
}

bool
seen_has(const struct seen *s, const struct seen_key *key)
{
	uint32_t at = *bucket_of(s, key);

	while (at != NONE && memcmp(&s->ring[at].key, key, sizeof(*key)) != 0)
		at = s->ring[at].next;
	return at != NONE;
}

static void
drop_first(struct seen *s)
{
	uint32_t *link = bucket_of(s, &s->ring[s->first].key);

	while (*link != s->first)
		link = &s->ring[*link].next;
	*link = s->ring[s->first].next;
	s->first = (s->first + 1) % s->max;
	s->count--;
}

static const struct entry *
entry_at(const struct seen *s, size_t index)
{
	return &s->ring[(s->first + index) % s->max];
}

bool
seen_add(struct seen *s, const struct seen_key *key, uint64_t at_ms)
{
	uint32_t *bucket = bucket_of(s, key);
	size_t at;

	if (seen_has(s, key))
		return false;
	if (s->count == s->max)
		drop_first(s);
	if (s->count && entry_at(s, s->count - 1)->at_ms > at_ms)
		at_ms = entry_at(s, s->count - 1)->at_ms;
	at = (s->first + s->count++) % s->max;
	s->ring[at] = (struct entry){*key, at_ms, *bucket};
	*bucket = (uint32_t)at;
	return true;
}

void
seen_expire(struct seen *s, uint64_t before_ms)
{
	while (s->count && s->ring[s->first].at_ms < before_ms)
		drop_first(s);
}

size_t
seen_count(const struct seen *s)
{
	return s->count;
}

bool
seen_at(const struct seen *s, size_t index, struct seen_key *key_out,
	uint64_t *at_ms_out)
{
	if (index >= s->count)
		return false;
	*key_out = entry_at(s, index)->key;
	*at_ms_out = entry_at(s, index)->at_ms;
	return true;
}

/* ---- lines: "1790000000000 0123456789abcdef0123456789abcdef" ---- */

void
seen_write_key(char hex[2 * SEEN_KEY_BYTES + 1], const struct seen_key *key)
{
	for (size_t i = 0; i < SEEN_KEY_BYTES; i++)
		sprintf(hex + 2 * i, "%02x", key->bytes[i]);
}

void
seen_write_line(char line[SEEN_LINE_BYTES + 1], const struct seen_key *key,
	uint64_t at_ms)
{
	char hex[2 * SEEN_KEY_BYTES + 1];

	seen_write_key(hex, key);
	snprintf(line, SEEN_LINE_BYTES + 1, "%0*" PRIu64 " %s\n", AT_DIGITS,
		at_ms % 10000000000000, hex);
}

static void
read_line(struct seen *s, const char *line, size_t bytes)
{
	char text[SEEN_LINE_BYTES + 1];
	struct seen_key key;

	if (bytes != SEEN_LINE_BYTES)
		return;
	memcpy(text, line, bytes);
	text[bytes - 1] = 0;
	if (strspn(text, "0123456789") != AT_DIGITS || text[AT_DIGITS] != ' ' ||
		strspn(text + AT_DIGITS + 1, "0123456789abcdef") !=
			2 * SEEN_KEY_BYTES)
		return;
	key_from_hex(&key, text + AT_DIGITS + 1);
	seen_add(s, &key, strtoull(text, NULL, 10));
}

size_t
seen_read_lines(struct seen *s, const char *text, size_t bytes)
{
	size_t done = 0;
	const char *end;

	while ((end = memchr(text + done, '\n', bytes - done))) {
		size_t length = (size_t)(end + 1 - (text + done));

		read_line(s, text + done, length);
		done += length;
	}
	return done;
}
