/* steps: moves a transaction from state to state by the program of its kind,
 * and calls the functions in the rows of its states. Also keeps its deadline
 * and the times of its phases. */
#include <assert.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/transaction.h"

const struct reload_row *
reload_row(const struct reload *r)
{
	return &reload_rows[r->state];
}

const struct reload_program *
reload_program(const struct reload *r)
{
	return &reload_programs[r->kind];
}

bool
reload_has_ended_early(const struct reload *r)
{
	return r->state == RELOAD_SETTLED && !r->figures.committed_us;
}

/* ---- phases ---- */

static void
enter_phase(struct reload *r, enum receipt_phase phase)
{
	double since = (double)(clock_us() - r->figures.begun_us) / 1000;

	r->figures.phase_us = clock_us();
	news_phase(r, phase, since);
	list_for_each_safe (node, &r->watchers) {
		struct reload_watcher *w =
			container_of(node, struct reload_watcher, node);

		if (w->on_phase)
			w->on_phase(w, r->plugin->id,
				receipt_phase_texts[phase], since);
	}
}

static void
trace_phase(struct reload *r, enum receipt_phase phase)
{
	struct tracer *tracer = &r->gateway->workers.tracer;
	struct trace_span span;

	tracer_begin(tracer, &r->span.context, &span);
	if (!trace_is_sampled(&span))
		return; /* turned off meanwhile */
	tracer_end_step(tracer, &(const struct tracer_step){
					.span = &span,
					.began_us = r->figures.phase_us,
					.kind = SPAN_INTERNAL,
					.name = receipt_phase_texts[phase],
					.plugin_id = r->plugin->id,
					.generation = r->generation,
					.id = r->id,
				});
}

void
reload_leave_phase(struct reload *r)
{
	double *ms = &r->figures.phase_ms[reload_row(r)->phase];

	if (*ms >= 0)
		return;
	*ms = (double)(clock_us() - r->figures.phase_us) / 1000;
	if (reload_row(r)->phase && trace_is_sampled(&r->span))
		trace_phase(r, reload_row(r)->phase);
}

/* ---- states ---- */

static void
deadline_due(struct wheel_timer *t)
{
	struct reload *r = container_of(t, struct reload, deadline);

	reload_row(r)->on_due(r);
}

static void
soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct reload *r = container_of(timer, struct reload, soon);

	(void)loop, (void)events;
	reload_row(r)->soon(r);
}

void
reload_soon(struct reload *r)
{
	ev_timer_stop(r->gateway->loop, &r->soon);
	ev_timer_init(&r->soon, soon, 0, 0);
	ev_timer_start(r->gateway->loop, &r->soon);
}

static void
log_move(const struct reload *r, enum reload_state to)
{
	struct log_subject subject = {
		.plugin = r->plugin->id, .generation = r->generation};

	if (log_is_on(LOG_DEBUG))
		log_write(LOG_DEBUG, &subject, "reload %s %s->%s", r->id,
			reload_state_texts[r->state], reload_state_texts[to]);
}

/* Moves to a state: starts its phase, deadline and soon(), but does not call
 * enter(). */
static void
move(struct reload *r, enum reload_state to)
{
	const struct reload_row *from = reload_row(r), *row = &reload_rows[to];
	struct gateway *g = r->gateway;

	wheel_clear(&g->wheel, &r->deadline);
	ev_timer_stop(g->loop, &r->soon);
	log_move(r, to);
	r->state = to;
	if (row->phase && row->phase != from->phase)
		enter_phase(r, row->phase);
	if (row->deadline) {
		r->deadline.fire = deadline_due;
		wheel_set(&g->wheel, &r->deadline, row->deadline(r));
	}
	if (row->soon)
		reload_soon(r);
}

enum reload_state
reload_following(const struct reload *r)
{
	enum reload_state s = r->state;

	do
		s = reload_program_next(r->kind, s);
	while (reload_rows[s].applies && !reload_rows[s].applies(r));
	return s;
}

void
reload_step(struct reload *r)
{
	enum reload_state to = reload_following(r);

	if (reload_rows[to].phase != reload_row(r)->phase)
		reload_leave_phase(r);
	move(r, to);
}

void
reload_enter(struct reload *r)
{
	if (reload_row(r)->enter)
		reload_row(r)->enter(r);
}

void
reload_advance(struct reload *r)
{
	reload_step(r);
	reload_enter(r);
}

void
reload_end(struct reload *r)
{
	reload_leave_phase(r);
	move(r, RELOAD_SETTLED);
	reload_enter(r);
}

void
reload_go_otherwise(struct reload *r)
{
	move(r, RELOAD_QUEUED);
	r->kind = reload_program(r)->otherwise;
	reload_advance(r);
}

void
reload_revert(struct reload *r)
{
	move(r, RELOAD_REVERTED);
	reload_enter(r);
}

/* ---- failure ---- */

void
reload_await_exit(struct reload *r)
{
	r->failed_in = r->state;
	move(r, RELOAD_FAILING);
}

enum reload_state
reload_failed_in(const struct reload *r)
{
	return r->state == RELOAD_FAILING || r->state == RELOAD_GIVING_BACK
		       ? r->failed_in
		       : r->state;
}

void
reload_give_back(struct reload *r)
{
	r->failed_in = reload_failed_in(r);
	reload_leave_phase(r);
	move(r, RELOAD_GIVING_BACK);
	ev_timer_stop(
		r->gateway->loop, &r->soon); /* takeover_give() is later */
	reload_enter(r);
}

void
reload_roll_back(struct reload *r)
{
	const enum reload_state *states = reload_program(r)->states;
	enum reload_state in = reload_failed_in(r);
	size_t at = 0;

	assert(reload_rows[in].failed);
	while (states[at] != in)
		at++;
	for (size_t i = at + 1; i-- > 0;)
		if (reload_rows[states[i]].undo)
			reload_rows[states[i]].undo(r);
	move(r, RELOAD_ROLLED_BACK);
}
