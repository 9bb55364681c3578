/* apply_do: carries out the steps of a plan. Each plugin is changed by the same
 * transaction as a user's command, followed to its verdict. A new plugin waits
 * for those that it requires; a busy plugin is looked at again when its
 * transaction has ended. */
#include <assert.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/apply/enable.h"
#include "supervisor/apply/parts.h"
#include "supervisor/apply/roster.h"
#include "supervisor/apply/start.h"
#include "supervisor/gateway/dispatch.h"

struct apply_item {
	struct list node; /* pass->items or pass->fresh */
	struct reload_watcher watcher;
	struct apply_pass *pass;
	uint32_t plugin; /* the plugin's number */
	enum apply_action action;
	json_t *cause;
	bool waits;   /* for plugins that it requires */
	bool follows; /* first waits for another transaction to end */
};

static void item_go(struct apply_item *item);

static void
one_done(struct apply_pass *pass)
{
	assert(pass->pending);
	if (--pass->pending == 0)
		apply_pass_end(pass);
}

static void
item_end(struct apply_item *item)
{
	struct apply_pass *pass = item->pass;

	reload_unwatch(&item->watcher);
	list_remove(&item->node);
	json_decref(item->cause);
	free(item);
	one_done(pass);
}

void
apply_note_receipt(struct apply_pass *pass, struct receipt *receipt)
{
	pass->receipts = memory_resize(pass->receipts,
		(pass->receipt_count + 1) * sizeof(*pass->receipts));
	pass->receipts[pass->receipt_count++] = receipt_ref(receipt);
	pass->failed += !receipt_has_succeeded(receipt);
	list_for_each_safe (node, &pass->requests) {
		struct apply_request *r =
			container_of(node, struct apply_request, node);

		if (r->on_receipt)
			r->on_receipt(r, receipt);
	}
}

void
apply_note_phase(struct apply_pass *pass, const char *plugin_id,
	const char *phase, double ms_since_begin)
{
	list_for_each_safe (node, &pass->requests) {
		struct apply_request *r =
			container_of(node, struct apply_request, node);

		if (r->on_phase)
			r->on_phase(r, plugin_id, phase, ms_since_begin);
	}
}

/* ---- news of its transaction ---- */

static void
on_phase(struct reload_watcher *w, const char *plugin_id, const char *phase,
	double ms_since_begin)
{
	struct apply_item *item = container_of(w, struct apply_item, watcher);

	if (!item->follows)
		apply_note_phase(item->pass, plugin_id, phase, ms_since_begin);
}

static void
on_verdict(struct reload_watcher *w, struct receipt *receipt)
{
	struct apply_item *item = container_of(w, struct apply_item, watcher);

	if (item->follows) {
		item->follows = false;
		item_go(item);
		return;
	}
	if (!receipt->is_unchanged)
		apply_note_receipt(item->pass, receipt);
	item_end(item);
}

/* ---- one plugin ---- */

/* Applies changes that need no transaction, such as limits. */
static void
follow_live(struct gateway *g, struct plugin *p)
{
	enum config_class class;

	config_plugin_differs(p->config, p->wanted, false, &class);
	if (class != CLASS_LIVE)
		return;
	plugin_configure(p, p->wanted);
	dispatch_release(g, p);
}

static void
halt(struct apply_item *item, struct plugin *p)
{
	struct gateway *g = item->pass->gateway;

	if (p->reload) {
		error_set(&p->reload->error,
			p->removed ? "removed from the configuration"
				   : "disabled in the configuration");
		reload_fail(p->reload);
	}
	crash_forget(p);
	reload_create(
		g, p, KIND_STOP, item->pass->trigger, &item->watcher, NULL);
	cause_note(p, json_incref(item->cause));
}

static void
begin(struct apply_item *item, struct plugin *p)
{
	struct apply_pass *pass = item->pass;
	struct reload_options options = {
		.trigger = pass->trigger,
		.if_changed = item->action != ACTION_START,
	};
	enum reload_refusal refusal;
	struct error err;
	struct receipt *receipt;

	if (item->action == ACTION_CONFIGURE)
		refusal = reload_begin_configure(pass->gateway, p,
			pass->trigger, &item->watcher, NULL, &err);
	else
		refusal = reload_begin(
			pass->gateway, p, &options, &item->watcher, NULL, &err);
	if (refusal == RELOAD_ACCEPTED) {
		if (item->action == ACTION_START)
			p->reload->asked = KIND_START;
		cause_note(p, json_incref(item->cause));
		return;
	}
	receipt = reload_refused_receipt(
		pass->gateway, p, pass->trigger, refusal, err.text);
	apply_note_receipt(pass, receipt);
	receipt_unref(receipt);
	item_end(item);
}

static void
item_begin(struct apply_item *item)
{
	struct gateway *g = item->pass->gateway;
	struct plugin *p = gateway_plugin_by_number(g, item->plugin);

	item->waits = false;
	if (!p) {
		item_end(item);
		return;
	}
	p->start_is_applied = false;
	if (item->action == ACTION_STOP) {
		halt(item, p);
	} else if (p->removed || p->stopped || !p->enabled) {
		item_end(item); /* a user's decision came after the plan */
	} else if (p->reload) {
		item->follows = true;
		list_append(&p->reload->watchers, &item->watcher.node);
	} else if (item->action == ACTION_START && !roster_may_start(g, p)) {
		item->waits = p->start_is_applied = true;
	} else {
		follow_live(g, p);
		begin(item, p);
	}
}

/* Begins it, or what it waited for is over; in the name of who asked. */
static void
item_go(struct apply_item *item)
{
	struct gateway *g = item->pass->gateway;
	const char *before = g->asking;

	g->asking = item->pass->by;
	item_begin(item);
	g->asking = before;
}

/* ---- all of them ---- */

/* Gives the plugin its new configuration. */
static void
adopt(struct apply_pass *pass, const struct apply_step *step)
{
	struct gateway *g = pass->gateway;
	struct plugin *p = gateway_plugin(g, step->id);

	if (p && p->removed)
		p = NULL;
	if (!step->entry) {
		if (p)
			p->removed = true;
	} else if (!p) {
		p = roster_add(g, step->entry);
		p->start_is_applied = step->action == ACTION_START;
		pass->has_starts = true;
	} else if (pass->kind != APPLY_SCAN || step->action != ACTION_NONE) {
		plugin_want(p, step->entry);
		enable_follow(p);
		follow_live(g, p);
	}
}

static void
add_item(struct apply_pass *pass, const struct apply_step *step)
{
	struct plugin *p = gateway_plugin(pass->gateway, step->id);
	struct apply_item *item;

	if (!p || step->is_done || step->action == ACTION_NONE ||
		step->action == ACTION_LIVE)
		return;
	item = memory_alloc(sizeof(*item));
	item->pass = pass;
	item->plugin = p->number;
	item->action = step->action;
	item->cause = apply_cause(pass, step);
	item->watcher.on_phase = on_phase;
	item->watcher.on_verdict = on_verdict;
	list_init(&item->watcher.node);
	list_append(&pass->fresh, &item->node);
	pass->pending++;
}

static bool
go_one(struct apply_pass *pass)
{
	struct list *node = pass->fresh.next;

	if (list_is_empty(&pass->fresh))
		return true;
	list_remove(node);
	list_append(&pass->items, node);
	item_go(container_of(node, struct apply_item, node));
	return false;
}

static void
begin_items(struct apply_pass *pass)
{
	apply_reasons_index(pass);
	for (uint32_t i = 0; i < pass->plan.count; i++)
		add_item(pass, &pass->plan.steps[i]);
	apply_work(pass, go_one, one_done);
	pass->most = APPLY_BEGUN_PER_TURN;
}

static bool
read_one(struct apply_pass *pass)
{
	return start_manifests_step(pass->manifests);
}

static void
manifests_read(struct apply_pass *pass)
{
	start_manifests_finish(pass->manifests);
	pass->manifests = NULL;
	begin_items(pass);
}

static bool
adopt_one(struct apply_pass *pass)
{
	if (pass->at == pass->plan.count)
		return true;
	adopt(pass, &pass->plan.steps[pass->at++]);
	return false;
}

static void
adopted(struct apply_pass *pass)
{
	if (!pass->has_starts) {
		begin_items(pass);
		return;
	}
	pass->manifests = start_manifests_create(pass->gateway, pass->config);
	apply_work(pass, read_one, manifests_read);
}

void
apply_do(struct apply_pass *pass)
{
	pass->pending = 1; /* for this function */
	apply_work(pass, adopt_one, adopted);
}

void
apply_do_continue(struct apply_pass *pass)
{
	if (!pass->pending)
		return;	 /* the doing has not begun */
	pass->pending++; /* the pass must not end within the loop below */
	list_for_each_safe (node, &pass->items) {
		struct apply_item *item =
			container_of(node, struct apply_item, node);

		if (item->waits)
			item_go(item);
	}
	one_done(pass);
}

static void
abandon_all(struct list *items)
{
	list_for_each_safe (node, items) {
		struct apply_item *item =
			container_of(node, struct apply_item, node);

		reload_unwatch(&item->watcher);
		list_remove(node);
		json_decref(item->cause);
		free(item);
	}
}

void
apply_do_abandon(struct apply_pass *pass)
{
	abandon_all(&pass->fresh);
	abandon_all(&pass->items);
	start_manifests_destroy(pass->manifests);
	pass->manifests = NULL;
}
