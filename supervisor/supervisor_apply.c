/* supervisor_apply: a HUP, and the supervisor's part of every apply: listeners,
 * limits, tokens and the log. Applying itself is apply/. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "supervisor/channel/channel.h"
#include "supervisor/ops/notify.h"
#include "supervisor/supervisor_parts.h"
#include "supervisor/watch/watch.h"
#include "supervisor/telemetry/telemetry.h"

void
supervisor_log_problems(const struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++) {
		/* the level of the log line already says "warning" */
		struct problem plain = problems->items[i];
		bool is_warning = plain.warning;
		char *text;

		plain.warning = false;
		text = problem_text(&plain);
		if (is_warning)
			log_warn("%s", text);
		else
			log_error("%s", text);
		free(text);
	}
}

/* ---- the supervisor's part ---- */

static int
on_config_prepare(
	struct gateway *g, const struct config *config, struct error *err)
{
	struct supervisor *s = g->user;

	return http_server_open_new(s->http, config, err);
}

static void
on_config_keep(struct gateway *g, struct config *config)
{
	struct supervisor *s = g->user;

	config_unref(s->config);
	s->config = config_ref(config);
	supervisor_set_log(s, config);
	http_server_keep_new(s->http, config);
	http_server_configure(s->http, config);
	control_configure(s->control, config);
	chat_configure(s->chat, config);
	channels_configure(s->gateway.channels, config);
	telemetry_configure(s->gateway.telemetry, config);
}

static void
on_config_discard(struct gateway *g)
{
	struct supervisor *s = g->user;

	http_server_close_new(s->http);
}

void
supervisor_serve_applies(struct supervisor *s)
{
	s->gateway.config_file = s->config_file;
	s->gateway.on_config_prepare = on_config_prepare;
	s->gateway.on_config_keep = on_config_keep;
	s->gateway.on_config_discard = on_config_discard;
}

/* ---- HUP ----
 * The first one begins a pass at once. Those that follow it closely are a burst
 * and share one pass, after HUP_QUIET_S without another: a hundred in a second
 * make two passes. A burst is cut after HUP_BURST_MS. */

#define HUP_QUIET_S 0.08
#define HUP_BURST_MS 3000

/* A service manager that still waits for the start or the stop would take
 * RELOADING or READY for the end of it, so nothing is sent then. */
static void
report_reload(const struct supervisor *s, void (*notify)(void))
{
	if (s->announced && !s->stopping)
		notify();
}

static void
ask(struct supervisor *s)
{
	s->hup_is_asked = true;
	s->hup_pending = false;
	s->hup.kind = s->config->reload.on_sighup == ON_SIGHUP_ADVISE
			      ? APPLY_PLAN
			      : APPLY_ALL;
	s->hup.is_logged = s->hup.kind == APPLY_PLAN;
	report_reload(s, notify_reloading);
	apply_begin(&s->gateway, &s->hup);
}

/* Begins a pass for HUPs that came during the last one, once their burst is
 * over. */
static void
ask_if_due(struct supervisor *s)
{
	if (s->hup_pending && !s->hup_is_asked && !s->stopping &&
		!ev_is_active(&s->hup_quiet))
		ask(s);
}

static void
hup_done(struct apply_request *r, const struct apply_report *report)
{
	struct supervisor *s = container_of(r, struct supervisor, hup);

	s->hup_is_asked = false;
	if (!s->stopping)
		watch_note_absent(s->gateway.watch, report->problems->unread,
			report->problems->unread_count);
	report_reload(s, notify_ready);
	ask_if_due(s);
}

static void
burst_is_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	ask_if_due(container_of(timer, struct supervisor, hup_quiet));
}

void
supervisor_on_change(struct supervisor *s, const char *trigger)
{
	bool is_burst = ev_is_active(&s->hup_quiet);

	if (s->stopping)
		return;
	if (!s->hup_is_asked)
		s->hup.trigger = trigger;
	s->hup.on_done = hup_done;
	if (!is_burst)
		s->burst_ms = clock_ms();
	if (!is_burst || clock_ms() - s->burst_ms < HUP_BURST_MS) {
		ev_timer_stop(s->loop, &s->hup_quiet);
		ev_timer_init(&s->hup_quiet, burst_is_over, HUP_QUIET_S, 0);
		ev_timer_start(s->loop, &s->hup_quiet);
	}
	if (!is_burst && !s->hup_is_asked)
		ask(s);
	else if (!s->hup_is_asked || s->hup.begun)
		s->hup_pending = true;
}

void
supervisor_forget_hups(struct supervisor *s)
{
	ev_timer_stop(s->loop, &s->hup_quiet);
}
