/* services: the tasks of a job, one at a time. The next one follows from the
 * states of the services alone. */
#include "supervisor/event/services.h"

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/event/services_parts.h"
#include "supervisor/gateway/keep.h"

/* Pauses between the tries of a job, and while a worker serves. */
static const uint64_t pauses_ms[] = {100, 400, 1600, 6400, 25600};
#define PAUSES (sizeof(pauses_ms) / sizeof(*pauses_ms))
#define PAUSE_LAST_MS 60000
/* The next look whether the cursor of a channel is known, if nobody says so. */
#define CURSOR_MS 1000

/* ---- one service ---- */

static void
describe(const struct service *service, char *out, size_t size)
{
	if (service_is_take(service))
		text_format(out, size, "what only one worker may have");
	else
		text_format(out, size, "%s '%s'",
			service->is_channel ? "channel" : "service",
			service->name);
}

void
service_note_failure(struct services *s, struct service *service)
{
	uint64_t pause = service->failures < PAUSES
				 ? pauses_ms[service->failures]
				 : PAUSE_LAST_MS;

	s->plugin->counters.service_failures += !service_is_take(service);
	service->failures++;
	service->again_ms = clock_ms() + pause;
}

/* ---- what is next ---- */

/* Whether the job is about it. Without anything exclusive there is no take. */
static bool
is_wanted(const struct services *s, const struct service *service)
{
	if (s->changed)
		return service->is_dropped;
	return !service->is_skipped && service_is_in(service, s->job.which) &&
	       (s->is_exclusive || !service_is_take(service));
}

/* The first that is to be stopped; the take is the last. */
static struct service *
next_to_stop(struct services *s)
{
	for (uint32_t i = 1; i <= s->count; i++) {
		struct service *service = &s->items[i % s->count];

		if (service_may_run(service) && is_wanted(s, service))
			return service;
	}
	return NULL;
}

/* The first that is to be started. While the worker serves, one that waits for
 * its next try does not keep the others waiting, unless it is the take. */
static struct service *
next_to_start(struct services *s)
{
	struct service *soonest = NULL;

	if (s->items[0].is_skipped)
		return NULL; /* without the take, none is started */
	for (uint32_t i = 0; i < s->count; i++) {
		struct service *service = &s->items[i];

		if (service->state == SERVICE_ON || !is_wanted(s, service))
			continue;
		if (s->goal != SERVICES_SERVE || service_is_take(service) ||
			service->again_ms <= clock_ms())
			return service;
		if (!soonest || service->again_ms < soonest->again_ms)
			soonest = service;
	}
	return soonest;
}

static void
end_job(struct services *s, const struct error *err)
{
	void (*done)(struct worker * w, const struct error *err) = s->job.done;
	enum services_goal goal = s->goal;

	if (goal == SERVICES_SERVE)
		return; /* all of them run */
	s->goal = SERVICES_REST;
	if (goal == SERVICES_END)
		worker_stop(s->worker);
	else if (done)
		done(s->worker, err);
}

/* ---- tasks ---- */

static void
failed(struct services *s, struct service *service, bool stops,
	const struct error *why)
{
	const char *what = stops ? "was not stopped" : "did not start";
	char name[160];
	struct error err;

	describe(service, name, sizeof(name));
	service_note_failure(s, service);
	service_show_failure(s, service, what, why->text);
	error_set(&err, "%s %s: %s", name, what, why->text);
	if (service->is_dropped && stops) {
		service->stop_first = !service_is_take(service);
		services_end_change(s, &err);
	}
	if (s->goal == SERVICES_SERVE)
		return;
	if (s->job.is_tolerant || (service->is_excused && !s->job.stops)) {
		service->is_skipped = true;
		return;
	}
	if (!s->job.stops && service->failures < s->job.tries &&
		service->again_ms < s->job.due_ms)
		return;
	if (service->failures > 1)
		error_prefix(&err, "%u tries: ", service->failures);
	end_job(s, &err);
}

static uint64_t
time_left(const struct services *s)
{
	uint64_t now = clock_ms();

	if (s->changed)
		return s->worker->config->limits.stop_timeout_ms;
	if (s->goal == SERVICES_SERVE)
		return s->worker->config->limits.start_timeout_ms;
	return s->job.due_ms > now ? s->job.due_ms - now : 1;
}

/* The epoch of a take and of what starts after it: the job's, or the next one.
 */
static int
choose_epoch(struct services *s, struct error *err)
{
	if (s->goal != SERVICES_SERVE && s->job.epoch)
		s->epoch = s->job.epoch;
	else if (!s->epoch)
		return keep_next_epoch(s->plugin, &s->epoch, err);
	return 0;
}

static enum worker_task
task_of(const struct service *service, bool stops)
{
	if (service_is_take(service))
		return stops ? WORKER_TASK_QUIESCE : WORKER_TASK_TAKE;
	if (service->is_channel)
		return stops ? WORKER_TASK_CHANNEL_STOP
			     : WORKER_TASK_CHANNEL_START;
	return stops ? WORKER_TASK_STOP : WORKER_TASK_START;
}

/* Whether a channel may be asked to start now; else it is looked at again. */
static bool
may_start(struct services *s, struct service *service,
	struct worker_task_order *order)
{
	const struct channel_life *life = services_channel_life(s);
	const char *text;

	order->epoch = s->epoch;
	if (!life || life->starts(s->worker, service_declared(s, service),
			     &order->epoch, &order->cursor, &text)) {
		service->epoch = order->epoch;
		return true;
	}
	service->again_ms = clock_ms() + CURSOR_MS;
	service->is_unready = true;
	service_show_wait(s, service, text);
	return false;
}

/* The worker will do what it is asked for, or may do so. */
static void
note_asked(struct services *s, struct service *service, bool stops)
{
	const struct channel_life *life = services_channel_life(s);

	if (service->is_channel && stops && life)
		life->stops(s->worker, service_declared(s, service));
	service->state = stops ? SERVICE_STOPPING : SERVICE_STARTING;
	s->asked = service;
	service->has_reported = false;
}

enum asking { ASKED, NOT_ASKED, NOT_YET };

static enum asking
ask(struct services *s, struct service *service, bool stops, struct error *err)
{
	struct worker_task_order order = {
		.what = task_of(service, stops),
		.name = service->name,
		.ms = time_left(s),
	};
	bool needs_epoch =
		!stops && (service_is_take(service) || service->is_channel);

	if (needs_epoch && choose_epoch(s, err) < 0)
		return NOT_ASKED;
	order.epoch = s->epoch;
	if (service->is_channel && !stops && !may_start(s, service, &order))
		return NOT_YET;
	note_asked(s, service, stops);
	if (worker_task_begin(s->worker, &order, err) == 0)
		return ASKED;
	s->asked = NULL;
	service->state = stops ? SERVICE_UNSURE : SERVICE_OFF;
	service->stop_first = false;
	return NOT_ASKED;
}

/* Asks for the next task, waits for the next try, or ends the job. */
void
services_go_on(struct services *s)
{
	struct service *next;
	struct error err;

	while (!s->asked && s->goal != SERVICES_REST &&
		s->worker->state < WORKER_STOPPING) {
		bool stops = s->job.stops || s->changed;

		next = stops ? next_to_stop(s) : next_to_start(s);
		if (!next && s->changed) {
			services_end_change(s, NULL);
			continue;
		}
		if (!next) {
			end_job(s, NULL);
			return;
		}
		if (!stops && next->again_ms > clock_ms()) {
			wheel_set(services_wheel(s), &s->again, next->again_ms);
			return;
		}
		stops = stops || next->stop_first;
		if (ask(s, next, stops, &err) == NOT_ASKED)
			failed(s, next, stops, &err);
	}
}

void
services_again_due(struct wheel_timer *t)
{
	services_go_on(container_of(t, struct services, again));
}

void
services_look(struct worker *w)
{
	struct services *s = w->services;

	for (uint32_t i = 1; s && i < s->count; i++)
		if (s->items[i].is_unready) {
			s->items[i].is_unready = false;
			s->items[i].again_ms = 0;
		}
	if (s)
		services_go_on(s);
}

/* Whether it is fine that the worker does not know take and quiesce. */
static bool
is_optional(const struct services *s, const struct service *service)
{
	return service_is_take(service) &&
	       s->worker->manifest->reload != RELOAD_EXCLUSIVE;
}

static struct bytes
cursor_of(const msgpack_object *result)
{
	struct bytes cursor = {0};

	if (result && result->type == MSGPACK_OBJECT_ARRAY &&
		result->via.array.size &&
		result->via.array.ptr[0].type != MSGPACK_OBJECT_NIL)
		cursor = codec_bytes(&result->via.array.ptr[0]);
	return cursor.length && cursor.length <= CHANNEL_CURSOR_MAX
		       ? cursor
		       : (struct bytes){0};
}

/* It does not run: it was stopped, or did not start. */
static void
ended(struct services *s, struct service *service, const msgpack_object *result)
{
	const struct channel_life *life = services_channel_life(s);

	service->state = SERVICE_OFF;
	if (service->is_channel && life)
		life->ended(s->worker, service_declared(s, service),
			service->epoch, cursor_of(result));
}

static void
started(struct services *s, struct service *service)
{
	const struct channel_life *life = services_channel_life(s);

	s->plugin->counters.service_starts += !service_is_take(service);
	service->state = SERVICE_ON;
	service->started_ms = clock_ms();
	service->again_ms = 0;
	service_show_start(s, service);
	if (service->is_channel && life)
		life->runs(s->worker, service_declared(s, service));
}

void
services_on_task(struct worker *w, enum worker_task_end end,
	const struct error *err, const msgpack_object *result)
{
	struct services *s = w->services;
	struct service *service = s->asked;
	bool stopped = service->state == SERVICE_STOPPING;

	s->asked = NULL;
	service->stop_first = end == WORKER_TASK_LATE && !stopped &&
			      !service_is_take(service);
	if (end == WORKER_TASK_UNKNOWN && is_optional(s, service))
		end = WORKER_TASK_DONE;
	if (end == WORKER_TASK_DONE && stopped) {
		ended(s, service, result);
	} else if (end == WORKER_TASK_DONE) {
		started(s, service);
	} else {
		if (stopped || end == WORKER_TASK_LATE)
			service->state = SERVICE_UNSURE;
		else
			ended(s, service, NULL);
		failed(s, service, stopped, err);
	}
	services_go_on(s);
}

/* ---- changes ---- */

void
services_end_change(struct services *s, const struct error *err)
{
	void (*changed)(struct worker * w, const struct error *err) =
		s->changed;

	if (!changed)
		return;
	s->changed = NULL;
	for (uint32_t i = 0; err && i < s->count; i++)
		s->items[i].is_dropped = false;
	changed(s->worker, err);
}
