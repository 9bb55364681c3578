/* receipt_view: reads the keys of a receipt and nothing else; a key that is
 * missing or of another type reads as absent. */
#include "tools/supctl/receipt_view.h"

#include <stdio.h>
#include <string.h>

#include "proto/registration.h"
#include "proto/util/buffer.h"
#include "proto/util/memory.h"

static const char *
text_of(const json_t *receipt, const char *key)
{
	return json_string_value(json_object_get(receipt, key));
}

static json_int_t
number_of(const json_t *receipt, const char *key)
{
	return json_integer_value(json_object_get(receipt, key));
}

static bool
state_is(const json_t *receipt, const char *state)
{
	const char *text = text_of(receipt, "state");

	return text && !strcmp(text, state);
}

bool
receipt_is_success(const json_t *receipt)
{
	return json_is_true(json_object_get(receipt, "success")) &&
	       !state_is(receipt, "reverted");
}

bool
receipt_is_proof(const json_t *receipt)
{
	return json_object_get(receipt, "proved") != NULL;
}

void
duration_text(char *text, size_t size, double ms)
{
	if (ms < 10)
		snprintf(text, size, "%.1f ms", ms);
	else if (ms < 1000)
		snprintf(text, size, "%.0f ms", ms);
	else
		snprintf(text, size, "%.1f s", ms / 1000);
}

static bool
has_name(const json_t *names, const json_t *name)
{
	for (size_t i = 0; i < json_array_size(names); i++)
		if (json_equal(json_array_get(names, i), name))
			return true;
	return false;
}

static long
names_missing(const json_t *names, const json_t *from)
{
	long count = 0;

	for (size_t i = 0; i < json_array_size(names); i++)
		count += !has_name(from, json_array_get(names, i));
	return count;
}

static void
put_change(struct buffer *out, char sign, long count, const char *kind)
{
	if (count > 0)
		buffer_format(out, ", %c%ld %s%s", sign, count, kind,
			count > 1 ? "s" : "");
}

/* ", +1 tool, -2 routes": what differs between the old and the new. */
static void
put_changes(struct buffer *out, const json_t *receipt)
{
	const json_t *before = json_object_get(receipt, "removed");
	const json_t *after = json_object_get(receipt, "registered");

	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++) {
		const struct registration_kind_row *row = registration_kinds[i];
		const json_t *old = json_object_get(before, row->receipt);
		const json_t *new = json_object_get(after, row->receipt);
		long more = row->named ? names_missing(new, old)
				       : (long)(json_integer_value(new) -
						 json_integer_value(old));
		long fewer = row->named ? names_missing(old, new) : -more;

		put_change(out, '+', more, row->noun);
		put_change(out, '-', fewer, row->noun);
	}
}

static void
put_count(struct buffer *out, const json_t *receipt, const char *key)
{
	if (number_of(receipt, key) > 0)
		buffer_format(out, ", %lld %s",
			(long long)number_of(receipt, key), key);
}

/* Nothing was started: equal content, or a start of what serves. */
static bool
has_spawned(const json_t *receipt)
{
	const json_t *phases = json_object_get(receipt, "phases");

	return json_is_number(json_object_get(phases, "spawning"));
}

static void
put_labels(struct buffer *out, const json_t *labels, const char *what)
{
	for (size_t i = 0; i < json_array_size(labels); i++)
		buffer_format(out, "%s%s", i ? ", " : what,
			json_string_value(json_array_get(labels, i)));
}

static void
put_proof(struct buffer *out, const json_t *receipt)
{
	const json_t *added = json_object_get(receipt, "added");
	const json_t *dropped = json_object_get(receipt, "dropped");
	char time[24];

	duration_text(time, sizeof(time),
		json_number_value(json_object_get(receipt, "durationMs")));
	buffer_format(out, "proven in %s and discarded", time);
	put_labels(out, added, "; would add: ");
	put_labels(out, dropped, "; would remove: ");
	if (!json_array_size(added) && !json_array_size(dropped))
		buffer_append_text(out, "; the registrations stay the same");
	if (number_of(receipt, "generation"))
		buffer_format(out, "; generation %lld (pid %lld) still serves",
			(long long)number_of(receipt, "generation"),
			(long long)number_of(receipt, "pid"));
}

static bool
is_configure(const json_t *receipt)
{
	const char *mode = text_of(receipt, "mode");

	return mode && !strcmp(mode, "configure");
}

/* How long what cannot exist twice was away. */
static void
put_takeover(struct buffer *out, const json_t *receipt)
{
	const json_t *ms = json_object_get(receipt, "takeMs");
	char time[24];

	if (!json_is_number(ms))
		return;
	duration_text(time, sizeof(time), json_number_value(ms));
	buffer_format(out, ", taken over in %s", time);
}

/* What of it does not run, and why; without a reason it is being started. */
static void
put_idle(struct buffer *out, const json_t *receipt)
{
	const json_t *take = json_object_get(receipt, "take");
	const json_t *services = json_object_get(receipt, "services");
	const char *why = text_of(take, "text");
	unsigned starting = json_is_object(take) && !why;

	if (why)
		buffer_format(out, "; take waits: %s", why);
	for (size_t i = 0; i < json_array_size(services); i++) {
		const json_t *row = json_array_get(services, i);
		const char *name = text_of(row, "name");

		why = text_of(row, "text");
		if (why)
			buffer_format(out, "; service %s %s: %s",
				name ? name : "?",
				text_of(row, "state") &&
						!strcmp(text_of(row, "state"),
							"failed")
					? "failed"
					: "waits",
				why);
		starting += !why;
	}
	if (starting)
		buffer_format(out, "; %u of its services %s started", starting,
			starting > 1 ? "are being" : "is being");
}

static void
put_success(struct buffer *out, const json_t *receipt, enum verb verb)
{
	json_int_t to = number_of(receipt, "generation");
	json_int_t from = number_of(receipt, "previousGeneration");
	long long pid = number_of(receipt, "pid");
	long long previous_pid = number_of(receipt, "previousPid");
	char time[24];

	duration_text(time, sizeof(time),
		json_number_value(json_object_get(receipt, "durationMs")));
	if (!to) {
		buffer_format(out, "stopped in %s", time);
		if (previous_pid)
			buffer_format(out, " (pid %lld is gone)", previous_pid);
	} else if (state_is(receipt, "settled")) {
		buffer_format(out, "settled, generation %lld serves (pid %lld)",
			(long long)to, pid);
	} else if (is_configure(receipt)) {
		buffer_format(out,
			"generation %lld has new settings in %s (pid %lld)",
			(long long)to, time, pid);
	} else if (!has_spawned(receipt)) {
		buffer_format(out, "generation %lld serves already (pid %lld)",
			(long long)to, pid);
	} else if (from) {
		buffer_format(out, "%s %lld -> %lld in %s (pid %lld -> %lld)",
			verb == VERB_RESTART ? "restarted" : "reloaded",
			(long long)from, (long long)to, time, previous_pid,
			pid);
		put_changes(out, receipt);
		put_takeover(out, receipt);
	} else {
		buffer_format(out, "%s generation %lld in %s (pid %lld)",
			verb == VERB_RESTART ? "restarted:" : "started",
			(long long)to, time, pid);
	}
	put_count(out, receipt, "held");
	put_count(out, receipt, "drained");
	put_count(out, receipt, "aborted");
	put_idle(out, receipt);
}

static void
put_failure(struct buffer *out, const json_t *receipt, enum verb verb)
{
	const char *error = text_of(receipt, "error");
	long long generation = number_of(receipt, "generation");

	if (state_is(receipt, "refused")) {
		buffer_format(out, "refused: %s", error ? error : "not now");
		return;
	}
	buffer_format(out, "%s %s: %s", verb_rows[verb].name,
		state_is(receipt, "reverted") ? "reverted" : "failed",
		error ? error : "no reason given");
	if (generation)
		buffer_format(out, "; generation %lld (pid %lld) still serves",
			generation, (long long)number_of(receipt, "pid"));
	else
		buffer_append_text(out, "; nothing serves");
}

char *
receipt_sentence(const json_t *receipt, enum verb verb)
{
	struct buffer out = {0};
	const char *id = text_of(receipt, "pluginId");
	char *text;

	buffer_format(&out, "%s: ", id ? id : "?");
	if (receipt_is_proof(receipt) && receipt_is_success(receipt))
		put_proof(&out, receipt);
	else if (receipt_is_success(receipt))
		put_success(&out, receipt, verb);
	else
		put_failure(&out, receipt, verb);
	text = memory_copy_bytes(buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
	return text;
}
