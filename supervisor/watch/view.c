/* view: how a plugin and the configuration are watched, for answers. */
#include <string.h>

#include "proto/value.h"
#include "supervisor/ops/time_text.h"
#include "supervisor/watch/parts.h"

static const char *
state_of(const struct watched *d)
{
	static const char *const texts[] = {[WATCH_IDLE] = "watching",
		[WATCH_QUEUED] = "waiting for another build",
		[WATCH_ANNOUNCED] = "building",
		[WATCH_BUILDING] = "building",
		[WATCH_ADOPTING] = "building",
		[WATCH_COMPARING] = "comparing",
		[WATCH_RELOADING] = "reloading",
		[WATCH_AWAITING] = "waiting for another transaction"};

	if (d->step != WATCH_IDLE)
		return texts[d->step];
	if (d->is_missing)
		return "source missing";
	if (d->is_pending || wheel_timer_is_set(&d->loop.resume))
		return "pending";
	if (d->loop.is_stopped)
		return "not reloaded: it changes with each reload";
	return texts[d->step];
}

static void
put_watched(json_t *view, const struct watched *d)
{
	char at[TIME_TEXT_BYTES];

	json_object_set_new(view, "state", json_string(state_of(d)));
	json_object_set_new(view, "pending",
		json_boolean(d->is_pending || d->is_again ||
			     wheel_timer_is_set(&d->loop.resume)));
	json_object_set_new(
		view, "mode", d->how[0] ? json_string(d->how) : json_null());
	json_object_set_new(
		view, "why", d->why[0] ? value_text(d->why) : json_null());
	json_object_set_new(view, "lastTrigger",
		d->changed_ms ? json_string(time_text(at, d->changed_ms))
			      : json_null());
	json_object_set_new(
		view, "file", d->file[0] ? value_text(d->file) : json_null());
}

static void
put_off(json_t *view, const char *why)
{
	json_object_set_new(view, "state", json_string(why));
	json_object_set_new(view, "pending", json_false());
	json_object_set_new(view, "mode", json_null());
}

json_t *
watch_view(const struct watch *w, const struct plugin *p)
{
	const struct watched *d = w ? watch_find(w, p->id) : NULL;
	bool on = w && watch_wants(w, p);
	bool by_person = p->store.watched.by_person &&
			 p->store.watched.file == p->wanted->watch;
	json_t *view = json_object();

	json_object_set_new(view, "on", json_boolean(on));
	json_object_set_new(
		view, "by", json_string(by_person ? "person" : "config"));
	if (d)
		put_watched(view, d);
	else if (!on)
		put_off(view, "off");
	else if (watch_gate(w))
		put_off(view, "off: reload.watch is false");
	else if (!p->enabled)
		put_off(view, "off: the plugin is disabled");
	else
		put_off(view, "off: the package was not found");
	return view;
}

json_t *
watch_view_config(const struct watch *w)
{
	json_t *view = json_object();
	bool on = w && !watch_gate(w);

	json_object_set_new(view, "on", json_boolean(on));
	if (w && w->config)
		put_watched(view, w->config);
	else
		put_off(view, on ? "starting" : "off: reload.watch is false");
	return view;
}
