/* set: several transactions together: which of them may start, when all of an
 * atomic set are proven, and that one's failure is that of all. What is done to
 * a single one is reload's. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/transaction.h"

static struct reload *
member_of(struct list *node)
{
	return container_of(node, struct reload, member);
}

/* ---- its life ---- */

static void set_due(struct wheel_timer *t);

static struct reload_set *
create(struct gateway *g, bool is_atomic)
{
	struct reload_set *set = memory_alloc(sizeof(*set));

	set->gateway = g;
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

/* Members begin with the loop's next turn, so there is nothing to go on with
 * yet. */
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

/* ---- what a member requires ---- */

static struct reload *
find_member(struct reload_set *set, const char *id)
{
	list_for_each (node, &set->members)
		if (!strcmp(member_of(node)->plugin->id, id))
			return member_of(node);
	return NULL;
}

/* The i-th that r requires, by its config and its manifest; NULL past them. */
static const char *
requirement(const struct reload *r, uint32_t i)
{
	const struct text_list *own = &r->config->requires;
	const struct text_list *manifest = &r->manifest->requires;

	if (i < own->count)
		return own->items[i];
	i -= own->count;
	return i < manifest->count ? manifest->items[i] : NULL;
}

/* The first member that r has to wait for, or NULL. */
static struct reload *
find_blocker(const struct reload *r)
{
	const char *id;

	for (uint32_t i = 0; (id = requirement(r, i)); i++) {
		struct reload *other = find_member(r->set, id);

		if (other && other != r && !other->proven)
			return other;
	}
	return NULL;
}

/* Whether what `from` waits for is the target in the end: depth first. err gets
 * the way. */
static bool
leads_to(struct reload *from, const struct reload *target, struct error *err)
{
	const char *id;

	if (from == target) {
		error_set(err, "'%s'", target->plugin->id);
		return true;
	}
	if (!from->waits || from->seen)
		return false;
	from->seen = true;
	for (uint32_t i = 0; (id = requirement(from, i)); i++) {
		struct reload *next = find_member(from->set, id);

		if (!next || !leads_to(next, target, err))
			continue;
		error_prefix(err, "'%s' requires ", from->plugin->id);
		return true;
	}
	return false;
}

static int
check_circle(struct reload *r)
{
	const char *id;

	list_for_each (node, &r->set->members)
		member_of(node)->seen = false;
	for (uint32_t i = 0; (id = requirement(r, i)); i++) {
		struct reload *next = find_member(r->set, id);

		if (next && leads_to(next, r, &r->error))
			return error_prefix(&r->error,
				"plugins require each other in a circle: '%s' "
				"requires ",
				r->plugin->id);
	}
	return 0;
}

int
set_may_spawn(struct reload *r, bool *may_out)
{
	*may_out = true;
	if (check_circle(r) < 0)
		return -1;
	r->waits = find_blocker(r) != NULL;
	*may_out = !r->waits;
	return 0;
}

static struct reload *
find_startable(struct reload_set *set)
{
	list_for_each (node, &set->members)
		if (member_of(node)->waits && !find_blocker(member_of(node)))
			return member_of(node);
	return NULL;
}

/* One that fails at once may take the others with it. */
static void
start_waiting(struct reload_set *set)
{
	struct reload *r;

	while (!set->is_over && (r = find_startable(set))) {
		r->waits = false;
		reload_spawn(r);
	}
}

/* ---- all of them ---- */

static size_t
count_members(const struct reload_set *set)
{
	size_t count = 0;

	list_for_each (node, &set->members)
		count++;
	return count;
}

static bool
is_ready(const struct reload *r)
{
	return r->proven && r->fresh && r->fresh->state == WORKER_READY;
}

static bool
is_handed(const struct reload *r)
{
	return !r->hands || r->handed;
}

/* From here on nobody can fail any more, or none is to go on. */
static void
end(struct reload_set *set)
{
	set->is_over = true;
	wheel_clear(&set->gateway->wheel, &set->deadline);
}

static void
commit_if_proven(struct reload_set *set)
{
	size_t count = count_members(set), i = 0;
	struct reload **members;

	if (!set->is_atomic || !set->is_closed || set->is_over || !count)
		return;
	list_for_each (node, &set->members)
		if (!is_ready(member_of(node)))
			return;
	if (!set->is_handing) {
		set->is_handing = true;
		list_for_each (node, &set->members)
			handover_begin(member_of(node));
	}
	list_for_each (node, &set->members)
		if (!is_handed(member_of(node)))
			return;
	members = memory_alloc(count * sizeof(*members));
	list_for_each (node, &set->members)
		members[i++] = member_of(node);
	commit_all(members, count);
	free(members);
}

void
set_on_commit(struct reload_set *set)
{
	if (set->is_atomic)
		end(set);
}

static void
fail_rest(struct reload_set *set)
{
	end(set);
	while (!list_is_empty(&set->members)) {
		struct reload *r = member_of(set->members.next);

		r->error = set->error;
		reload_fail(r);
	}
}

/* ---- news of a member ---- */

void
set_on_proven(struct reload *r)
{
	struct reload_set *set = r->set;

	set->uses++;
	if (set->is_atomic) {
		start_waiting(set);
		commit_if_proven(set);
	} else if (!handover_begin(r)) {
		commit_all(&r, 1);
	}
	set->uses--;
	free_if_over(set);
}

void
set_on_handed(struct reload *r)
{
	struct reload_set *set = r->set;

	set->uses++;
	if (set->is_atomic)
		commit_if_proven(set);
	else
		commit_all(&r, 1);
	set->uses--;
	free_if_over(set);
}

void
set_leave(struct reload_set *set, struct reload *r)
{
	list_remove(&r->member);
	r->set = NULL;
	set->uses++;
	if (set->is_atomic && set->has_failed && !set->is_over)
		fail_rest(set);
	start_waiting(set);
	commit_if_proven(set);
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

/* ---- its deadline ---- */

/* The wait for a starting slot is supd's doing and must not end a set. */
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
	slots = set->gateway->room.starting_max;
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
		if (!is_ready(member_of(node)) || !is_handed(member_of(node))) {
			late = member_of(node);
			break;
		}
	error_set(&late->error, "the set was not proven within %llu ms",
		(unsigned long long)set->limit_ms);
	reload_fail(late);
}
