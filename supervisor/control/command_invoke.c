/* command_invoke: `call`: a tool, command or method of a plugin, or one of
 * supd's own methods, from outside. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/near.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/gateway/invoke.h"
#include "supervisor/control/job.h"

struct invoke_job {
	struct command_job job;
	struct command_call *call;
	struct invoke invoke;
};

static void
job_leave(struct command_job *job)
{
	struct invoke_job *j = container_of(job, struct invoke_job, job);

	invoke_finish(&j->invoke);
	free(j);
}

/* "; did you mean 'x'?", for a name that no plugin registered. */
static const char *
name_hint(const struct invoke *v, struct near *near)
{
	const struct route_table *t = v->gateway->routes;
	uint32_t plugin = 0, index = 0;
	const struct route_row *row;

	near_init(near, v->full_name);
	for (int i = 0; i < NEAR_LOOKS_MAX; i++) {
		row = route_table_next(t, &plugin, &index);
		if (!row)
			break;
		if (row->kind == v->kind)
			near_offer(near, row->name);
	}
	return near_hint(near);
}

/* The result of a call that failed. */
static json_t *
failure(const struct invoke *v, const struct invoke_end *end)
{
	struct near near;
	char text[768];

	text_format(text, sizeof(text), "%s%s", end->text,
		v->is_unknown ? name_hint(v, &near) : "");
	return json_pack("{s:o,s:s,s:i}", "error", value_text(text), "code",
		wire_error_text(end->code), "status", end->http_status);
}

static void
job_done(struct invoke *v, const struct invoke_end *end)
{
	struct invoke_job *j = container_of(v, struct invoke_job, invoke);
	struct command_call *call = j->call;
	enum outcome outcome = OUTCOME_DONE;
	json_t *result;

	if (end->ok) {
		result = json_pack("{s:O}", "result", end->value);
	} else {
		outcome = v->is_unknown	  ? OUTCOME_NOT_FOUND
			  : v->is_refused ? OUTCOME_BAD_CALL
					  : OUTCOME_FAILED;
		result = failure(v, end);
	}
	invoke_finish(&j->invoke);
	free(j);
	command_finish(call, outcome,
		result ? result : json_pack("{s:s}", "error", "failed"));
}

void
command_invoke(struct command_call *call, const json_t *args)
{
	const char *name = command_text(args, "name");
	int kind = invoke_kind(bytes_of(command_text(args, "kind")));
	const json_t *value = json_object_get(args, "args");
	const char *verb = kind == REGISTRATION_METHOD
				   ? command_by_method(name, strlen(name))
				   : NULL;
	struct invoke_job *j;
	struct error err;

	if (verb) {
		command_run(call, verb, value);
		return;
	}
	if (kind < 0) {
		command_fail(call, OUTCOME_BAD_CALL,
			"call: 'kind' must be tool, command or method");
		return;
	}
	j = memory_alloc(sizeof(*j));
	j->job.leave = job_leave;
	j->call = call;
	invoke_init(&j->invoke, call->gateway, job_done);
	invoke_pack_caller(&j->invoke, call->door, NULL);
	if (invoke_pack_args(
		    &j->invoke, (enum registration_kind)kind, value, &err)) {
		job_leave(&j->job);
		command_fail(call, OUTCOME_BAD_CALL, "call: %s", err.text);
		return;
	}
	call->job = &j->job;
	tracer_begin(&call->gateway->workers.tracer, &call->trace,
		&j->invoke.request.span);
	invoke_begin(&j->invoke, (enum registration_kind)kind, bytes_of(name),
		command_number(args, "timeoutMs", 0));
}
