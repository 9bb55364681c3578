/* command_reload: reload, start, stop and restart: reads which plugins are
 * meant and how; the batch does the rest. */
#include <string.h>

#include "proto/util/text.h"
#include "supervisor/control/batch.h"

static enum reload_refusal
begin_reload(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin(
		b->call->gateway, p, &b->options, watcher, id_out, err);
}

static enum reload_refusal
begin_start(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin_start(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

static enum reload_refusal
begin_stop(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin_stop(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

static enum reload_refusal
begin_restart(struct batch *b, struct plugin *p, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return reload_begin_restart(
		b->call->gateway, p, b->call->door, watcher, id_out, err);
}

static enum outcome
select_ids(struct batch *b, const json_t *ids, struct error *err)
{
	for (size_t i = 0; i < json_array_size(ids); i++) {
		struct plugin *p = command_find_plugin(b->call->gateway,
			json_string_value(json_array_get(ids, i)), err);

		if (!p)
			return OUTCOME_NOT_FOUND;
		batch_add(b, p);
	}
	return OUTCOME_DONE;
}

/* Selects all plugins that should run, or those that use one package. */
static enum outcome
select_many(struct batch *b, const char *package, struct error *err)
{
	const struct gateway *g = b->call->gateway;
	bool is_used = false;

	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		if (!p || p->removed ||
			(package && strcmp(p->config->use, package)))
			continue;
		is_used = true;
		if (p->enabled && !p->stopped)
			batch_add(b, p);
	}
	if (!package || b->count)
		return OUTCOME_DONE;
	error_set(err,
		is_used ? "every plugin that uses the package '%.*s' is "
			  "disabled or stopped"
			: "no plugin uses the package '%.*s'",
		TEXT_FIT(package, 64));
	return is_used ? OUTCOME_REFUSED : OUTCOME_NOT_FOUND;
}

/* "true" and "false" come from a query. */
static int
read_wait(const json_t *wait, enum waiting *waiting_out)
{
	const char *text = json_string_value(wait);

	if (!wait || json_is_null(wait) || json_is_true(wait) ||
		(text && !strcmp(text, "true")) ||
		(text && !strcmp(text, "verdict")) ||
		(text && !strcmp(text, "committed")))
		*waiting_out = WAIT_VERDICT;
	else if (text && !strcmp(text, "settled"))
		*waiting_out = WAIT_SETTLED;
	else if (json_is_false(wait) || (text && !strcmp(text, "false")) ||
		 (text && !strcmp(text, "no")))
		*waiting_out = WAIT_NOT;
	else
		return -1;
	return 0;
}

/* Selects the plugins to reload; an outcome other than DONE is a refusal. */
static enum outcome
select_plugins(struct batch *b, const json_t *args, struct error *err)
{
	const char *id = command_text(args, "pluginId");
	const char *package = command_text(args, "package");
	const json_t *ids = json_object_get(args, "pluginIds");
	bool all = command_flag(args, "all");

	if ((id != NULL) + (package != NULL) + json_is_array(ids) + all +
			command_flag(args, "changed") !=
		1) {
		error_set(err, "reload: give one of pluginId, pluginIds, all, "
			       "changed, package");
		return OUTCOME_BAD_CALL;
	}
	if (command_flag(args, "changed"))
		return OUTCOME_DONE; /* not known yet */
	b->several = !id;
	if (id) {
		struct plugin *p =
			command_find_plugin(b->call->gateway, id, err);

		if (!p)
			return OUTCOME_NOT_FOUND;
		batch_add(b, p);
		return OUTCOME_DONE;
	}
	return json_is_array(ids) ? select_ids(b, ids, err)
				  : select_many(b, package, err);
}

/* Begins the forms of reload that compare packages first. */
static bool
begin_plan(struct batch *b, const json_t *args)
{
	bool changed = command_flag(args, "changed");
	struct command_call *call = b->call;
	json_t *ids;

	if (!changed && !command_flag(args, "plan"))
		return false;
	ids = changed ? NULL : batch_ids(b);
	batch_discard(b);
	if (command_flag(args, "plan"))
		command_reload_plan(call, ids);
	else
		command_reload_changed(call, args);
	return true;
}

void
command_reload(struct command_call *call, const json_t *args)
{
	struct batch *b = batch_create(call);
	struct error err = {.text = ""};
	enum outcome outcome;

	b->options.force = command_flag(args, "force");
	b->options.prove = command_flag(args, "prove");
	b->atomic = command_flag(args, "atomic");
	b->if_safe = command_flag(args, "ifSafe");
	b->options.no_drop = command_flag(args, "noDrop");
	outcome = select_plugins(b, args, &err);
	if (outcome == OUTCOME_DONE &&
		read_wait(json_object_get(args, "wait"), &b->waiting)) {
		error_set(&err, "reload: 'wait' must be true, false, verdict, "
				"settled or no");
		outcome = OUTCOME_BAD_CALL;
	}
	if (outcome == OUTCOME_DONE && begin_plan(b, args))
		return;
	if (outcome == OUTCOME_DONE) {
		batch_begin(b, begin_reload);
		return;
	}
	batch_discard(b);
	command_fail(call, outcome, "%s", err.text);
}

void
batch_run(struct command_call *call, const json_t *args,
	batch_begin_function *begin)
{
	struct batch *b = batch_create(call);
	struct error err;
	size_t count = command_id_count(args);

	b->several = count > 1;
	for (size_t i = 0; i < count; i++) {
		struct plugin *p = command_find_plugin(
			call->gateway, command_id_at(args, i), &err);

		if (!p) {
			batch_discard(b);
			command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
			return;
		}
		batch_add(b, p);
	}
	if (count) {
		batch_begin(b, begin);
		return;
	}
	batch_discard(b);
	command_fail(call, OUTCOME_BAD_CALL, "'id' is missing");
}

void
command_start(struct command_call *call, const json_t *args)
{
	batch_run(call, args, begin_start);
}

void
command_stop(struct command_call *call, const json_t *args)
{
	batch_run(call, args, begin_stop);
}

void
command_restart(struct command_call *call, const json_t *args)
{
	batch_run(call, args, begin_restart);
}
