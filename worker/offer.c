/* offer: other registrations while the plugin serves. They are a set of their
 * own until supd has accepted them; requests that were sent before know their
 * registrations by the old set. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "worker/channel.h"
#include "worker/request.h"

static void
offer_finish(struct offer *offer)
{
	registration_finish(&offer->declared);
	channel_unref(offer->channel);
}

void
offer_set_unref(struct offer_set *set)
{
	if (!set || --set->references)
		return;
	for (uint32_t i = 0; i < set->count; i++)
		offer_finish(&set->items[i]);
	free(set->items);
	free(set);
}

static struct offer_set *
offer_set_copy(const struct offer_set *from)
{
	struct offer_set *to = memory_alloc(sizeof(*to));

	to->references = 1;
	to->count = from->count;
	to->items = memory_alloc((from->count + 1) * sizeof(*to->items));
	for (uint32_t i = 0; i < from->count; i++) {
		to->items[i] = from->items[i];
		to->items[i].start = NULL; /* service_carry() brings them */
		to->items[i].stop = NULL;
		channel_ref(to->items[i].channel);
		registration_copy(
			&to->items[i].declared, &from->items[i].declared);
	}
	return to;
}

/* Registrations are found in, and added to, this set. */
static void
offer_use(struct sup *p, struct offer_set *set)
{
	p->set = set;
	p->offers = set->items;
	p->offer_count = set->count;
}

/* The set as `change` wants it; NULL: it failed. The one in force is in use
 * again afterwards. */
static struct offer_set *
offer_make(struct sup *p, sup_registers *change, void *user)
{
	struct offer_set *now = p->set, *next = offer_set_copy(now);
	enum host_state state = p->state;
	int failed;

	offer_use(p, next);
	p->state = HOST_INITIALISING; /* in which one registers */
	p->is_offering = true;
	failed = change(p, user);
	p->is_offering = false;
	p->state = state;
	offer_use(p, now);
	if (!failed)
		return next;
	offer_set_unref(next);
	return NULL;
}

static int
offer_send(struct sup *p, struct offer_set *set, uint32_t id)
{
	msgpack_packer *out = link_begin(p->link);
	struct offer_set *now = p->set;

	codec_request(out, id, MESSAGE_OFFER, 1);
	offer_use(p, set);
	host_pack_offers(p, out);
	offer_use(p, now);
	return link_end(p->link);
}

int
sup_replace_offers(
	struct sup *p, sup_registers *change, sup_offered *done, void *user)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(change, "change");

	struct offer_set *set;
	uint32_t id;

	if (p->state != HOST_SERVING) {
		host_say("sup_replace_offers() is for a plugin that serves");
		return -1;
	}
	set = offer_make(p, change, user);
	if (!set)
		return -1;
	id = call_for_offer(p, set, done, user);
	if (!offer_send(p, set, id))
		return 0;
	host_say("the registrations are too large for one message");
	call_forget(p, id);
	offer_set_unref(set);
	return -1;
}

void
offer_answered(struct sup *p, struct offer_set *set, const struct message *m,
	sup_offered *done, void *user)
{
	char text[512];

	if (m->error) {
		codec_read_error(m->error, text, sizeof(text));
		offer_set_unref(set);
	} else {
		service_carry(p->set, set);
		offer_set_unref(p->set);
		offer_use(p, set);
	}
	if (done)
		done(p, m->error ? text : NULL, user);
}

/* ---- withdrawing ---- */

static void
offer_clear(struct sup *p)
{
	for (uint32_t i = 0; i < p->offer_count; i++)
		offer_finish(&p->offers[i]);
	p->offer_count = p->set->count = 0;
}

static void
offer_remove(struct sup *p, uint32_t i)
{
	offer_finish(&p->offers[i]);
	memmove(&p->offers[i], &p->offers[i + 1],
		(p->offer_count - i - 1) * sizeof(*p->offers));
	p->set->count = --p->offer_count;
}

int
sup_withdraw(struct sup *p, const char *kind, const char *name)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(!kind || name, "name");

	int number;

	if (!p->is_offering) {
		host_say("sup_withdraw() may be called only in the function "
			 "given to sup_replace_offers()");
		return -1;
	}
	if (!kind) {
		offer_clear(p);
		return 0;
	}
	number = registration_kind_by_wire(kind, strlen(kind));
	for (uint32_t i = 0; i < p->offer_count; i++) {
		const struct registration *r = &p->offers[i].declared;

		if ((int)r->kind != number || strcmp(r->name, name))
			continue;
		offer_remove(p, i);
		return 0;
	}
	host_say("there is no %s '%s' to withdraw", kind, name);
	return -1;
}
