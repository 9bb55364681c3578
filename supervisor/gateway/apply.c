/* apply: another config comes in force. What differs is found by compare's
 * table, done by the same transactions as a person's, and counted until the
 * last verdict is in. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/transaction.h"

struct gateway_apply {
	struct gateway *gateway;
	char *trigger;
	void (*done)(void *user, const json_t *receipts);
	void *user;
	json_t *receipts;
	unsigned pending; /* transactions, and one for the beginning itself */
};

struct item {
	struct reload_watcher watcher;
	struct gateway_apply *apply;
};

static void
one_done(struct gateway_apply *a)
{
	if (--a->pending)
		return;
	a->gateway->apply = NULL;
	a->done(a->user, a->receipts);
	json_decref(a->receipts);
	free(a->trigger);
	free(a);
}

static void
on_verdict(struct reload_watcher *w, json_t *receipt)
{
	struct item *item = container_of(w, struct item, watcher);
	struct gateway_apply *a = item->apply;

	if (!json_is_true(json_object_get(receipt, "unchanged")))
		json_array_append(a->receipts, receipt);
	free(item);
	one_done(a);
}

static struct item *
item_create(struct gateway_apply *a)
{
	struct item *item = memory_alloc(sizeof(*item));

	item->apply = a;
	item->watcher.on_verdict = on_verdict;
	list_init(&item->watcher.node);
	a->pending++;
	return item;
}

static void
halt(struct gateway_apply *a, struct plugin *p)
{
	struct item *item = item_create(a);

	if (p->reload) {
		error_set(&p->reload->error, "taken out of the configuration");
		reload_fail(p->reload);
	}
	crash_forget(p);
	reload_create(
		a->gateway, p, KIND_STOP, a->trigger, &item->watcher, NULL);
}

static void
begin(struct gateway_apply *a, struct plugin *p, bool if_changed)
{
	struct reload_options options = {
		.trigger = a->trigger, .if_changed = if_changed};
	struct item *item = item_create(a);
	enum reload_refusal refusal = reload_begin(
		a->gateway, p, &options, &item->watcher, NULL, NULL);

	if (refusal == RELOAD_ACCEPTED)
		return;
	if (refusal == RELOAD_BUSY)
		p->reload_wanted = true;
	free(item);
	a->pending--;
}

/* What is in force counts, not what the file said before: a change that was
 * rolled back is tried again, and until then a crash restarts without it. */
static void
change(struct gateway_apply *a, struct plugin *p,
	const struct plugin_config *config)
{
	enum config_class class;
	bool was_enabled = p->enabled;

	plugin_want(p, config);
	config_plugin_differs(p->config, config, false, &class);
	if (class == CLASS_LIVE) {
		plugin_configure(p, config);
		dispatch_release(a->gateway, p);
	}
	p->enabled = config->enabled;
	if (was_enabled && !p->enabled)
		halt(a, p);
	else if (p->enabled && !p->stopped)
		begin(a, p, true);
}

static void
take_out(struct gateway_apply *a, const struct config *config)
{
	struct gateway *g = a->gateway;

	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		if (!p || p->removed || config_plugin(config, p->id))
			continue;
		p->removed = true; /* first: a failed start begins no other */
		halt(a, p);
	}
}

void
gateway_apply(struct gateway *g, struct config *config, const char *trigger,
	void (*done)(void *user, const json_t *receipts), void *user)
{
	struct gateway_apply *a = memory_alloc(sizeof(*a));
	struct config *old = g->config;

	assert(!g->apply);
	*a = (struct gateway_apply){.gateway = g,
		.trigger = memory_copy_text(trigger),
		.done = done,
		.user = user,
		.receipts = json_array(),
		.pending = 1};
	g->apply = a;
	g->config = config_ref(config);
	g->room.body_limit = config->limits.body_bytes;
	take_out(a, config);
	for (uint32_t i = 0; i < config->plugin_count; i++) {
		const struct plugin_config *entry =
			config->plugins[config->start_order[i]];
		struct plugin *p = gateway_plugin(g, entry->id);

		if (p && !p->removed) {
			change(a, p, entry);
			continue;
		}
		p = gateway_add(g, entry);
		if (p->enabled && !p->stopped)
			begin(a, p, false);
	}
	config_unref(old);
	one_done(a);
}
