/* event_name: names, patterns and matches of events. */
#include "proto/event_name.h"

#include <stdint.h>
#include <string.h>

static const char *const own_words[] = {"channel", "command", "config",
	"gateway", "hold", "hook", "message", "plugin", "reload", "routes",
	"schedule", "service", "tool", "watch", "worker"};
static const char *const transient_words[] = {"command", "message", "tool"};
static const char *const filterable[] = {"command.before", "message.inbound",
	"message.sending", "tool.after", "tool.before"};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static bool
is_listed(const char *const *list, size_t count, struct bytes text)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(text, bytes_of(list[i])))
			return true;
	return false;
}

/* The first word of a name of several words, else nothing. */
static struct bytes
first_word(struct bytes name)
{
	const char *dot =
		name.length ? memchr(name.at, '.', name.length) : NULL;

	return (struct bytes){name.at, dot ? (size_t)(dot - name.at) : 0};
}

bool
event_name_is_valid(struct bytes name)
{
	bool after_dot = true;

	if (!name.length || name.length > EVENT_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.length; i++) {
		unsigned char c = (unsigned char)name.at[i];
		bool is_dot = c == '.';

		if (is_dot ? after_dot
			   : !((c >= 'a' && c <= 'z') ||
				     (c >= 'A' && c <= 'Z') ||
				     (c >= '0' && c <= '9') || c == '_' ||
				     c == '-' || c == ':'))
			return false;
		after_dot = is_dot;
	}
	return !after_dot;
}

bool
event_name_is_own(struct bytes name)
{
	return is_listed(own_words, COUNT(own_words), first_word(name));
}

bool
event_name_is_filterable(struct bytes name)
{
	return is_listed(filterable, COUNT(filterable), name);
}

bool
event_name_is_transient(struct bytes name)
{
	return is_listed(
		transient_words, COUNT(transient_words), first_word(name));
}

/* ---- patterns ---- */

/* What stands before the `*`: "" or "word.". False: there is no `*`. */
static bool
stem_of(struct bytes pattern, struct bytes *stem_out)
{
	if (!pattern.length || pattern.at[pattern.length - 1] != '*')
		return false;
	*stem_out = (struct bytes){pattern.at, pattern.length - 1};
	return true;
}

int
event_pattern_check(struct bytes pattern, struct error *err)
{
	struct bytes stem;

	if (!stem_of(pattern, &stem)) {
		if (event_name_is_valid(pattern))
			return 0;
	} else if (!stem.length) {
		return 0;
	} else if (stem.at[stem.length - 1] == '.') {
		stem.length--;
		if (event_name_is_valid(stem))
			return 0;
	}
	return error_set(err,
		"must be a name of words and dots, of at most %d bytes, whose "
		"last word may be *",
		EVENT_NAME_MAX);
}

bool
event_pattern_matches(struct bytes pattern, struct bytes name)
{
	struct bytes stem;

	if (!stem_of(pattern, &stem))
		return bytes_equal(pattern, name);
	return name.length > stem.length &&
	       !memcmp(name.at, stem.at, stem.length);
}

/* ---- matches ---- */

static bool
is_scalar(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

/* Counts the values of one field. */
static int
check_field(const char *key, const json_t *wanted, size_t *count_out,
	struct error *err)
{
	size_t count = json_is_array(wanted) ? json_array_size(wanted) : 1;

	*count_out += count;
	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_is_array(wanted)
					      ? json_array_get(wanted, i)
					      : wanted;

		if (!is_scalar(value))
			return error_set(err,
				"%.64s must be a string, number, boolean or "
				"null, or a list of these",
				key);
	}
	return count ? 0 : error_set(err, "%.64s has no values", key);
}

int
event_match_check(const json_t *match, struct error *err)
{
	const char *key;
	json_t *wanted;
	size_t count = 0;

	if (!json_is_object(match))
		return error_set(err, "must be a map");
	json_object_foreach((json_t *)(uintptr_t)match, key, wanted)
	{
		if (check_field(key, wanted, &count, err) < 0)
			return -1;
	}
	if (count > EVENT_MATCH_VALUES_MAX)
		return error_set(
			err, "has more than %d values", EVENT_MATCH_VALUES_MAX);
	return 0;
}

/* 1 and 1.0 are the same number. */
static bool
is_same(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b) &&
		json_typeof(a) != json_typeof(b))
		return json_number_value(a) == json_number_value(b);
	return json_equal(a, b);
}

static bool
field_holds(const json_t *wanted, const json_t *value)
{
	if (!json_is_array(wanted))
		return is_same(wanted, value);
	for (size_t i = 0; i < json_array_size(wanted); i++)
		if (is_same(json_array_get(wanted, i), value))
			return true;
	return false;
}

bool
event_match_holds(const json_t *match, const json_t *data)
{
	const char *key;
	json_t *wanted;

	if (!match)
		return true;
	json_object_foreach((json_t *)(uintptr_t)match, key, wanted)
	{
		const json_t *value = json_object_get(data, key);

		if (!value || !field_holds(wanted, value))
			return false;
	}
	return true;
}
