/* apply_atomic: does all of a plan or none of it. The plugins are one set of
 * transactions; the rest, which can no longer fail, follows the commit of the
 * set. If the set fails, every plugin keeps its old configuration and
 * enablement. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/apply/parts.h"
#include "supervisor/apply/roster.h"

struct atomic_item {
	struct list node; /* pass->members */
	struct reload_watcher watcher;
	struct apply_pass *pass;
	uint32_t plugin;	      /* the plugin's number */
	struct plugin_config *before; /* a reference; NULL: it is new */
	bool was_enabled;
};

static void
item_destroy(struct atomic_item *item)
{
	reload_unwatch(&item->watcher);
	list_remove(&item->node);
	plugin_config_unref(item->before);
	free(item);
}

void
apply_atomic_abandon(struct apply_pass *pass)
{
	ev_timer_stop(pass->gateway->loop, &pass->later);
	list_for_each_safe (node, &pass->members)
		item_destroy(container_of(node, struct atomic_item, node));
	config_unref(pass->gateway->config_to_come);
	pass->gateway->config_to_come = NULL;
}

/* ---- before ---- */

static bool
is_member(const struct apply_step *step)
{
	return step->action == ACTION_START || step->action == ACTION_RELOAD ||
	       step->action == ACTION_CONFIGURE;
}

/* Finds what speaks against the apply before anything begins. */
static int
check(struct apply_pass *pass)
{
	if (!pass->survey)
		return error_set(
			&pass->error, "the packages could not be compared");
	for (uint32_t i = 0; i < pass->plan.count; i++) {
		const struct apply_step *step = &pass->plan.steps[i];
		const struct plugin *p =
			gateway_plugin(pass->gateway, step->id);

		if (step->action == ACTION_NONE || step->action == ACTION_LIVE)
			continue;
		if (p && p->reload && !p->removed) {
			pass->is_busy = true;
			return error_set(&pass->error,
				"plugin '%s': reload already in progress "
				"(%s, %s)",
				p->id, p->reload->id, p->reload->trigger);
		}
	}
	return 0;
}

/* ---- after ---- */

/* No member of the set commits, so the plugin's old configuration returns at
 * once: what follows the failure must not start a plugin by a configuration
 * that is not in force. */
static void
undo(struct atomic_item *item)
{
	struct plugin *p =
		gateway_plugin_by_number(item->pass->gateway, item->plugin);

	if (!item->before) {
		p->removed = true;
		return;
	}
	plugin_want(p, item->before);
	p->enabled = item->was_enabled;
}

static void
discard(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;

	if (!pass->error.text[0])
		error_set(&pass->error, "the set failed");
	if (g->on_config_discard)
		g->on_config_discard(g);
	list_for_each_safe (node, &pass->members) {
		struct atomic_item *item =
			container_of(node, struct atomic_item, node);
		struct plugin *p = gateway_plugin_by_number(g, item->plugin);
		bool is_new = !item->before;

		item_destroy(item);
		if (is_new && p)
			g->on_worker_gone(g, p);
	}
	apply_atomic_abandon(pass);
	apply_pass_end(pass);
}

/* Runs from the loop, not within the last verdict, because plugins may be
 * freed. */
static void
end(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct apply_pass *pass = container_of(timer, struct apply_pass, later);

	(void)loop, (void)events;
	if (pass->failed || pass->error.text[0]) {
		discard(pass);
		return;
	}
	apply_atomic_abandon(pass); /* frees the items; the plugins serve */
	for (uint32_t i = 0; i < pass->plan.count; i++)
		if (is_member(&pass->plan.steps[i]))
			pass->plan.steps[i].is_done = true;
	apply_keep(pass);
	apply_do(pass);
}

static void
end_later(struct apply_pass *pass)
{
	ev_timer_init(&pass->later, end, 0, 0);
	ev_timer_start(pass->gateway->loop, &pass->later);
}

static void
on_phase(struct reload_watcher *w, const char *plugin_id, const char *phase,
	double ms_since_begin)
{
	apply_note_phase(container_of(w, struct atomic_item, watcher)->pass,
		plugin_id, phase, ms_since_begin);
}

static void
on_verdict(struct reload_watcher *w, struct receipt *receipt)
{
	struct atomic_item *item = container_of(w, struct atomic_item, watcher);
	struct apply_pass *pass = item->pass;

	apply_note_receipt(pass, receipt);
	if (!receipt_has_succeeded(receipt)) {
		if (!pass->error.text[0])
			error_set(&pass->error, "plugin '%s': %s",
				receipt->plugin_id,
				receipt->error ? receipt->error : "failed");
		undo(item);
	}
	if (--pass->members_awaited == 0)
		end_later(pass);
}

/* ---- the set ---- */

static void
join(struct apply_pass *pass, struct reload_set *set,
	const struct apply_step *step)
{
	struct gateway *g = pass->gateway;
	struct plugin *p = gateway_plugin(g, step->id);
	struct atomic_item *item = memory_alloc(sizeof(*item));
	struct reload_options options = {.trigger = pass->trigger, .set = set};
	struct error err;

	item->pass = pass;
	item->watcher.on_phase = on_phase;
	item->watcher.on_verdict = on_verdict;
	list_init(&item->watcher.node);
	list_append(&pass->members, &item->node);
	if (p && !p->removed) {
		item->before = plugin_config_ref(p->wanted);
		item->was_enabled = p->enabled;
		plugin_want(p, step->entry);
	} else {
		p = roster_add(g, step->entry);
		p->start_is_applied = true;
	}
	item->plugin = p->number;
	p->enabled = true;
	if (reload_begin(g, p, &options, &item->watcher, NULL, &err) ==
		RELOAD_ACCEPTED) {
		if (step->action == ACTION_START)
			p->reload->asked = KIND_START;
		cause_note(p, apply_cause(pass, step));
		pass->members_awaited++;
		return;
	}
	if (!pass->error.text[0])
		error_set(&pass->error, "plugin '%s': %s", p->id, err.text);
	undo(item);
}

void
apply_atomic(struct apply_pass *pass)
{
	struct reload_set *set;

	if (check(pass) < 0) {
		discard(pass);
		return;
	}
	pass->gateway->config_to_come = config_ref(pass->config);
	apply_reasons_index(pass);
	pass->gateway->asking = pass->by;
	set = reload_set_create(pass->gateway);
	for (uint32_t i = 0; i < pass->plan.count; i++)
		if (is_member(&pass->plan.steps[i]))
			join(pass, set, &pass->plan.steps[i]);
	reload_set_close(set);
	pass->gateway->asking = NULL;
	if (!pass->members_awaited)
		end_later(pass);
}
