/* required: plugins that are reloaded after one that they require
 * (`reload_with_required`). A cause and all that follows from it are a wave, in
 * which no plugin is reloaded twice. A plugin waits for those that it requires,
 * directly or through others, so that it is reloaded once, after the last. */
#include <string.h>

#include "proto/util/text.h"
#include "supervisor/reload/cause.h"
#include "supervisor/reload/transaction.h"

/* The i-th requirement of p, by its config, then its manifest; NULL past the
 * last. */
static struct plugin *
requirement(const struct plugin *p, uint32_t i, bool *is_end_out)
{
	const struct text_list *own = &p->config->requires;
	const struct text_list *manifest =
		p->active ? &p->active->manifest->requires : NULL;
	const char *id = NULL;

	if (i < own->count)
		id = own->items[i];
	else if (manifest && i - own->count < manifest->count)
		id = manifest->items[i - own->count];
	*is_end_out = !id;
	return id ? gateway_plugin(p->gateway, id) : NULL;
}

static bool requires(const struct plugin *p, const struct plugin *other)
{
	bool is_end = false;

	for (uint32_t i = 0; !is_end; i++)
		if (requirement(p, i, &is_end) == other)
			return !is_end;
	return false;
}

/* ---- order ---- */

/* Calls is() for what p requires, directly or through others, each once, until
 * it says true. The caller begins a search with another number. */
static struct plugin *
find_required(struct plugin *p, uint64_t search, const struct plugin *of,
	bool (*is)(struct plugin *q, const struct plugin *of))
{
	struct plugin *q, *found = NULL;
	bool is_end = false;

	for (uint32_t i = 0; !found; i++) {
		q = requirement(p, i, &is_end);
		if (is_end)
			return NULL;
		if (!q || q->searched == search)
			continue;
		q->searched = search;
		found = is(q, of) ? q : find_required(q, search, of, is);
	}
	return found;
}

static bool
is_same(struct plugin *q, const struct plugin *of)
{
	return q == of;
}

static bool
is_reloading(const struct plugin *p)
{
	return p->reload && !reload_program(p->reload)->is_proof &&
	       strcmp(p->reload->trigger, "crash") &&
	       strcmp(p->reload->trigger, "start");
}

/* Whether `of` has to wait for q. In a circle none waits. */
static bool
comes_before(struct plugin *q, const struct plugin *of)
{
	struct gateway *g = q->gateway;
	uint64_t outer = q->searched;
	bool is_circle;

	if (q == of || (!q->follows && !is_reloading(q)))
		return false;
	is_circle = find_required(q, ++g->searches, of, is_same);
	q->searched = outer;
	return !is_circle;
}

/* The first that p has to wait for, or NULL. */
static struct plugin *
find_blocker(struct plugin *p)
{
	struct gateway *g = p->gateway;

	return find_required(p, ++g->searches, p, comes_before);
}

bool
required_must_wait(struct reload *r)
{
	struct plugin *blocker = r->plugin->config->reload_with_required &&
						 !r->set &&
						 r->kind == KIND_RELOAD &&
						 is_reloading(r->plugin)
					 ? find_blocker(r->plugin)
					 : NULL;

	if (blocker)
		r->waits_for = blocker->number;
	return blocker;
}

bool
required_still_waits(const struct reload *r)
{
	const struct plugin *blocker =
		gateway_plugin_by_number(r->gateway, r->waits_for);

	return blocker && (blocker->follows || is_reloading(blocker));
}

/* ---- waves ---- */

static bool
is_cause(const struct reload *r)
{
	return r->figures.committed_us && r->figures.previous_generation &&
	       strcmp(r->trigger, "crash") && strcmp(r->trigger, "start");
}

/* It was, or will be, reloaded with r, in an atomic set, or after it. */
static bool
is_covered(const struct plugin *p, const struct reload *r)
{
	if (p->reload && p->reload->kind == KIND_RELOAD &&
		p->reload->state == RELOAD_QUEUED)
		return true;
	return r->set && (p->last_set == r->set->number ||
				 (p->reload && p->reload->set == r->set));
}

void
required_note(struct reload *r)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;

	p->last_set = r->set ? r->set->number : 0;
	if (!is_cause(r))
		return;
	p->wave = r->wave ? r->wave : ++g->waves;
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *d = g->plugins[i];

		if (!d || d == p || !d->config->reload_with_required ||
			d->wave == p->wave || !plugin_serving(d) ||
			!requires(d, p) || is_covered(d, r))
			continue;
		g->following += !d->follows;
		d->follows = p->wave;
		text_format(d->follows_after, sizeof(d->follows_after), "%s",
			p->id);
	}
}

void
required_forget(struct plugin *p)
{
	p->gateway->following -= p->follows != 0;
	p->follows = 0;
}

static void
follow(struct gateway *g, struct plugin *p)
{
	const struct reload_options options = {.trigger = "required"};
	const char *asking = g->asking;
	uint64_t wave = p->follows;
	char by[64];

	required_forget(p);
	if (p->stopped || !p->enabled || !plugin_serving(p))
		return;
	text_format(by, sizeof(by), "the reload of '%s'", p->follows_after);
	g->asking = by;
	if (reload_begin(g, p, &options, NULL, NULL, NULL) == RELOAD_ACCEPTED) {
		p->reload->wave = wave;
		cause_note(p, cause_create("plugin '%s', which it requires, "
					   "was reloaded",
				      p->follows_after));
	}
	g->asking = asking;
}

void
required_begin(struct gateway *g)
{
	reload_begin_later(g);
	for (uint32_t i = 0; g->following && i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		if (p && p->follows && !p->reload && !find_blocker(p))
			follow(g, p);
	}
}
