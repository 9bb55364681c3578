/* tick: a due time becomes a tick in flight, or waits, or is given up. What
 * waits is one tick, whatever the number of due times it stands for. */
#include <inttypes.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/schedule/parts.h"

/* Events `schedule.missed` of one plugin, at once and per second. */
#define NEWS_MAX 100
#define NEWS_PER_SECOND 10
/* As in Vixie cron: a clock that is set back by less has been wrong before it
 * was right; by more, it is a new time. */
#define BACK_MAX_MS (3 * 3600 * 1000)

size_t
tick_id(const struct schedule *s, int64_t due_ms,
	char out[SCHEDULE_TICK_ID_BYTES])
{
	return text_format(out, SCHEDULE_TICK_ID_BYTES, "%s/%s@%" PRId64,
		s->set->plugin->id, s->name, due_ms);
}

/* ---- news ---- */

static bool
may_report(struct schedule_set *set)
{
	uint64_t now_ms = clock_ms();
	double left = set->news_left + (double)(now_ms - set->news_at_ms) /
					       1e3 * NEWS_PER_SECOND;

	set->news_at_ms = now_ms;
	set->news_left = left > NEWS_MAX ? NEWS_MAX : left;
	if (set->news_left < 1)
		return false;
	set->news_left--;
	return true;
}

/* delivered: the tick that stands for them was sent. */
static void
report_missed(
	struct schedule *s, uint64_t missed, int64_t due_ms, bool delivered)
{
	struct schedule_set *set = s->set;

	if (may_report(set))
		news_plugin(set->plugin, "schedule.missed",
			json_pack("{s:s,s:I,s:I,s:b}", "name", s->name,
				"missed", (json_int_t)missed, "dueMs",
				(json_int_t)due_ms, "delivered", delivered));
}

/* ---- pending ---- */

void
tick_forget(struct schedule *s)
{
	list_remove(&s->pending_node);
	s->pending_count = 0;
	s->is_delayed = false;
}

static void
count_missed(struct schedule *s, uint64_t missed)
{
	s->missed += missed;
	s->set->missed += missed;
}

static void
settle(struct schedule *s, int64_t up_to_ms)
{
	if (up_to_ms <= s->settled_ms)
		return;
	s->settled_ms = up_to_ms;
	ledger_touch(s->set);
}

void
tick_skip(struct schedule *s, uint64_t count)
{
	s->skipped += count;
	count_missed(s, count);
}

/* Gives up what is pending. */
static void
skip(struct schedule *s)
{
	tick_skip(s, s->pending_count);
	if (s->request.id && !s->is_by_hand)
		s->settles_ms = s->pending_ms;
	else
		settle(s, s->pending_ms);
	tick_forget(s);
}

/* ---- in flight ---- */

static void
encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct schedule *s = container_of(r, struct schedule, request);
	char id[SCHEDULE_TICK_ID_BYTES];
	size_t length = tick_id(s, s->sent_ms, id);

	codec_request(p, wire_id, MESSAGE_TICK, 5);
	codec_text(p, s->name);
	codec_str(p, (struct bytes){id, length});
	msgpack_pack_uint64(p, (uint64_t)s->sent_ms);
	msgpack_pack_uint64(p, s->sent_missed);
	msgpack_pack_uint64(p, dispatch_deadline_ms(r));
}

static void send_pending(struct schedule *s);

static void
ended(struct schedule *s, enum tick_end how, enum wire_error code,
	const char *error)
{
	struct schedule_run *run = s->run;
	bool failed = how != TICK_DONE;

	s->last_end = how;
	text_format(
		s->last_error, sizeof(s->last_error), "%s", error ? error : "");
	s->done += !failed;
	s->failed += failed;
	s->set->done += !failed;
	s->set->failed += failed;
	s->set->plugin->counters.calls[REGISTRATION_SCHEDULE][failed]++;
	if (!s->is_by_hand)
		settle(s, s->settles_ms);
	s->is_by_hand = false;
	s->run = NULL;
	if (run) {
		run->schedule = NULL;
		run->on_end(run, code, failed ? s->last_error : NULL);
	}
	if (s->pending_count)
		send_pending(s);
}

static bool
on_answer(struct request *r, const struct message *m)
{
	struct schedule *s = container_of(r, struct schedule, request);
	enum wire_error code = WIRE_FAILED;
	char text[160];

	if (m->error) {
		code = codec_read_error(m->error, text, sizeof(text));
		ended(s, TICK_FAILED, code, text);
	} else {
		ended(s, TICK_DONE, code, NULL);
	}
	return false;
}

static void
on_fail(struct request *r, enum request_failure why, const char *text)
{
	struct schedule *s = container_of(r, struct schedule, request);
	enum tick_end how = why == REQUEST_LATE	    ? TICK_LATE
			    : why == REQUEST_DIED   ? TICK_DIED
			    : why == REQUEST_FAILED ? TICK_FAILED
						    : TICK_ENDED;

	dispatch_note_failure(s->set->schedules->gateway, r, why);
	ended(s, how, why == REQUEST_LATE ? WIRE_TIMEOUT : WIRE_FAILED,
		text ? text : request_failures[why].text);
}

static struct route_match
match_of(const struct schedule *s)
{
	return (struct route_match){.plugin = s->set->plugin->number,
		.registration = s->registration};
}

/* A tick by hand may be held while the plugin reloads. */
static bool
find_again(struct request *r, struct route_match *match_out)
{
	struct schedule *s = container_of(r, struct schedule, request);

	*match_out = match_of(s);
	return s->is_registered;
}

static void
describe(struct request *r, char *out, size_t size)
{
	const struct schedule *s = container_of(r, struct schedule, request);

	text_format(out, size, "the schedule %s", s->name);
}

static const struct request_ops tick_ops = {
	.encode = encode,
	.route = find_again,
	.answer = on_answer,
	.fail = on_fail,
	.describe = describe,
};

static void
submit(struct schedule *s)
{
	struct schedule_set *set = s->set;
	struct route_match match = match_of(s);

	s->last_ms = s->sent_ms;
	s->request.ops = &tick_ops;
	s->request.replayable = false;
	s->request.caller = 0;
	s->request.held_bytes = sizeof(*s);
	dispatch_submit(
		set->schedules->gateway, &s->request, &match, s->timeout_ms);
}

void
tick_send_by_hand(struct schedule *s, int64_t now_ms)
{
	s->is_by_hand = true;
	s->sent_ms = now_ms;
	s->sent_missed = 0;
	submit(s);
}

/* Why no tick can be sent to a plugin now. */
enum obstacle {
	FREE,
	CROWDED, /* for a moment */
	AWAY,	 /* no worker serves, or requests are held */
};

static enum obstacle
obstacle_of(const struct plugin *p)
{
	struct worker *w = plugin_serving(p);

	if (!w || p->is_held)
		return AWAY;
	return p->hold.count || !worker_has_room(w) ? CROWDED : FREE;
}

static void
send_now(struct schedule *s)
{
	struct schedules *all = s->set->schedules;
	bool late = s->is_delayed || s->pending_count > 1;
	int64_t now_ms = alarm_now_ms();

	s->sent_ms = s->settles_ms = s->pending_ms;
	s->sent_missed = late && s->catches_up ? s->pending_count : 0;
	if (late && !s->catches_up)
		tick_skip(s, s->pending_count - 1);
	if (s->skipped)
		report_missed(s, s->skipped, s->sent_ms, false);
	s->skipped = 0;
	if (s->sent_missed) {
		count_missed(s, s->sent_missed);
		report_missed(s, s->sent_missed, s->sent_ms, true);
	}
	if (!late && now_ms >= s->sent_ms)
		metrics_observe(
			&all->lateness, (uint64_t)(now_ms - s->sent_ms) * 1000);
	tick_forget(s);
	submit(s);
}

/* Sends what is pending, gives it up, or leaves it until the plugin can take it
 * or the tick in flight has ended. */
static void
send_pending(struct schedule *s)
{
	struct plugin *p = s->set->plugin;
	enum obstacle obstacle = obstacle_of(p);

	list_remove(&s->pending_node);
	if (s->set->schedules->gateway->stopping)
		return; /* the next supd catches up */
	s->is_delayed = s->is_delayed || obstacle == AWAY || s->request.id;
	if (s->is_delayed && !s->catches_up) {
		skip(s);
	} else if (s->request.id) {
		return;
	} else if (obstacle == FREE) {
		send_now(s);
	} else {
		list_append(&s->set->pending, &s->pending_node);
		p->ticks_wait = true;
	}
}

void
tick_is_due(struct schedule *s, int64_t now_ms)
{
	int64_t last = s->due_ms;
	uint64_t count = when_count(&s->when, s->zone, s->anchor_ms, s->seen_ms,
		now_ms, s->when.every_ms ? UINT32_MAX : MISSED_COUNT_MAX,
		&last);

	s->seen_ms = last;
	s->due_ms = when_next(&s->when, s->zone, s->anchor_ms, last);
	alarm_set(s);
	if (!count)
		return;
	s->pending_count += count;
	s->pending_ms = last;
	send_pending(s);
}

void
tick_release(struct gateway *g, struct plugin *p)
{
	struct list *pending = &p->schedules->pending;

	(void)g;
	while (!list_is_empty(pending) && obstacle_of(p) == FREE)
		send_pending(container_of(
			pending->next, struct schedule, pending_node));
	p->ticks_wait = !list_is_empty(pending);
}

/* ---- the clock was set ---- */

/* `every` is due when it would have been, counted in time that passed. Its due
 * times get new names: a change by a multiple of the period would give old
 * ones to new ticks. */
static void
move_every(struct schedule *s, int64_t change_ms)
{
	if (change_ms % s->when.every_ms == 0)
		change_ms++;
	s->anchor_ms += change_ms;
	s->settled_ms += change_ms;
	s->seen_ms += change_ms;
	s->pending_ms += change_ms;
	s->settles_ms += change_ms;
	s->due_ms += change_ms;
	ledger_touch(s->set);
}

/* A time of day comes once: if the clock is set back, what was due already is
 * not due again; if it is set forward, what it jumps over is due now. */
void
tick_step(struct schedule *s, int64_t change_ms, int64_t now_ms)
{
	if (s->when.every_ms) {
		move_every(s, change_ms);
	} else if (change_ms <= -BACK_MAX_MS) {
		s->settled_ms = s->settles_ms = s->seen_ms = now_ms;
		s->due_ms =
			when_next(&s->when, s->zone, s->anchor_ms, s->seen_ms);
		ledger_touch(s->set);
	} else if (change_ms > 0 && s->due_ms < now_ms) {
		s->is_delayed = true;
	}
}
