/* services_jobs: what the services of a worker are to do: a job of a reload, to
 * serve, to rest, to retire, to end. */
#include "proto/util/clock.h"
#include "supervisor/event/services_parts.h"

/* A service that ran for so long begins with the first pause again. */
#define LASTING_MS 60000

/* Failures count within a job, and over all of the time that a worker serves.
 */
static void
forget_failures(struct services *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct service *service = &s->items[i];

		service->is_skipped = false;
		if (s->goal == SERVICES_SERVE)
			continue;
		service->failures = 0;
		service->again_ms = 0;
	}
}

static void
cancel_task(struct services *s)
{
	if (!s->asked)
		return;
	worker_task_cancel(s->worker);
	s->asked->stop_first = s->asked->state == SERVICE_STARTING &&
			       !service_is_take(s->asked);
	s->asked->state = SERVICE_UNSURE;
	s->asked = NULL;
}

static void
begin(struct services *s, enum services_goal goal,
	const struct services_job *job)
{
	struct error busy;

	error_set(&busy, "its services are needed for something else");
	services_end_change(s, &busy);
	wheel_clear(services_wheel(s), &s->again);
	cancel_task(s);
	s->goal = goal;
	s->job = *job;
	forget_failures(s);
	services_go_on(s);
}

void
services_begin(struct worker *w, const struct services_job *job)
{
	struct services *s = w->services;

	if (s)
		begin(s, SERVICES_JOB, job);
	else if (job->done)
		job->done(w, NULL);
}

void
services_serve(struct worker *w)
{
	struct services *s = w->services;

	if (!s)
		return;
	s->serves = true;
	if (s->items[0].state != SERVICE_ON)
		s->epoch = 0;
	services_report_all(s);
	begin(s, SERVICES_SERVE, &(struct services_job){.which = SERVICES_ALL});
}

void
service_broke(struct services *s, struct service *service)
{
	if (service->state != SERVICE_ON || s->goal != SERVICES_SERVE)
		return;
	if (clock_ms() - service->started_ms > LASTING_MS)
		service->failures = 0;
	service_note_failure(s, service);
	service->state = SERVICE_UNSURE;
	service->stop_first = true;
	services_go_on(s);
}

static void
stop_all(struct worker *w, enum services_goal goal, enum services_which which)
{
	begin(w->services, goal,
		&(struct services_job){.stops = true,
			.which = which,
			.is_tolerant = true,
			.due_ms = clock_ms() +
				  w->config->limits.stop_timeout_ms});
}

void
services_rest(struct worker *w)
{
	struct services *s = w->services;

	if (!s)
		return;
	s->serves = false;
	begin(s, SERVICES_REST, &(struct services_job){0});
}

void
services_retire(struct worker *w, enum services_which which)
{
	struct services *s = w->services;

	if (!s || s->goal == SERVICES_RETIRE || s->goal == SERVICES_END)
		return;
	s->serves = false;
	stop_all(w, SERVICES_RETIRE, which);
}

void
services_end(struct worker *w)
{
	struct services *s = w->services;

	if (!s || w->state >= WORKER_STOPPING) {
		worker_stop(w);
	} else if (s->goal == SERVICES_RETIRE && s->job.which == SERVICES_ALL) {
		s->goal = SERVICES_END;
		services_go_on(s);
	} else if (s->goal != SERVICES_END) {
		s->serves = false;
		stop_all(w, SERVICES_END, SERVICES_ALL);
	}
}
