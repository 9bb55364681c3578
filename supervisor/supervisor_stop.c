/* supervisor_stop: the end of supd: the last requests, hooks of the stop, the
 * drain, the end of the workers and of the store, each within its time. */
#include <ev.h>
#include <jansson.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "supervisor/apply/roster.h"
#include "supervisor/channel/channel.h"
#include "supervisor/event/events.h"
#include "supervisor/gateway/news.h"
#include "supervisor/http/server.h"
#include "supervisor/ops/notify.h"
#include "supervisor/supervisor_parts.h"

/* What is left of stop_timeout for the workers, whatever hooks take of it. */
#define STOP_LEAST_MS 2000
/* Slack on top of the longest stop_timeout before a stop is cut short. */
#define STOP_SLACK_S 2.0
/* The longest that the store of messages takes after that. */
#define STOP_MESSAGES_MS 1500

static void
end_when_done(struct supervisor *s)
{
	if (s->workers_gone && s->doors_drained)
		ev_break(s->loop, EVBREAK_ALL);
}

static void
on_messages_kept(void *user)
{
	struct supervisor *s = user;

	s->workers_gone = true;
	end_when_done(s);
}

void
supervisor_on_stopped(struct gateway *g, void *user)
{
	channels_stop(g->channels, STOP_MESSAGES_MS, on_messages_kept, user);
}

static void
on_drained(void *user)
{
	struct supervisor *s = user;

	s->doors_drained = true;
	end_when_done(s);
}

/* Requests in flight went on while hooks were awaited, so the time of these
 * counts. */
static uint64_t
stop_ms_left(const struct supervisor *s)
{
	uint64_t limit = s->config->defaults.stop_timeout_ms;
	uint64_t used = clock_ms() - s->hooks_from_ms;
	uint64_t least = limit < STOP_LEAST_MS ? limit : STOP_LEAST_MS;

	return used + least < limit ? limit - used : least;
}

static void
guard_stop(struct supervisor *s, double seconds)
{
	ev_timer_stop(s->loop, &s->stop_guard);
	ev_timer_set(&s->stop_guard, seconds + STOP_SLACK_S, 0);
	ev_timer_start(s->loop, &s->stop_guard);
}

static void
on_hooks_done(void *user)
{
	struct supervisor *s = user;
	uint64_t left_ms = stop_ms_left(s);

	guard_stop(s, (double)left_ms / 1e3);
	roster_stop(&s->gateway, left_ms);
}

static void
on_last_call_over(void *user)
{
	struct supervisor *s = user;

	http_server_drain(s->http, on_drained, s);
	s->hooks_from_ms = clock_ms();
	events_await_stopping(s->gateway.events,
		s->config->defaults.stop_timeout_ms, on_hooks_done, s);
}

static void
stop_is_overdue(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer, (void)events;
	log_warn("shutdown timed out; killing the remaining workers");
	ev_break(loop, EVBREAK_ALL);
}

void
supervisor_stop(struct supervisor *s, const char *why)
{
	if (s->stopping) {
		log_warn("%s again: stopping now", why);
		ev_break(s->loop, EVBREAK_ALL);
		return;
	}
	s->stopping = true;
	log_info("stopping: %s", why);
	news_gateway(&s->gateway, "gateway.stopping",
		json_pack("{s:s}", "reason", why));
	notify_stopping();
	notify_status("stopping");
	ev_init(&s->stop_guard, stop_is_overdue);
	guard_stop(s,
		s->config->defaults.stop_timeout_ms / 1e3 + HTTP_LAST_CALL_S);
	http_server_last_call(s->http, on_last_call_over, s);
}
