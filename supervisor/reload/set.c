/* set: several transactions together. An atomic set commits when all of its
 * members are ready, and fails as a whole when one member fails. order.c
 * decides in which order the members start. */
#include <assert.h>
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/reload/transaction.h"

static struct reload *
member_of(struct list *node)
{
	return container_of(node, struct reload, member);
}

/* ---- life of a set ---- */

static void set_due(struct wheel_timer *t);

static struct reload_set *
create(struct gateway *g, bool is_atomic)
{
	struct reload_set *set = memory_alloc(sizeof(*set));

	set->gateway = g;
	set->number = ++g->next_set;
	set->is_atomic = is_atomic;
	list_init(&set->members);
	wheel_timer_init(&set->deadline, set_due);
	return set;
}

struct reload_set *
reload_set_create(struct gateway *g)
{
	return create(g, true);
}

struct reload_set *
reload_sequence_create(struct gateway *g)
{
	return create(g, false);
}

static void
free_if_over(struct reload_set *set)
{
	if (!set->is_closed || set->uses || !list_is_empty(&set->members))
		return;
	wheel_clear(&set->gateway->wheel, &set->deadline);
	free(set);
}

/* Members begin in the loop's next turn, so nothing else is to be done here. */
void
reload_set_close(struct reload_set *set)
{
	set->is_closed = true;
	free_if_over(set);
}

void
set_join(struct reload_set *set, struct reload *r)
{
	assert(!set->is_closed);
	r->set = set;
	list_append(&set->members, &r->member);
}

bool
set_has(const struct reload *r)
{
	return r->set != NULL;
}

bool
set_is_atomic(const struct reload *r)
{
	return r->set && r->set->is_atomic;
}

/* ---- all members ---- */

static size_t
count_members(const struct reload_set *set)
{
	size_t count = 0;

	list_for_each (node, &set->members)
		count++;
	return count;
}

/* Whether r is proven and its candidate is still there. */
static bool
is_proven(const struct reload *r)
{
	return reload_row(r)->is_proven && r->fresh &&
	       r->fresh->state == WORKER_READY;
}

static bool
is_ready(const struct reload *r)
{
	return is_proven(r) && r->state == RELOAD_READY;
}

static bool
are_all(const struct reload_set *set, bool (*is)(const struct reload *r))
{
	list_for_each (node, &set->members)
		if (!is(member_of(node)))
			return false;
	return true;
}

/* Ends the set: it commits, or it has failed. */
static void
end(struct reload_set *set)
{
	set->stage = SET_OVER;
	wheel_clear(&set->gateway->wheel, &set->deadline);
}

/* The take-overs have limits of their own, and follow each other. */
static void
extend_deadline(struct reload_set *set)
{
	uint64_t more_ms = 0;

	list_for_each (node, &set->members)
		if (takeover_applies(member_of(node)))
			more_ms += takeover_most_ms(member_of(node)) +
				   announce_most_ms();
	if (!more_ms || !wheel_timer_is_set(&set->deadline))
		return;
	set->limit_ms += more_ms;
	wheel_set(&set->gateway->wheel, &set->deadline,
		set->deadline.due_ms + more_ms);
}

static void
commit(struct reload_set *set)
{
	size_t count = count_members(set), i = 0;
	struct reload **members = memory_alloc(count * sizeof(*members));

	list_for_each (node, &set->members)
		members[i++] = member_of(node);
	for (i = 0; i < count; i++)
		reload_step(members[i]);
	commit_all(members, count);
	free(members);
}

/* A member that is proven and may go on: of those with a take-over one at a
 * time. NULL: none. */
static struct reload *
find_proven(const struct reload_set *set)
{
	struct reload *taker = NULL;
	bool is_taken = false;

	list_for_each (node, &set->members) {
		struct reload *r = member_of(node);

		is_taken = is_taken || r->state == RELOAD_ANNOUNCING ||
			   (r->takeover.begun && r->state != RELOAD_READY);
		if (r->state != RELOAD_PROVEN)
			continue;
		if (!takeover_applies(r))
			return r;
		if (!taker)
			taker = r;
	}
	return is_taken ? NULL : taker;
}

static void
hand_over(struct reload_set *set)
{
	struct reload *r;

	if (set->is_advancing)
		return;
	set->is_advancing = true;
	while (set->stage == SET_HANDING && (r = find_proven(set)))
		reload_advance(r);
	set->is_advancing = false;
}

/* Hands over as far as possible; then checks whether all are ready, because
 * some become ready at once. */
static void
go_on(struct reload_set *set)
{
	if (!set->is_atomic || !set->is_closed || list_is_empty(&set->members))
		return;
	if (set->stage == SET_PROVING && are_all(set, is_proven)) {
		set->stage = SET_HANDING;
		extend_deadline(set);
	}
	if (set->stage == SET_HANDING)
		hand_over(set);
	if (set->stage == SET_HANDING && !set->is_advancing &&
		are_all(set, is_ready))
		commit(set);
}

void
set_on_commit(struct reload_set *set)
{
	if (set->is_atomic)
		end(set);
}

/* The first that is not giving back already. */
static struct reload *
find_to_fail(const struct reload_set *set)
{
	list_for_each (node, &set->members)
		if (member_of(node)->state != RELOAD_GIVING_BACK)
			return member_of(node);
	return NULL;
}

static void
fail_rest(struct reload_set *set)
{
	struct reload *r;

	end(set);
	while ((r = find_to_fail(set))) {
		r->error = set->error;
		reload_fail(r);
	}
}

void
set_fail_others(struct reload_set *set)
{
	set->uses++;
	if (set->is_atomic && set->has_failed && set->stage != SET_OVER)
		fail_rest(set);
	set->uses--;
	free_if_over(set);
}

/* ---- news of a member ---- */

void
set_on_proven(struct reload *r)
{
	struct reload_set *set = r->set;

	set->uses++;
	order_start_waiting(set);
	go_on(set);
	set->uses--;
	free_if_over(set);
}

void
set_on_ready(struct reload *r)
{
	struct reload_set *set = r->set;

	if (set->stage != SET_HANDING)
		return;
	set->uses++;
	go_on(set);
	set->uses--;
	free_if_over(set);
}

void
set_leave(struct reload_set *set, struct reload *r)
{
	list_remove(&r->member);
	r->set = NULL;
	set->uses++;
	if (set->is_atomic && set->has_failed && set->stage != SET_OVER)
		fail_rest(set);
	order_start_waiting(set);
	go_on(set);
	set->uses--;
	free_if_over(set);
}

void
set_note_failure(struct reload *r)
{
	struct reload_set *set = r->set;

	if (!set->is_atomic || set->has_failed)
		return;
	set->has_failed = true;
	error_set(&set->error, "plugin '%s' of the set failed: %s",
		r->plugin->id, r->error.text);
	set->error.shortage = r->error.shortage;
}

void
set_refuse(
	struct reload_set *set, const struct plugin *p, const struct error *why)
{
	if (!set->is_atomic || set->has_failed)
		return;
	set->has_failed = true;
	error_set(&set->error, "plugin '%s' of the set was refused: %s", p->id,
		why->text);
}

/* ---- the set's deadline ---- */

/* The time limit of the set. It is multiplied if there are more members than
 * starting slots, because waiting for a slot is not the members' fault. */
static uint64_t
limit_of(const struct reload_set *set)
{
	uint64_t start_ms = 0, health_ms = 0, slots, turns;

	list_for_each (node, &set->members) {
		const struct plugin_limits *l =
			&member_of(node)->plugin->wanted->limits;

		if (l->start_timeout_ms > start_ms)
			start_ms = l->start_timeout_ms;
		if (l->health_timeout_ms > health_ms)
			health_ms = l->health_timeout_ms;
	}
	slots = set->gateway->workers.starting_max;
	turns = slots ? (count_members(set) + slots - 1) / slots : 1;
	return turns * (start_ms + health_ms);
}

void
set_on_spawned(struct reload *r)
{
	struct reload_set *set = r->set;

	if (!set->is_atomic || set->limit_ms)
		return;
	set->limit_ms = limit_of(set);
	wheel_set(&set->gateway->wheel, &set->deadline,
		clock_ms() + set->limit_ms);
}

static void
set_due(struct wheel_timer *t)
{
	struct reload_set *set = container_of(t, struct reload_set, deadline);
	struct reload *late = member_of(set->members.next);

	list_for_each (node, &set->members)
		if (set->stage == SET_PROVING ? !is_proven(member_of(node))
					      : !is_ready(member_of(node))) {
			late = member_of(node);
			break;
		}
	error_set(&late->error, "the set was not proven within %llu ms",
		(unsigned long long)set->limit_ms);
	reload_fail(late);
}
