/* worker_chain: the chain of a request in flight, made when the worker first
 * makes a call or emits an event in its name. */
#include "supervisor/plugin/worker_private.h"

/* Placeholders and supd's own requests have no registration. */
static const char *
name_of(const struct worker *w, const struct request *r)
{
	if (r->ops->name)
		return r->ops->name;
	return r->registration < w->registrations.count
		       ? w->registrations.items[r->registration].name
		       : "?";
}

static struct chain *
chain_of(struct worker *w, const struct request *r)
{
	struct request_table *table = w->private->workers->requests;
	struct chain *c = request_table_chain(table, r->id);

	if (!c) {
		c = chain_extend(
			r->chain, w->plugin_id, name_of(w, r), r->is_filter);
		c->trace = r->span.context;
		request_table_set_chain(table, r->id, c);
	}
	return c;
}

bool
worker_chain(struct worker *w, uint64_t id, struct worker_chain *out)
{
	struct request *r = NULL;

	*out = (struct worker_chain){0};
	if (id <= UINT32_MAX)
		r = request_table_find(
			w->private->workers->requests, (uint32_t)id, w->id);
	if (!r)
		return false;
	out->chain = chain_of(w, r);
	/* an answer whose head is out has no deadline */
	out->due_ms = r->answered ? 0 : r->due_ms;
	return true;
}

/* Requests in flight keep the names that they were sent under. */
void
worker_take_registrations(struct worker *w, struct registration_set *set)
{
	list_for_each (node, &w->in_flight)
		chain_of(w, container_of(node, struct request, node));
	list_for_each (node, &w->private->left)
		chain_of(w, container_of(node, struct request, node));
	registration_set_finish(&w->registrations);
	w->registrations = *set;
	*set = (struct registration_set){0};
}

void
chain_before_leaving(struct worker *w, const struct request *r)
{
	if (r->chain || r->is_filter || r->span.context.sampling)
		chain_of(w, r);
}
