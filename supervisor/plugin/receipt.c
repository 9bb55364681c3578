/* receipt: the object and its JSON. */
#include "supervisor/plugin/receipt.h"

#include <stdlib.h>
#include <string.h>

#include "proto/registration.h"
#include "proto/util/memory.h"
#include "proto/value.h"

const char *const receipt_phase_texts[PHASE_COUNT] = {[PHASE_NONE] = "",
#define X(name, text) [PHASE_##name] = text,
	RECEIPT_PHASES(X)
#undef X
};

static const struct {
	const char *text;
	enum outcome outcome;
} states[] = {
#define X(name, text, outcome) [RECEIPT_##name] = {text, OUTCOME_##outcome},
	RECEIPT_STATES(X)
#undef X
};

/* ---- the object ---- */

static char *
copy_or_null(const char *text)
{
	return text ? memory_copy_text(text) : NULL;
}

void
receipt_worker_copy(
	struct receipt_worker *to, const struct receipt_worker *from)
{
	*to = *from;
	to->version = copy_or_null(from->version);
	to->digest = copy_or_null(from->digest);
}

void
receipt_worker_finish(struct receipt_worker *w)
{
	free(w->version);
	free(w->digest);
	w->version = w->digest = NULL;
}

struct receipt *
receipt_create(enum receipt_state state)
{
	struct receipt *r = memory_alloc(sizeof(*r));

	r->state = state;
	r->outcome = states[state].outcome;
	r->mode = "overlap";
	r->drained = r->aborted = r->state_bytes = -1;
	for (int i = 0; i < PHASE_COUNT; i++)
		r->phase_ms[i] = -1;
	return r;
}

struct receipt *
receipt_ref(const struct receipt *r)
{
	struct receipt *counted = (struct receipt *)(uintptr_t)r;

	counted->more_references++;
	return counted;
}

void
receipt_unref(struct receipt *r)
{
	if (!r || r->more_references--)
		return;
	receipt_worker_finish(&r->worker);
	json_decref(r->cause);
	json_decref(r->removed);
	json_decref(r->registered);
	json_decref(r->dropped);
	json_decref(r->added);
	json_decref(r->log);
	json_decref(r->take);
	json_decref(r->services);
	json_decref(r->view);
	free(r->plugin_id);
	free(r->fallback);
	free(r->error);
	free(r);
}

struct receipt *
receipt_copy(const struct receipt *r)
{
	struct receipt *copy = memory_alloc(sizeof(*copy));

	*copy = *r;
	copy->more_references = 0;
	copy->view = NULL;
	receipt_worker_copy(&copy->worker, &r->worker);
	copy->plugin_id = memory_copy_text(r->plugin_id);
	copy->fallback = copy_or_null(r->fallback);
	copy->error = copy_or_null(r->error);
	json_incref(copy->cause);
	json_incref(copy->removed);
	json_incref(copy->registered);
	json_incref(copy->dropped);
	json_incref(copy->added);
	json_incref(copy->log);
	json_incref(copy->take);
	json_incref(copy->services);
	return copy;
}

bool
receipt_has_succeeded(const struct receipt *r)
{
	return r->outcome == OUTCOME_DONE || r->outcome == OUTCOME_ACCEPTED;
}

static const char *
state_text(const struct receipt *r)
{
	return states[r->state].text;
}

/* ---- the JSON view ---- */

static void
put(json_t *view, const char *key, json_t *value)
{
	json_object_set_new(view, key, value);
}

static json_t *
text_or_null(const char *text)
{
	return value_text(text && *text ? text : NULL);
}

static json_t *
number_or_null(int64_t number)
{
	return number ? json_integer(number) : json_null();
}

static json_t *
count_or_null(int64_t count)
{
	return count < 0 ? json_null() : json_integer(count);
}

/* Rounds to two decimals. */
static json_t *
milliseconds(double ms)
{
	return ms < 0 ? json_null()
		      : json_real((double)(int64_t)(ms * 100 + 0.5) / 100);
}

static json_t *
list_or_empty(json_t *list)
{
	return list ? json_incref(list) : json_array();
}

/* An empty list for every kind. */
static json_t *
no_registrations(void)
{
	json_t *none = json_object();

	for (int kind = 0; kind < REGISTRATION_KIND_COUNT; kind++) {
		const struct registration_kind_row *row =
			registration_kinds[kind];

		put(none, row->receipt,
			row->named ? json_array() : json_integer(0));
	}
	return none;
}

static json_t *
set_or_empty(json_t *set)
{
	return set ? json_incref(set) : no_registrations();
}

static void
put_head(json_t *view, const struct receipt *r)
{
	put(view, "id", text_or_null(r->id));
	put(view, "pluginId", json_string(r->plugin_id));
	put(view, "success", json_boolean(receipt_has_succeeded(r)));
	put(view, "state", json_string(state_text(r)));
}

static void
put_worker(json_t *view, const struct receipt_worker *w)
{
	put(view, "generation", number_or_null(w->generation));
	put(view, "previousGeneration", number_or_null(w->previous_generation));
	put(view, "pid", number_or_null(w->pid));
	put(view, "previousPid", number_or_null(w->previous_pid));
	put(view, "version", text_or_null(w->version));
	put(view, "digest", text_or_null(w->digest));
}

/* Phases that not every reload has are shown only where they apply. */
static bool
is_shown(const struct receipt *r, int phase)
{
	switch (phase) {
	case PHASE_STATE:
		return r->hands_over;
	case PHASE_QUIESCING:
	case PHASE_TAKING:
		return r->takes_over;
	case PHASE_GIVING:
		return r->phase_ms[phase] >= 0;
	default:
		return true;
	}
}

static json_t *
phases(const struct receipt *r)
{
	json_t *phases = json_object();

	for (int i = PHASE_NONE + 1; i < PHASE_COUNT; i++)
		if (is_shown(r, i))
			put(phases, receipt_phase_texts[i],
				milliseconds(r->phase_ms[i]));
	return phases;
}

/* Adds the optional keys. In the receipt of a proof, `removed`, `registered`
 * and `dropped` are those of a reload that would follow; `generation` and `pid`
 * are those of the worker that still serves. */
static void
put_more(json_t *view, const struct receipt *r)
{
	if (r->cause)
		put(view, "cause", json_incref(r->cause));
	if (r->takes_over)
		put(view, "takeMs", milliseconds(r->take_ms));
	if (r->hands_over)
		put(view, "stateBytes", count_or_null(r->state_bytes));
	if (r->state_lost)
		put(view, "stateLost", json_true());
	if (r->is_proof) {
		put(view, "proved", json_boolean(receipt_has_succeeded(r)));
		put(view, "added", list_or_empty(r->added));
	}
	if (r->is_unchanged)
		put(view, "unchanged", json_true());
	if (r->take)
		put(view, "take", json_incref(r->take));
	if (r->services)
		put(view, "services", json_incref(r->services));
}

static json_t *
make_view(const struct receipt *r)
{
	json_t *view = json_object();

	put_head(view, r);
	if (r->state == RECEIPT_QUEUED)
		return view;
	put(view, "trigger", json_string(r->trigger));
	put(view, "kind", text_or_null(r->kind));
	put(view, "by", text_or_null(*r->by ? r->by : NULL));
	put(view, "mode", json_string(r->mode));
	put(view, "fallback", text_or_null(r->fallback));
	put_worker(view, &r->worker);
	put(view, "removed", set_or_empty(r->removed));
	put(view, "registered", set_or_empty(r->registered));
	put(view, "dropped", list_or_empty(r->dropped));
	put(view, "durationMs", milliseconds(r->duration_ms));
	put(view, "phases", phases(r));
	put(view, "held", json_integer(r->held));
	put(view, "drained", count_or_null(r->drained));
	put(view, "aborted", count_or_null(r->aborted));
	put_more(view, r);
	put(view, "error", text_or_null(r->error));
	put(view, "log", list_or_empty(r->log));
	return view;
}

json_t *
receipt_view(struct receipt *r)
{
	if (!r->view)
		r->view = make_view(r);
	return r->view;
}
