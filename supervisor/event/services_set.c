/* services_set: which services a worker has, and what follows from that. */
#include <stdlib.h>

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
count_services(const struct worker *w, bool *any_exclusive_out)
{
	const struct registration_set *set = &w->registrations;
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
	uint32_t count = count_services(w, &is_exclusive);
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
	wheel_timer_init(&s->tell, services_tell_due);
	w->services = s;
}

bool
services_are_in(const struct worker *w, const struct registration_set *set)
{
	const struct registration_set *now = &w->registrations;
	uint32_t before = 0, after = 0;

	for (uint32_t i = 0; i < now->count; i++)
		before += registration_runs(&now->items[i]);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct registration *r = &set->items[i], *same;

		if (!registration_runs(r))
			continue;
		same = registration_find(now, r->kind, r->name);
		if (!same ||
			registration_overlaps(same) != registration_overlaps(r))
			return false;
		if (r->kind == REGISTRATION_CHANNEL &&
			!registration_equal(same, r))
			return false;
		after++;
	}
	return before == after;
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

static int
compare_services(const void *a, const void *b)
{
	return compare_registration(
		&((const struct service *)a)->registration, b);
}

void
services_renumber(struct worker *w)
{
	struct services *s = w->services;
	const struct registration_set *set = &w->registrations;
	const struct registration *r;
	char *asked = s && s->asked ? s->asked->name : NULL;

	for (uint32_t i = 1; s && i < s->count; i++) {
		r = registration_find(set,
			s->items[i].is_channel ? REGISTRATION_CHANNEL
					       : REGISTRATION_SERVICE,
			s->items[i].name);
		s->items[i].registration = (uint32_t)(r - set->items);
	}
	if (s)
		qsort(s->items + 1, s->count - 1, sizeof(*s->items),
			compare_services);
	for (uint32_t i = 1; asked && i < s->count; i++)
		if (s->items[i].name == asked)
			s->asked = &s->items[i];
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
	s->serves = false;
	wheel_clear(services_wheel(s), &s->again);
	wheel_clear(services_wheel(s), &s->tell);
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

/* Whether `old` has the service and it does not run. */
static bool
did_not_run(const struct worker *old, const struct registration *r)
{
	const struct service *service =
		old->services ? services_find_declared(old->services, r) : NULL;

	return service && service->state != SERVICE_ON;
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
