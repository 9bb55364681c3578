/* services_set: which services a worker has, and what follows from that. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/event/services_parts.h"

struct wheel *
services_wheel(const struct services *s)
{
	struct gateway *g = s->plugin->gateway;

	return &g->wheel;
}

const struct registration *
service_declared(const struct services *s, const struct service *service)
{
	return &s->worker->registrations.items[service->registration];
}

const struct channel_life *
services_channel_life(const struct services *s)
{
	return s->plugin->gateway->channel_life;
}

static bool
is_exclusive(const struct registration *r)
{
	return registration_runs(r) && !registration_overlaps(r);
}

static uint32_t
count_services(const struct worker *w, const struct registration_set *set,
	bool *any_exclusive_out)
{
	uint32_t count = 0;

	*any_exclusive_out = w->manifest->reload == RELOAD_EXCLUSIVE;
	for (uint32_t i = 0; i < set->count; i++) {
		count += registration_runs(&set->items[i]);
		*any_exclusive_out =
			*any_exclusive_out || is_exclusive(&set->items[i]);
	}
	return count;
}

static void
fill(struct services *s)
{
	const struct registration_set *set = &s->worker->registrations;

	for (uint32_t i = 0; i < set->count; i++) {
		const struct registration *r = &set->items[i];

		if (registration_runs(r))
			s->items[s->count++] = (struct service){
				.name = memory_copy_text(r->name),
				.is_channel = r->kind == REGISTRATION_CHANNEL,
				.registration = i,
				.overlap = registration_overlaps(r),
			};
	}
}

void
services_declare(struct worker *w)
{
	bool is_exclusive;
	uint32_t count = count_services(w, &w->registrations, &is_exclusive);
	struct services *s;

	if (!count && !is_exclusive)
		return;
	s = memory_alloc(sizeof(*s));
	s->worker = w;
	s->plugin = w->owner;
	s->is_exclusive = is_exclusive;
	s->items = memory_alloc((count + 1) * sizeof(*s->items));
	s->count = 1; /* the take */
	fill(s);
	wheel_timer_init(&s->again, services_again_due);
	wheel_timer_init(&s->report, services_report_due);
	w->services = s;
}

static int
compare_registration(const void *key, const void *item)
{
	uint32_t a = *(const uint32_t *)key;
	uint32_t b = ((const struct service *)item)->registration;

	return a < b ? -1 : a > b;
}

struct service *
services_find(const struct services *s, uint32_t registration)
{
	return bsearch(&registration, s->items + 1, s->count - 1,
		sizeof(*s->items), compare_registration);
}

/* ---- another set ---- */

static const struct registration *
same_in(const struct registration_set *set, const struct service *service)
{
	const struct registration *r = registration_find(set,
		service->is_channel ? REGISTRATION_CHANNEL
				    : REGISTRATION_SERVICE,
		service->name);

	return r && registration_overlaps(r) == service->overlap ? r : NULL;
}

/* A channel that the set declares differently is stopped and started. */
static bool
is_in(const struct services *s, const struct registration_set *set,
	const struct service *service)
{
	const struct registration *r = same_in(set, service);

	return r &&
	       (!service->is_channel ||
		       registration_equal(service_declared(s, service), r));
}

/* Whether one of those that the new set does not have may run. */
static bool
mark_dropped(struct services *s, const struct registration_set *set)
{
	bool any = false, is_exclusive;

	count_services(s->worker, set, &is_exclusive);
	for (uint32_t i = 0; i < s->count; i++) {
		struct service *service = &s->items[i];

		service->is_dropped = service_is_take(service)
					      ? s->is_exclusive && !is_exclusive
					      : !is_in(s, set, service);
		any = any || (service->is_dropped && service_may_run(service));
	}
	return any;
}

void
services_change(struct worker *w, const struct registration_set *set,
	void (*done)(struct worker *w, const struct error *err))
{
	struct services *s = w->services;
	struct error err;

	if (s && s->goal != SERVICES_SERVE) {
		error_set(&err, "its services are needed for something else");
		done(w, &err);
	} else if (!s || !mark_dropped(s, set)) {
		done(w, NULL);
	} else {
		s->changed = done;
		wheel_clear(services_wheel(s), &s->again);
		services_go_on(s);
	}
}

/* Takes over what stays, in the order of the new set. */
static void
refill(struct services *s, struct service *before, uint32_t count)
{
	char *asked = s->asked ? s->asked->name : NULL;

	s->asked = s->asked == before ? s->items : NULL;
	s->items[0] = before[0];
	for (uint32_t i = 1; i < count; i++) {
		const struct registration *r =
			before[i].is_dropped
				? NULL
				: same_in(&s->worker->registrations,
					  &before[i]);
		uint32_t index =
			r ? (uint32_t)(r - s->worker->registrations.items) : 0;
		struct service *to = r ? services_find(s, index) : NULL;
		char *name = before[i].name;

		if (!to) {
			free(name);
			continue;
		}
		free(to->name);
		*to = before[i];
		to->registration = index;
		if (name == asked)
			s->asked = to;
	}
}

void
services_renew(struct worker *w)
{
	struct services *s = w->services;
	struct service *before;
	uint32_t count, was;

	if (!s) {
		services_declare(w);
		services_serve(w);
		return;
	}
	before = s->items;
	was = s->count;
	count = count_services(w, &w->registrations, &s->is_exclusive);
	s->items = memory_alloc((count + 1) * sizeof(*s->items));
	s->count = 1;
	fill(s);
	refill(s, before, was);
	free(before);
	if (s->items[0].is_dropped)
		s->epoch = 0; /* it was quiesced */
	s->items[0].is_dropped = false;
	services_go_on(s);
}

void
services_down(struct worker *w)
{
	struct services *s = w->services;

	if (!s)
		return;
	if (services_channel_life(s))
		services_channel_life(s)->down(w);
	s->goal = SERVICES_REST;
	s->asked = NULL;
	s->changed = NULL;
	s->serves = false;
	wheel_clear(services_wheel(s), &s->again);
	wheel_clear(services_wheel(s), &s->report);
}

void
services_destroy(struct worker *w)
{
	struct services *s = w->services;

	if (!s)
		return;
	services_down(w);
	for (uint32_t i = 0; i < s->count; i++)
		free(s->items[i].name);
	free(s->items);
	free(s);
	w->services = NULL;
}

bool
services_are_exclusive(const struct worker *w)
{
	return w && w->services && w->services->is_exclusive;
}

bool
services_overlap(const struct worker *w)
{
	const struct services *s = w ? w->services : NULL;

	for (uint32_t i = 1; s && i < s->count; i++)
		if (s->items[i].overlap)
			return true;
	return false;
}

struct service *
services_find_declared(const struct services *s, const struct registration *r)
{
	const struct registration_set *set = &s->worker->registrations;
	const struct registration *own =
		registration_find(set, r->kind, r->name);

	return own ? services_find(s, (uint32_t)(own - set->items)) : NULL;
}

/* A channel that has lost its platform says so, and goes on trying. */
static bool
says_not_up(const struct service *service)
{
	return service->is_channel && service->has_reported && service->word &&
	       strcmp(service->word, "up") != 0;
}

/* Whether `old` has the service and it does not run. */
static bool
did_not_run(const struct worker *old, const struct registration *r)
{
	const struct service *service =
		old->services ? services_find_declared(old->services, r) : NULL;

	return service &&
	       (service->state != SERVICE_ON || says_not_up(service));
}

void
services_excuse(struct worker *w, const struct worker *old)
{
	struct services *s = w->services;

	if (!s)
		return;
	s->items[0].is_excused = old->services && old->services->is_exclusive &&
				 old->services->items[0].state != SERVICE_ON;
	for (uint32_t i = 1; i < s->count; i++)
		s->items[i].is_excused =
			did_not_run(old, service_declared(s, &s->items[i]));
}

uint64_t
services_channel_epoch(const struct worker *w, const struct registration *r)
{
	const struct service *service =
		w->services ? services_find_declared(w->services, r) : NULL;

	return service && service_may_run(service) ? service->epoch : 0;
}

bool
services_channel_is_up(const struct worker *w, const struct registration *r)
{
	const struct service *service =
		w->services ? services_find_declared(w->services, r) : NULL;

	return service && service->state == SERVICE_ON;
}
