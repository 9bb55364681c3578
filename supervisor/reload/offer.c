/* offer: the worker that serves replaces its set of registrations in one step.
 * It is a commit without a new worker: checked like `ready`, refused whole, and
 * no generation. A crash restart and the next reload have what `ready` says. */
#include "proto/util/clock.h"
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
admit(struct worker *w, uint32_t count, enum wire_error *code_out,
	struct error *err)
{
	struct plugin *p = w->owner;

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

static int
check(const struct worker *w, const struct registration_set *set,
	struct error *err)
{
	if (!services_are_in(w, set))
		return error_set(err,
			"an offer must have the same services and channels as "
			"before; only a reload changes them");
	return reload_check_kept(w->manifest, set, err);
}

/* Rows, indices and the worker's set change together. Requests sent so far have
 * the old indices; held ones are looked up again. */
static void
take(struct worker *w, struct registration_set *set, struct route_edit *edit)
{
	struct plugin *p = w->owner;
	struct route_changes changes;

	route_changes_of_edit(&changes, edit);
	worker_take_registrations(w, set);
	services_renumber(w);
	route_edit_commit(edit, w->id);
	schedule_follow(p);
	p->counters.offers++;
	news_offered(p, w, &changes);
	news_routes_changed(p, &changes);
	route_changes_finish(&changes);
}

static int
offer(struct worker *w, const struct message *m, enum wire_error *code_out,
	struct error *err)
{
	struct plugin *p = w->owner;
	uint32_t count = m->params[0].via.array.size;
	struct registration_set set;
	struct route_edit *edit;

	if (admit(w, count, code_out, err) < 0)
		return -1;
	*code_out = WIRE_BAD_MESSAGE;
	if (read_set(&set, m, err) < 0)
		return -1;
	*code_out = WIRE_CONFLICT;
	edit = check(w, &set, err) < 0
		       ? NULL
		       : reload_prepare_rows(p, &set, p->config, err);
	if (!edit) {
		registration_set_finish(&set);
		return -1;
	}
	take(w, &set, edit);
	return 0;
}

void
offer_from(struct worker *w, const struct message *m)
{
	struct plugin *p = w->owner;
	struct log_subject subject = {.plugin = p->id};
	enum wire_error code;
	struct error err;

	if (offer(w, m, &code, &err) < 0) {
		p->counters.offers_refused++;
		log_write(LOG_DEBUG, &subject, "offer refused: %s", err.text);
		worker_refuse_call(w, m->id, code, err.text);
		return;
	}
	worker_answer_call(w, m->id, NULL);
	dispatch_release(p->gateway, p);
}
