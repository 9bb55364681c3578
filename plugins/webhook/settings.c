#include "settings.h"

#include <ctype.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "value.h"

#define SECRET_BYTES_MIN 8
#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define SECOND ((uint64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

/* ---- values ---- */

static int
read_sign(const json_t *map, enum sign_scheme *scheme_out, char why[256])
{
	const char *name = json_string_value(json_object_get(map, "sign"));
	int scheme = name ? sign_scheme_of(name) : -1;

	if (scheme < 0)
		return value_fail(
			why, "sign must be github, slack, stripe or none");
	*scheme_out = (enum sign_scheme)scheme;
	return 0;
}

static int
check_secrets(enum sign_scheme sign, const struct secrets *secrets,
	const char *key, char why[256])
{
	if (sign == SIGN_NONE && secrets->count)
		return value_fail(why, "%s has no use with sign: none", key);
	if (sign != SIGN_NONE && !secrets->count)
		return value_fail(why, "%s is missing", key);
	for (size_t i = 0; i < secrets->count; i++)
		if (strlen(secrets->items[i]) < SECRET_BYTES_MIN)
			return value_fail(why,
				"%s: number %zu is shorter than %d", key, i + 1,
				SECRET_BYTES_MIN);
	return 0;
}

/* Words of [a-z0-9_-] with dots between; the last one may be "*". */
static bool
is_event(const char *name, bool may_be_pattern)
{
	size_t length = strlen(name);

	if (may_be_pattern && !strcmp(name, "*"))
		return true;
	if (may_be_pattern && length > 2 && !strcmp(name + length - 2, ".*"))
		length -= 2;
	if (!length || length > 100 || *name == '.' || name[length - 1] == '.')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_' &&
			name[i] != '-' &&
			(name[i] != '.' || name[i - 1] == '.'))
			return false;
	return true;
}

static bool
is_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return length && length <= 64 && !name[length];
}

/* ---- an endpoint ---- */

static int
endpoint_read(struct endpoint *e, const json_t *map, char why[256])
{
	static const char *const known[] = {"event", "sign", "secrets",
		"id_header", "headers", "window", "body_limit", NULL};

	e->window_ms = 5 * MINUTE;
	e->body_bytes = MIB;
	if (value_check_keys(map, known, why) ||
		value_text(map, "event", &e->event, why) ||
		read_sign(map, &e->sign, why) ||
		value_list(map, "secrets", e->secrets.items, SECRETS_MAX,
			&e->secrets.count, why) ||
		check_secrets(e->sign, &e->secrets, "secrets", why) ||
		value_text(map, "id_header", &e->id_header, why) ||
		value_list(map, "headers", e->headers, HEADERS_MAX,
			&e->header_count, why) ||
		amount_read(map, "window", AMOUNT_MS,
			(struct range){SECOND, 24 * HOUR}, &e->window_ms,
			why) ||
		amount_read(map, "body_limit", AMOUNT_BYTES,
			(struct range){1, BODY_BYTES_MAX}, &e->body_bytes, why))
		return -1;
	if (!e->event && asprintf(&e->event, "webhook.%s", e->name) < 0)
		return value_fail(why, "no memory");
	if (!is_event(e->event, false))
		return value_fail(
			why, "event must be a name such as deploy.done");
	return 0;
}

static void
secrets_finish(struct secrets *s)
{
	for (size_t i = 0; i < s->count; i++) {
		OPENSSL_cleanse(s->items[i], strlen(s->items[i]));
		free(s->items[i]);
	}
}

static void
endpoint_finish(struct endpoint *e)
{
	secrets_finish(&e->secrets);
	for (size_t i = 0; i < e->header_count; i++)
		free(e->headers[i]);
	free(e->id_header);
	free(e->event);
	free(e->name);
}

/* ---- a target ---- */

static int
read_secret(struct target *t, const json_t *map, char why[256])
{
	if (value_text(map, "secret", &t->secret.items[0], why))
		return -1;
	t->secret.count = t->secret.items[0] != NULL;
	return check_secrets(t->sign, &t->secret, "secret", why);
}

static int
read_match(struct target *t, const json_t *map, char why[256])
{
	const json_t *match = json_object_get(map, "match");

	if (!match)
		return 0;
	if (!json_is_object(match))
		return value_fail(why, "match must be a map");
	t->match = json_dumps(match, JSON_COMPACT | JSON_SORT_KEYS);
	return 0;
}

static int
check_target(const struct target *t, char why[256])
{
	const char *host = t->url ? strstr(t->url, "://") : NULL;

	if (!t->url)
		return value_fail(why, "url is missing");
	if ((strncmp(t->url, "http://", 7) && strncmp(t->url, "https://", 8)) ||
		!host[3] || host[3] == '/' || strchr(t->url, ' '))
		return value_fail(why,
			"url must begin with https:// or http:// and "
			"have a host");
	if (!t->pattern_count)
		return value_fail(why, "events is missing");
	for (size_t i = 0; i < t->pattern_count; i++)
		if (!is_event(t->patterns[i], true))
			return value_fail(why,
				"events: number %zu must be a name, or one "
				"that ends in .*",
				i + 1);
	if (t->retry_min_ms > t->retry_max_ms)
		return value_fail(why, "retry_min is longer than retry_max");
	return 0;
}

static int
target_read(struct target *t, const json_t *map, char why[256])
{
	static const char *const known[] = {"url", "events", "match", "sign",
		"secret", "ca", "timeout", "retry_min", "retry_max", "give_up",
		"queue_events", "queue_bytes", NULL};
	const struct range pause = {10, HOUR};

	t->timeout_ms = 10 * SECOND;
	t->retry_min_ms = SECOND;
	t->retry_max_ms = 5 * MINUTE;
	t->give_up_ms = 24 * HOUR;
	t->queue_events = 10000;
	t->queue_bytes = 64 * MIB;
	if (value_check_keys(map, known, why) ||
		value_text(map, "url", &t->url, why) ||
		value_list(map, "events", t->patterns, PATTERNS_MAX,
			&t->pattern_count, why) ||
		read_match(t, map, why) || read_sign(map, &t->sign, why) ||
		read_secret(t, map, why) ||
		value_text(map, "ca", &t->ca, why) ||
		amount_read(map, "timeout", AMOUNT_MS,
			(struct range){10, 5 * MINUTE}, &t->timeout_ms, why) ||
		amount_read(map, "retry_min", AMOUNT_MS, pause,
			&t->retry_min_ms, why) ||
		amount_read(map, "retry_max", AMOUNT_MS, pause,
			&t->retry_max_ms, why) ||
		amount_read(map, "give_up", AMOUNT_MS,
			(struct range){0, 720 * HOUR}, &t->give_up_ms, why) ||
		amount_read(map, "queue_events", AMOUNT_COUNT,
			(struct range){1, 100000}, &t->queue_events, why) ||
		amount_read(map, "queue_bytes", AMOUNT_BYTES,
			(struct range){MIB, 1024 * MIB}, &t->queue_bytes, why))
		return -1;
	return check_target(t, why);
}

static void
target_finish(struct target *t)
{
	secrets_finish(&t->secret);
	for (size_t i = 0; i < t->pattern_count; i++)
		free(t->patterns[i]);
	free(t->match);
	free(t->ca);
	free(t->url);
	free(t->name);
}

/* ---- all ---- */

/* Reads the map at `key`; one() reads the entry of that number. */
static int
read_entries(struct settings *s, const json_t *settings, const char *key,
	size_t max,
	int (*one)(struct settings *s, size_t i, const char *name,
		const json_t *map, char why[256]),
	char why[256])
{
	json_t *map = json_object_get(settings, key), *value;
	char reason[160];
	const char *name;
	size_t i = 0;

	if (map && !json_is_object(map))
		return value_fail(why, "%s must be a map", key);
	if (json_object_size(map) > max)
		return value_fail(
			why, "%s has more than %zu entries", key, max);
	json_object_foreach(map, name, value)
	{
		if (!is_name(name))
			return value_fail(why,
				"%s: %.64s: a name has a-z, 0-9, _ and -", key,
				name);
		if (!one(s, i++, name, value, why))
			continue;
		snprintf(reason, sizeof(reason), "%.159s", why);
		return value_fail(why, "%s.%s: %s", key, name, reason);
	}
	return 0;
}

static int
read_endpoint(struct settings *s, size_t i, const char *name, const json_t *map,
	char why[256])
{
	s->endpoint_count = i + 1;
	s->endpoints[i].name = strdup(name);
	return endpoint_read(&s->endpoints[i], map, why);
}

static int
read_target(struct settings *s, size_t i, const char *name, const json_t *map,
	char why[256])
{
	s->target_count = i + 1;
	s->targets[i].name = strdup(name);
	return target_read(&s->targets[i], map, why);
}

static int
read_all(struct settings *s, const json_t *settings, char why[256])
{
	static const char *const known[] = {"endpoints", "targets", "remember",
		"remember_max", "bodies", "dead_letters", NULL};

	if (value_check_keys(settings, known, why) ||
		amount_read(settings, "remember", AMOUNT_MS,
			(struct range){SECOND, 720 * HOUR}, &s->remember_ms,
			why) ||
		amount_read(settings, "remember_max", AMOUNT_COUNT,
			(struct range){1, 250000}, &s->remember_max, why) ||
		amount_read(settings, "bodies", AMOUNT_BYTES,
			(struct range){MIB, 1024 * 1024 * MIB},
			&s->stored_bytes, why) ||
		amount_read(settings, "dead_letters", AMOUNT_BYTES,
			(struct range){64 * KIB, 1024 * MIB},
			&s->dead_letter_bytes, why) ||
		read_entries(s, settings, "endpoints", ENDPOINTS_MAX,
			read_endpoint, why) ||
		read_entries(
			s, settings, "targets", TARGETS_MAX, read_target, why))
		return -1;
	if (!s->endpoint_count && !s->target_count)
		return value_fail(
			why, "there are neither endpoints nor targets");
	if (settings_body_bytes(s) > s->stored_bytes)
		return value_fail(why, "bodies is less than a body_limit");
	return 0;
}

int
settings_read(struct settings *s, const char *json, char why[256])
{
	json_t *settings = json_loads(json, JSON_ALLOW_NUL, NULL);
	int rc;

	*s = (struct settings){.remember_ms = 72 * HOUR,
		.remember_max = 100000,
		.stored_bytes = 256 * MIB,
		.dead_letter_bytes = 16 * MIB,
		.endpoints = calloc(ENDPOINTS_MAX, sizeof(*s->endpoints)),
		.targets = calloc(TARGETS_MAX, sizeof(*s->targets))};
	rc = s->endpoints && s->targets ? read_all(s, settings, why)
					: value_fail(why, "no memory");
	json_decref(settings);
	return rc;
}

void
settings_finish(struct settings *s)
{
	for (size_t i = 0; i < s->endpoint_count; i++)
		endpoint_finish(&s->endpoints[i]);
	for (size_t i = 0; i < s->target_count; i++)
		target_finish(&s->targets[i]);
	free(s->endpoints);
	free(s->targets);
	*s = (struct settings){.endpoints = NULL};
}

const struct endpoint *
settings_endpoint(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->endpoint_count; i++)
		if (!strcmp(s->endpoints[i].name, name))
			return &s->endpoints[i];
	return NULL;
}

uint64_t
settings_body_bytes(const struct settings *s)
{
	uint64_t most = 0;

	for (size_t i = 0; i < s->endpoint_count; i++)
		if (s->endpoints[i].body_bytes > most)
			most = s->endpoints[i].body_bytes;
	return most;
}

static bool
same_events(const struct target *a, const struct target *b)
{
	if (strcmp(a->name, b->name) != 0 ||
		a->pattern_count != b->pattern_count ||
		strcmp(a->match ? a->match : "", b->match ? b->match : "") != 0)
		return false;
	for (size_t i = 0; i < a->pattern_count; i++)
		if (strcmp(a->patterns[i], b->patterns[i]) != 0)
			return false;
	return true;
}

bool
settings_same_targets(const struct settings *a, const struct settings *b)
{
	if (a->target_count != b->target_count)
		return false;
	for (size_t i = 0; i < a->target_count; i++)
		if (!same_events(&a->targets[i], &b->targets[i]))
			return false;
	return true;
}
