/* news: reports what happens in the gateway to the journal, the history and the
 * metrics. Nothing here returns an error: a report that cannot be made never
 * stops the work that it reports. */
#pragma once

#include <jansson.h>
#include <msgpack.h>

#include "proto/util/bytes.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/route/changes.h"

/* Limit of events that a worker emits per second, and at once. Events past it
 * are dropped, counted and mentioned in the log. */
#define NEWS_EMITS_PER_SECOND 1000

/* ---- for the floors above ---- */
void news_gateway(struct gateway *g, const char *event, json_t *data);
void news_plugin(struct plugin *p, const char *event, json_t *data);
/* A plugin was enabled or disabled, by an operator ("person") or by the file
 * ("config"). */
void news_enabled(struct plugin *p, bool enabled, const char *by);
/* A configuration is in force: failed_count of its transactions failed. data's
 * reference is taken (what changed, how long it took). */
void news_config_applied(
	struct gateway *g, unsigned failed_count, json_t *data);
/* A configuration was refused; the old one stays in force. */
void news_config_refused(struct gateway *g, const char *reason);

/* ---- for gateway/ and reload/ ---- */
/* Reports what a commit changed in a plugin's rows, if anything. Doors
 * that serve lists of routes or tools are notified by it, and only by it. At
 * most ROUTE_CHANGE_NAMES_MAX names of each kind are in it. */
void news_routes_changed(struct plugin *p, const struct route_changes *changes);
/* The worker that serves replaced its registrations, if that changed rows. */
void news_offered(struct plugin *p, const struct worker *w,
	const struct route_changes *changes);
void news_crash(struct plugin *p, const struct worker *w);
void news_failed(struct plugin *p);
/* A start failed because a resource ran out; p->failure names it. */
void news_starved(struct plugin *p);
/* The stage of that generation differs from what was proven. */
void news_stage_damaged(
	struct plugin *p, uint32_t generation, const char *reason);
/* The plugin runs an older generation, because the stage of the newest is
 * damaged; p->older_reason says why. */
void news_runs_older(struct plugin *p);
/* The plugin's store was unreadable. */
void news_state_lost(struct plugin *p);
/* A request was refused because too many are held. The first is logged at once;
 * then the number of further ones once a second. */
void news_overflow(struct plugin *p);
/* An event of a plugin, which has been checked. Takes data's reference. */
void news_called(
	struct plugin *p, const char *event, json_t *data, struct chain *chain);
/* chain: the calls that led to it, borrowed, or NULL. */
void news_emit(struct plugin *p, struct bytes event, const msgpack_object *data,
	struct chain *chain);
void news_forget(struct plugin *p); /* the plugin goes: ends its timers */
