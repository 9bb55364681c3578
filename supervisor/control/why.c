/* why: a table of states and their reasons. The first row that applies writes
 * the sentence; remarks that hold in any state follow. */
#include "supervisor/control/why.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/time_text.h"
#include "supervisor/reload/reload.h"

/* ---- who asked ---- */

/* The last receipt of the plugin with this kind: a new object, or NULL. */
static json_t *
last_of_kind(const struct plugin *p, const char *kind)
{
	const struct history *h = p->gateway->history;
	char *wanted = memory_format("\"kind\":\"%s\"", kind);
	struct bytes text, last = {0};
	uint64_t cursor = 0;

	while (h && history_next(h, p->id, &cursor, UINT64_MAX, &text))
		if (memmem(text.at, text.length, wanted, strlen(wanted)))
			last = text;
	free(wanted);
	return last.at ? json_loadb(last.at, last.length, JSON_ALLOW_NUL, NULL)
		       : NULL;
}

static const char *
text_of(const json_t *receipt, const char *key)
{
	const char *text = json_string_value(json_object_get(receipt, key));

	return text ? text : "";
}

/* "by uid 0 with supctl at 2026-11-30T10:00:00Z" */
static void
say_who_stopped(struct buffer *out, const struct plugin *p)
{
	json_t *receipt = last_of_kind(p, "stop");
	const char *by = text_of(receipt, "by");

	if (receipt)
		buffer_format(out, "by %s with %s at %s", *by ? by : "a user",
			text_of(receipt, "trigger"), text_of(receipt, "at"));
	else
		buffer_append_text(out, "by a user");
	json_decref(receipt);
}

/* ---- disabled, stopped, failed ---- */

static bool
is_decided_by_person(const struct plugin *p)
{
	return p->store.enabled.by_person;
}

static void
say_disabled_by_person(struct buffer *out, const struct plugin *p)
{
	say_who_stopped(out, p);
	buffer_format(out, "; 'supctl enable %s' starts it", p->id);
}

static void
say_disabled_by_file(struct buffer *out, const struct plugin *p)
{
	buffer_format(
		out, "by the file (%s:%u)", p->wanted->file, p->wanted->line);
}

static void
say_stopped(struct buffer *out, const struct plugin *p)
{
	say_who_stopped(out, p);
	buffer_format(out, "; 'supctl start %s' starts it", p->id);
}

static bool
has_died_early(const struct plugin *p)
{
	return p->crash.early_deaths != 0;
}

static void
say_seconds(struct buffer *out, uint64_t ms)
{
	if (ms >= 60000 && ms % 60000 == 0)
		buffer_format(out, "%llu m", (unsigned long long)(ms / 60000));
	else
		buffer_format(
			out, "%llu s", (unsigned long long)((ms + 999) / 1000));
}

static void
say_given_up(struct buffer *out, const struct plugin *p)
{
	buffer_format(out, "gave up after %u early death%s within ",
		p->crash.early_deaths, p->crash.early_deaths == 1 ? "" : "s");
	say_seconds(out, p->config->limits.crash.within_ms);
	buffer_format(out,
		"; the last: %s; a changed package, 'supctl start %s' or "
		"'supctl reload %s' starts it again",
		p->failure, p->id, p->id);
}

static void
say_failed(struct buffer *out, const struct plugin *p)
{
	buffer_format(out, "%s; 'supctl start %s' tries again",
		p->failure[0] ? p->failure : "it could not be started", p->id);
}

/* ---- no worker serves, but one will ---- */

static bool
has_transaction(const struct plugin *p)
{
	return p->reload != NULL;
}

static const char *
why_gone(const struct plugin *p)
{
	if (has_died_early(p) && p->failure[0])
		return p->failure;
	return p->last_crash ? p->last_crash : p->failure;
}

static void
say_transaction(struct buffer *out, const struct plugin *p)
{
	reload_describe(p, out);
}

static void
say_replaced(struct buffer *out, const struct plugin *p)
{
	const char *why = why_gone(p);

	if (*why)
		buffer_format(out, "%s; ", why);
	reload_describe(p, out);
}

static bool
is_starved(const struct plugin *p)
{
	return p->crash.starved && wheel_timer_is_set(&p->restart);
}

static bool
is_pausing(const struct plugin *p)
{
	return wheel_timer_is_set(&p->restart);
}

static void
say_next(struct buffer *out, const struct plugin *p)
{
	uint64_t now = clock_ms(), due = p->restart.due_ms;

	buffer_append_text(out, "next start in ");
	say_seconds(out, due > now ? due - now : 0);
}

static void
say_starved(struct buffer *out, const struct plugin *p)
{
	buffer_format(
		out, "not enough space, memory or the like: %s; ", p->failure);
	say_next(out, p);
}

static void
say_pausing(struct buffer *out, const struct plugin *p)
{
	buffer_format(out, "%u early death%s, the last: %s; ",
		p->crash.early_deaths, p->crash.early_deaths == 1 ? "" : "s",
		why_gone(p));
	say_next(out, p);
}

static bool
is_stage_checked(const struct plugin *p)
{
	return p->stage_check != NULL;
}

static void
say_stage_checked(struct buffer *out, const struct plugin *p)
{
	buffer_format(out, "%s; comparing its staged copy with its digest",
		why_gone(p));
}

/* The first plugin that it requires and that has neither served nor failed. */
static const char *
awaited(const struct plugin *p)
{
	const struct text_list *lists[] = {&p->wanted->requires,
		p->before_start ? &p->before_start->requires : NULL};

	for (unsigned l = 0; l < 2; l++)
		for (uint32_t i = 0; lists[l] && i < lists[l]->count; i++) {
			const char *id = lists[l]->items[i];
			const struct plugin *other =
				gateway_plugin(p->gateway, id);

			if (other && !plugin_is_settled(other))
				return id;
		}
	return NULL;
}

static bool
awaits_others(const struct plugin *p)
{
	return awaited(p) != NULL;
}

static void
say_awaited(struct buffer *out, const struct plugin *p)
{
	buffer_format(
		out, "waiting for plugin '%s', which it requires", awaited(p));
}

static void
say_soon(struct buffer *out, const struct plugin *p)
{
	if (p->failure[0])
		buffer_format(out, "%s; ", p->failure);
	buffer_append_text(out, "about to start");
}

/* ---- one serves ---- */

/* "generation 4 since 2026-11-30T10:00:00Z" */
static void
say_serving(struct buffer *out, const struct plugin *p)
{
	const struct worker *w = p->active;
	char at[TIME_TEXT_BYTES];

	buffer_format(out, "generation %u since %s", w->generation,
		time_text(at, clock_wall_ms() - (clock_ms() - w->serving_ms)));
}

static void
say_reloading(struct buffer *out, const struct plugin *p)
{
	say_serving(out, p);
	buffer_append_text(out, "; ");
	reload_describe(p, out);
}

/* ---- the table ---- */

static const struct {
	enum plugin_state state;
	bool (*applies)(const struct plugin *p); /* NULL: always */
	void (*say)(struct buffer *out, const struct plugin *p);
} rows[] = {
	{PLUGIN_SERVING, NULL, say_serving},
	{PLUGIN_RELOADING, NULL, say_reloading},
	{PLUGIN_STARTING, has_transaction, say_transaction},
	{PLUGIN_STARTING, is_starved, say_starved},
	{PLUGIN_STARTING, is_pausing, say_pausing},
	{PLUGIN_STARTING, is_stage_checked, say_stage_checked},
	{PLUGIN_STARTING, awaits_others, say_awaited},
	{PLUGIN_STARTING, NULL, say_soon},
	{PLUGIN_HOLDING, has_transaction, say_replaced},
	{PLUGIN_HOLDING, is_starved, say_starved},
	{PLUGIN_HOLDING, is_pausing, say_pausing},
	{PLUGIN_HOLDING, is_stage_checked, say_stage_checked},
	{PLUGIN_HOLDING, NULL, say_soon},
	{PLUGIN_STOPPED, NULL, say_stopped},
	{PLUGIN_DISABLED, is_decided_by_person, say_disabled_by_person},
	{PLUGIN_DISABLED, NULL, say_disabled_by_file},
	{PLUGIN_FAILED, has_died_early, say_given_up},
	{PLUGIN_FAILED, NULL, say_failed},
};

static void
say_remarks(struct buffer *out, const struct plugin *p)
{
	const struct receipt *last = p->last_reload;

	if (!reload_package_is_there(p))
		buffer_format(out, "; its source is missing (package '%s')",
			p->wanted->use);
	if (plugin_serving(p) && plugin_runs_older(p) && p->older_reason)
		buffer_format(
			out, "; an older version runs: %s", p->older_reason);
	if (plugin_serving(p) && last && !receipt_has_succeeded(last) &&
		last->error)
		buffer_format(out, "; %s (%s) failed: %s", last->id,
			last->trigger, last->error);
}

char *
why_text(const struct plugin *p)
{
	enum plugin_state state = plugin_state(p);
	struct buffer out = {0};
	size_t i = 0;

	while (rows[i].state != state ||
		(rows[i].applies && !rows[i].applies(p)))
		i++; /* the last row of each state always applies */
	buffer_format(&out, "%s: ", plugin_state_text(state));
	rows[i].say(&out, p);
	say_remarks(&out, p);
	buffer_append(&out, "", 1);
	return (char *)out.memory;
}
