/* job: what the files of control/ share to serve a call: the handlers of the
 * table, how a handler ends its call, and how a call that takes time is left
 * by its caller. Nobody outside control/ includes this. */
#pragma once

#include <stddef.h>

#include "proto/util/error.h"
#include "supervisor/control/commands.h"

/* First member of what a handler keeps for a call that it does not end at
 * once; set as call->job. */
struct command_job {
	/* The caller left: take back every callback and free the job. */
	void (*leave)(struct command_job *job);
	/* supd goes, or the caller may no more: ends the call if what was told
	 * so far is an answer. NULL: it is none. */
	void (*end)(struct command_job *job);
};

/* End a call: the result's reference is taken; the call may be gone after. */
void command_finish(
	struct command_call *call, enum outcome outcome, json_t *result);
/* Ends it with {"error": text}. */
void command_fail(struct command_call *call, enum outcome outcome,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Takes the event's reference. */
void command_tell(struct command_call *call, json_t *event);

/* The plugin of that id, or the only one that uses a package of that name.
 * NULL: none, with the text for OUTCOME_NOT_FOUND. */
struct plugin *command_find_plugin(
	const struct gateway *g, const char *id, struct error *err);

/* Arguments, checked against the table before the handler runs. */
const char *command_text(const json_t *args, const char *key); /* or NULL */
bool command_flag(const json_t *args, const char *key);
uint64_t command_number(
	const json_t *args, const char *key, uint64_t if_absent);

/* reload with `changed` (its args), which goes on by command_reload(); and with
 * `plan`: ids is an array and taken. */
void command_reload_changed(struct command_call *call, const json_t *args);
void command_reload_plan(struct command_call *call, json_t *ids);

typedef void command_handler(struct command_call *call, const json_t *args);
command_handler command_status, command_list, command_show, command_routes,
	command_can_reload, command_version, command_reload, command_start,
	command_stop, command_restart, command_logs, command_invoke,
	command_shutdown, command_enable, command_disable, command_plan,
	command_apply, command_scan, command_emit, command_events,
	command_history, command_config, command_metrics;
