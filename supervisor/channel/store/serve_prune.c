/* serve_prune: when the pruner runs. A round is made of small steps with pauses
 * between them, so that requests wait for one step at most. */
#include "proto/util/clock.h"
#include "supervisor/channel/store/serve_parts.h"

#define STEP_S 0.005
#define ROUND_MIN_MS 1000
#define ROUND_MAX_MS 60000

static void
wait_for(struct serve *s, double seconds)
{
	ev_timer_stop(s->loop, &s->pruner);
	ev_timer_set(&s->pruner, seconds, 0.);
	ev_timer_start(s->loop, &s->pruner);
}

static void
begin_round(struct serve *s)
{
	prune_begin(&s->prune);
	s->is_pruning = true;
	wait_for(s, STEP_S);
}

static void
end_round(struct serve *s)
{
	uint64_t pause_ms = s->keep_ms / 10;
	int over = prune_is_over(&s->db, s->max_bytes);

	if (over < 0) {
		serve_give_up(s, s->db.reason.text);
		return;
	}
	s->is_pruning = false;
	if (s->is_over && !over)
		serve_set_trouble(s, "");
	s->is_over = over;
	if (over)
		serve_set_trouble(s, "the message store has reached "
				     "messages.max with messages that are not "
				     "finished");
	if (pause_ms < ROUND_MIN_MS || over)
		pause_ms = ROUND_MIN_MS;
	if (pause_ms > ROUND_MAX_MS)
		pause_ms = ROUND_MAX_MS;
	wait_for(s, (double)pause_ms / 1000);
}

static void
on_time(struct ev_loop *loop, ev_timer *w, int events)
{
	struct serve *s = container_of(w, struct serve, pruner);
	int result;

	serve_end_group(s);
	if (s->status)
		return;
	if (!s->is_pruning) {
		begin_round(s);
		return;
	}
	result = prune_step(
		&s->prune, &s->db, s->keep_ms, s->max_bytes, clock_wall_ms());
	if (result > 0) {
		wait_for(s, STEP_S);
	} else if (result == 0) {
		end_round(s);
	} else {
		serve_fail(s);
		serve_end_group(s);
		if (!s->status)
			end_round(s);
	}
}

void
serve_prune_start(struct serve *s)
{
	ev_timer_init(&s->pruner, on_time, 0., 0.);
	wait_for(s, ROUND_MIN_MS / 1000.);
}

void
serve_prune_stop(struct serve *s)
{
	ev_timer_stop(s->loop, &s->pruner);
}

void
serve_prune_look(struct serve *s)
{
	int over;

	if (s->is_pruning || s->is_over)
		return;
	over = prune_is_over(&s->db, s->max_bytes);
	if (over < 0)
		serve_give_up(s, s->db.reason.text);
	else if (over)
		begin_round(s);
}
