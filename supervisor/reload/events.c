/* events: passes news of workers to the part of reload/ that waits for it. It
 * only decides which part that is. */
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/reload/build.h"
#include "supervisor/reload/crash.h"
#include "supervisor/channel/channel.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/ws_move.h"
#include "supervisor/reload/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The transaction whose candidate this worker is, or NULL. */
static struct reload *
candidacy(const struct worker *w)
{
	struct plugin *p = w->owner;

	return p->candidate == w ? p->reload : NULL;
}

/* Advances the transaction if its state awaits this cue. */
static void
give_cue(struct worker *w, enum reload_cue cue)
{
	struct reload *r = candidacy(w);

	if (r && reload_row(r)->cue == cue)
		reload_advance(r);
}

static void
on_hello(struct worker *w)
{
	give_cue(w, CUE_HELLO);
}

static int
on_declared(struct worker *w, struct error *err)
{
	struct reload *r = candidacy(w);

	return r ? reload_on_declared(r, err)
		 : error_set(err, "no transaction awaits this worker");
}

static void
on_proven(struct worker *w)
{
	give_cue(w, CUE_PROVEN);
}

static void
tell_old_down(struct reload *r, bool reverted)
{
	if (reload_row(r)->on_old_down)
		reload_row(r)->on_old_down(r, reverted);
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
	free(p->last_crash);
	p->last_crash = memory_copy_text(w->error.text);
	p->last_crash_worker = w->id;
	news_crash(p, w);
	text_format(p->failure, sizeof(p->failure), "%s", w->error.text);
	/* in a take-over the candidate takes */
	reverted = !(p->reload && p->reload->takeover.begun) &&
		   settle_revert(p, w);
	if (p->reload)
		account_keep_old(p->reload, w);
	if (p->reload)
		tell_old_down(p->reload, reverted);
	else if (!reverted)
		crash_restart(p, served);
}

static void
on_down(struct worker *w, enum worker_state was)
{
	struct plugin *p = w->owner;

	(void)was;
	p->counters.cut[w->cut]++;
	services_down(w);
	offer_forget(p, w);
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
	struct reload *r = reload_find_by_old(w->owner, w);

	if (w->state != WORKER_STANDBY)
		return;
	services_retire(w, SERVICES_ALL);
	if (!r)
		services_end(w);
	else if (reload_row(r)->on_old_drained)
		reload_row(r)->on_old_drained(r);
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
	struct worker *const parties[] = {
		[PARTY_ACTIVE] = p->active, [PARTY_CANDIDATE] = p->candidate};

	if (r && parties[reload_row(r)->asked] == w)
		reload_row(r)->on_answer(r, state, err);
}

static void
on_quiet(struct worker *w)
{
	struct plugin *p = w->owner;
	struct reload *r = p->reload;

	if (r && w == p->active && reload_row(r)->on_quiet)
		reload_row(r)->on_quiet(r);
}

static void
on_room(struct worker *w)
{
	struct plugin *p = w->owner;

	if (p->active == w)
		dispatch_release(p->gateway, p);
	ws_conns_uncongested(p->gateway);
}

static void
on_conn(struct worker *w, const struct message *m)
{
	ws_conn_message(((struct plugin *)w->owner)->gateway, w, m);
}

static void
on_conns_due(struct worker *w)
{
	ws_move_end_some(w->owner, w);
}

static void
on_conns_lost(struct worker *w)
{
	ws_move_lose(w->owner, w);
}

static void
on_call(struct worker *w, const struct message *m)
{
	struct gateway *g = ((struct plugin *)w->owner)->gateway;

	if (g->on_call)
		g->on_call(g, w, m);
	else
		worker_refuse_call(
			w, m->id, WIRE_NOT_FOUND, "calls are not accepted");
}

static void
on_offer(struct worker *w, const struct message *m)
{
	offer_from(w, m);
}

static void
on_channel(struct worker *w, const struct message *m)
{
	channels_take(w, m);
}

static void
on_emit(struct worker *w, const struct message *m)
{
	struct plugin *p = w->owner;
	struct worker_chain calls = {0};
	uint64_t request = m->param_count > 2 ? m->params[2].via.u64 : 0;

	if (request && !worker_chain(w, request, &calls))
		p->counters.calls_stray++;
	news_emit(p, codec_bytes(&m->params[0]), &m->params[1], calls.chain);
}

/* Updates a failure that was reported when the connection was lost: w->error
 * now has the exit status, too. */
static void
complete_failure(struct plugin *p, const struct worker *w)
{
	size_t length = strlen(p->failure);

	if (length && !strncmp(p->failure, w->error.text, length))
		text_format(
			p->failure, sizeof(p->failure), "%s", w->error.text);
	if (p->last_crash_worker == w->id) {
		free(p->last_crash);
		p->last_crash = memory_copy_text(w->error.text);
	}
}

static void
note_exit(struct plugin *p, const struct worker *w)
{
	if (!w->trace.text[0])
		return;
	p->last_exit = w->trace;
	p->last_exit_generation = w->generation;
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
	note_exit(p, w);
	settle_forget(p, w);
	list_remove(&w->node);
	if (p->active == w)
		p->active = NULL;
	build_clean_stage(p, w);
	p->counters.answered += w->answered_total;
	services_destroy(w);
	offer_forget(p, w);
	worker_destroy(w);
	if (halted && reload_row(halted)->on_old_exit)
		reload_row(halted)->on_old_exit(halted);
	g->on_worker_gone(g, p);
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
	.on_task = services_on_task,
	.on_status = services_on_status,
	.on_quiet = on_quiet,
	.on_call = on_call,
	.on_offer = on_offer,
	.on_channel = on_channel,
	.on_conn = on_conn,
	.on_conns_due = on_conns_due,
	.on_conns_lost = on_conns_lost,
	.on_emit = on_emit,
	.on_exit = on_worker_exit,
};
