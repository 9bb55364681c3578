/* enable: whether a plugin is to run at all: the file says it, and a person may
 * say otherwise until the file's value changes. Nothing else decides it. */
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/transaction.h"

void
enable_follow(struct plugin *p)
{
	struct gateway *g = p->gateway;
	bool by_file = p->wanted->enabled, before = p->enabled;
	struct error err;

	p->enabled = store_is_enabled(&p->store, by_file);
	if (p->enabled != before && p->announced)
		news_enabled(p, p->enabled, "config");
	p->announced = true;
	if (!p->store.enabled_by_person || p->store.file_enabled == by_file)
		return;
	p->store.enabled_by_person = false;
	if (store_save(&p->store, g->state_dir, p->id, &err) < 0)
		log_error("%s", err.text);
}

/* Nothing has changed if it cannot be written. */
static int
say(struct gateway *g, struct plugin *p, bool enabled, struct error *err)
{
	struct store before = p->store;

	p->store.enabled_by_person = true;
	p->store.person_enabled = enabled;
	p->store.file_enabled = p->wanted->enabled;
	p->store.stopped = p->store.stopped && !enabled;
	if (store_save(&p->store, g->state_dir, p->id, err) < 0) {
		p->store = before;
		return -1;
	}
	if (p->enabled != enabled)
		news_enabled(p, enabled, "person");
	p->enabled = enabled;
	p->stopped = p->store.stopped;
	crash_forget(p);
	return 0;
}

enum reload_refusal
reload_begin_enable(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	enum reload_refusal refusal = reload_admit(g, p, false, err);
	struct reload *r;

	if (refusal != RELOAD_ACCEPTED)
		return refusal;
	if (say(g, p, true, err) < 0)
		return RELOAD_BUSY;
	r = reload_create(g, p, KIND_RELOAD, trigger, watcher, id_out);
	r->if_serving_done = plugin_serving(p) != NULL;
	return RELOAD_ACCEPTED;
}

enum reload_refusal
reload_begin_disable(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	enum reload_refusal refusal = reload_admit(g, p, false, err);

	if (refusal != RELOAD_ACCEPTED)
		return refusal;
	if (say(g, p, false, err) < 0)
		return RELOAD_BUSY;
	reload_create(g, p, KIND_STOP, trigger, watcher, id_out);
	return RELOAD_ACCEPTED;
}
