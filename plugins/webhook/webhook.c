/* webhook: turns signed deliveries of others into events (receive.c), and
 * events into signed deliveries (outgoing.c). plugin.yaml lists the settings.
 */
#include <ev.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <unistd.h>

#include "outgoing.h"
#include "receive.h"
#include "settings.h"

#define STATE_VERSION 1

static struct settings settings;
static struct receiver *receiver;

/* ---- settings ---- */

/* What is registered or created at the start needs a reload to change. Returns
 * what of it has changed, or NULL. */
static const char *
needs_reload(const struct settings *new)
{
	if (!settings.endpoint_count != !new->endpoint_count)
		return "whether there are endpoints";
	if (settings_body_bytes(new) != settings_body_bytes(&settings))
		return "the largest body_limit";
	if (new->remember_max != settings.remember_max)
		return "remember_max";
	if (!settings_same_targets(new, &settings))
		return "the set of targets, their events or their match";
	return NULL;
}

static void
configure(struct sup_req *req, void *user)
{
	struct settings new, old = settings;
	const char *what;
	char why[256];

	if (settings_read(&new, sup_req_args_json(req), why)) {
		sup_fail(req, SUP_BAD_MESSAGE, "%s", why);
		settings_finish(&new);
		return;
	}
	what = needs_reload(&new);
	if (what) {
		sup_fail(req, SUP_CONFLICT, "a reload is needed to change %s",
			what);
		settings_finish(&new);
		return;
	}
	settings = new;
	settings_finish(&old);
	sup_ok(req);
}

/* ---- state ---- */

static void
export_rest(void *user)
{
	receiver_export(receiver, user);
}

static void
export_state(struct sup_req *req, void *user)
{
	outgoing_give_up(export_rest, req);
}

static void
import_state(struct sup_req *req, void *user)
{
	outgoing_take_over();
	if (receiver_import(receiver, req))
		sup_fail(req, SUP_BAD_MESSAGE,
			"the state is not one of this plugin");
	else
		sup_ok(req);
}

/* ---- the method webhook.status ---- */

static void
status(struct sup_req *req, void *user)
{
	struct receiver_counts c = receiver_counts(receiver);
	json_t *all = json_pack("{s{sI sI sI sI} so}", "deliveries", "taken",
		(json_int_t)c.taken, "again", (json_int_t)c.again, "refused",
		(json_int_t)c.refused, "later", (json_int_t)c.later, "targets",
		outgoing_status());
	char *text = json_dumps(all, JSON_COMPACT);

	if (!text || sup_reply_value(req, 200, text, strlen(text)))
		sup_fail(req, SUP_FAILED, "no memory");
	free(text);
	json_decref(all);
}

/* ---- start and end ---- */

/* Ends the worker between two callbacks, so that no file is cut within a line.
 * supd sends TERM when it stops the worker. */
static void
on_term(struct ev_loop *loop, ev_signal *watcher, int events)
{
	_exit(0); /* as sup-worker ends; libcurl's threads may be running */
}

static void
watch_term(struct sup *p)
{
	static ev_signal term;

	ev_signal_init(&term, on_term, SIGTERM);
	ev_signal_start(sup_loop(p), &term);
}

static int
register_endpoints(struct sup *p)
{
	const struct sup_offer offer = {.kind = SUP_HTTP,
		.method = "POST",
		.path = "/{hook}",
		.handler = receiver_take,
		.user = receiver,
		.idempotent = -1,
		.body_limit = (int64_t)settings_body_bytes(&settings)};

	return settings.endpoint_count ? sup_register(p, &offer) : 0;
}

static int
init(struct sup *p)
{
	char why[256];

	if (settings_read(&settings, sup_settings_json(p), why)) {
		fprintf(stderr, "webhook: %s\n", why);
		return SUP_FAILED_TO_START;
	}
	receiver = receiver_create(p, &settings);
	if (!receiver) {
		fprintf(stderr, "webhook: no memory\n");
		return SUP_FAILED_TO_START;
	}
	watch_term(p);
	sup_state(p, STATE_VERSION, export_state, import_state, NULL);
	sup_on_configure(p, configure, NULL);
	if (outgoing_start(p, &settings, why)) {
		fprintf(stderr, "webhook: %s\n", why);
		return SUP_FAILED_TO_START;
	}
	if (sup_method(p, "webhook.status", status, NULL))
		return SUP_FAILED_TO_START;
	return register_endpoints(p);
}

SUP_PLUGIN("webhook", "1.0.0", init)
