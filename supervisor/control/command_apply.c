/* command_apply: plan, apply and scan: begins a pass and passes on its report;
 * also finds the plugins that `reload --changed` means. Decides nothing about a
 * plugin. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/control/batch.h"
#include "supervisor/apply/apply.h"

struct apply_job {
	struct command_job job;
	struct command_call *call;
	struct apply_request request;
	json_t *args; /* of `reload --changed`, or NULL */
	json_t *ids;  /* array: of `reload --plan`, or NULL */
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

	command_report(
		a->call, json_pack("{s:s,s:s,s:f}", "pluginId", plugin_id,
				 "phase", phase, "ms", ms_since_begin));
}

static void
on_receipt(struct apply_request *r, struct receipt *receipt)
{
	struct apply_job *a = container_of(r, struct apply_job, request);

	command_report(
		a->call, json_pack("{s:O}", "receipt", receipt_view(receipt)));
}

static void
on_done(struct apply_request *r, const struct apply_report *report)
{
	struct apply_job *a = container_of(r, struct apply_job, request);
	struct command_call *call = a->call;

	call->has_receipts = r->kind == APPLY_ALL || r->kind == APPLY_SCAN;
	job_destroy(a);
	command_finish_long(
		call, report->outcome, json_incref(report->document));
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

/* ---- reload --changed and reload --plan ---- */

/* Returns a new object: the document's rows by plugin id. */
static json_t *
rows_by_id(const json_t *document)
{
	json_t *by_id = json_object(), *row;
	size_t i;

	json_array_foreach(json_object_get(document, "plugins"), i,
		row) json_object_set(by_id,
		json_string_value(json_object_get(row, "pluginId")), row);
	return by_id;
}

/* A row for each named plugin, also if nothing differs. */
static json_t *
rows_of(const json_t *document, const json_t *ids)
{
	json_t *rows = json_array(), *by_id = rows_by_id(document), *id;
	size_t i;

	json_array_foreach(ids, i, id)
	{
		json_t *row = json_object_get(by_id, json_string_value(id));

		if (row)
			json_array_append(rows, row);
		else
			json_array_append_new(
				rows, json_pack("{s:O, s:s, s:n, s:[]}",
					      "pluginId", id, "action", "none",
					      "class", "reasons"));
	}
	json_decref(by_id);
	return rows;
}

static void
planned(struct apply_request *r, const struct apply_report *report)
{
	struct apply_job *a = container_of(r, struct apply_job, request);
	struct command_call *call = a->call;
	json_t *result = json_copy(report->document);

	if (a->ids)
		json_object_set_new(
			result, "plugins", rows_of(report->document, a->ids));
	job_destroy(a);
	command_finish_long(call, report->outcome, result);
}

void
command_reload_plan(struct command_call *call, json_t *ids)
{
	struct apply_job *a = memory_alloc(sizeof(*a));

	a->ids = ids;
	a->request.on_done = planned;
	begin(call, a, APPLY_COMPARE);
}

/* The comparison is done: reloads the plugins that changed. */
static void
compared(struct apply_request *r, const struct apply_report *report)
{
	struct apply_job *a = container_of(r, struct apply_job, request);
	struct command_call *call = a->call;
	json_t *args, *ids;

	if (report->outcome != OUTCOME_DONE) {
		on_done(r, report);
		return;
	}
	ids = json_array();
	for (uint32_t i = 0; i < report->plugin_count; i++)
		json_array_append_new(ids, json_string(report->plugin_ids[i]));
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
