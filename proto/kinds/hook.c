/* hook: a worker listens to events, or filters them. */
#include <jansson.h>
#include <string.h>

#include "proto/event_name.h"
#include "proto/json_text.h"
#include "proto/registration.h"
#include "proto/util/memory.h"

#define TIMEOUT_DEFAULT_MS 5000

static const struct field fields[] = {
	{"event", FIELD_TEXT, offsetof(struct registration, hook.event)},
	{"filter", FIELD_BOOL, offsetof(struct registration, hook.filter)},
	{"priority", FIELD_INT, offsetof(struct registration, hook.priority)},
	{"match", FIELD_OBJECT, offsetof(struct registration, hook.match_json)},
	{"timeout_ms", FIELD_POSITIVE,
		offsetof(struct registration, hook.timeout_ms)},
	{"on_error", FIELD_TEXT, offsetof(struct registration, hook.on_error)},
};

/* A hook is named like its event if it has no name of its own, so a name may
 * have a `*`. */
static int
check_name(struct registration *r, struct error *err)
{
	if (!r->name)
		r->name = memory_copy_text(r->hook.event);
	if (kind_consists_of(bytes_of(r->name),
		    KIND_LETTERS KIND_DIGITS "_.:/-*", EVENT_NAME_MAX + 2))
		return 0;
	return error_set(err,
		"a name must have 1 to %d letters, digits or _.:/-*",
		REGISTRATION_NAME_BYTES);
}

static int
check_filter(const struct registration *r, struct error *err)
{
	const char *on_error = r->hook.on_error;

	if (r->hook.filter &&
		!event_name_is_filterable(bytes_of(r->hook.event)))
		return error_set(err,
			"event %s cannot be filtered; filters are for "
			"message.inbound, message.sending, tool.before, "
			"tool.after and command.before",
			r->hook.event);
	if (on_error && !r->hook.filter)
		return error_set(err,
			"on_error is for filters; an observer must not have "
			"it");
	if (on_error && strcmp(on_error, "skip") && strcmp(on_error, "stop"))
		return error_set(err, "on_error must be skip or stop");
	return 0;
}

/* The match was JSON before. */
static int
compile(struct registration *r, struct error *err)
{
	r->hook.match = json_text_read(bytes_of(r->hook.match_json), NULL, err);
	if (r->hook.match && event_match_check(r->hook.match, err) == 0)
		return 0;
	return error_prefix(err, "match: ");
}

static int
check(struct registration *r, struct error *err)
{
	if (!r->hook.event)
		return error_set(err, "event is missing");
	if (event_pattern_check(bytes_of(r->hook.event), err) < 0)
		return error_prefix(err, "event: ");
	if (check_name(r, err) < 0 || check_filter(r, err) < 0)
		return -1;
	if (r->hook.timeout_ms < 0)
		r->hook.timeout_ms = TIMEOUT_DEFAULT_MS;
	return r->hook.match_json ? compile(r, err) : 0;
}

static void
copied(struct registration *r)
{
	r->hook.match = json_incref(r->hook.match);
}

static void
finish(struct registration *r)
{
	json_decref(r->hook.match);
	r->hook.match = NULL;
}

const struct registration_kind_row kind_hook = {
	.wire = "hook",
	.receipt = "hooks",
	.noun = "hook",
	.shared = true,
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.check = check,
	.copied = copied,
	.finish = finish,
	.message = MESSAGE_HOOK,
};
