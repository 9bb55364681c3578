/* command_apply: plan, apply and scan: begins a pass and hands on what it says;
 * and which plugins a `reload` of what changed means. Decides nothing about a
 * plugin. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/control/batch.h"
#include "supervisor/gateway/apply.h"

struct apply_job {
	struct command_job job;
	struct command_call *call;
	struct apply_request request;
	json_t *args; /* of a reload of what changed, or NULL */
	json_t *ids;  /* array: of a reload that is only planned, or NULL */
};

static void
job_destroy(struct apply_job *a)
{
	apply_leave(&a->request);
	json_decref(a->args);
	json_decref(a->ids);
	free(a);
}

static void
job_leave(struct command_job *job)
{
	job_destroy(container_of(job, struct apply_job, job));
}

static void
on_phase(struct apply_request *r, const char *plugin_id, const char *phase,
	double ms_since_begin)
{
	struct apply_job *a = container_of(r, struct apply_job, request);

	command_tell(a->call, json_pack("{s:s,s:s,s:f}", "pluginId", plugin_id,
				      "phase", phase, "ms", ms_since_begin));
}

static void
on_receipt(struct apply_request *r, json_t *receipt)
{
	struct apply_job *a = container_of(r, struct apply_job, request);

	command_tell(a->call, json_pack("{s:O}", "receipt", receipt));
}

static void
on_done(struct apply_request *r, enum outcome outcome, json_t *document)
{
	struct apply_job *a = container_of(r, struct apply_job, request);
	struct command_call *call = a->call;

	job_destroy(a);
	command_finish(call, outcome, json_incref(document));
}

static void
begin(struct command_call *call, struct apply_job *a, enum apply_kind kind)
{
	a->job.leave = job_leave;
	a->call = call;
	a->request.kind = kind;
	a->request.trigger = call->door;
	if (!a->request.on_done)
		a->request.on_done = on_done;
	list_init(&a->request.node);
	call->job = &a->job;
	apply_begin(call->gateway, &a->request);
}

void
command_plan(struct command_call *call, const json_t *args)
{
	(void)args;
	begin(call, memory_alloc(sizeof(struct apply_job)), APPLY_PLAN);
}

void
command_apply(struct command_call *call, const json_t *args)
{
	struct apply_job *a = memory_alloc(sizeof(*a));

	a->request.atomic = command_flag(args, "atomic");
	a->request.on_phase = on_phase;
	a->request.on_receipt = on_receipt;
	begin(call, a, APPLY_ALL);
}

void
command_scan(struct command_call *call, const json_t *args)
{
	struct apply_job *a = memory_alloc(sizeof(*a));

	(void)args;
	a->request.on_phase = on_phase;
	a->request.on_receipt = on_receipt;
	begin(call, a, APPLY_SCAN);
}

/* ---- reload of what changed, and reload that is only planned ---- */

static json_t *
find_row(const json_t *document, const char *id)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(document, "plugins"), i,
		row) if (!strcmp(json_string_value(json_object_get(row,
					 "pluginId")),
				 id)) return row;
	return NULL;
}

/* A row for each that was named, also where nothing differs. */
static json_t *
rows_of(const json_t *document, const json_t *ids)
{
	json_t *rows = json_array(), *id;
	size_t i;

	json_array_foreach(ids, i, id)
	{
		json_t *row = find_row(document, json_string_value(id));

		if (row)
			json_array_append(rows, row);
		else
			json_array_append_new(
				rows, json_pack("{s:O, s:s, s:n, s:[]}",
					      "pluginId", id, "action", "none",
					      "class", "reasons"));
	}
	return rows;
}

static void
planned(struct apply_request *r, enum outcome outcome, json_t *document)
{
	struct apply_job *a = container_of(r, struct apply_job, request);
	struct command_call *call = a->call;
	json_t *result = json_copy(document);

	if (a->ids)
		json_object_set_new(
			result, "plugins", rows_of(document, a->ids));
	job_destroy(a);
	command_finish(call, outcome, result);
}

void
command_reload_plan(struct command_call *call, json_t *ids)
{
	struct apply_job *a = memory_alloc(sizeof(*a));

	a->ids = ids;
	a->request.on_done = planned;
	begin(call, a, APPLY_COMPARE);
}

/* Those that a reload could do something for. */
static void
compared(struct apply_request *r, enum outcome outcome, json_t *document)
{
	struct apply_job *a = container_of(r, struct apply_job, request);
	struct command_call *call = a->call;
	json_t *args, *ids = json_array(), *row;
	size_t i;

	if (outcome != OUTCOME_DONE) {
		json_decref(ids);
		on_done(r, outcome, document);
		return;
	}
	json_array_foreach(json_object_get(document, "plugins"), i, row)
		json_array_append(ids, json_object_get(row, "pluginId"));
	args = json_copy(a->args);
	json_object_del(args, "changed");
	json_object_set_new(args, "pluginIds", ids);
	job_destroy(a);
	call->job = NULL;
	command_reload(call, args);
	json_decref(args);
}

void
command_reload_changed(struct command_call *call, const json_t *args)
{
	struct apply_job *a = memory_alloc(sizeof(*a));

	a->args = json_deep_copy(args);
	a->request.on_done = compared;
	begin(call, a, APPLY_COMPARE);
}
