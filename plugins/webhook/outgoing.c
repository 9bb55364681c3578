#include "outgoing.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "send.h"

/* An event may have to wait for the generation that owns the queues. */
#define HOOK_TIMEOUT_MS 60000

static struct sender *sender; /* NULL: there are no targets */

static void
on_taken(const char *error, void *user)
{
	if (error)
		sup_fail(user, SUP_FAILED, "%s", error);
	else
		sup_ok(user);
}

/* user: the number of the target */
static void
on_event(struct sup_req *req, void *user)
{
	json_t *context = json_loads(sup_req_caller_json(req), 0, NULL);
	const char *at = json_string_value(json_object_get(context, "at"));
	const struct outgoing event = {.id = (uint64_t)json_integer_value(
					       json_object_get(context, "id")),
		.event = sup_req_event(req),
		.at = at ? at : "",
		.plugin = json_string_value(json_object_get(context, "plugin")),
		.data = sup_req_args_json(req)};

	sender_take(sender, (size_t)(uintptr_t)user, &event, on_taken, req);
	json_decref(context);
}

static int
register_target(struct sup *p, const struct target *t, size_t number)
{
	for (size_t i = 0; i < t->pattern_count; i++) {
		char name[256];
		const struct sup_hook_offer offer = {.event = t->patterns[i],
			.name = name,
			.match = t->match,
			.handler = on_event,
			.user = (void *)(uintptr_t)number,
			.timeout_ms = HOOK_TIMEOUT_MS,
			.idempotent = true};

		snprintf(name, sizeof(name), "%s:%s", t->name, t->patterns[i]);
		if (sup_register_hook(p, &offer))
			return -1;
	}
	return 0;
}

int
outgoing_start(struct sup *p, const struct settings *settings, char why[256])
{
	if (!settings->target_count)
		return 0;
	sender = sender_create(p, settings, why);
	if (!sender)
		return -1;
	for (size_t i = 0; i < settings->target_count; i++)
		if (register_target(p, &settings->targets[i], i)) {
			snprintf(why, 256, "targets.%s: cannot be registered",
				settings->targets[i].name);
			return -1;
		}
	return 0;
}

void
outgoing_give_up(void (*done)(void *user), void *user)
{
	if (sender)
		sender_give_up(sender, done, user);
	else
		done(user);
}

void
outgoing_take_over(void)
{
	if (sender)
		sender_take_over(sender);
}

json_t *
outgoing_status(void)
{
	return sender ? sender_status(sender) : json_object();
}
