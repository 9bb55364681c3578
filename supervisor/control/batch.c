/* batch: watches the transactions of a call and combines their receipts into
 * one result. It chooses no plugins and reads no arguments. */
#include "supervisor/control/batch.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"

struct batch_item {
	struct reload_watcher watcher;
	struct batch *batch;
	struct plugin *plugin;	 /* valid only while the batch begins */
	struct receipt *receipt; /* NULL: no verdict yet */
};

struct batch *
batch_create(struct command_call *call)
{
	struct batch *b = memory_alloc(sizeof(*b));

	b->call = call;
	list_init(&b->disk.node);
	b->waiting = WAIT_VERDICT;
	b->options.trigger = call->door;
	b->options.asked_by = call->worker;
	return b;
}

static void
batch_destroy(struct batch *b)
{
	store_sync_leave(&b->disk);
	for (size_t i = 0; i < b->count; i++) {
		reload_unwatch(&b->items[i].watcher);
		receipt_unref(b->items[i].receipt);
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

/* A set that did not commit has failed as a whole, even if a member had nothing
 * to do. A later revert concerns one member alone. */
static enum outcome
outcome_of(const struct batch *b)
{
	size_t failed = 0, reverted = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct receipt *receipt = b->items[i].receipt;

		failed += !receipt_has_succeeded(receipt);
		reverted += receipt->state == RECEIPT_REVERTED;
	}
	if (!failed)
		return b->waiting == WAIT_NOT ? OUTCOME_ACCEPTED : OUTCOME_DONE;
	if (failed == b->count || (b->atomic && !reverted))
		return OUTCOME_FAILED;
	return OUTCOME_SOME_FAILED;
}

static json_t *
results_of(const struct batch *b, bool success)
{
	json_t *receipts = json_array();

	for (size_t i = 0; i < b->count; i++)
		json_array_append(receipts, receipt_view(b->items[i].receipt));
	return json_pack("{s:o,s:b}", "results", receipts, "success", success);
}

static void
batch_answer(struct batch *b)
{
	struct command_call *call = b->call;
	enum outcome outcome;
	json_t *result;

	if (b->several) {
		outcome = outcome_of(b);
		result = results_of(b,
			outcome == OUTCOME_DONE || outcome == OUTCOME_ACCEPTED);
	} else {
		outcome = b->items[0].receipt->outcome;
		result = json_incref(receipt_view(b->items[0].receipt));
	}
	call->has_receipts = true;
	batch_destroy(b);
	command_finish_long(call, outcome, result);
}

/* Turns success into failure, because the decision may not survive a power
 * loss. The history keeps the receipt unchanged. */
static void
note_disk(struct batch_item *item, const char *problem)
{
	struct receipt *copy;

	if (!receipt_has_succeeded(item->receipt))
		return;
	copy = receipt_copy(item->receipt);
	copy->outcome = OUTCOME_FAILED;
	free(copy->error);
	copy->error = memory_format(
		"done, but a power failure may undo it: %s", problem);
	receipt_unref(item->receipt);
	item->receipt = copy;
}

static void
disk_end(struct store_sync_wait *w, const char *problem)
{
	struct batch *b = container_of(w, struct batch, disk);

	for (size_t i = 0; problem && i < b->count; i++)
		note_disk(&b->items[i], problem);
	batch_answer(b);
}

static void
batch_finish(struct batch *b)
{
	if (!b->disk.number ||
		!store_sync_wait(b->call->gateway->sync, &b->disk))
		batch_answer(b);
}

static void
item_finish(struct batch_item *item, struct receipt *receipt)
{
	struct batch *b = item->batch;

	reload_unwatch(&item->watcher);
	item->receipt = receipt_ref(receipt);
	b->awaited--;
	if (b->several)
		command_report(b->call,
			json_pack("{s:O}", "receipt", receipt_view(receipt)));
	if (!b->awaited)
		batch_finish(b);
}

static void
item_phase(struct reload_watcher *w, const char *plugin_id, const char *phase,
	double ms_since_begin)
{
	struct batch_item *item = container_of(w, struct batch_item, watcher);

	command_report(item->batch->call,
		json_pack("{s:s,s:s,s:f}", "pluginId", plugin_id, "phase",
			phase, "ms", ms_since_begin));
}

static void
item_verdict(struct reload_watcher *w, struct receipt *receipt)
{
	struct batch_item *item = container_of(w, struct batch_item, watcher);

	if (item->batch->waiting == WAIT_SETTLED &&
		receipt_has_succeeded(receipt))
		command_report(item->batch->call,
			json_pack("{s:O}", "verdict", receipt_view(receipt)));
	else
		item_finish(item, receipt);
}

static void
item_settled(struct reload_watcher *w, struct receipt *receipt)
{
	item_finish(container_of(w, struct batch_item, watcher), receipt);
}

static void
item_refuse(struct batch *b, struct batch_item *item, enum reload_refusal why,
	const char *reason)
{
	item->receipt = reload_refused_receipt(b->call->gateway, item->plugin,
		b->options.trigger, why, reason);
}

static void
item_begin(
	struct batch *b, struct batch_item *item, batch_begin_function *begin)
{
	struct error err = {.text = ""};
	enum reload_refusal refusal;
	const char *why = NULL;
	char id[24] = "";
	bool watched = b->waiting != WAIT_NOT;
	const struct store_sync *sync = b->call->gateway->sync;
	uint64_t asked = store_sync_asked(sync);

	item->batch = b;
	list_init(&item->watcher.node);
	item->watcher.on_phase = item_phase;
	item->watcher.on_verdict = item_verdict;
	item->watcher.on_settled = item_settled;
	if (b->if_safe &&
		!reload_is_safe(b->call->gateway, item->plugin, &why)) {
		error_set(&err, "not safe now: %s", why);
		item_refuse(b, item, RELOAD_BUSY, err.text);
	} else if ((refusal = begin(b, item->plugin,
			    watched ? &item->watcher : NULL, id, &err))) {
		item_refuse(b, item, refusal, err.text);
	} else if (watched) {
		b->awaited++;
	} else {
		item->receipt = receipt_create(RECEIPT_QUEUED);
		memcpy(item->receipt->id, id, sizeof(id));
		item->receipt->plugin_id = memory_copy_text(item->plugin->id);
	}
	if (store_sync_asked(sync) != asked)
		b->disk.number = store_sync_asked(sync);
	item->plugin = NULL;
}

/* Finds the first member that would be refused, so that the set cannot begin.
 */
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
		item_refuse(
			b, item, RELOAD_BUSY, i == at ? why.text : other.text);
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

/* All begin before the first verdict, because verdicts come from the loop. */
void
batch_begin(struct batch *b, batch_begin_function *begin)
{
	struct gateway *g = b->call->gateway;
	const char *before = g->asking;

	b->job.leave = batch_leave;
	b->disk.on_end = disk_end;
	b->call->job = &b->job;
	g->asking = b->call->caller; /* the call may have waited */
	if (!b->atomic || !refuse_set(b))
		begin_items(b, begin);
	g->asking = before;
	if (!b->awaited)
		batch_finish(b);
}

void
batch_discard(struct batch *b)
{
	b->count = 0; /* nothing has begun, so no watcher must be removed */
	batch_destroy(b);
}
