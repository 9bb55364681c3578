/* events: news of workers goes to the use case that waits for it. Decides
 * only who that is. */
#include "proto/util/clock.h"
#include "supervisor/gateway/build.h"
#include "supervisor/gateway/crash.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/transaction.h"

#include <stdio.h>
#include <string.h>

/* The transaction that waits for this worker to prove itself, or NULL. */
static struct reload *
candidacy(const struct worker *w)
{
	struct plugin *p = w->owner;

	return p->candidate == w ? p->reload : NULL;
}

static void
on_hello(struct worker *w)
{
	struct reload *r = candidacy(w);

	if (r)
		reload_on_hello(r);
}

static int
on_declared(struct worker *w, struct error *err)
{
	struct reload *r = candidacy(w);

	return r ? reload_on_declared(r, err)
		 : error_set(err, "nobody waits for this worker");
}

static void
on_proven(struct worker *w)
{
	struct reload *r = candidacy(w);

	if (r)
		reload_on_proven(r);
}

static void
active_down(struct plugin *p, struct worker *w)
{
	struct gateway *g = p->gateway;
	bool reverted, served = clock_ms() - w->serving_ms >= CRASH_SERVED_MS;

	p->active = NULL;
	list_append(&p->others, &w->node);
	route_table_point(g->routes, p->number, 0);
	p->counters.crashes++;
	news_crash(p, w);
	snprintf(p->failure, sizeof(p->failure), "%s", w->error.text);
	reverted = settle_revert(p, w);
	if (p->reload)
		reload_on_active_down(p->reload, reverted);
	else if (!reverted)
		crash_restart(p, served);
}

static void
on_down(struct worker *w, enum worker_state was)
{
	struct plugin *p = w->owner;

	(void)was;
	if (candidacy(w))
		reload_on_candidate_down(p->reload);
	else if (p->active == w)
		active_down(p, w);
	else
		settle_forget(p, w);
}

static void
on_drained(struct worker *w)
{
	struct plugin *p = w->owner;

	if (p->reload && p->reload->old == w)
		halt_on_drained(p->reload);
	else
		settle_on_drained(p, w);
}

static void
on_orphan(struct worker *w, struct request *r)
{
	struct plugin *p = w->owner;

	dispatch_orphan(p->gateway, p, w, r);
}

static void
on_asked(struct worker *w, struct state_blob *state, const struct error *err)
{
	struct plugin *p = w->owner;
	struct reload *r = p->reload;

	if (!r)
		return;
	if (r->state == RELOAD_CONFIGURING && w == p->active)
		configure_on_answer(r, err);
	else if (r->state == RELOAD_QUIESCING && w == p->active)
		handover_on_exported(r, state, err);
	else if (r->state == RELOAD_TAKING && w == p->candidate)
		handover_on_imported(r, err);
}

static void
on_quiet(struct worker *w)
{
	struct plugin *p = w->owner;

	if (p->reload && p->reload->state == RELOAD_QUIESCING && w == p->active)
		handover_on_quiet(p->reload);
}

static void
on_room(struct worker *w)
{
	struct plugin *p = w->owner;

	if (p->active == w)
		dispatch_release(p->gateway, p);
}

static void
on_call(struct worker *w, const struct message *m)
{
	struct gateway *g = ((struct plugin *)w->owner)->gateway;

	if (g->on_call)
		g->on_call(g, w, m);
	else
		worker_refuse_call(
			w, m->id, WIRE_NOT_FOUND, "nobody takes calls");
}

static void
on_emit(struct worker *w, const struct message *m)
{
	news_emit(w->owner, codec_bytes(&m->params[0]), &m->params[1]);
}

/* Its connection was lost before it was known how it ended: now it is. */
static void
complete_failure(struct plugin *p, const struct worker *w)
{
	size_t length = strlen(p->failure);

	if (length && !strcmp(p->failure, w->error.text) &&
		!strstr(p->failure, w->exit_text))
		snprintf(p->failure + length, sizeof(p->failure) - length,
			": %s", w->exit_text);
}

static void
on_worker_exit(struct worker *w)
{
	struct plugin *p = w->owner;
	struct gateway *g = p->gateway;
	struct reload *halted;

	if (candidacy(w))
		reload_on_candidate_exit(p->reload);
	halted = p->reload && p->reload->old == w ? p->reload : NULL;
	complete_failure(p, w);
	settle_forget(p, w);
	list_remove(&w->node);
	if (p->active == w)
		p->active = NULL;
	build_clean_stage(p, w);
	p->counters.answered += w->answered_total;
	worker_destroy(w);
	if (halted)
		halt_on_exit(halted);
	gateway_on_worker_gone(g, p);
}

const struct worker_ops gateway_worker_ops = {
	.on_hello = on_hello,
	.on_declared = on_declared,
	.on_proven = on_proven,
	.on_down = on_down,
	.on_drained = on_drained,
	.on_orphan = on_orphan,
	.on_room = on_room,
	.on_asked = on_asked,
	.on_quiet = on_quiet,
	.on_call = on_call,
	.on_emit = on_emit,
	.on_exit = on_worker_exit,
};
