/* news: the one place that knows what an event of supd's own carries. */
#include "supervisor/gateway/news.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/gateway/transaction.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/journal.h"

#define OVERFLOW_TELL_MS 1000
#define EMIT_WARN_MS 10000

void
news_gateway(struct gateway *g, const char *event, json_t *data)
{
	journal_note(g->journal, event, NULL, data);
}

static void
note(struct plugin *p, const char *event, json_t *data)
{
	struct gateway *g = p->gateway;

	journal_note(g->journal, event, p->id, data);
}

/* ---- configuration ---- */

static void
config_news(struct gateway *g, bool success)
{
	g->config_news.success = success;
	g->config_news.wall_ms = clock_wall_ms();
}

void
news_config_applied(struct gateway *g, unsigned failed_count, json_t *data)
{
	config_news(g, !failed_count);
	if (failed_count)
		g->config_news.failed++;
	else
		g->config_news.applied++;
	news_gateway(g, "config.applied", data);
}

void
news_config_refused(struct gateway *g, const char *reason)
{
	config_news(g, false);
	g->config_news.refused++;
	news_gateway(g, "config.refused", json_pack("{s:s}", "error", reason));
}

void
news_enabled(struct plugin *p, bool enabled, const char *by)
{
	note(p, enabled ? "plugin.enabled" : "plugin.disabled",
		json_pack("{s:s}", "by", by));
}

/* ---- transactions ---- */

void
news_phase(const struct reload *r, const char *phase, double since_ms)
{
	/* A look whether anything changed is no reload yet. */
	if (r->if_changed && r->state == RELOAD_STAGING)
		return;
	note(r->plugin, "reload.phase",
		json_pack("{s:s,s:s,s:f}", "id", r->id, "phase", phase, "ms",
			since_ms));
}

static json_t *
copy_of(const json_t *receipt)
{
	/* Only counted; jansson's interface lacks the const. */
	return json_incref((json_t *)(uintptr_t)receipt);
}

static void
keep(struct reload *r, const json_t *receipt)
{
	if (r->gateway->history)
		history_note(r->gateway->history, receipt);
}

/* The figures are about what a worker was started for. */
static void
note_outcome(struct reload *r, bool success)
{
	struct plugin *p = r->plugin;
	uint64_t end_us = r->committed_us ? r->committed_us : clock_us();

	if (r->kind == KIND_STOP)
		return;
	p->last = (struct plugin_last_reload){.known = true,
		.success = success,
		.seconds = (double)(end_us - r->begun_us) / 1e6,
		.wall_ms = clock_wall_ms()};
}

void
news_verdict(struct reload *r, const json_t *receipt)
{
	bool failed = r->state == RELOAD_ROLLED_BACK;

	if (r->unchanged)
		return;
	if (failed && r->kind != KIND_STOP && !r->prove)
		r->plugin->counters.rolled_back++;
	if (!r->prove)
		note_outcome(r, !failed);
	note(r->plugin, "reload.verdict", copy_of(receipt));
	/* What settles at once is one line of the past, not two. */
	if (failed || (r->state == RELOAD_COMMITTED && r->old))
		keep(r, receipt);
}

void
news_settled(struct reload *r, const json_t *receipt)
{
	bool reverted = r->state == RELOAD_REVERTED;

	if (r->unchanged)
		return;
	if (reverted) {
		r->plugin->counters.reverted++;
		note_outcome(r, false);
	}
	if (!r->prove)
		note(r->plugin, reverted ? "reload.reverted" : "reload.settled",
			copy_of(receipt));
	keep(r, receipt);
}

/* ---- workers ---- */

void
news_crash(struct plugin *p, const struct worker *w)
{
	note(p, "worker.crashed",
		json_pack("{s:i,s:i,s:s,s:I}", "generation", (int)w->generation,
			"pid", (int)w->pid, "error", w->error.text, "crashes",
			(json_int_t)p->counters.crashes));
}

void
news_failed(struct plugin *p)
{
	note(p, "plugin.failed",
		json_pack("{s:s,s:i}", "error", p->failure, "earlyDeaths",
			(int)p->crash.early_deaths));
}

/* ---- held work that has no place ---- */

static void
tell_overflow(struct plugin *p)
{
	uint64_t total = p->hold.overflow_total;

	note(p, "hold.overflow",
		json_pack("{s:I,s:I,s:I}", "refused",
			(json_int_t)(total - p->overflow.told), "refusedTotal",
			(json_int_t)total, "held", (json_int_t)p->hold.count));
	p->overflow.told = total;
}

static void
overflow_due(struct wheel_timer *t)
{
	struct plugin *p = container_of(t, struct plugin, overflow.again);
	struct gateway *g = p->gateway;

	if (p->overflow.told == p->hold.overflow_total)
		return; /* the burst is over */
	tell_overflow(p);
	wheel_set(&g->wheel, t, clock_ms() + OVERFLOW_TELL_MS);
}

void
news_overflow(struct plugin *p)
{
	struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};

	if (wheel_timer_is_set(&p->overflow.again))
		return;
	log_write(LOG_WARN, &subject,
		"%u requests wait already: more are refused", p->hold.count);
	tell_overflow(p);
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

	if (!p->emit.untold)
		return;
	log_write(LOG_WARN, &subject, "%llu more of its events refused",
		(unsigned long long)p->emit.untold);
	p->emit.untold = 0;
	wheel_set(&g->wheel, t, clock_ms() + EMIT_WARN_MS);
}

/* The first is told with its reason, what follows is summed up. */
static void
refuse_emit(struct plugin *p, const char *reason)
{
	struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};

	p->counters.events_refused++;
	if (wheel_timer_is_set(&p->emit.again)) {
		p->emit.untold++;
		return;
	}
	log_write(LOG_WARN, &subject, "one of its events refused: %s", reason);
	p->emit.again.fire = emit_due;
	wheel_set(&g->wheel, &p->emit.again, clock_ms() + EMIT_WARN_MS);
}

void
news_emit(struct plugin *p, struct bytes event, const msgpack_object *data)
{
	struct error err = {{0}};
	json_t *value;
	char *name;

	if (!may_emit(p)) {
		refuse_emit(p, "more than it may emit in a second");
		return;
	}
	name = memory_copy_bytes(event.at, event.length);
	value = value_from(data, &err);
	if (value && strlen(name) != event.length)
		error_set(&err, "the name of an event is a text without NUL");
	else if (value && !journal_check(name, value, &err)) {
		p->counters.events++;
		note(p, name, json_incref(value));
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
}
