/* batch: watchers of a call's transactions and what their receipts come to. It
 * chooses no plugins and reads no arguments. */
#include "supervisor/control/batch.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

struct batch_item {
	struct reload_watcher watcher;
	struct batch *batch;
	struct plugin *plugin; /* only while the batch is being begun */
	json_t *receipt;       /* NULL: still awaited */
};

struct batch *
batch_create(struct command_call *call)
{
	struct batch *b = memory_alloc(sizeof(*b));

	b->call = call;
	b->waiting = WAIT_VERDICT;
	b->options.trigger = call->door;
	b->options.asked_by = call->worker;
	return b;
}

static void
batch_destroy(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		reload_unwatch(&b->items[i].watcher);
		json_decref(b->items[i].receipt);
	}
	free(b->items);
	free(b);
}

static void
batch_leave(struct command_job *job)
{
	batch_destroy(container_of(job, struct batch, job));
}

void
batch_add(struct batch *b, struct plugin *p)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].plugin == p)
			return;
	b->items = memory_resize(b->items, (b->count + 1) * sizeof(*b->items));
	b->items[b->count++] = (struct batch_item){.plugin = p};
}

json_t *
batch_ids(const struct batch *b)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < b->count; i++)
		json_array_append_new(ids, json_string(b->items[i].plugin->id));
	return ids;
}

/* The one place that judges a receipt. */
static enum outcome
receipt_outcome(const json_t *receipt)
{
	const char *state =
		json_string_value(json_object_get(receipt, "state"));

	if (state && !strcmp(state, "refused"))
		return OUTCOME_REFUSED;
	if (state && !strcmp(state, "reverted"))
		return OUTCOME_FAILED;
	return json_is_true(json_object_get(receipt, "success"))
		       ? OUTCOME_DONE
		       : OUTCOME_FAILED;
}

static bool
is_reverted(const json_t *receipt)
{
	const char *state =
		json_string_value(json_object_get(receipt, "state"));

	return state && !strcmp(state, "reverted");
}

/* A set that did not commit has failed as a whole, also if a member of it had
 * nothing to do; what reverts later does so by itself. */
static json_t *
results_of(const struct batch *b, enum outcome good, enum outcome *outcome_out)
{
	size_t failed = 0, reverted = 0;
	json_t *receipts = json_array();

	for (size_t i = 0; i < b->count; i++) {
		const json_t *receipt = b->items[i].receipt;

		json_array_append(receipts, b->items[i].receipt);
		failed += receipt_outcome(receipt) != OUTCOME_DONE;
		reverted += is_reverted(receipt);
	}
	if (!failed)
		*outcome_out = good;
	else if (failed == b->count || (b->atomic && !reverted))
		*outcome_out = OUTCOME_FAILED;
	else
		*outcome_out = OUTCOME_SOME_FAILED;
	return json_pack(
		"{s:o,s:b}", "results", receipts, "success", failed == 0);
}

static void
batch_finish(struct batch *b)
{
	struct command_call *call = b->call;
	enum outcome good =
		b->waiting == WAIT_NOT ? OUTCOME_ACCEPTED : OUTCOME_DONE;
	enum outcome outcome;
	json_t *result;

	if (b->several) {
		result = results_of(b, good, &outcome);
	} else {
		result = json_incref(b->items[0].receipt);
		outcome = receipt_outcome(result);
		outcome = outcome == OUTCOME_DONE ? good : outcome;
	}
	batch_destroy(b);
	command_finish(call, outcome, result);
}

static void
item_finish(struct batch_item *item, json_t *receipt)
{
	struct batch *b = item->batch;

	reload_unwatch(&item->watcher);
	item->receipt = json_incref(receipt);
	b->awaited--;
	if (b->several)
		command_tell(b->call, json_pack("{s:O}", "receipt", receipt));
	if (!b->awaited)
		batch_finish(b);
}

static void
item_phase(struct reload_watcher *w, const char *plugin_id, const char *phase,
	double ms_since_begin)
{
	struct batch_item *item = container_of(w, struct batch_item, watcher);

	command_tell(item->batch->call,
		json_pack("{s:s,s:s,s:f}", "pluginId", plugin_id, "phase",
			phase, "ms", ms_since_begin));
}

static void
item_verdict(struct reload_watcher *w, json_t *receipt)
{
	struct batch_item *item = container_of(w, struct batch_item, watcher);

	if (item->batch->waiting == WAIT_SETTLED &&
		receipt_outcome(receipt) == OUTCOME_DONE)
		command_tell(item->batch->call,
			json_pack("{s:O}", "verdict", receipt));
	else
		item_finish(item, receipt);
}

static void
item_settled(struct reload_watcher *w, json_t *receipt)
{
	item_finish(container_of(w, struct batch_item, watcher), receipt);
}

static void
item_refuse(struct batch *b, struct batch_item *item, const char *reason)
{
	item->receipt = reload_refused_receipt(
		b->call->gateway, item->plugin, b->options.trigger, reason);
}

static void
item_begin(
	struct batch *b, struct batch_item *item, batch_begin_function *begin)
{
	struct error err = {{0}};
	const char *why = NULL;
	char id[24] = "";
	bool watched = b->waiting != WAIT_NOT;

	item->batch = b;
	list_init(&item->watcher.node);
	item->watcher.on_phase = item_phase;
	item->watcher.on_verdict = item_verdict;
	item->watcher.on_settled = item_settled;
	if (b->if_safe &&
		!reload_is_safe(b->call->gateway, item->plugin, &why)) {
		error_set(&err, "not safe now: %s", why);
		item_refuse(b, item, err.text);
	} else if (begin(b, item->plugin, watched ? &item->watcher : NULL, id,
			   &err)) {
		item_refuse(b, item, err.text);
	} else if (watched) {
		b->awaited++;
	} else {
		item->receipt = json_pack("{s:s,s:s,s:s,s:b}", "id", id,
			"pluginId", item->plugin->id, "state", "queued",
			"success", 1);
	}
	item->plugin = NULL;
}

/* Why a set cannot begin: the first member that would be refused. */
static bool
find_refusal(struct batch *b, size_t *at_out, struct error *why)
{
	struct gateway *g = b->call->gateway;
	const char *reason = NULL;

	for (*at_out = 0; *at_out < b->count; ++*at_out) {
		struct plugin *p = b->items[*at_out].plugin;

		if (b->if_safe && !reload_is_safe(g, p, &reason)) {
			error_set(why, "not safe now: %s", reason);
			return true;
		}
		if (reload_check(g, p, why) != RELOAD_ACCEPTED)
			return true;
	}
	return false;
}

static bool
refuse_set(struct batch *b)
{
	struct error why, other;
	size_t at;

	if (!find_refusal(b, &at, &why))
		return false;
	error_set(&other, "not begun: plugin '%s' was refused: %s",
		b->items[at].plugin->id, why.text);
	for (size_t i = 0; i < b->count; i++) {
		struct batch_item *item = &b->items[i];

		item->batch = b;
		list_init(&item->watcher.node);
		item_refuse(b, item, i == at ? why.text : other.text);
	}
	return true;
}

static void
begin_items(struct batch *b, batch_begin_function *begin)
{
	if (b->atomic)
		b->options.set = reload_set_create(b->call->gateway);
	else if (b->count > 1)
		b->options.set = reload_sequence_create(b->call->gateway);
	for (size_t i = 0; i < b->count; i++)
		item_begin(b, &b->items[i], begin);
	if (b->options.set)
		reload_set_close(b->options.set);
	b->options.set = NULL;
}

/* No verdict comes before all of them have begun: verdicts need the loop. */
void
batch_begin(struct batch *b, batch_begin_function *begin)
{
	b->job.leave = batch_leave;
	b->call->job = &b->job;
	if (!b->atomic || !refuse_set(b))
		begin_items(b, begin);
	if (!b->awaited)
		batch_finish(b);
}

void
batch_discard(struct batch *b)
{
	b->count = 0; /* nothing has begun: there is no watcher to take back */
	batch_destroy(b);
}
