/* command_invoke: `call`: a tool, command or method of a plugin, or one of
 * supd's own methods, from outside. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/control/invoke.h"
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
		outcome = v->is_unknown ? OUTCOME_NOT_FOUND : OUTCOME_FAILED;
		result = json_pack("{s:s,s:s,s:i}", "error", end->text, "code",
			wire_error_text(end->code), "status", end->http_status);
	}
	invoke_finish(&j->invoke);
	free(j);
	command_finish(call, outcome,
		result ? result : json_pack("{s:s}", "error", "failed"));
}

/* A command takes one text; everything else takes any value. */
static int
pack_args(struct invoke *v, int kind, const json_t *args)
{
	msgpack_packer p;

	codec_packer(&p, &v->args);
	if (kind != REGISTRATION_COMMAND)
		value_pack(&p, args);
	else if (!args || json_is_null(args))
		codec_text(&p, "");
	else if (json_is_string(args))
		codec_str(&p, (struct bytes){json_string_value(args),
				      json_string_length(args)});
	else
		return -1;
	return 0;
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
	if (pack_args(&j->invoke, kind, value)) {
		job_leave(&j->job);
		command_fail(call, OUTCOME_BAD_CALL,
			"call: a command's arguments are one text");
		return;
	}
	call->job = &j->job;
	invoke_begin(&j->invoke, (enum registration_kind)kind, bytes_of(name),
		command_number(args, "timeoutMs", 0));
}
