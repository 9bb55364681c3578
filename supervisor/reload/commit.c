/* commit: the swap of rows, slots, workers and held requests, of one plugin or
 * of all members of a set, in one callback of the loop. Everything that can
 * fail comes before the first change. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/event/services.h"
#include "supervisor/reload/build.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/ws_move.h"
#include "supervisor/ops/probes.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/schedule/schedule.h"

/* ---- rows ---- */

static const char *
name_of_plugin(uint32_t number, void *user)
{
	struct plugin *p = gateway_plugin_by_number(user, number);

	return p ? p->id : "?";
}

struct route_edit *
reload_prepare_rows(struct plugin *p, const struct registration_set *set,
	const struct plugin_config *config, struct error *err)
{
	struct gateway *g = p->gateway;

	return route_edit_prepare(g->routes, p->number, set, config->mount,
		config->namespace, name_of_plugin, g, err);
}

static bool
has_declared(const struct reload *r)
{
	return r->fresh && r->fresh->state >= WORKER_CHECKING &&
	       r->fresh->state < WORKER_STOPPING;
}

static struct route_wish
wish_of(const struct reload *r)
{
	struct route_wish wish = {.plugin = r->plugin->number};

	if (has_declared(r)) {
		wish.set = &r->fresh->registrations;
		wish.mount = r->config->mount;
		wish.name_space = r->config->namespace;
	}
	return wish;
}

/* Prepares the other members first, so that a refusal concerns r. */
int
commit_check(struct reload *r, struct error *err)
{
	struct gateway *g = r->gateway;
	struct list *others = NULL;
	struct route_wish *wishes;
	size_t count = 0, capacity = 1;
	int result;

	if (r->set && r->set->is_atomic)
		others = &r->set->members;
	if (others)
		list_for_each (node, others)
			capacity++;
	wishes = memory_alloc(capacity * sizeof(*wishes));
	if (others)
		list_for_each (node, others)
			if (node != &r->member)
				wishes[count++] = wish_of(container_of(
					node, struct reload, member));
	wishes[count++] = wish_of(r);
	result = route_edit_prepare_all(
		g->routes, wishes, count, name_of_plugin, g, err);
	for (size_t i = 0; i < count; i++)
		route_edit_discard(wishes[i].edit);
	free(wishes);
	return result;
}

/* A new worker may have closed its connection a moment ago, see worker_end.c.
 * -1: one of them has; that member has failed, and its set with it. */
static int
check_connections(struct reload **members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct reload *r = members[i];

		if (!r->fresh || !worker_is_closed(r->fresh))
			continue;
		error_set(&r->error, "the worker closed its connection");
		reload_fail(r);
		return -1;
	}
	return 0;
}

/* Prepares the edits of all members. -1: one was refused; that member has
 * failed, and its set with it. */
static int
prepare_all(struct reload **members, struct route_wish *wishes, size_t count)
{
	struct gateway *g = members[0]->gateway;
	struct error err;

	if (check_connections(members, count) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		wishes[i] = wish_of(members[i]);
	if (route_edit_prepare_all(
		    g->routes, wishes, count, name_of_plugin, g, &err) == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!wishes[i].refused)
			continue;
		members[i]->error = err;
		reload_fail(members[i]);
		break;
	}
	return -1;
}

/* ---- the swap ---- */

static void
note_change(struct reload *r)
{
	const struct worker *old = plugin_serving(r->plugin);

	if (old)
		account_note_old(r, old);
	r->figures.registered = account_counts(&r->fresh->registrations);
	r->figures.dropped =
		account_dropped(old ? &old->registrations : &r->figures.before,
			&r->fresh->registrations);
}

static void
swap(struct reload *r, struct route_edit *edit, struct route_changes *changes)
{
	struct plugin *p = r->plugin;

	takeover_note_end(r);
	handover_release(r);
	r->old = plugin_serving(p);
	r->figures.held = p->hold.count;
	route_changes_of_edit(changes, edit);
	route_edit_commit(edit, r->fresh->id);
	p->candidate = NULL;
	p->active = r->fresh;
	PROBE_SWAP(p->id, r->fresh->generation, r->fresh->pid,
		r->old ? r->old->generation : 0);
	worker_serve(r->fresh);
	plugin_configure(p, r->config);
	schedule_follow(p);
}

/* Releases held requests and retires the old worker. Owners of requests that
 * end here may send others at once, so all members must have been swapped
 * before. */
static void
hand_over(struct reload *r)
{
	struct plugin *p = r->plugin;
	struct worker *old = r->old;

	if (old) {
		r->figures.in_flight_at_swap =
			old->in_flight_count - old->left_count;
		r->figures.finished_at_swap = old->finished_total;
		r->figures.left_at_swap = old->left_total;
		list_append(&p->others, &old->node);
		services_rest(old);
		worker_retire(old);
		if (r->force)
			worker_end_requests(old, "ended by a forced reload");
	}
	dispatch_release(r->gateway, p);
	ws_move_pump(p);
	build_note_proven(r);
	r->figures.committed_us = clock_us();
	services_serve(r->fresh);
}

static void
commit(struct reload **members, const struct route_wish *wishes, size_t count)
{
	struct route_changes *changes = memory_alloc(count * sizeof(*changes));

	for (size_t i = 0; i < count; i++)
		note_change(members[i]);
	for (size_t i = 0; i < count; i++)
		swap(members[i], wishes[i].edit, &changes[i]);
	for (size_t i = 0; i < count; i++)
		hand_over(members[i]);
	for (size_t i = 0; i < count; i++) {
		news_routes_changed(members[i]->plugin, &changes[i]);
		route_changes_finish(&changes[i]);
	}
	free(changes);
	for (size_t i = 0; i < count; i++) {
		reload_step(members[i]);
		members[i]->plugin->counters.reloads++;
	}
	for (size_t i = 0; i < count; i++)
		reload_enter(members[i]);
}

/* Ends proofs: discards the candidates; nothing else has been changed. */
static void
discard(struct reload **members, const struct route_wish *wishes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct reload *r = members[i];
		struct plugin *p = r->plugin;
		struct worker *now = plugin_serving(p);

		note_change(r);
		r->figures.added = account_dropped(&r->fresh->registrations,
			now ? &now->registrations : NULL);
		route_edit_discard(wishes[i].edit);
		p->candidate = NULL;
		list_append(&p->others, &r->fresh->node);
		services_end(r->fresh);
		reload_step(r);
	}
	for (size_t i = 0; i < count; i++)
		reload_enter(members[i]);
}

void
commit_all(struct reload **members, size_t count)
{
	struct route_wish *wishes = memory_alloc(count * sizeof(*wishes));

	if (prepare_all(members, wishes, count) == 0) {
		if (members[0]->set)
			set_on_commit(members[0]->set);
		if (reload_program(members[0])->is_proof)
			discard(members, wishes, count);
		else
			commit(members, wishes, count);
	}
	free(wishes);
}

void
commit_one(struct reload *r)
{
	commit_all(&r, 1);
}
