/* job: what the files of control/ share to serve a call: the handlers, how a
 * handler ends its call, and what happens when the caller of a long call
 * leaves. Nobody outside control/ includes this. */
#pragma once

#include <stddef.h>

#include "proto/util/error.h"
#include "supervisor/control/commands.h"

/* The first member of the state that a handler keeps for a long call; set as
 * call->job. */
struct command_job {
	/* The caller leaves: remove every callback and free the job. */
	void (*leave)(struct command_job *job);
	/* supd stops, or the caller lost its role: end the call, if its
	 * progress so far is a valid answer. NULL: it is not. */
	void (*end)(struct command_job *job);
};

/* Ends a call with a result, whose reference is taken. The call may be freed
 * when this returns, as with all functions that end calls. */
void command_finish(
	struct command_call *call, enum outcome outcome, json_t *result);
/* Ends a call with {"error": text}. */
void command_fail(struct command_call *call, enum outcome outcome,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Ends a call with a page once that is made; see page_ask(). Takes the recipe,
 * which writes one JSON document and a newline, and `brief`, the result if
 * there can be no page. NULL: the call is then refused. */
struct page_recipe;
void command_print(struct command_call *call, enum outcome outcome,
	const char *key, struct page_recipe *recipe, json_t *brief);
/* Ends a call with an object, as a page if it is long. Calls that end with the
 * same object share a page. Takes the reference; nobody may change the object
 * afterwards. */
void command_finish_long(
	struct command_call *call, enum outcome outcome, json_t *document);
/* Reports progress. Takes the event's reference. */
void command_report(struct command_call *call, json_t *event);

/* Names that are compared for a "did you mean". */
#define NEAR_LOOKS_MAX 1000
/* The most plugin ids in one call. */
#define IDS_MAX 2048

/* The plugin of that id, or the only plugin that uses a package of that name.
 * NULL: not found; err is the text for OUTCOME_NOT_FOUND. */
struct plugin *command_find_plugin(
	const struct gateway *g, const char *id, struct error *err);

/* Arguments, checked against the table before the handler runs. */
const char *command_text(const json_t *args, const char *key); /* or NULL */
/* The ids that `id`, `ids` or both name. */
size_t command_id_count(const json_t *args);
const char *command_id_at(const json_t *args, size_t at);
bool command_flag(const json_t *args, const char *key);
uint64_t command_number(
	const json_t *args, const char *key, uint64_t if_absent);

/* reload with `changed`, which compares packages and goes on with
 * command_reload(); and reload with `plan`, which takes ids, an array. */
void command_reload_changed(struct command_call *call, const json_t *args);
void command_reload_plan(struct command_call *call, json_t *ids);

/* events with `follow`, of one plugin or all (NULL): from the event after
 * `cursor` in the journal on; `missed` events before it are lost. */
void command_follow_events(struct command_call *call, uint64_t cursor,
	uint64_t missed, const char *plugin_id);

/* logs with `follow`: the last `count` lines, then new ones. Takes ownership of
 * the source. */
struct log_source;
void command_follow_logs(
	struct command_call *call, struct log_source *source, uint64_t count);

typedef void command_handler(struct command_call *call, const json_t *args);
#define VERB(id, command, client, ...) command_handler command;
#include "proto/verbs.def"
#undef VERB
