#include "lane.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dead.h"
#include "now.h"
#include "retry.h"

#define WAIT_MS_MAX ((uint64_t)24 * 3600 * 1000)
#define HEADERS_SENT_MAX 8
#define HEADER_BYTES 300

static void lane_run(struct lane *l);

const struct target *
lane_target(const struct lane *l)
{
	return &l->settings->targets[l->number];
}

/* ---- giving up ---- */

static void
write_letter(struct lane *l, struct letter *letter)
{
	const char *dir = sup_data_dir(l->plugin);

	l->given_up++;
	letter->target = lane_target(l)->name;
	letter->given_up_ms = now_ms();
	quiet_log(&l->troubles, l->plugin, "%s: gave up %s: %s", letter->target,
		letter->id, letter->reason);
	if (dead_write(dir, l->settings->dead_letter_bytes, letter))
		sup_log(l->plugin, SUP_ERROR,
			"%s: %s is lost: cannot write a dead letter: %s",
			letter->target, letter->id, strerror(errno));
}

static void
bury_first(struct lane *l, const char *reason, long status)
{
	char *body = queue_first_body(l->queue);
	struct queue_head head;

	queue_first(l->queue, &head);
	write_letter(l, &(struct letter){.id = head.id,
				.reason = reason,
				.body = body ? body : "null",
				.added_ms = head.added_ms,
				.failures = head.failures + 1,
				.status = status});
	free(body);
	queue_remove_first(l->queue);
}

/* ---- what came of an attempt ---- */

static void
say_failure(struct lane *l, const char *reason, uint64_t pause_ms)
{
	if (!l->is_failing)
		quiet_log(&l->troubles, l->plugin,
			"%s: a delivery has failed, next attempt in %" PRIu64
			" ms: %s",
			lane_target(l)->name, pause_ms, reason);
	l->is_failing = true;
}

static void
fail_first(struct lane *l, const struct transfer_result *result,
	const char *reason)
{
	const struct target *t = lane_target(l);
	uint64_t now = now_ms(), pause, after;
	struct queue_head head;

	queue_first(l->queue, &head);
	pause = retry_pause_ms(head.failures + 1, t->retry_min_ms,
		t->retry_max_ms, arc4random());
	after = retry_after_ms(result->retry_after, (int64_t)(now / 1000));
	if (after > pause)
		pause = after;
	if (now + pause >= head.added_ms + t->give_up_ms) {
		bury_first(l, reason, result->status);
		return;
	}
	say_failure(l, reason, pause);
	queue_fail_first(l->queue, now + pause);
}

static void
on_done(const struct transfer_result *result, void *user)
{
	struct lane *l = user;
	char reason[200];

	l->transfer = NULL;
	if (result->status)
		snprintf(reason, sizeof(reason), "it answered %ld",
			result->status);
	else
		snprintf(reason, sizeof(reason), "%.199s", result->error);
	switch (retry_judge(result->status)) {
	case OUTCOME_DELIVERED:
		if (l->is_failing)
			sup_log(l->plugin, SUP_INFO,
				"%s: takes deliveries again",
				lane_target(l)->name);
		l->is_failing = false;
		l->delivered++;
		queue_remove_first(l->queue);
		break;
	case OUTCOME_RETRY:
		fail_first(l, result, reason);
		break;
	case OUTCOME_REFUSED:
		bury_first(l, reason, result->status);
		break;
	}
	if (l->stopped)
		l->on_idle(l->user);
	else
		lane_run(l);
}

/* ---- an attempt ---- */

struct head {
	char lines[HEADERS_SENT_MAX][HEADER_BYTES];
	const char *pointers[HEADERS_SENT_MAX + 1];
	size_t count;
};

static void __attribute__((format(printf, 2, 3)))
put_header(struct head *h, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(h->lines[h->count], HEADER_BYTES, format, arguments);
	va_end(arguments);
	h->pointers[h->count] = h->lines[h->count];
	h->count++;
}

static void
put_signature(struct head *h, const struct target *t, const char *body)
{
	const char *timestamp_header = sign_timestamp_header(t->sign);
	char value[SIGN_VALUE_BYTES], timestamp[24];

	if (t->sign == SIGN_NONE)
		return;
	snprintf(timestamp, sizeof(timestamp), "%" PRIu64, now_ms() / 1000);
	sign_make(t->sign, t->secret.items[0], timestamp, body, strlen(body),
		value);
	if (timestamp_header)
		put_header(h, "%s: %s", timestamp_header, timestamp);
	put_header(h, "%s: %s", sign_signature_header(t->sign), value);
}

static void
put_event(struct head *h, const char *body)
{
	json_t *map = json_loads(body, JSON_ALLOW_NUL, NULL);
	const char *event = json_string_value(json_object_get(map, "event"));

	if (event)
		put_header(h, "X-Event-Type: %s", event);
	json_decref(map);
}

static void
begin(struct lane *l, const struct queue_head *first, const char *body)
{
	const struct target *t = lane_target(l);
	struct head h = {.count = 0};
	struct transfer_order order = {.url = t->url,
		.ca = t->ca,
		.headers = h.pointers,
		.body = body,
		.body_bytes = first->body_bytes,
		.timeout_ms = t->timeout_ms,
		.done = on_done,
		.user = l};

	put_header(&h, "Content-Type: application/json");
	put_header(&h, "User-Agent: supd-webhook/1.0");
	put_header(&h, "Expect:");
	put_header(&h, "X-Delivery-Id: %s", first->id);
	put_event(&h, body);
	put_signature(&h, t, body);
	l->transfer = transfer_begin(l->transfers, &order);
}

static void
wait_for(struct lane *l, uint64_t ms)
{
	if (ms > WAIT_MS_MAX)
		ms = WAIT_MS_MAX;
	ev_timer_stop(sup_loop(l->plugin), &l->pause);
	ev_timer_set(&l->pause, (double)ms / 1000, 0);
	ev_timer_start(sup_loop(l->plugin), &l->pause);
}

/* Sends the first, or waits until it may. */
static void
lane_run(struct lane *l)
{
	struct queue_head first;
	uint64_t now = now_ms();
	char *body;

	if (l->stopped || l->transfer || !l->queue || ev_is_active(&l->pause) ||
		!queue_first(l->queue, &first))
		return;
	if (first.next_ms > now) {
		wait_for(l, first.next_ms - now);
		return;
	}
	body = queue_first_body(l->queue);
	if (body)
		begin(l, &first, body);
	free(body);
	if (!l->transfer) {
		quiet_log(&l->troubles, l->plugin,
			"%s: cannot begin a delivery: %s", lane_target(l)->name,
			strerror(errno));
		wait_for(l, lane_target(l)->retry_max_ms);
	}
}

static void
on_pause(struct ev_loop *loop, ev_timer *w, int events)
{
	lane_run(w->data);
}

/* ---- its life ---- */

int
lane_start(struct lane *l)
{
	l->stopped = false;
	ev_init(&l->pause, on_pause);
	l->pause.data = l;
	if (!l->queue)
		l->queue = queue_open(
			sup_data_dir(l->plugin), lane_target(l)->name);
	if (!l->queue) {
		sup_log(l->plugin, SUP_ERROR, "%s: cannot open its queue: %s",
			lane_target(l)->name, strerror(errno));
		return -1;
	}
	lane_run(l);
	return 0;
}

void
lane_stop(struct lane *l)
{
	l->stopped = true;
	ev_timer_stop(sup_loop(l->plugin), &l->pause);
}

bool
lane_is_idle(const struct lane *l)
{
	return !l->transfer;
}

void
lane_cut(struct lane *l)
{
	if (l->transfer)
		transfer_cancel(l->transfer);
	l->transfer = NULL;
}

void
lane_close(struct lane *l)
{
	queue_close(l->queue);
	l->queue = NULL;
}

const char *
lane_add(struct lane *l, const char *id, const char *body)
{
	const struct target *t = lane_target(l);
	const struct queue_limits limits = {t->queue_events, t->queue_bytes};
	uint64_t now = now_ms();

	if (!l->queue && lane_start(l))
		return "its queue cannot be opened";
	switch (queue_add(l->queue, &limits, id, now, body)) {
	case QUEUE_ADDED:
		lane_run(l);
		return NULL;
	case QUEUE_KNOWN:
		return NULL;
	case QUEUE_FULL:
		write_letter(l, &(struct letter){.id = id,
					.reason = "the queue is full",
					.body = body,
					.added_ms = now});
		return NULL;
	case QUEUE_FAILED:
		break;
	}
	return strerror(errno);
}
