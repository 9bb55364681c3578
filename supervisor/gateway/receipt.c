/* receipt: what a transaction did, as the one JSON object of contract section
 * 5 that supctl, HTTP, events and history show alike. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/transaction.h"

#define LOG_TAIL_LINES 20

json_t *
receipt_counts(const struct registration_set *set)
{
	json_t *counts = json_object();

	for (int kind = 0; kind < REGISTRATION_KIND_COUNT; kind++) {
		const struct registration_kind_row *row =
			&registration_kinds[kind];
		json_t *names = json_array();
		uint32_t count = 0;

		for (uint32_t i = 0; set && i < set->count; i++) {
			if ((int)set->items[i].kind != kind)
				continue;
			count++;
			json_array_append_new(
				names, json_string(set->items[i].name));
		}
		json_object_set_new(counts, row->receipt,
			row->named ? json_incref(names) : json_integer(count));
		json_decref(names);
	}
	return counts;
}

json_t *
receipt_dropped(const struct registration_set *before,
	const struct registration_set *after)
{
	json_t *dropped = json_array();

	for (uint32_t i = 0; before && i < before->count; i++) {
		const struct registration *have = &before->items[i];
		char *label;

		if (after && registration_find(after, have->kind, have->name))
			continue;
		label = registration_label(have);
		json_array_append_new(dropped, json_string(label));
		free(label);
	}
	return dropped;
}

/* Milliseconds with two decimals: what a person and a graph need. */
static json_t *
milliseconds(double ms)
{
	return ms < 0 ? json_null()
		      : json_real((double)(int64_t)(ms * 100 + 0.5) / 100);
}

static json_t *
text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *
count_or_null(int64_t count)
{
	return count < 0 ? json_null() : json_integer(count);
}

static json_t *
set_or_empty(json_t *set, bool success)
{
	return success && set ? json_incref(set) : receipt_counts(NULL);
}

static const char *
state_text(const struct reload *r)
{
	switch (r->state) {
	case RELOAD_ROLLED_BACK:
		return "rolled_back";
	case RELOAD_REVERTED:
		return "reverted";
	case RELOAD_SETTLED:
		return r->committed_us ? "settled" : "done";
	case RELOAD_COMMITTED:
	case RELOAD_SETTLING:
		return "done";
	default:
		return "queued";
	}
}

static json_t *
phases(const struct reload *r)
{
	json_t *phases = json_object();

	for (int i = 0; i < PHASE_COUNT; i++)
		if (i != PHASE_STATE || r->hands)
			json_object_set_new(phases, reload_phase_texts[i],
				milliseconds(r->phase_ms[i]));
	return phases;
}

static void
set_worker(json_t *receipt, const struct reload *r, const struct worker *w)
{
	json_object_set_new(receipt, "generation",
		w ? json_integer(w->generation) : json_null());
	json_object_set_new(receipt, "previousGeneration",
		r->previous_generation && !r->prove
			? json_integer(r->previous_generation)
			: json_null());
	json_object_set_new(
		receipt, "pid", w ? json_integer(w->pid) : json_null());
	json_object_set_new(receipt, "previousPid",
		r->previous_pid && !r->prove ? json_integer(r->previous_pid)
					     : json_null());
	json_object_set_new(
		receipt, "version", text_or_null(w ? w->version : NULL));
	json_object_set_new(
		receipt, "digest", text_or_null(w ? w->digest : NULL));
}

/* Only where there was something to hand over. */
static void
set_state(json_t *receipt, const struct reload *r, bool success)
{
	json_object_set_new(receipt, "stateBytes",
		count_or_null(success ? r->state_bytes : -1));
	if (success && r->state_lost)
		json_object_set_new(receipt, "stateLost", json_true());
}

/* Of a proof `removed`, `registered` and `dropped` are what a reload's would
 * be; `generation` and `pid` are those that serve on. */
static void
set_proof(json_t *receipt, const struct reload *r, bool success)
{
	json_object_set_new(receipt, "proved", json_boolean(success));
	json_object_set_new(receipt, "added",
		success && r->added ? json_incref(r->added) : json_array());
}

json_t *
receipt_make(const struct reload *r)
{
	struct plugin *p = r->plugin;
	bool success = r->state != RELOAD_ROLLED_BACK;
	bool failed = !success || r->state == RELOAD_REVERTED;
	json_t *receipt = json_object();
	uint64_t end_us = r->committed_us ? r->committed_us : clock_us();

	json_object_set_new(receipt, "id", json_string(r->id));
	json_object_set_new(receipt, "pluginId", json_string(p->id));
	json_object_set_new(receipt, "success", json_boolean(!failed));
	json_object_set_new(receipt, "state", json_string(state_text(r)));
	json_object_set_new(receipt, "trigger", json_string(r->trigger));
	json_object_set_new(receipt, "mode",
		json_string(
			r->kind == KIND_CONFIGURE ? "configure" : "overlap"));
	json_object_set_new(receipt, "fallback", text_or_null(r->fallback));
	set_worker(receipt, r, plugin_serving(p));
	json_object_set_new(
		receipt, "removed", set_or_empty(r->removed, !failed));
	json_object_set_new(
		receipt, "registered", set_or_empty(r->registered, !failed));
	json_object_set_new(receipt, "dropped",
		!failed && r->dropped ? json_incref(r->dropped) : json_array());
	json_object_set_new(receipt, "durationMs",
		milliseconds((double)(end_us - r->begun_us) / 1000));
	json_object_set_new(receipt, "phases", phases(r));
	json_object_set_new(receipt, "held", json_integer(r->held));
	json_object_set_new(receipt, "drained", count_or_null(r->drained));
	json_object_set_new(receipt, "aborted", count_or_null(r->aborted));
	if (r->hands)
		set_state(receipt, r, !failed);
	if (r->prove)
		set_proof(receipt, r, !failed);
	if (r->unchanged)
		json_object_set_new(receipt, "unchanged", json_true());
	json_object_set_new(receipt, "error",
		failed ? text_or_null(r->error.text) : json_null());
	json_object_set_new(receipt, "log",
		failed ? output_last(p->output, LOG_TAIL_LINES, r->generation)
		       : json_array());
	return receipt;
}

json_t *
reload_refused_receipt(struct gateway *g, const struct plugin *p,
	const char *trigger, const char *reason)
{
	struct reload r = {.gateway = g,
		.state = RELOAD_ROLLED_BACK,
		.drained = -1,
		.aborted = -1,
		.state_bytes = -1};
	json_t *receipt;

	/* Only read from; a refused call changes nothing but its count. */
	r.plugin = gateway_plugin_by_number(g, p->number);
	r.begun_us = clock_us();
	r.generation = UINT32_MAX; /* has no output */
	for (int i = 0; i < PHASE_COUNT; i++)
		r.phase_ms[i] = -1;
	error_set(&r.error, "%s", reason);
	strncpy(r.trigger, trigger, sizeof(r.trigger) - 1);
	receipt = receipt_make(&r);
	json_object_set_new(receipt, "id", json_null());
	json_object_set_new(receipt, "state", json_string("refused"));
	r.plugin->counters.refused++;
	return receipt;
}
