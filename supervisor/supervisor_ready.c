/* supervisor_ready: notifies the service manager when supd is ready and, until
 * then, which plugins it waits for. Readiness is checked at the end of each
 * turn of the loop, at most once per LOOK_MS, instead of at each kind of
 * change, so that no kind can be forgotten. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/gateway/news.h"
#include "supervisor/ops/notify.h"
#include "supervisor/supervisor_parts.h"

#define LOOK_MS 50

static void __attribute__((format(printf, 2, 3)))
report_status(struct supervisor *s, const char *format, ...)
{
	char text[sizeof(s->status)];
	va_list args;

	va_start(args, format);
	text_vformat(text, sizeof(text), format, args);
	va_end(args);
	if (!strcmp(text, s->status))
		return;
	memcpy(s->status, text, sizeof(text));
	notify_status("%s", text);
}

/* What supd does, and what became of the last configuration. */
static void
report_state(struct supervisor *s, const char *state)
{
	const struct gateway_config_news *news = &s->gateway.config_news;

	if (news->refusal)
		report_status(s, "%s; configuration refused: %s", state,
			news->refusal);
	else if (news->failed_plugins)
		report_status(s, "%s; the last apply failed for %u plugin%s",
			state, news->failed_plugins,
			news->failed_plugins == 1 ? "" : "s");
	else
		report_status(s, "%s", state);
}

/* Names the first plugin that supd waits for, the reason, and the number of
 * further ones. */
static void
report_waits(struct supervisor *s)
{
	json_t *rows = gateway_waits_for(&s->gateway);
	const json_t *row = json_array_get(rows, 0);
	size_t more = json_array_size(rows);
	char rest[48] = "", state[320];

	if (more > 1)
		snprintf(rest, sizeof(rest), " (and %zu more)", more - 1);
	if (row) {
		text_format(state, sizeof(state), "waiting for %s%s: %.120s",
			json_string_value(json_object_get(row, "pluginId")),
			rest, json_string_value(json_object_get(row, "why")));
		report_state(s, state);
	}
	json_decref(rows);
}

static void
become_ready(struct supervisor *s)
{
	struct gateway *g = &s->gateway;
	uint64_t ms = clock_ms() - g->started_ms;

	if (s->announced) {
		log_info("ready again");
		return;
	}
	s->announced = true;
	notify_ready();
	log_info("ready in %llu ms", (unsigned long long)ms);
	news_gateway(g, "gateway.ready",
		json_pack("{s:I}", "uptimeMs", (json_int_t)ms));
}

static void
look(struct supervisor *s)
{
	bool ready;

	s->ready_seen_ms = clock_ms();
	ev_timer_stop(s->loop, &s->ready_again);
	if (s->stopping)
		return;
	ready = gateway_is_ready(&s->gateway);
	if (ready)
		report_state(s, "serving");
	else
		report_waits(s);
	if (ready && !s->ready)
		become_ready(s);
	s->ready = ready;
}

static void
look_after_turn(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	struct supervisor *s =
		container_of(prepare, struct supervisor, ready_look);

	(void)events;
	if (clock_ms() - s->ready_seen_ms >= LOOK_MS)
		look(s);
	else if (!ev_is_active(&s->ready_again)) {
		ev_timer_set(&s->ready_again, (LOOK_MS + 1) / 1e3, 0);
		ev_timer_start(loop, &s->ready_again);
	}
}

/* This timer only makes the loop turn; the check follows at its end. */
static void
look_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)timer, (void)events;
}

static void
on_settled(struct gateway *g, void *user)
{
	(void)g;
	look(user);
}

void
supervisor_watch_ready(struct supervisor *s)
{
	s->gateway.on_settled = on_settled;
	ev_timer_init(&s->ready_again, look_again, 0, 0);
	ev_prepare_init(&s->ready_look, look_after_turn);
	ev_prepare_start(s->loop, &s->ready_look);
}

void
supervisor_forget_ready(struct supervisor *s)
{
	ev_prepare_stop(s->loop, &s->ready_look);
	ev_timer_stop(s->loop, &s->ready_again);
}
