/* fallback: the order in which package and proven stages are tried. */
#include "supervisor/reload/fallback.h"

#include "supervisor/reload/crash.h"
#include "supervisor/reload/older.h"
#include "supervisor/reload/stage_check.h"

/* The proven stage needs no room on disk, so it is tried when a copy of the
 * package found none. */
static bool
stage_is_next(const struct reload *r)
{
	if (r->fallback || reload_program(r)->stops ||
		r->source != PLUGIN_FROM_PACKAGE)
		return false;
	if (r->error.shortage && r->stage_dir)
		return false;
	return r->plugin->store.proven_generation != 0;
}

static void
start_from_stage(const struct reload *r)
{
	struct plugin *p = r->plugin;
	struct reload_options options = {
		.trigger = r->trigger, .source = PLUGIN_FROM_STAGE};

	if (reload_begin(r->gateway, p, &options, NULL, NULL, NULL) !=
		RELOAD_ACCEPTED)
		return;
	p->reload->fallback = "last proven stage";
	p->reload->is_retry = r->is_retry;
}

/* A retry begins with the original source, not with the fallback. */
static enum plugin_source
retry_from(const struct reload *r)
{
	return r->fallback && r->source == PLUGIN_FROM_STAGE
		       ? PLUGIN_FROM_PACKAGE
		       : r->source;
}

void
fallback_begin(struct reload *r)
{
	struct plugin *p = r->plugin;

	if (r->takeover.is_lost)
		return; /* it has failed: takeover_give_up() */
	if (!r->error.shortage)
		p->crash.starved = 0;
	if (p->reload || r->gateway->stopping || p->removed || p->stopped ||
		!p->enabled || plugin_serving(p))
		return;
	if (stage_is_next(r))
		start_from_stage(r);
	else if (r->error.shortage)
		crash_retry(p, retry_from(r));
	else if (r->source == PLUGIN_FROM_STAGE)
		stage_check_begin(p, r->source, r->manifest);
	else if (older_is_next(r))
		older_begin(r);
	else
		crash_restart(p, false);
}
