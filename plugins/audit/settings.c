#define SYSLOG_NAMES /* facilitynames */
#include "settings.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define IDENT_MAX 48 /* RFC 5424: APP-NAME */

static int __attribute__((format(printf, 2, 3)))
fail(char why[256], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, 256, format, arguments);
	va_end(arguments);
	return -1;
}

static int
check_keys(const json_t *map, const char *where, const char *const *known,
	char why[256])
{
	void *i = json_object_iter((json_t *)(uintptr_t)map);

	if (!json_is_object(map))
		return fail(why, "%s must be a map", where);
	for (; i; i = json_object_iter_next((json_t *)(uintptr_t)map, i)) {
		const char *key = json_object_iter_key(i);
		size_t k = 0;

		while (known[k] && strcmp(known[k], key) != 0)
			k++;
		if (!known[k])
			return fail(
				why, "unknown setting %.60s in %s", key, where);
	}
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* "10s", or a number of the first unit. */
static int
read_amount(const json_t *value, const char *name, const struct unit *units,
	uint64_t *amount_out, char why[256])
{
	const char *text = json_string_value(value);
	unsigned long long number = 0;
	char *end;

	if (json_is_integer(value) && json_integer_value(value) > 0 &&
		json_integer_value(value) < 1000000000000) {
		*amount_out = (uint64_t)json_integer_value(value);
		return 0;
	}
	if (text && *text >= '0' && *text <= '9')
		number = strtoull(text, &end, 10);
	for (; number && number < 1000000000 && units->name; units++)
		if (!strcmp(end, units->name)) {
			*amount_out = number * units->factor;
			return 0;
		}
	return fail(why, "%s must be a positive amount", name);
}

/* ---- patterns ---- */

/* Whether each event that matches b matches a as well. */
static bool
covers(const char *a, const char *b)
{
	size_t length = strlen(a);

	if (!strcmp(a, b) || !strcmp(a, "*"))
		return true;
	return length > 2 && !strcmp(a + length - 2, ".*") &&
	       !strncmp(a, b, length - 1);
}

static void
remove_pattern(struct settings *s, size_t i)
{
	free(s->patterns[i]);
	s->patterns[i] = s->patterns[--s->pattern_count];
}

/* An event that matches two patterns is written once, so one goes. */
static int
add_pattern(struct settings *s, const char *text, char why[256])
{
	if (!text || !*text)
		return fail(why, "events must be a pattern or a list of them");
	for (size_t i = 0; i < s->pattern_count;) {
		if (covers(s->patterns[i], text))
			return 0;
		if (covers(text, s->patterns[i]))
			remove_pattern(s, i);
		else
			i++;
	}
	if (s->pattern_count == PATTERNS_MAX)
		return fail(
			why, "events has more than %d patterns", PATTERNS_MAX);
	s->patterns[s->pattern_count] = strdup(text);
	return s->patterns[s->pattern_count++] ? 0 : fail(why, "no memory");
}

static int
read_patterns(struct settings *s, const json_t *value, char why[256])
{
	size_t i;
	json_t *item;

	if (!json_is_array(value))
		return add_pattern(s, json_string_value(value), why);
	json_array_foreach(
		value, i, item) if (add_pattern(s, json_string_value(item),
					    why)) return -1;
	return s->pattern_count ? 0 : fail(why, "events must not be empty");
}

/* ---- the file ---- */

static int
read_file(struct settings *s, const json_t *value, const char *data_dir,
	char why[256])
{
	const char *text = json_string_value(value);

	if (!text)
		return fail(why, "file must be a string");
	if (!*text)
		return 0;
	if (text[strlen(text) - 1] == '/')
		return fail(why, "file must not end in a slash");
	if (*text == '/')
		s->file = strdup(text);
	else if (asprintf(&s->file, "%s/%s", data_dir, text) < 0)
		s->file = NULL;
	return s->file ? 0 : fail(why, "no memory");
}

static int
read_rotate(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {"size", "keep", NULL};
	static const struct unit sizes[] = {{"B", 1}, {"KiB", 1024},
		{"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}, {NULL, 0}};
	static const struct unit counts[] = {{"", 1}, {NULL, 0}};
	const json_t *size, *keep;
	uint64_t count = s->keep;

	if (!map)
		return 0;
	if (check_keys(map, "rotate", known, why))
		return -1;
	size = json_object_get(map, "size");
	keep = json_object_get(map, "keep");
	if (size &&
		read_amount(size, "rotate.size", sizes, &s->rotate_bytes, why))
		return -1;
	if (keep && read_amount(keep, "rotate.keep", counts, &count, why))
		return -1;
	if (count > KEEP_MAX)
		return fail(why, "rotate.keep is at most %d", KEEP_MAX);
	s->keep = (unsigned)count;
	return 0;
}

static int
read_sync(struct settings *s, const json_t *value, char why[256])
{
	static const struct unit times[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60000}, {NULL, 0}};
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	s->sync = SYNC_INTERVAL;
	if (text && !strcmp(text, "always"))
		s->sync = SYNC_ALWAYS;
	else if (text && !strcmp(text, "none"))
		s->sync = SYNC_NONE;
	else if (!text || read_amount(value, "sync", times, &s->sync_ms, why))
		return fail(why, "sync must be always, none, or a time "
				 "such as 1s");
	return 0;
}

/* ---- syslog ---- */

static int
read_text(const json_t *map, const char *key, const char *fallback,
	char **text_out, char why[256])
{
	const json_t *value = json_object_get(map, key);
	const char *text = value ? json_string_value(value) : fallback;

	if (!text || !*text)
		return fail(why, "syslog.%s must be a string", key);
	*text_out = strdup(text);
	return *text_out ? 0 : fail(why, "no memory");
}

static int
read_facility(struct settings *s, const json_t *map, char why[256])
{
	const json_t *value = json_object_get(map, "facility");
	const char *name = json_string_value(value);

	s->facility = LOG_DAEMON;
	if (!value)
		return 0;
	for (const CODE *c = facilitynames; name && c->c_name; c++)
		if (!strcmp(c->c_name, name)) {
			s->facility = c->c_val;
			return 0;
		}
	return fail(why, "syslog.facility must be a facility such as daemon "
			 "or local0");
}

static int
read_syslog(struct settings *s, const json_t *map, char why[256])
{
	static const char *const known[] = {
		"socket", "facility", "ident", NULL};

	if (!map || json_is_false(map))
		return 0;
	if (!json_is_object(map))
		return fail(why, "syslog must be false or a map");
	if (check_keys(map, "syslog", known, why) ||
		read_text(map, "socket", "/dev/log", &s->socket, why) ||
		read_text(map, "ident", "supd", &s->ident, why) ||
		read_facility(s, map, why))
		return -1;
	if (*s->socket != '/' || strlen(s->socket) > 107)
		return fail(why, "syslog.socket must be an absolute path of "
				 "at most 107 bytes");
	for (const char *c = s->ident; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr(":[]", *c))
			return fail(why, "syslog.ident must be one word "
					 "without : [ ]");
	if (strlen(s->ident) > IDENT_MAX)
		return fail(
			why, "syslog.ident has at most %d bytes", IDENT_MAX);
	s->has_syslog = true;
	return 0;
}

/* ---- all ---- */

static int
read_all(struct settings *s, const json_t *map, const char *data_dir,
	char why[256])
{
	static const char *const known[] = {
		"events", "file", "rotate", "sync", "syslog", NULL};
	json_t *events = json_object_get(map, "events");
	json_t *file = json_object_get(map, "file");

	if (check_keys(map, "the settings", known, why))
		return -1;
	if (events ? read_patterns(s, events, why) : add_pattern(s, "*", why))
		return -1;
	if (file && read_file(s, file, data_dir, why))
		return -1;
	if (read_rotate(s, json_object_get(map, "rotate"), why) ||
		read_sync(s, json_object_get(map, "sync"), why) ||
		read_syslog(s, json_object_get(map, "syslog"), why))
		return -1;
	if (!s->file && !s->has_syslog)
		return fail(why, "there is neither a file nor syslog");
	return 0;
}

int
settings_read(struct settings *s, const char *json, const char *data_dir,
	char why[256])
{
	json_t *map = json_loads(json, 0, NULL);
	int result;

	*s = (struct settings){.rotate_bytes = 64ULL * 1024 * 1024,
		.keep = 7,
		.sync = SYNC_INTERVAL,
		.sync_ms = 1000};
	result = read_all(s, map, data_dir, why);
	json_decref(map);
	return result;
}

void
settings_finish(struct settings *s)
{
	while (s->pattern_count)
		free(s->patterns[--s->pattern_count]);
	free(s->file);
	free(s->socket);
	free(s->ident);
}
