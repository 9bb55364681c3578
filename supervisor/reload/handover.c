/* handover: passes the state of the old worker to its proven successor.
 * Requests are held meanwhile, so that nothing happens that the state does not
 * contain. If the hand-over fails, the old worker serves them. The content is
 * opaque here. */
#include "proto/util/clock.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/reload/transaction.h"

/* The limit of an export in a forced reload: enough for a worker that responds
 * at all. */
#define FORCED_EXPORT_MS 1000

/* Gives the state up: the candidate starts empty. */
static void
lose(struct reload *r, const char *why)
{
	struct log_subject subject = {.plugin = r->plugin->id,
		.generation = r->generation,
		.reload = r->id};

	log_write(LOG_WARN, &subject, "%s: the state is lost: %s", r->id, why);
	r->handover.lost = true;
	state_blob_finish(&r->handover.blob);
	reload_advance(r);
}

/* A worker refused to export or import: loses the state, or fails the reload if
 * that is not allowed. */
static void
refuse(struct reload *r, bool may_lose, const char *what,
	const struct error *why)
{
	struct error err = *why;

	error_prefix(&err, "%s: ", what);
	if (may_lose || r->manifest->state.optional)
		lose(r, err.text);
	else
		reload_fail_with(r, err.text);
}

/* ---- export, by the old worker ---- */

bool
handover_exports(const struct reload *r)
{
	const struct worker *old = plugin_serving(r->plugin);

	return old && old->manifest->state.export && r->manifest->state.export;
}

/* The deadline from the begin of the hand-over on, early enough that held
 * requests do not expire before the outcome. */
static uint64_t
deadline_within(const struct reload *r, uint64_t most_ms)
{
	const struct plugin_limits *limits = &r->plugin->config->limits;
	uint64_t ms = limits->hold_timeout_ms / 4 * 3;

	if (r->takeover.begun)
		return takeover_half(r);
	if (ms > limits->drain_timeout_ms)
		ms = limits->drain_timeout_ms;
	if (ms > most_ms)
		ms = most_ms;
	return r->figures.phase_us / 1000 + ms;
}

uint64_t
handover_deadline(const struct reload *r)
{
	return deadline_within(r, UINT64_MAX);
}

/* A forced reload neither waits for the old worker nor fails because of it. */
uint64_t
handover_export_deadline(const struct reload *r)
{
	return deadline_within(r, r->force ? FORCED_EXPORT_MS : UINT64_MAX);
}

/* If the worker itself asked for this reload, its request ends only after the
 * reload, so one answer may be owed. */
uint32_t
reload_owed(const struct reload *r, const struct worker *old)
{
	return r->asked_by == old->id ? 1 : 0;
}

void
handover_hold(struct reload *r)
{
	struct plugin *p = r->plugin;

	r->handover.begun = true;
	p->is_held = true;
	p->hold_passes = plugin_serving(p)->id;
}

static void
export_now(struct reload *r)
{
	struct error err;

	r->plugin->hold_passes = 0;
	if (worker_ask_export(plugin_serving(r->plugin), &err) < 0)
		refuse(r, r->force, "cannot ask the old worker for its state",
			&err);
}

void
handover_begin(struct reload *r)
{
	struct worker *old = plugin_serving(r->plugin);

	if (old && r->force)
		worker_end_requests(old, "ended by a forced reload");
	old = plugin_serving(r->plugin);
	if (!old || !old->manifest->state.export)
		lose(r, "the old worker is gone");
	else if (r->force || worker_await_quiet(old, reload_owed(r, old)))
		export_now(r);
}

void
handover_on_quiet(struct reload *r)
{
	export_now(r);
}

void
handover_on_exported(
	struct reload *r, struct state_blob *state, const struct error *err)
{
	struct worker *old = plugin_serving(r->plugin);
	struct error why;

	if (err) {
		refuse(r, r->force, "the old worker did not export its state",
			err);
		return;
	}
	if (state->version != old->manifest->state.version) {
		error_set(&why, "version %lld, its manifest says %u",
			(long long)state->version,
			old->manifest->state.version);
		refuse(r, r->force,
			"the old worker exports another version of its state",
			&why);
		return;
	}
	r->handover.blob = *state;
	*state = (struct state_blob){0};
	reload_advance(r);
}

void
reload_fail_late(struct reload *r, const char *why)
{
	const struct worker *old = plugin_serving(r->plugin);
	uint32_t unanswered = old ? worker_unanswered(old) : 0;
	uint32_t owed = old ? reload_owed(r, old) : 0;
	struct error err;

	if (unanswered > owed) {
		error_set(&err,
			"%u requests in flight did not end in time (a forced "
			"reload ends them)",
			unanswered - owed);
		reload_fail_with(r, err.text);
	} else {
		reload_fail_with(r, why);
	}
}

void
handover_on_export_due(struct reload *r)
{
	struct worker *old = plugin_serving(r->plugin);

	if (!r->force) {
		reload_fail_late(
			r, "the old worker did not export its state in time");
		return;
	}
	if (old)
		worker_ask_end(old);
	lose(r, "the old worker did not export it in time, and the reload is "
		"forced");
}

void
handover_on_old_down(struct reload *r, bool reverted)
{
	if (reverted)
		reload_soon(r);
	else
		lose(r, "the old worker ended");
}

/* ---- import, by the candidate ---- */

bool
handover_imports(const struct reload *r)
{
	return r->handover.begun && !r->handover.lost;
}

void
handover_import(struct reload *r)
{
	struct error why;

	if (worker_ask_import(r->fresh, &r->handover.blob, &why) < 0)
		refuse(r, false, "cannot send the state to the new worker",
			&why);
}

void
handover_on_imported(
	struct reload *r, struct state_blob *state, const struct error *err)
{
	(void)state;
	if (err) {
		refuse(r, false, "the new worker refused the state", err);
		return;
	}
	r->handover.bytes = (int64_t)buffer_length(&r->handover.blob.bytes);
	state_blob_finish(&r->handover.blob);
	reload_advance(r);
}

void
handover_on_import_due(struct reload *r)
{
	reload_fail_with(r, "the new worker did not take the state in time");
}

/* ---- the end ---- */

void
handover_release(struct reload *r)
{
	if (!r->handover.begun && !r->takeover.begun)
		return;
	r->plugin->is_held = r->plugin->keeps_held = false;
	r->plugin->hold_passes = 0;
}

void
handover_undo(struct reload *r)
{
	struct worker *old = plugin_serving(r->plugin);

	if (!r->handover.begun)
		return;
	handover_release(r);
	if (old)
		worker_ask_end(old);
}
