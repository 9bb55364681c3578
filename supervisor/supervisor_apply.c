/* supervisor_apply: a HUP: the config is read again and put in force; a broken
 * one changes nothing. Paths are logged, values never. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "supervisor/config/compare.h"
#include "supervisor/ops/notify.h"
#include "supervisor/supervisor_parts.h"

/* To a service manager that waits for the start or the stop, RELOADING or READY
 * now would mean that everything serves. */
static void
tell_reload(const struct supervisor *s, void (*notify)(void))
{
	if (s->announced && !s->stopping)
		notify();
}

static void
applied(void *user, const json_t *receipts)
{
	struct supervisor *s = user;
	size_t failed = 0, i;
	json_t *receipt;

	json_array_foreach(receipts, i, receipt) failed +=
		!json_is_true(json_object_get(receipt, "success"));
	log_write(failed ? LOG_WARN : LOG_INFO, NULL,
		"configuration applied in %llu ms: %zu transactions, %zu "
		"failed",
		(unsigned long long)(clock_ms() - s->hup_ms),
		json_array_size(receipts), failed);
	tell_reload(s, notify_ready);
	notify_status("serving; last reload of the configuration: %zu of %zu "
		      "transactions failed",
		failed, json_array_size(receipts));
	if (s->hup_pending && !s->stopping) {
		s->hup_pending = false;
		supervisor_apply(s);
	}
}

void
supervisor_log_problems(const struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++) {
		char *text = problem_text(&problems->items[i]);

		if (problems->items[i].warning)
			log_warn("%s", text);
		else
			log_error("%s", text);
		free(text);
	}
}

static void
log_changes(const struct config_changes *changes)
{
	for (uint32_t i = 0; i < changes->count; i++) {
		const struct config_change *c = &changes->items[i];

		if (c->inherited)
			continue;
		log_info("configuration: %s %s (%s)", c->path,
			config_change_kind_name(c->kind),
			config_class_name(c->class));
		if (c->class == CLASS_RESTART)
			log_warn("%s takes effect only when supd is restarted",
				c->path);
	}
}

/* What can fail comes first: reading, and opening listeners. */
static void
put_in_force(struct supervisor *s, struct config *config)
{
	struct config_changes changes;
	struct error err;

	if (http_server_listen(s->http, config, &err) < 0) {
		log_error("configuration not applied: %s", err.text);
		tell_reload(s, notify_ready);
		notify_status("configuration not applied: %s", err.text);
		return;
	}
	config_compare(s->config, config, NULL, &changes);
	log_changes(&changes);
	config_changes_finish(&changes);
	config_unref(s->config);
	s->config = config_ref(config);
	supervisor_set_log(s, config);
	http_server_configure(s->http, config);
	control_configure(s->control, config);
	gateway_apply(&s->gateway, config, "hup", applied, s);
}

void
supervisor_apply(struct supervisor *s)
{
	struct problems problems = {0};
	struct config *config;

	s->hup_ms = clock_ms();
	tell_reload(s, notify_reloading);
	config = config_load(s->config_file, &problems);
	supervisor_log_problems(&problems);
	if (config) {
		put_in_force(s, config);
	} else {
		log_error("configuration not applied: %u errors; everything "
			  "serves as before",
			problems.errors);
		tell_reload(s, notify_ready);
		notify_status("configuration not applied: %u errors",
			problems.errors);
	}
	config_unref(config);
	problems_finish(&problems);
}
