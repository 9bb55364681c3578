/* account: makes the receipt of a transaction, and keeps the figures for it. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/event/services.h"
#include "supervisor/reload/transaction.h"

#define LOG_TAIL_LINES 20
#define SERVICES_MAX 16

/* ---- figures ---- */

void
figures_init(struct figures *f)
{
	f->begun_us = f->phase_us = clock_us();
	f->drained = f->aborted = -1;
	for (int i = 0; i < PHASE_COUNT; i++)
		f->phase_ms[i] = -1;
}

void
figures_finish(struct figures *f)
{
	json_decref(f->removed);
	json_decref(f->registered);
	json_decref(f->dropped);
	json_decref(f->added);
	receipt_worker_finish(&f->judged);
	registration_set_finish(&f->before);
}

json_t *
account_counts(const struct registration_set *set)
{
	json_t *counts = json_object();

	for (int kind = 0; kind < REGISTRATION_KIND_COUNT; kind++) {
		const struct registration_kind_row *row =
			registration_kinds[kind];
		json_t *names = json_array();
		uint32_t count = 0;

		for (uint32_t i = 0; i < set->count; i++) {
			if ((int)set->items[i].kind != kind)
				continue;
			count++;
			json_array_append_new(
				names, value_text(set->items[i].name));
		}
		json_object_set_new(counts, row->receipt,
			row->named ? json_incref(names) : json_integer(count));
		json_decref(names);
	}
	return counts;
}

const struct registration *
account_next_dropped(const struct registration_set *before,
	const struct registration_set *after, uint32_t *at)
{
	while (before && *at < before->count) {
		const struct registration *have = &before->items[(*at)++];

		if (!after || !registration_find(after, have->kind, have->name))
			return have;
	}
	return NULL;
}

json_t *
account_dropped(const struct registration_set *before,
	const struct registration_set *after)
{
	const struct registration *gone;
	json_t *dropped = json_array();
	uint32_t at = 0;

	while ((gone = account_next_dropped(before, after, &at))) {
		char *label = registration_label(gone);

		json_array_append_new(dropped, value_text(label));
		free(label);
	}
	return dropped;
}

void
account_note_old(struct reload *r, const struct worker *old)
{
	struct figures *f = &r->figures;

	f->previous_generation = old->generation;
	f->previous_pid = old->pid;
	json_decref(f->removed);
	f->removed = account_counts(&old->registrations);
}

void
account_keep_old(struct reload *r, const struct worker *old)
{
	account_note_old(r, old);
	registration_set_finish(&r->figures.before);
	registration_set_copy(&r->figures.before, &old->registrations);
}

/* ---- the receipt ---- */

static char *
copy_or_null(const char *text)
{
	return text && *text ? memory_copy_text(text) : NULL;
}

/* Names the worker that served at the verdict, because another transaction may
 * have replaced it since. */
static void
take_worker(struct receipt *receipt, const struct reload *r)
{
	const struct worker *w = plugin_serving(r->plugin);
	struct receipt_worker *to = &receipt->worker;

	if (r->figures.is_judged && receipt_has_succeeded(receipt)) {
		receipt_worker_copy(to, &r->figures.judged);
		return;
	}
	if (!receipt->is_proof) {
		to->previous_generation = r->figures.previous_generation;
		to->previous_pid = r->figures.previous_pid;
	}
	if (!w)
		return;
	to->generation = w->generation;
	to->pid = w->pid;
	to->version = copy_or_null(w->version);
	to->digest = copy_or_null(w->digest);
}

/* A start that succeeded is no promise that all services run. */
static void
take_services(struct receipt *receipt, const struct reload *r)
{
	const struct worker *w = plugin_serving(r->plugin);

	if (receipt->is_proof || (r->fresh && r->fresh != w))
		return;
	receipt->take = services_idle_take_view(w);
	receipt->services =
		services_idle_view(w, REGISTRATION_SERVICE, SERVICES_MAX);
}

static void
take_success(struct receipt *receipt, const struct reload *r)
{
	const struct figures *f = &r->figures;

	take_services(receipt, r);

	receipt->removed = json_incref(f->removed);
	receipt->registered = json_incref(f->registered);
	receipt->dropped = json_incref(f->dropped);
	receipt->added = json_incref(f->added);
	receipt->state_bytes = r->handover.bytes;
	receipt->state_lost = r->handover.begun && r->handover.lost;
}

static void
take_failure(struct receipt *receipt, const struct reload *r)
{
	receipt->error = copy_or_null(r->error.text);
	receipt->log =
		output_last(r->plugin->output, LOG_TAIL_LINES, r->generation);
}

/* The kind as shown. First starts and crash restarts have the kind RELOAD and
 * are shown as "start" and "restart". */
static const char *
kind_text(const struct reload *r)
{
	if (r->asked == KIND_RELOAD && !strcmp(r->trigger, "start"))
		return reload_kind_texts[KIND_START];
	if (r->asked == KIND_RELOAD && !strcmp(r->trigger, "crash"))
		return reload_kind_texts[KIND_RESTART];
	return reload_kind_texts[r->asked];
}

/* What was taken from the old worker is not back if that worker is gone. */
static enum receipt_state
state_of(const struct reload *r)
{
	if (reload_has_ended_early(r))
		return RECEIPT_DONE;
	if (r->state == RELOAD_ROLLED_BACK && r->takeover.begun &&
		!plugin_serving(r->plugin))
		return RECEIPT_FAILED;
	return reload_row(r)->receipt;
}

struct receipt *
account_receipt(const struct reload *r)
{
	struct receipt *receipt = receipt_create(state_of(r));
	const struct figures *f = &r->figures;
	uint64_t end_us = f->committed_us ? f->committed_us : clock_us();

	memcpy(receipt->id, r->id, sizeof(receipt->id));
	memcpy(receipt->trigger, r->trigger, sizeof(receipt->trigger));
	memcpy(receipt->by, r->by, sizeof(receipt->by));
	receipt->kind = kind_text(r);
	receipt->plugin_id = memory_copy_text(r->plugin->id);
	receipt->mode =
		r->takeover.begun ? "exclusive" : reload_program(r)->mode;
	receipt->is_proof = reload_program(r)->is_proof;
	receipt->is_unchanged = reload_is_unchanged(r);
	receipt->fallback = copy_or_null(r->fallback);
	receipt->cause = json_incref(r->cause);
	receipt->duration_ms = (double)(end_us - f->begun_us) / 1000;
	memcpy(receipt->phase_ms, f->phase_ms, sizeof(receipt->phase_ms));
	receipt->held = f->held;
	receipt->drained = f->drained;
	receipt->aborted = f->aborted;
	receipt->takes_over = r->takeover.begun;
	receipt->take_ms = r->takeover.ms;
	receipt->hands_over = r->handover.begun;
	take_worker(receipt, r);
	if (receipt_has_succeeded(receipt))
		take_success(receipt, r);
	else
		take_failure(receipt, r);
	return receipt;
}

/* A refused transaction has changed nothing, so the receipt names the present
 * worker. */
struct receipt *
reload_refused_receipt(struct gateway *g, const struct plugin *p,
	const char *trigger, enum reload_refusal why, const char *reason)
{
	bool not_saved = why == RELOAD_NOT_SAVED;
	struct receipt *receipt = receipt_create(
		not_saved ? RECEIPT_ROLLED_BACK : RECEIPT_REFUSED);
	const struct worker *w = plugin_serving(p);

	text_format(receipt->trigger, sizeof(receipt->trigger), "%s", trigger);
	text_format(receipt->by, sizeof(receipt->by), "%s",
		g->asking ? g->asking : "");
	receipt->plugin_id = memory_copy_text(p->id);
	receipt->error = copy_or_null(reason);
	if (w) {
		receipt->worker.generation = w->generation;
		receipt->worker.pid = w->pid;
		receipt->worker.version = copy_or_null(w->version);
		receipt->worker.digest = copy_or_null(w->digest);
	}
	if (!not_saved)
		gateway_plugin_by_number(g, p->number)->counters.refused++;
	return receipt;
}
