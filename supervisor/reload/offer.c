/* offer: the worker that serves replaces its set of registrations in one step.
 * It is a commit without a new worker: checked like `ready`, refused whole, and
 * no generation. A crash restart and the next reload have what `ready` says. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/schedule/schedule.h"

/* An offer costs one, and one more for each OFFER_SIZE registrations, because
 * they take time to read and compare. */
#define OFFERS_AT_ONCE 10
#define OFFERS_PER_SECOND 1
#define OFFER_SIZE 1024

static bool
may_offer(struct plugin *p, uint32_t count)
{
	uint64_t now_us = clock_us();
	double cost = 1 + (double)count / OFFER_SIZE;
	double left = p->offers.left + (double)(now_us - p->offers.at_us) /
					       1e6 * OFFERS_PER_SECOND;

	p->offers.at_us = now_us;
	p->offers.left = left > OFFERS_AT_ONCE ? OFFERS_AT_ONCE : left;
	if (p->offers.left < cost)
		return false;
	p->offers.left -= cost;
	return true;
}

/* Whether it may offer now, apart from the set. */
static int
may_change(const struct worker *w, enum wire_error *code_out, struct error *err)
{
	const struct plugin *p = w->owner;

	*code_out = WIRE_BUSY;
	if (w == p->candidate)
		return error_set(err, "it does not serve yet");
	if (w != p->active || w->state != WORKER_SERVING) {
		*code_out = WIRE_DENIED;
		return error_set(err, "it does not serve any more");
	}
	/* new settings are the one kind of transaction that the worker itself
	 * may answer with an offer */
	if (p->reload && p->reload->state != RELOAD_CONFIGURING)
		return error_set(err, "reload in progress");
	*code_out = WIRE_FAILED;
	return 0;
}

static int
admit(struct worker *w, uint32_t count, enum wire_error *code_out,
	struct error *err)
{
	struct plugin *p = w->owner;

	if (may_change(w, code_out, err) < 0)
		return -1;
	*code_out = WIRE_BUSY;
	if (p->offers.waiting)
		return error_set(err, "an offer is in progress");
	if (!may_offer(p, count))
		return error_set(err,
			"offers come too fast: at most %d at once, then one a "
			"second, and fewer large ones",
			OFFERS_AT_ONCE);
	return 0;
}

static int
read_set(struct registration_set *set, const struct message *m,
	struct error *err)
{
	if (registration_set_read(set, &m->params[0], err) < 0)
		return error_prefix(err, "the registrations are wrong: ");
	if (set->count)
		return 0;
	registration_set_finish(set);
	return error_set(err, "an offer must have a registration");
}

/* ---- the change ---- */

/* An offer whose dropped services are being stopped. */
struct offer_wait {
	struct worker *worker;
	uint32_t id; /* of the request */
	struct registration_set set;
};

void
offer_forget(struct plugin *p, const struct worker *w)
{
	struct offer_wait *wait = p->offers.waiting;

	if (!wait || wait->worker != w)
		return;
	p->offers.waiting = NULL;
	registration_set_finish(&wait->set);
	free(wait);
}

static void
refuse(struct worker *w, uint32_t id, enum wire_error code, const char *why)
{
	struct plugin *p = w->owner;
	struct log_subject subject = {.plugin = p->id};

	p->counters.offers_refused++;
	log_write(LOG_DEBUG, &subject, "offer refused: %s", why);
	worker_refuse_call(w, id, code, why);
}

/* Rows, indices and the worker's set change together. Requests sent so far have
 * the old indices; held ones are looked up again. The worker knows its new
 * services from the answer on. */
static void
take(struct worker *w, struct offer_wait *wait, struct route_edit *edit)
{
	struct plugin *p = w->owner;
	struct route_changes changes;

	route_changes_of_edit(&changes, edit);
	worker_take_registrations(w, &wait->set);
	route_edit_commit(edit, w->id);
	schedule_follow(p);
	p->counters.offers++;
	news_offered(p, w, &changes);
	news_routes_changed(p, &changes);
	route_changes_finish(&changes);
	worker_answer_call(w, wait->id, NULL);
	services_renew(w);
	dispatch_release(p->gateway, p);
}

/* The dropped services are stopped, or cannot be. Meanwhile a reload may have
 * begun, and others may have taken names. */
static void
go_on(struct worker *w, const struct error *problem)
{
	struct plugin *p = w->owner;
	struct offer_wait *wait = p->offers.waiting;
	enum wire_error code = WIRE_FAILED;
	struct route_edit *edit = NULL;
	struct error err;

	p->offers.waiting = NULL;
	if (may_change(w, &code, &err) == 0) {
		if (problem)
			err = *problem;
		else if (!(edit = reload_prepare_rows(
				   p, &wait->set, p->config, &err)))
			code = WIRE_CONFLICT;
	}
	if (edit)
		take(w, wait, edit);
	else
		refuse(w, wait->id, code, err.text);
	registration_set_finish(&wait->set);
	free(wait);
}

/* Before any service is stopped. */
static int
check(const struct worker *w, const struct registration_set *set,
	struct error *err)
{
	struct plugin *p = w->owner;
	struct route_edit *edit;

	if (reload_check_kept(w->manifest, set, err) < 0)
		return -1;
	edit = reload_prepare_rows(p, set, p->config, err);
	if (!edit)
		return -1;
	route_edit_discard(edit);
	return 0;
}

/* ---- the request ---- */

static int
offer(struct worker *w, const struct message *m, enum wire_error *code_out,
	struct error *err)
{
	struct plugin *p = w->owner;
	uint32_t count = m->params[0].via.array.size;
	struct offer_wait *wait;
	struct registration_set set;

	if (admit(w, count, code_out, err) < 0)
		return -1;
	*code_out = WIRE_BAD_MESSAGE;
	if (read_set(&set, m, err) < 0)
		return -1;
	*code_out = WIRE_CONFLICT;
	if (check(w, &set, err) < 0) {
		registration_set_finish(&set);
		return -1;
	}
	wait = memory_alloc(sizeof(*wait));
	*wait = (struct offer_wait){.worker = w, .id = m->id, .set = set};
	p->offers.waiting = wait;
	services_change(w, &wait->set, go_on);
	return 0;
}

void
offer_from(struct worker *w, const struct message *m)
{
	enum wire_error code;
	struct error err;

	if (offer(w, m, &code, &err) < 0)
		refuse(w, m->id, code, err.text);
}
