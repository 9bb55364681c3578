/* metrics_plugin: the table of metrics per plugin. No label changes with each
 * start (as pid and generation do), so a series lives as long as its plugin is
 * configured. */
#include "supervisor/channel/channel.h"
#include "supervisor/control/metrics_plugin.h"

#include "supervisor/event/services.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/plugin/usage.h"
#include "supervisor/schedule/schedule.h"

struct figures {
	struct metrics_writer *w;
	const struct plugin *p;
};

static void
add(const struct figures *v, double value)
{
	struct metrics_label label = {"plugin", v->p->id};

	metrics_sample(v->w, &label, 1, value);
}

static void
add_labelled(const struct figures *v, const char *name, const char *text,
	double value)
{
	struct metrics_label labels[] = {{"plugin", v->p->id}, {name, text}};

	metrics_sample(v->w, labels, 2, value);
}

static void
plugin_info(const struct figures *v)
{
	const struct worker *w = v->p->active;
	struct metrics_label labels[] = {{"plugin", v->p->id},
		{"package", v->p->config->use},
		{"version", w ? w->version : v->p->store.proven_version}};

	metrics_sample(v->w, labels, 3, 1);
}

static void
plugin_up(const struct figures *v)
{
	add(v, plugin_serving(v->p) != NULL);
}

static void
plugin_requests(const struct figures *v)
{
	static const char *const codes[] = {[1] = "1xx",
		[2] = "2xx",
		[3] = "3xx",
		[4] = "4xx",
		[5] = "5xx"};

	for (int i = 2; i <= 5; i++)
		add_labelled(
			v, "code", codes[i], (double)v->p->counters.answers[i]);
}

static void
plugin_latency(const struct figures *v)
{
	struct metrics_label label = {"plugin", v->p->id};

	metrics_sample_histogram(v->w, &label, 1, &v->p->counters.latency);
}

static void
plugin_failures(const struct figures *v)
{
	static const char *const reasons[REQUEST_FAILURE_COUNT] = {
		[REQUEST_OVERFLOW] = "overflow",
		[REQUEST_HELD_TOO_LONG] = "held_too_long",
		[REQUEST_UNAVAILABLE] = "unavailable",
		[REQUEST_STOPPING] = "stopping",
		[REQUEST_DIED] = "died",
		[REQUEST_BAD_ANSWER] = "bad_answer",
		[REQUEST_FAILED] = "failed",
		[REQUEST_LATE] = "late",
		[REQUEST_ENDED] = "ended",
	};

	for (int i = 0; i < REQUEST_FAILURE_COUNT; i++)
		if (reasons[i])
			add_labelled(v, "reason", reasons[i],
				(double)v->p->counters.failures[i]);
}

static void
plugin_calls_of(const struct figures *v, int kind)
{
	for (int failed = 0; failed < 2; failed++) {
		struct metrics_label labels[] = {{"plugin", v->p->id},
			{"kind", registration_kinds[kind]->wire},
			{"outcome", failed ? "failed" : "done"}};

		metrics_sample(v->w, labels, 3,
			(double)v->p->counters.calls[kind][failed]);
	}
}

static void
plugin_calls(const struct figures *v)
{
	for (int kind = 0; kind < REGISTRATION_KIND_COUNT; kind++)
		if (registration_kinds[kind]->caller == KIND_CALLER_NAME)
			plugin_calls_of(v, kind);
}

static void
plugin_ticks(const struct figures *v)
{
	add_labelled(v, "outcome", "done", (double)schedule_ticks(v->p, false));
	add_labelled(
		v, "outcome", "failed", (double)schedule_ticks(v->p, true));
}

static void
plugin_websockets(const struct figures *v)
{
	if (v->p->conns.opened)
		add(v, v->p->conns.count);
}

static void
plugin_websocket_events(const struct figures *v)
{
	const struct plugin_conns *c = &v->p->conns;

	if (!c->opened)
		return;
	add_labelled(v, "event", "opened", (double)c->opened);
	add_labelled(v, "event", "moved", (double)c->moved);
	add_labelled(v, "event", "cut", (double)c->cut);
}

static void
plugin_websocket_messages(const struct figures *v)
{
	const struct plugin_conns *c = &v->p->conns;

	if (!c->opened)
		return;
	add_labelled(v, "direction", "in", (double)c->messages_in);
	add_labelled(v, "direction", "out", (double)c->messages_out);
}

static void
plugin_websocket_losses(const struct figures *v)
{
	const struct plugin_conns *c = &v->p->conns;

	if (!c->opened)
		return;
	add_labelled(v, "reason", "crash", (double)c->messages_lost);
	add_labelled(v, "reason", "stray", (double)c->strays);
	add_labelled(v, "reason", "excess", (double)c->excesses);
}

static void
plugin_reloads(const struct figures *v)
{
	const struct plugin_counters *c = &v->p->counters;

	add_labelled(v, "outcome", "committed", (double)c->reloads);
	add_labelled(v, "outcome", "rolled_back", (double)c->rolled_back);
	add_labelled(v, "outcome", "reverted", (double)c->reverted);
	add_labelled(v, "outcome", "refused", (double)c->refused);
}

static void
plugin_last_success(const struct figures *v)
{
	if (v->p->last.known)
		add(v, v->p->last.success);
}

static void
plugin_last_time(const struct figures *v)
{
	if (v->p->last.known)
		add(v, (double)v->p->last.wall_ms / 1e3);
}

static void
plugin_last_duration(const struct figures *v)
{
	if (v->p->last.known)
		add(v, v->p->last.seconds);
}

static void
plugin_cuts(const struct figures *v)
{
	static const char *const reasons[WORKER_CUT_COUNT] = {
#define X(name, text) [WORKER_CUT_##name] = text,
		WORKER_CUTS(X)
#undef X
	};

	for (int i = WORKER_CUT_NOT + 1; i < WORKER_CUT_COUNT; i++)
		add_labelled(
			v, "reason", reasons[i], (double)v->p->counters.cut[i]);
}

static void
plugin_hook_calls(const struct figures *v)
{
	for (int i = 0; v->p->hooks && i < HOOK_CALL_COUNT; i++)
		add_labelled(v, "outcome", hook_call_texts[i],
			(double)v->p->hooks->calls[i]);
}

static void
plugin_hook_losses(const struct figures *v)
{
	for (int i = 0; v->p->hooks && i < HOOK_LOSS_COUNT; i++)
		add_labelled(v, "reason", hook_loss_texts[i],
			(double)v->p->hooks->lost[i]);
}

static void
plugin_filter_verdicts(const struct figures *v)
{
	for (int i = 0; v->p->hooks && i < HOOK_VERDICT_COUNT; i++)
		add_labelled(v, "verdict", hook_verdict_texts[i],
			(double)v->p->hooks->verdicts[i]);
}

static void
plugin_filters_skipped(const struct figures *v)
{
	if (v->p->hooks)
		add(v, (double)v->p->hooks->skipped);
}

static void
plugin_filters_stopped(const struct figures *v)
{
	if (v->p->hooks)
		add(v, (double)v->p->hooks->stopped);
}

static void
plugin_hook_latency(const struct figures *v)
{
	struct metrics_label label = {"plugin", v->p->id};

	if (v->p->hooks)
		metrics_sample_histogram(
			v->w, &label, 1, &v->p->hooks->latency);
}

/* Metrics that are one number. */
#define NUMBER(name, expression)                                               \
	static void name(const struct figures *v)                              \
	{                                                                      \
		add(v, (double)(expression));                                  \
	}
NUMBER(plugin_cancelled, v->p->counters.cancelled)
NUMBER(plugin_flying, plugin_in_flight(v->p))
NUMBER(plugin_held_now, v->p->hold.count)
NUMBER(plugin_held_bytes, v->p->hold.bytes)
NUMBER(plugin_held_total, v->p->hold.held_total)
NUMBER(plugin_overflows, v->p->hold.overflow_total)
NUMBER(plugin_replays, v->p->counters.replayed)
NUMBER(plugin_restarts, v->p->counters.restarts)
NUMBER(plugin_crashes, v->p->counters.crashes)
NUMBER(plugin_events, v->p->counters.events)
NUMBER(plugin_events_refused, v->p->counters.events_refused)
NUMBER(plugin_calls_refused, v->p->counters.calls_refused)
NUMBER(plugin_ticks_missed, schedule_missed(v->p))
NUMBER(plugin_service_starts, v->p->counters.service_starts)
NUMBER(plugin_service_failures, v->p->counters.service_failures)
NUMBER(plugin_offers, v->p->counters.offers)
NUMBER(plugin_offers_refused, v->p->counters.offers_refused)
NUMBER(plugin_calls_too_deep, v->p->counters.calls_too_deep)
NUMBER(plugin_calls_stray, v->p->counters.calls_stray)
#undef NUMBER

static void
plugin_services(const struct figures *v)
{
	const struct services_count count = services_count(v->p->active);

	add_labelled(v, "state", "running", count.running);
	add_labelled(v, "state", "waiting", count.waiting);
	add_labelled(v, "state", "failed", count.failed);
}

static void
plugin_memory(const struct figures *v)
{
	const struct worker *w = v->p->active;
	struct usage u;

	if (w && !usage_read(&u, w->pid))
		add(v, (double)u.memory_bytes);
}

static void
plugin_cpu(const struct figures *v)
{
	const struct worker *w = v->p->active;
	struct usage u;

	if (w && !usage_read(&u, w->pid))
		add(v, u.cpu_seconds);
}

/* ---- channels ---- */

/* The next channel of the plugin's worker that has been started; *at begins
 * with 0. They come first in the order of its registrations. */
static bool
next_channel(const struct figures *v, uint32_t *at, struct channel_figures *out)
{
	const struct worker *w = v->p->active;
	const struct registration_set *set = w ? &w->registrations : NULL;

	while (set && set->order && *at < set->count) {
		const struct registration *r = &set->items[set->order[(*at)++]];

		if (r->kind != REGISTRATION_CHANNEL)
			return false;
		if (channels_figures(w, r, out))
			return true;
	}
	return false;
}

static void
put_of_channel(const struct figures *v, const struct channel_figures *c,
	const char *label, const char *text, double value)
{
	const struct metrics_label labels[] = {
		{"plugin", v->p->id}, {"channel", c->name}, {label, text}};

	metrics_sample(v->w, labels, label ? 3 : 2, value);
}

static void
put_counts(const struct figures *v, const struct channel_figures *c,
	const char *label, const uint64_t *values, const char *const *names,
	int count)
{
	for (int i = 0; i < count; i++)
		put_of_channel(v, c, label, names[i], (double)values[i]);
}

static void
channel_up(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_of_channel(v, &c, NULL, NULL, c.is_up);
}

static void
channel_answers(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_counts(v, &c, "answer", c.answers, inbound_answer_names,
			INBOUND_ANSWER_COUNT);
}

static void
channel_ends(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_counts(v, &c, "class", c.ends, inbound_end_names,
			INBOUND_END_COUNT);
}

static void
channel_sends(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_counts(v, &c, "class", c.sends_ended, outbound_end_names,
			OUTBOUND_END_COUNT);
}

static void
channel_retries(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);)
		put_of_channel(v, &c, NULL, NULL, (double)c.retries);
}

static void
channel_waiting(const struct figures *v)
{
	struct channel_figures c;

	for (uint32_t at = 0; next_channel(v, &at, &c);) {
		put_of_channel(v, &c, "way", "in", c.pending);
		put_of_channel(v, &c, "way", "out", c.sending);
	}
}

static const struct plugin_family {
	const char *name;
	enum metrics_type type;
	const char *help;
	void (*write)(const struct figures *v);
} plugin_families[] = {
	{"supd_plugin_info", METRICS_GAUGE,
		"Package and version of a plugin, always 1.", plugin_info},
	{"supd_plugin_up", METRICS_GAUGE, "1 if a worker serves the plugin.",
		plugin_up},
	{"supd_plugin_http_requests_total", METRICS_COUNTER,
		"HTTP requests of a plugin that got an answer, by the class "
		"of its status.",
		plugin_requests},
	{"supd_plugin_http_request_duration_seconds", METRICS_HISTOGRAM,
		"Time from an HTTP request's head to its answer's.",
		plugin_latency},
	{"supd_plugin_requests_failed_total", METRICS_COUNTER,
		"Requests and calls that the plugin did not answer.",
		plugin_failures},
	{"supd_plugin_requests_cancelled_total", METRICS_COUNTER,
		"Requests and calls whose client left before their end.",
		plugin_cancelled},
	{"supd_plugin_calls_total", METRICS_COUNTER,
		"Calls of tools, commands and methods.", plugin_calls},
	{"supd_plugin_websockets", METRICS_GAUGE,
		"Open WebSocket connections of a plugin.", plugin_websockets},
	{"supd_plugin_websockets_total", METRICS_COUNTER,
		"WebSocket connections of a plugin that were opened, moved to "
		"another worker, or closed because that was not possible.",
		plugin_websocket_events},
	{"supd_plugin_websocket_messages_total", METRICS_COUNTER,
		"Messages of clients to a plugin (in) and back (out).",
		plugin_websocket_messages},
	{"supd_plugin_websocket_messages_lost_total", METRICS_COUNTER,
		"Messages that a worker may have had when it died, and "
		"messages of workers that were refused: about no connection or "
		"ill-formed (stray), or beyond credit or limit (excess).",
		plugin_websocket_losses},
	{"supd_plugin_requests_in_flight", METRICS_GAUGE,
		"Requests and calls in flight at a plugin's workers.",
		plugin_flying},
	{"supd_plugin_requests_held", METRICS_GAUGE,
		"Requests and calls that wait for a worker.", plugin_held_now},
	{"supd_plugin_held_bytes", METRICS_GAUGE,
		"Bytes that these use of hold_bytes.", plugin_held_bytes},
	{"supd_plugin_requests_held_total", METRICS_COUNTER,
		"Requests and calls that had to wait for a worker.",
		plugin_held_total},
	{"supd_plugin_hold_overflows_total", METRICS_COUNTER,
		"Requests and calls refused because too many waited.",
		plugin_overflows},
	{"supd_plugin_replays_total", METRICS_COUNTER,
		"Requests sent again after their worker died.", plugin_replays},
	{"supd_plugin_restarts_total", METRICS_COUNTER,
		"Restarts after a crash.", plugin_restarts},
	{"supd_plugin_crashes_total", METRICS_COUNTER,
		"Serving workers that ended unexpectedly.", plugin_crashes},
	{"supd_plugin_reloads_total", METRICS_COUNTER,
		"Reloads, starts and restarts by outcome.", plugin_reloads},
	{"supd_plugin_last_reload_success", METRICS_GAUGE,
		"1 if the last reload or start succeeded.",
		plugin_last_success},
	{"supd_plugin_last_reload_timestamp_seconds", METRICS_GAUGE,
		"When its verdict was given, seconds since 1970.",
		plugin_last_time},
	{"supd_plugin_last_reload_duration_seconds", METRICS_GAUGE,
		"Time from its start to its verdict.", plugin_last_duration},
	{"supd_plugin_events_total", METRICS_COUNTER,
		"Events that a plugin's workers emitted.", plugin_events},
	{"supd_plugin_events_refused_total", METRICS_COUNTER,
		"Events of workers that were refused: malformed, or too many.",
		plugin_events_refused},
	{"supd_plugin_hook_calls_total", METRICS_COUNTER,
		"Calls of a plugin's hooks.", plugin_hook_calls},
	{"supd_plugin_hook_events_lost_total", METRICS_COUNTER,
		"Events that a plugin's hooks should have got and did not.",
		plugin_hook_losses},
	{"supd_plugin_filter_verdicts_total", METRICS_COUNTER,
		"Verdicts of a plugin's filters.", plugin_filter_verdicts},
	{"supd_plugin_filters_skipped_total", METRICS_COUNTER,
		"Events that went on without a plugin's filter, because it "
		"failed.",
		plugin_filters_skipped},
	{"supd_plugin_filters_stopped_total", METRICS_COUNTER,
		"Events that were stopped because a plugin's filter failed.",
		plugin_filters_stopped},
	{"supd_plugin_hook_duration_seconds", METRICS_HISTOGRAM,
		"Time from a call of a hook to its answer.",
		plugin_hook_latency},
	{"supd_plugin_workers_cut_total", METRICS_COUNTER,
		"Workers that supd gave up on while they ran.", plugin_cuts},
	{"supd_plugin_calls_refused_total", METRICS_COUNTER,
		"Calls by a plugin's workers refused: too many at a time.",
		plugin_calls_refused},
	{"supd_plugin_offers_total", METRICS_COUNTER,
		"Times that a plugin's worker replaced its registrations.",
		plugin_offers},
	{"supd_plugin_offers_refused_total", METRICS_COUNTER,
		"Offers of a plugin's workers refused.", plugin_offers_refused},
	{"supd_plugin_calls_too_deep_total", METRICS_COUNTER,
		"Calls by a plugin's workers refused: too many calls led to "
		"them.",
		plugin_calls_too_deep},
	{"supd_plugin_calls_stray_total", METRICS_COUNTER,
		"Calls and events of a plugin's workers that named a request "
		"which was not in flight.",
		plugin_calls_stray},
	{"supd_plugin_ticks_total", METRICS_COUNTER,
		"Ticks of a plugin's schedules that have ended.", plugin_ticks},
	{"supd_plugin_ticks_missed_total", METRICS_COUNTER,
		"Due times of schedules without a tick of their own.",
		plugin_ticks_missed},
	{"supd_plugin_services", METRICS_GAUGE,
		"Services of the worker that serves a plugin, by their state.",
		plugin_services},
	{"supd_plugin_service_starts_total", METRICS_COUNTER,
		"Starts of a plugin's services that succeeded.",
		plugin_service_starts},
	{"supd_plugin_service_failures_total", METRICS_COUNTER,
		"Services of a plugin that did not start or stop, or reported "
		"that they had failed.",
		plugin_service_failures},
	{"supd_channel_up", METRICS_GAUGE,
		"1 if a channel is connected at the worker that serves.",
		channel_up},
	{"supd_channel_messages_total", METRICS_COUNTER,
		"What a channel's messages were answered.", channel_answers},
	{"supd_channel_messages_ended_total", METRICS_COUNTER,
		"How the messages that were new ended.", channel_ends},
	{"supd_channel_sends_total", METRICS_COUNTER,
		"How messages that a channel was to send ended.",
		channel_sends},
	{"supd_channel_send_retries_total", METRICS_COUNTER,
		"Times that the platform wanted a message later.",
		channel_retries},
	{"supd_channel_messages_waiting", METRICS_GAUGE,
		"Messages that are not handled yet (in), or not sent (out).",
		channel_waiting},
	{"supd_plugin_memory_bytes", METRICS_GAUGE,
		"Resident memory of the worker that serves a plugin.",
		plugin_memory},
	{"supd_plugin_cpu_seconds", METRICS_GAUGE,
		"Processor time of the worker that serves a plugin, since its "
		"start.",
		plugin_cpu},
};

#define FAMILY_COUNT (sizeof(plugin_families) / sizeof(*plugin_families))

static void
write_figures(struct metrics_pass *pass, const struct plugin *p)
{
	/* a new plugin of the same id may exist already */
	if (p && !p->removed)
		plugin_families[pass->family].write(
			&(struct figures){pass->writer, p});
}

#define COST_OF_READING 5 /* a file of /proc, in samples */

static unsigned
cost_of(const struct plugin_family *f)
{
	return f->write == plugin_memory || f->write == plugin_cpu
		       ? COST_OF_READING
		       : 1;
}

bool
metrics_plugin_step(struct metrics_pass *pass, unsigned figures)
{
	const struct gateway *g = pass->gateway;

	while (pass->family < FAMILY_COUNT) {
		const struct plugin_family *f = &plugin_families[pass->family];

		if (figures < cost_of(f))
			return false;
		figures -= cost_of(f);
		if (!pass->plugin)
			metrics_family(pass->writer, f->name, f->type, f->help);
		if (pass->plugin < g->plugin_count)
			write_figures(pass, g->plugins[pass->plugin++]);
		if (pass->plugin < g->plugin_count)
			continue;
		pass->family++;
		pass->plugin = 0;
	}
	return true;
}
