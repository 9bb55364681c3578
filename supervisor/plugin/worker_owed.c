/* worker_owed: notices a worker that leaves cancelled requests without answers.
 * They keep their places until it answers, so that it is never given more work
 * than max_in_flight. If they have half of the places and the worker answers
 * none of them, it would soon serve nobody: it goes down as if it had missed a
 * ping. With ping_timeout 0 there is only a line in the log. */
#include "supervisor/plugin/worker_private.h"

/* A worker may need as long again for a request as its caller waited. */
static uint64_t
limit_ms(const struct worker *w)
{
	const struct plugin_limits *limits = &w->config->limits;

	return limits->ping_timeout_ms > limits->request_timeout_ms
		       ? limits->ping_timeout_ms
		       : limits->request_timeout_ms;
}

static bool
is_much(const struct worker *w)
{
	uint64_t owed = w->left_count - w->private->left_tasks;

	return owed && owed * 2 >= w->config->limits.max_in_flight;
}

static void
give_up(struct worker *w)
{
	struct worker_private *p = w->private;
	struct log_subject subject = {.plugin = w->plugin_id,
		.generation = w->generation,
		.pid = w->pid};
	struct error why;
	char text[24];

	error_set(&why,
		"the worker does not answer requests that timed out or were "
		"cancelled: %u of them are open, and none was answered for %s",
		w->left_count - p->left_tasks,
		worker_duration(limit_ms(w), text));
	if (w->config->limits.ping_timeout_ms) {
		w->cut = WORKER_CUT_OWED;
		worker_fail(w, "%s", why.text);
	} else if (!p->owed_reported) {
		p->owed_reported = true;
		log_write(LOG_WARN, &subject,
			"%s; they take %u of its %u places (max_in_flight)",
			why.text, w->left_count - p->left_tasks,
			w->config->limits.max_in_flight);
	}
}

static void
owed_fire(struct wheel_timer *timer)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, owed_due);
	struct worker *w = p->worker;
	uint64_t now = clock_ms(), due = p->owed_since_ms + limit_ms(w);

	if (!is_much(w)) {
		p->owed_reported = false;
		return;
	}
	if (now < due) {
		wheel_set(p->workers->wheel, timer, due);
		return;
	}
	wheel_set(p->workers->wheel, timer, now + limit_ms(w));
	if (w->state == WORKER_SERVING)
		give_up(w);
}

void
owed_init(struct worker *w)
{
	wheel_timer_init(&w->private->owed_due, owed_fire);
}

void
owed_more(struct worker *w)
{
	struct worker_private *p = w->private;

	if (wheel_timer_is_set(&p->owed_due) || !is_much(w))
		return;
	p->owed_since_ms = clock_ms();
	wheel_set(p->workers->wheel, &p->owed_due,
		p->owed_since_ms + limit_ms(w));
}

void
owed_less(struct worker *w)
{
	w->private->owed_since_ms = clock_ms();
}

void
owed_end(struct worker *w)
{
	wheel_clear(w->private->workers->wheel, &w->private->owed_due);
}
