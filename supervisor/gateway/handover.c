/* handover: the state of the old worker goes to its proven successor. Meanwhile
 * requests are held, so nothing happens that is not in the state; if it fails
 * the old one goes on with them. Knows no content. */
#include "proto/util/clock.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/transaction.h"

static void
fail(struct reload *r, const char *what)
{
	error_set(&r->error, "%s", what);
	reload_fail(r);
}

static void
done(struct reload *r)
{
	r->handed = true;
	wheel_clear(&r->gateway->wheel, &r->probation);
	state_blob_finish(&r->state_blob);
	reload_leave_phase(r, PHASE_STATE);
	if (r->set)
		set_on_handed(r);
	else
		commit_all(&r, 1);
}

/* The candidate starts empty. */
static void
lose(struct reload *r, const char *why)
{
	struct log_subject subject = {
		.plugin = r->plugin->id, .generation = r->generation};

	log_write(LOG_WARN, &subject, "%s: the state is lost: %s", r->id, why);
	r->state_lost = true;
	if (r->state == RELOAD_QUIESCING)
		reload_step(r, RELOAD_EVENT_TAKE);
	done(r);
}

/* It could be handed over, but one of them would not. */
static void
refuse(struct reload *r, const char *what, const struct error *why)
{
	struct error err = *why;

	error_prefix(&err, "%s: ", what);
	if (r->manifest->state.optional)
		lose(r, err.text);
	else
		fail(r, err.text);
}

/* The request in which the worker asked for this very reload ends after it. */
static uint32_t
owed_for(const struct reload *r, const struct worker *old)
{
	return r->asked_by == old->id ? 1 : 0;
}

static void
due(struct wheel_timer *t)
{
	struct reload *r = container_of(t, struct reload, probation);
	struct worker *old = plugin_serving(r->plugin);
	uint32_t unanswered = old ? worker_unanswered(old) : 0;
	uint32_t owed = old ? owed_for(r, old) : 0;
	struct error err;

	if (r->state == RELOAD_TAKING) {
		fail(r, "the new worker did not take the state in time");
	} else if (unanswered > owed) {
		error_set(&err,
			"%u requests in flight did not end in time (a forced "
			"reload ends them)",
			unanswered - owed);
		fail(r, err.text);
	} else {
		fail(r, "the old worker did not export its state in time");
	}
}

/* Held requests must not expire before the outcome. */
static uint64_t
limit_ms(const struct plugin *p)
{
	uint64_t drain_ms = p->config->limits.drain_timeout_ms;
	uint64_t hold_ms = p->config->limits.hold_timeout_ms;

	return hold_ms / 4 * 3 < drain_ms ? hold_ms / 4 * 3 : drain_ms;
}

static void
export_now(struct reload *r)
{
	struct error err;

	r->plugin->hold_passes = 0;
	if (worker_ask_export(plugin_serving(r->plugin), &err) < 0)
		refuse(r, "the old worker cannot be asked for its state", &err);
}

static void
go(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct reload *r = container_of(timer, struct reload, kick);
	struct worker *old = plugin_serving(r->plugin);

	(void)loop, (void)events;
	if (old && r->force)
		worker_end_requests(old, "ended by a forced reload");
	old = plugin_serving(r->plugin);
	if (!old || !old->manifest->state.export)
		lose(r, "the old worker is gone");
	else if (r->force || worker_await_quiet(old, owed_for(r, old)))
		export_now(r);
}

static void
go_soon(struct reload *r)
{
	struct gateway *g = r->gateway;

	ev_timer_stop(g->loop, &r->kick);
	ev_timer_init(&r->kick, go, 0, 0);
	ev_timer_start(g->loop, &r->kick);
}

bool
handover_begin(struct reload *r)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct worker *old = plugin_serving(p);

	if (!old || r->prove || !old->manifest->state.export ||
		!r->manifest->state.export)
		return false;
	r->hands = true;
	p->is_held = true;
	p->hold_passes = old->id;
	reload_step(r, RELOAD_EVENT_QUIESCE);
	reload_enter_phase(r, PHASE_STATE);
	r->probation.fire = due;
	wheel_set(&g->wheel, &r->probation, clock_ms() + limit_ms(p));
	go_soon(r);
	return true;
}

/* The candidate went down meanwhile: what the old one says changes nothing, the
 * transaction fails as soon as it is known how that one ended. */
static bool
is_lost(const struct reload *r)
{
	return !r->proven;
}

void
handover_on_quiet(struct reload *r)
{
	if (!is_lost(r))
		export_now(r);
}

void
handover_on_exported(
	struct reload *r, struct state_blob *state, const struct error *err)
{
	struct worker *old = plugin_serving(r->plugin);
	struct error why;

	if (is_lost(r))
		return;
	if (err) {
		refuse(r, "the old worker did not export its state", err);
		return;
	}
	if (state->version != old->manifest->state.version) {
		error_set(&why, "version %lld, its manifest says %u",
			(long long)state->version,
			old->manifest->state.version);
		refuse(r, "the old worker exports another version of its state",
			&why);
		return;
	}
	r->state_blob = *state;
	*state = (struct state_blob){0};
	reload_step(r, RELOAD_EVENT_TAKE);
	if (worker_ask_import(r->fresh, &r->state_blob, &why) < 0)
		refuse(r, "the new worker cannot be given the state", &why);
}

void
handover_on_imported(struct reload *r, const struct error *err)
{
	if (err) {
		refuse(r, "the new worker refused the state", err);
		return;
	}
	r->state_bytes = (int64_t)buffer_length(&r->state_blob.bytes);
	done(r);
}

void
handover_on_old_down(struct reload *r, bool reverted)
{
	if (is_lost(r))
		return;
	if (reverted)
		go_soon(r);
	else
		lose(r, "the old worker went down");
}

void
handover_end(struct reload *r)
{
	struct worker *old = plugin_serving(r->plugin);

	if (!r->hands)
		return;
	wheel_clear(&r->gateway->wheel, &r->probation);
	r->plugin->is_held = false;
	r->plugin->hold_passes = 0;
	if (old && r->state == RELOAD_QUIESCING)
		worker_ask_end(old);
	state_blob_finish(&r->state_blob);
}
