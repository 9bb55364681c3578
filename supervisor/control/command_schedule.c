/* command_schedule: a tick by hand. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/control/job.h"
#include "supervisor/schedule/schedule.h"

struct schedule_job {
	struct command_job job;
	struct command_call *call;
	struct schedule_run run;
	char tick_id[SCHEDULE_TICK_ID_BYTES];
};

static void
job_leave(struct command_job *job)
{
	struct schedule_job *j = container_of(job, struct schedule_job, job);

	schedule_leave(&j->run);
	free(j);
}

static void
job_end(struct schedule_run *run, enum wire_error code, const char *error)
{
	struct schedule_job *j = container_of(run, struct schedule_job, run);
	struct command_call *call = j->call;
	json_t *result = json_pack("{s:o}", "tickId", value_text(j->tick_id));

	if (error) {
		json_object_set_new(result, "error", value_text(error));
		json_object_set_new(
			result, "code", json_string(wire_error_text(code)));
	}
	free(j);
	command_finish(call, error ? OUTCOME_FAILED : OUTCOME_DONE, result);
}

void
command_schedule(struct command_call *call, const json_t *args)
{
	struct schedule_job *j = memory_alloc(sizeof(*j));
	struct error err;

	j->job.leave = job_leave;
	j->call = call;
	j->run.on_end = job_end;
	call->job = &j->job;
	switch (schedule_run(call->gateway, command_text(args, "run"), &j->run,
		j->tick_id, &err)) {
	case SCHEDULE_RUNS:
		return;
	case SCHEDULE_UNKNOWN:
		free(j);
		command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
		return;
	case SCHEDULE_BUSY:
		free(j);
		command_fail(call, OUTCOME_REFUSED, "%s", err.text);
	}
}
