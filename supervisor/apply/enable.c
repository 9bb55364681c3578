/* enable: the only place that decides whether a plugin is to run. */
#include "supervisor/apply/enable.h"

#include "supervisor/gateway/keep.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/transaction.h"

void
enable_follow(struct plugin *p)
{
	bool by_file = p->wanted->enabled, before = p->enabled;

	p->enabled = store_is_enabled(&p->store, by_file);
	if (p->enabled != before && p->announced)
		news_enabled(p, p->enabled, "config");
	p->announced = true;
	if (!p->store.enabled.by_person || p->store.enabled.file == by_file)
		return;
	p->store.enabled.by_person = false;
	keep_save_sooner_or_later(p);
}

/* Saves a user's decision. If it cannot be written nothing changes. */
static int
save_decision(struct plugin *p, bool enabled, struct error *err)
{
	struct store before = p->store;

	p->store.enabled = (struct store_decision){.by_person = true,
		.person = enabled,
		.file = p->wanted->enabled};
	p->store.stopped = p->store.stopped && !enabled;
	if (keep_decision(p, err) < 0) {
		p->store = before;
		return -1;
	}
	if (p->enabled != enabled)
		news_enabled(p, enabled, "person");
	p->enabled = enabled;
	p->stopped = p->store.stopped;
	p->state_lost[0] = '\0';
	crash_forget(p);
	return 0;
}

enum reload_refusal
enable_begin_enable(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	enum reload_refusal refusal =
		reload_admit(g, p, KIND_START, false, err);

	if (refusal != RELOAD_ACCEPTED)
		return refusal;
	if (save_decision(p, true, err) < 0)
		return RELOAD_NOT_SAVED;
	reload_create(g, p, KIND_START, trigger, watcher, id_out);
	return RELOAD_ACCEPTED;
}

enum reload_refusal
enable_begin_disable(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	enum reload_refusal refusal = reload_admit(g, p, KIND_STOP, false, err);

	if (refusal != RELOAD_ACCEPTED)
		return refusal;
	if (save_decision(p, false, err) < 0)
		return RELOAD_NOT_SAVED;
	reload_give_way(p);
	crash_forget(p);
	reload_create(g, p, KIND_STOP, trigger, watcher, id_out);
	return RELOAD_ACCEPTED;
}
