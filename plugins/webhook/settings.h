/* settings: what the plugin is to do: the endpoints that take deliveries, and
 * the targets that events are sent to. Reads and checks; does nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sign.h"

#define ENDPOINTS_MAX 256
#define TARGETS_MAX 32
#define PATTERNS_MAX 16 /* of one target */
#define HEADERS_MAX 16	/* passed on by one endpoint */
#define BODY_BYTES_MAX ((uint64_t)25 * 1024 * 1024) /* as GitHub's */

/* Where deliveries come from: POST /NAME. */
struct endpoint {
	char *name, *event;
	enum sign_scheme sign;
	struct secrets secrets;
	char *id_header; /* NULL: where the sender has it */
	char *headers[HEADERS_MAX];
	size_t header_count;
	uint64_t window_ms, body_bytes;
};

/* Where events are sent to. */
struct target {
	char *name, *url;
	char *patterns[PATTERNS_MAX];
	size_t pattern_count;
	char *match; /* JSON, for the hooks; NULL: all of them */
	enum sign_scheme sign;
	struct secrets secret; /* one, or none */
	char *ca;	       /* a file; NULL: the system's */
	uint64_t timeout_ms, retry_min_ms, retry_max_ms, give_up_ms;
	uint64_t queue_events, queue_bytes;
};

struct settings {
	struct endpoint *endpoints;
	size_t endpoint_count;
	struct target *targets;
	size_t target_count;
	uint64_t remember_ms, remember_max, stored_bytes, dead_letter_bytes;
};

/* Reads the settings, which are JSON text. -1 with the reason: what is missing,
 * unknown or wrong, and where; never a secret. Finish them in either case. */
int settings_read(struct settings *s, const char *json, char why[256]);
void settings_finish(struct settings *s);

/* NULL if there is none of that name. */
const struct endpoint *settings_endpoint(
	const struct settings *s, const char *name);
uint64_t settings_body_bytes(const struct settings *s); /* the largest limit */
/* Whether the same targets get the same events. */
bool settings_same_targets(const struct settings *a, const struct settings *b);
