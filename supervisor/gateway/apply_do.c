/* apply_do: the steps of a plan done: each plugin by the same transaction as a
 * person's, followed to its verdict. What is new waits for what it requires;
 * what is busy is looked at once more when it no longer is. */
#include <assert.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/gateway/apply_parts.h"
#include "supervisor/gateway/dispatch.h"

struct apply_item {
	struct list node; /* of the pass */
	struct reload_watcher watcher;
	struct apply_pass *pass;
	uint32_t plugin; /* its number */
	enum apply_action action;
	bool waits;   /* for what it requires */
	bool follows; /* what is watched is another's; its own comes next */
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
	free(item);
	one_done(pass);
}

void
apply_note_receipt(struct apply_pass *pass, json_t *receipt)
{
	json_array_append(pass->receipts, receipt);
	pass->failed += !json_is_true(json_object_get(receipt, "success"));
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
on_verdict(struct reload_watcher *w, json_t *receipt)
{
	struct apply_item *item = container_of(w, struct apply_item, watcher);

	if (item->follows) {
		item->follows = false;
		item_go(item);
		return;
	}
	if (!json_is_true(json_object_get(receipt, "unchanged")))
		apply_note_receipt(item->pass, receipt);
	item_end(item);
}

/* ---- one plugin ---- */

/* Limits and the like, which need no transaction. */
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
			p->removed ? "taken out of the configuration"
				   : "disabled in the configuration");
		reload_fail(p->reload);
	}
	crash_forget(p);
	reload_create(
		g, p, KIND_STOP, item->pass->trigger, &item->watcher, NULL);
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
	json_t *receipt;

	p->reload_wanted = false; /* this is the one */
	if (item->action == ACTION_CONFIGURE)
		refusal = reload_begin_configure(pass->gateway, p,
			pass->trigger, &item->watcher, NULL, &err);
	else
		refusal = reload_begin(
			pass->gateway, p, &options, &item->watcher, NULL, &err);
	if (refusal == RELOAD_ACCEPTED)
		return;
	receipt = reload_refused_receipt(
		pass->gateway, p, pass->trigger, err.text);
	apply_note_receipt(pass, receipt);
	json_decref(receipt);
	item_end(item);
}

static void
item_go(struct apply_item *item)
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
		item_end(item); /* a person's word came after the plan */
	} else if (p->reload) {
		item->follows = true;
		list_append(&p->reload->watchers, &item->watcher.node);
	} else if (item->action == ACTION_START && !gateway_may_start(g, p)) {
		item->waits = p->start_is_applied = true;
	} else {
		follow_live(g, p);
		begin(item, p);
	}
}

/* ---- all of them ---- */

/* From here on the plugin is wanted as the step says. */
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
		p = gateway_add(g, step->entry);
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
	item->watcher.on_phase = on_phase;
	item->watcher.on_verdict = on_verdict;
	list_init(&item->watcher.node);
	list_append(&pass->items, &item->node);
	pass->pending++;
}

void
apply_do(struct apply_pass *pass)
{
	pass->pending = 1;
	for (uint32_t i = 0; i < pass->plan.count; i++)
		adopt(pass, &pass->plan.steps[i]);
	if (pass->has_starts)
		start_read_manifests(pass->gateway, pass->config);
	for (uint32_t i = 0; i < pass->plan.count; i++)
		add_item(pass, &pass->plan.steps[i]);
	list_for_each_safe (node, &pass->items)
		item_go(container_of(node, struct apply_item, node));
	one_done(pass);
}

void
apply_do_continue(struct apply_pass *pass)
{
	if (!pass->pending)
		return;	 /* it has not come to that */
	pass->pending++; /* it must outlive the loop */
	list_for_each_safe (node, &pass->items) {
		struct apply_item *item =
			container_of(node, struct apply_item, node);

		if (item->waits)
			item_go(item);
	}
	one_done(pass);
}

void
apply_do_abandon(struct apply_pass *pass)
{
	list_for_each_safe (node, &pass->items) {
		struct apply_item *item =
			container_of(node, struct apply_item, node);

		reload_unwatch(&item->watcher);
		list_remove(node);
		free(item);
	}
}
