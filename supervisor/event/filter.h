/* filter: one event on its way through the filters of its name, one after
 * another: by priority, then in the order of plugins in the configuration, then
 * in that of registration. Which filters there are is fixed when the way
 * begins; each is asked at the generation that serves then. */
#pragma once

#include <jansson.h>

#include "proto/util/buffer.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/plugin/hook_counters.h"

#define FILTER_CHAIN_MS 30000 /* of all filters of an event together */

struct event_source;
struct events;
struct filter_step;
struct hook;

/* How it ended. */
struct filter_end {
	/* PASS and CHANGE: the event goes on with the data. STOP: it does not,
	 * for the reason. CLAIM: the data is its answer. */
	enum hook_verdict verdict;
	json_t *data; /* borrowed */
	/* STOP and CLAIM: who; STOP: why. They may be NULL if is_late. */
	const char *plugin_id, *hook, *reason;
	bool by_error; /* STOP: the filter failed, and stops what it fails at */
	bool is_too_large; /* STOP: the data does not fit into a message to it
			    */
	bool is_late; /* STOP: the deadline of the event itself has passed */
};

/* {"plugin", "hook"}: who stopped or claimed it. */
json_t *filter_end_view(const struct filter_end *end);

struct filter_run {
	struct request request; /* to the filter that is asked */
	struct events *events;
	struct filter_step *steps;
	uint32_t count, at;
	const char *name; /* of the event */
	json_t *data;	  /* a reference: as it is now */
	json_t *answer;	  /* of a claim; a reference */
	bool is_changed;
	struct buffer packed, context; /* the data; the context */
	struct trace_context trace;    /* of the event; all zero: none */
	uint64_t due_ms;	       /* of the whole chain */
	uint64_t limit_ms;	       /* deadline of the event, or 0 */
	bool is_asking, is_refused;    /* while it is submitted */
	bool is_too_large;	       /* for a message to the filter */
	enum request_failure refusal;
	const char *refusal_text; /* static, or size_text */
	char size_text[160];
	int (*check)(struct filter_run *f, enum hook_verdict verdict,
		json_t *data, struct error *err);
	void (*done)(struct filter_run *f, const struct filter_end *end);
};

/* An event that passes through filters. */
struct filter_event {
	/* Its name and its chain must last as long as the run. */
	const struct event_source *source;
	json_t *data;	   /* a reference is taken */
	uint64_t limit_ms; /* its deadline, clock_ms(), or 0 */
	/* Whether the data of a CHANGE or CLAIM will do, which it may complete;
	 * -1: the filter has failed. */
	int (*check)(struct filter_run *f, enum hook_verdict verdict,
		json_t *data, struct error *err);
	/* Once, possibly before filter_begin() returns. Call filter_finish() in
	 * it, or later; then what `end` points to is gone. */
	void (*done)(struct filter_run *f, const struct filter_end *end);
};

/* Whether a filter has that event. */
bool filter_is_there(const struct events *e, const char *name);
void filter_begin(struct filter_run *f, struct events *e,
	const struct filter_event *event);
/* Frees what f owns. A run that is not over is cancelled, without done(). */
void filter_finish(struct filter_run *f);
/* The place of a filter among those of its event, from 1. */
uint32_t filter_order(struct events *e, const struct hook *h);
/* The filters of an event in the order in which they are asked: an array, which
 * the caller frees. */
struct hook **filters_in_order(
	struct events *e, const char *name, uint32_t *count_out);
