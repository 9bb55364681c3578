/* command_reload: reload, start, stop and restart: begins the transactions of
 * one call, follows them and collects their receipts. The transactions are the
 * gateway's; they go on when the caller leaves. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/gateway/reload.h"

enum waiting { WAIT_NOT, WAIT_VERDICT, WAIT_SETTLED };

struct batch;

struct batch_item {
	struct reload_watcher watcher;
	struct batch *batch;
	struct plugin *plugin; /* only while the batch is being begun */
	json_t *receipt;       /* NULL: still awaited */
};

struct batch {
	struct command_job job;
	struct command_call *call;
	bool several; /* answered with results[] */
	bool if_safe; /* refuse where can-reload says no */
	enum waiting waiting;
	struct reload_options options;
	size_t count, awaited;
	struct batch_item *items;
};

static struct batch *
batch_create(struct command_call *call)
{
	struct batch *b = memory_alloc(sizeof(*b));

	b->call = call;
	b->waiting = WAIT_VERDICT;
	b->options.trigger = call->door;
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

static void
batch_add(struct batch *b, struct plugin *p)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].plugin == p)
			return;
	b->items = memory_resize(b->items, (b->count + 1) * sizeof(*b->items));
	b->items[b->count++] = (struct batch_item){.plugin = p};
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

static void
batch_finish(struct batch *b)
{
	struct command_call *call = b->call;
	enum outcome good =
		b->waiting == WAIT_NOT ? OUTCOME_ACCEPTED : OUTCOME_DONE;
	enum outcome outcome;
	json_t *result;

	if (!b->several) {
		result = json_incref(b->items[0].receipt);
		outcome = receipt_outcome(result);
		outcome = outcome == OUTCOME_DONE ? good : outcome;
	} else {
		size_t failed = 0;
		json_t *receipts = json_array();

		for (size_t i = 0; i < b->count; i++) {
			json_array_append(receipts, b->items[i].receipt);
			failed += receipt_outcome(b->items[i].receipt) !=
				  OUTCOME_DONE;
		}
		outcome = !failed	       ? good
			  : failed == b->count ? OUTCOME_FAILED
					       : OUTCOME_SOME_FAILED;
		result = json_pack("{s:o,s:b}", "results", receipts, "success",
			failed == 0);
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

typedef enum reload_refusal begin_function(struct batch *b, struct plugin *p,
	struct reload_watcher *watcher, char *id_out, struct error *err);

static enum reload_refusal
begin_reload(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin(
		b->call->gateway, p, &b->options, watcher, id_out, err);
}

static enum reload_refusal
begin_start(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin_start(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

static enum reload_refusal
begin_stop(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin_stop(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

static enum reload_refusal
begin_restart(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin_restart(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

static void
item_refuse(struct batch *b, struct batch_item *item, const char *reason)
{
	item->receipt = reload_refused_receipt(
		b->call->gateway, item->plugin, b->options.trigger, reason);
}

static void
item_begin(struct batch *b, struct batch_item *item, begin_function *begin)
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

/* No verdict comes before all of them have begun: verdicts need the loop. */
static void
batch_begin(struct batch *b, begin_function *begin)
{
	b->job.leave = batch_leave;
	b->call->job = &b->job;
	for (size_t i = 0; i < b->count; i++)
		item_begin(b, &b->items[i], begin);
	if (!b->awaited)
		batch_finish(b);
}

static enum outcome
select_ids(struct batch *b, const json_t *ids, struct error *err)
{
	for (size_t i = 0; i < json_array_size(ids); i++) {
		struct plugin *p = command_find_plugin(b->call->gateway,
			json_string_value(json_array_get(ids, i)), err);

		if (!p)
			return OUTCOME_NOT_FOUND;
		batch_add(b, p);
	}
	return OUTCOME_DONE;
}

/* All that are meant to run, or those of them that use one package. */
static enum outcome
select_many(struct batch *b, const char *package, struct error *err)
{
	const struct gateway *g = b->call->gateway;
	bool is_used = false;

	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		if (!p || p->removed ||
			(package && strcmp(p->config->use, package)))
			continue;
		is_used = true;
		if (p->enabled && !p->stopped)
			batch_add(b, p);
	}
	if (!package || b->count)
		return OUTCOME_DONE;
	error_set(err,
		is_used ? "every plugin that uses the package '%.64s' is "
			  "disabled or stopped"
			: "no plugin uses the package '%.64s'",
		package);
	return is_used ? OUTCOME_REFUSED : OUTCOME_NOT_FOUND;
}

static int
read_wait(const json_t *wait, enum waiting *waiting_out)
{
	const char *text = json_string_value(wait);

	if (!wait || json_is_null(wait) || json_is_true(wait) ||
		(text && !strcmp(text, "verdict")) ||
		(text && !strcmp(text, "committed")))
		*waiting_out = WAIT_VERDICT;
	else if (text && !strcmp(text, "settled"))
		*waiting_out = WAIT_SETTLED;
	else if (json_is_false(wait) || (text && !strcmp(text, "no")))
		*waiting_out = WAIT_NOT;
	else
		return -1;
	return 0;
}

/* What to reload; the outcome if that is none. */
static enum outcome
select_plugins(struct batch *b, const json_t *args, struct error *err)
{
	const char *id = command_text(args, "pluginId");
	const char *package = command_text(args, "package");
	const json_t *ids = json_object_get(args, "pluginIds");
	bool all = command_flag(args, "all");

	if ((id != NULL) + (package != NULL) + json_is_array(ids) + all != 1) {
		error_set(err, "reload: give one of pluginId, pluginIds, all, "
			       "package");
		return OUTCOME_BAD_CALL;
	}
	b->several = !id;
	if (id) {
		struct plugin *p =
			command_find_plugin(b->call->gateway, id, err);

		if (!p)
			return OUTCOME_NOT_FOUND;
		batch_add(b, p);
		return OUTCOME_DONE;
	}
	return json_is_array(ids) ? select_ids(b, ids, err)
				  : select_many(b, package, err);
}

void
command_reload(struct command_call *call, const json_t *args)
{
	struct batch *b = batch_create(call);
	struct error err = {{0}};
	enum outcome outcome;

	b->options.force = command_flag(args, "force");
	b->if_safe = command_flag(args, "ifSafe");
	b->options.no_drop = command_flag(args, "noDrop");
	outcome = select_plugins(b, args, &err);
	if (outcome == OUTCOME_DONE &&
		read_wait(json_object_get(args, "wait"), &b->waiting)) {
		error_set(
			&err, "reload: 'wait' must be verdict, settled or no");
		outcome = OUTCOME_BAD_CALL;
	}
	if (outcome == OUTCOME_DONE) {
		batch_begin(b, begin_reload);
		return;
	}
	/* Nothing has begun, so there is no watcher to take back. */
	b->count = 0;
	batch_destroy(b);
	command_fail(call, outcome, "%s", err.text);
}

static void
run_lifecycle(
	struct command_call *call, const json_t *args, begin_function *begin)
{
	struct error err;
	struct plugin *p = command_find_plugin(
		call->gateway, command_text(args, "id"), &err);
	struct batch *b;

	if (!p) {
		command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
		return;
	}
	b = batch_create(call);
	batch_add(b, p);
	batch_begin(b, begin);
}

void
command_start(struct command_call *call, const json_t *args)
{
	run_lifecycle(call, args, begin_start);
}

void
command_stop(struct command_call *call, const json_t *args)
{
	run_lifecycle(call, args, begin_stop);
}

void
command_restart(struct command_call *call, const json_t *args)
{
	run_lifecycle(call, args, begin_restart);
}
