/* news: defines the data of all of supd's own events. */
#include "supervisor/gateway/news.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/ops/journal.h"

#define OVERFLOW_TELL_MS 1000
#define EMIT_WARN_MS 10000

void
news_gateway(struct gateway *g, const char *event, json_t *data)
{
	journal_note(g->journal, event, NULL, data);
}

void
news_plugin(struct plugin *p, const char *event, json_t *data)
{
	struct gateway *g = p->gateway;

	journal_note(g->journal, event, p->id, data);
}

/* ---- configuration ---- */

static void
config_news(struct gateway *g, unsigned failed_count, const char *refusal)
{
	g->config_news.failed_plugins = failed_count;
	free(g->config_news.refusal);
	g->config_news.refusal = memory_copy_text(refusal);
	g->config_news.success = !failed_count && !refusal;
	g->config_news.wall_ms = clock_wall_ms();
	if (g->config_news.success)
		g->config_news.success_wall_ms = g->config_news.wall_ms;
}

void
news_config_applied(struct gateway *g, unsigned failed_count, json_t *data)
{
	config_news(g, failed_count, NULL);
	if (failed_count)
		g->config_news.failed++;
	else
		g->config_news.applied++;
	news_gateway(g, "config.applied", data);
}

void
news_config_refused(struct gateway *g, const char *reason)
{
	config_news(g, 0, reason);
	g->config_news.refused++;
	news_gateway(g, "config.refused",
		json_pack("{s:o}", "error", value_text(reason)));
}

void
news_enabled(struct plugin *p, bool enabled, const char *by)
{
	news_plugin(p, enabled ? "plugin.enabled" : "plugin.disabled",
		json_pack("{s:s}", "by", by));
}

/* ---- routes ---- */

static json_t *
names_of(const struct route_changes *changes, enum route_change what)
{
	json_t *names = json_array();

	for (uint32_t i = 0; i < changes->of[what].named; i++)
		json_array_append_new(
			names, value_text(changes->of[what].names[i]));
	return names;
}

void
news_routes_changed(struct plugin *p, const struct route_changes *changes)
{
	struct gateway *g = p->gateway;
	json_t *data, *counts;

	if (!route_changes_any(changes) || g->stopping)
		return;
	data = json_object();
	counts = json_object();
	for (int i = 0; i < ROUTE_CHANGE_COUNT; i++) {
		json_object_set_new(data, route_change_texts[i],
			names_of(changes, (enum route_change)i));
		json_object_set_new(counts, route_change_texts[i],
			json_integer(changes->of[i].count));
	}
	json_object_set_new(data, "counts", counts);
	json_object_set_new(data, "table",
		json_integer((json_int_t)route_table_generation(g->routes)));
	news_plugin(p, "routes.changed", data);
}

void
news_offered(struct plugin *p, const struct worker *w,
	const struct route_changes *changes)
{
	struct log_subject subject = {.plugin = p->id};
	unsigned added = changes->of[ROUTE_ADDED].count;
	unsigned removed = changes->of[ROUTE_REMOVED].count;
	unsigned changed = changes->of[ROUTE_CHANGED].count;

	if (!route_changes_any(changes))
		return;
	log_write(LOG_INFO, &subject,
		"generation %u (pid %d) offers %u registrations: %u added, %u "
		"removed, %u changed",
		w->generation, w->pid, w->registrations.count, added, removed,
		changed);
	news_plugin(p, "plugin.offered",
		json_pack("{s:i,s:i,s:i,s:i,s:i,s:i}", "generation",
			(int)w->generation, "pid", (int)w->pid, "registrations",
			(int)w->registrations.count, "added", (int)added,
			"removed", (int)removed, "changed", (int)changed));
}

/* ---- workers ---- */

void
news_crash(struct plugin *p, const struct worker *w)
{
	news_plugin(p, "worker.crashed",
		json_pack("{s:i,s:i,s:o,s:I}", "generation", (int)w->generation,
			"pid", (int)w->pid, "error", value_text(w->error.text),
			"crashes", (json_int_t)p->counters.crashes));
}

void
news_failed(struct plugin *p)
{
	news_plugin(p, "plugin.failed",
		json_pack("{s:o,s:i}", "error", value_text(p->failure),
			"earlyDeaths", (int)p->crash.early_deaths));
}

void
news_starved(struct plugin *p)
{
	news_plugin(p, "plugin.starved",
		json_pack("{s:o}", "error", value_text(p->failure)));
}

void
news_stage_damaged(struct plugin *p, uint32_t generation, const char *reason)
{
	news_plugin(p, "plugin.stage_damaged",
		json_pack("{s:I,s:s}", "generation", (json_int_t)generation,
			"error", reason));
}

void
news_runs_older(struct plugin *p)
{
	news_plugin(p, "plugin.runs_older",
		json_pack("{s:I,s:o,s:o}", "generation",
			(json_int_t)p->store.proven_generation, "version",
			value_text(p->store.proven_version), "error",
			value_text(p->older_reason)));
}

void
news_state_lost(struct plugin *p)
{
	news_plugin(p, "plugin.state_lost",
		json_pack("{s:s,s:I}", "error", p->state_lost, "generation",
			(json_int_t)p->store.generation));
}

/* ---- requests refused because too many are held ---- */

static void
report_overflow(struct plugin *p)
{
	uint64_t total = p->hold.overflow_total;

	news_plugin(p, "hold.overflow",
		json_pack("{s:I,s:I,s:I}", "refused",
			(json_int_t)(total - p->overflow.reported),
			"refusedTotal", (json_int_t)total, "held",
			(json_int_t)p->hold.count));
	p->overflow.reported = total;
}

static void
overflow_due(struct wheel_timer *t)
{
	struct plugin *p = container_of(t, struct plugin, overflow.again);
	struct gateway *g = p->gateway;

	if (p->overflow.reported == p->hold.overflow_total)
		return; /* the burst is over */
	report_overflow(p);
	wheel_set(&g->wheel, t, clock_ms() + OVERFLOW_TELL_MS);
}

void
news_overflow(struct plugin *p)
{
	struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};

	if (wheel_timer_is_set(&p->overflow.again))
		return;
	log_write(LOG_WARN, &subject, "%u requests are held; refusing more",
		p->hold.count);
	report_overflow(p);
	p->overflow.again.fire = overflow_due;
	wheel_set(&g->wheel, &p->overflow.again, clock_ms() + OVERFLOW_TELL_MS);
}

/* ---- what workers emit ---- */

static bool
may_emit(struct plugin *p)
{
	uint64_t now_us = gateway_turn_us(p->gateway);
	double left = p->emit.left + (double)(now_us - p->emit.at_us) / 1e6 *
					     NEWS_EMITS_PER_SECOND;

	p->emit.at_us = now_us;
	p->emit.left =
		left > NEWS_EMITS_PER_SECOND ? NEWS_EMITS_PER_SECOND : left;
	if (p->emit.left < 1)
		return false;
	p->emit.left--;
	return true;
}

static void
emit_due(struct wheel_timer *t)
{
	struct plugin *p = container_of(t, struct plugin, emit.again);
	struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};

	if (!p->emit.unreported)
		return;
	log_write(LOG_WARN, &subject, "%llu more events refused",
		(unsigned long long)p->emit.unreported);
	p->emit.unreported = 0;
	wheel_set(&g->wheel, t, clock_ms() + EMIT_WARN_MS);
}

/* Logs the first refusal with its reason; later ones are summed up. */
static void
refuse_emit(struct plugin *p, const char *reason)
{
	struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};

	p->counters.events_refused++;
	if (wheel_timer_is_set(&p->emit.again)) {
		p->emit.unreported++;
		return;
	}
	log_write(LOG_WARN, &subject, "event refused: %s", reason);
	p->emit.again.fire = emit_due;
	wheel_set(&g->wheel, &p->emit.again, clock_ms() + EMIT_WARN_MS);
}

/* The event would continue a chain that is full. */
static void
refuse_deep(struct plugin *p, struct bytes event, const struct chain *chain)
{
	char *calls = chain_text(chain);
	char text[2560];

	text_format(text, sizeof(text),
		"the calls that led to it are %d deep: %s > %.*s",
		CHAIN_DEPTH_MAX, calls,
		(int)text_fit(event.at, event.length, JOURNAL_NAME_MAX),
		event.at);
	refuse_emit(p, text);
	free(calls);
}

void
news_called(
	struct plugin *p, const char *event, json_t *data, struct chain *chain)
{
	struct gateway *g = p->gateway;

	g->noting = chain;
	journal_note_called(g->journal, event, p->id, data,
		chain ? chain_json(chain) : NULL);
	g->noting = NULL;
}

void
news_emit(struct plugin *p, struct bytes event, const msgpack_object *data,
	struct chain *chain)
{
	struct error err = {.text = ""};
	json_t *value;
	char *name;

	if (!may_emit(p)) {
		refuse_emit(p, "too many events in one second");
		return;
	}
	if (event.length > JOURNAL_NAME_MAX ||
		value_is_longer(data, JOURNAL_DATA_MAX)) {
		refuse_emit(p, "the name or the data is too large");
		return;
	}
	if (chain_is_full(chain)) {
		refuse_deep(p, event, chain);
		return;
	}
	name = memory_copy_bytes(event.at, event.length);
	value = value_from(data, &err);
	if (value && strlen(name) != event.length)
		error_set(&err,
			"the name of an event must be a string without NUL");
	else if (value && !journal_check(name, value, &err)) {
		p->counters.events++;
		news_called(p, name, json_incref(value), chain);
	}
	if (err.text[0])
		refuse_emit(p, err.text);
	json_decref(value);
	free(name);
}

void
news_forget(struct plugin *p)
{
	struct gateway *g = p->gateway;

	wheel_clear(&g->wheel, &p->overflow.again);
	wheel_clear(&g->wheel, &p->emit.again);
	wheel_clear(&g->wheel, &p->repeats.again);
}
