/* order: starts the members of a set in the order of `requires`. */
#include <string.h>

#include "supervisor/reload/transaction.h"

static struct reload *
member_of(struct list *node)
{
	return container_of(node, struct reload, member);
}

static struct reload *
find_member(struct reload_set *set, const char *id)
{
	list_for_each (node, &set->members)
		if (!strcmp(member_of(node)->plugin->id, id))
			return member_of(node);
	return NULL;
}

/* The i-th requirement of r, by its config, then its manifest; NULL past the
 * last. */
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

/* The first member that r must wait for, or NULL. */
static struct reload *
find_blocker(const struct reload *r)
{
	const char *id;

	for (uint32_t i = 0; (id = requirement(r, i)); i++) {
		struct reload *other = find_member(r->set, id);

		if (other && other != r && !reload_row(other)->is_proven)
			return other;
	}
	return NULL;
}

/* Whether `from` waits for the target, directly or through others: a
 * depth-first search. err gets the chain. */
static bool
leads_to(struct reload *from, const struct reload *target, struct error *err)
{
	const char *id;

	if (from == target) {
		error_set(err, "'%s'", target->plugin->id);
		return true;
	}
	if (from->state != RELOAD_WAITING || from->seen)
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

void
order_on_staged(struct reload *r)
{
	if (check_circle(r) < 0)
		reload_fail(r);
	else if (!find_blocker(r))
		reload_advance(r);
}

static bool
may_start(const struct reload *r)
{
	return r->state == RELOAD_WAITING && !find_blocker(r);
}

static struct reload *
find_startable(struct reload_set *set)
{
	list_for_each (node, &set->members)
		if (may_start(member_of(node)))
			return member_of(node);
	return NULL;
}

/* A member that fails at once may end the others, so the walk starts again. */
void
order_start_waiting(struct reload_set *set)
{
	struct reload *r;

	while (set->stage != SET_OVER && (r = find_startable(set)))
		reload_advance(r);
}
