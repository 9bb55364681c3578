/* reload: what is asked of supd by reload, and by start, stop, restart, enable
 * and disable. What comes of it is shown by transaction. */
#include <stdio.h>
#include <string.h>

#include "tools/supctl/plan_view.h"
#include "tools/supctl/transaction.h"

static void
set_flag(json_t *args, const char *key, bool flag)
{
	if (flag)
		json_object_set_new(args, key, json_true());
}

static void
set_target(json_t *args, const struct options *o)
{
	json_t *ids;

	set_flag(args, "all", o->all);
	set_flag(args, "changed", o->changed);
	if (o->package)
		json_object_set_new(args, "package", json_string(o->package));
	if (o->word_count == 1)
		json_object_set_new(args, "pluginId", json_string(o->words[0]));
	if (o->word_count < 2)
		return;
	ids = json_array();
	for (int i = 0; i < o->word_count; i++)
		json_array_append_new(ids, json_string(o->words[i]));
	json_object_set_new(args, "pluginIds", ids);
}

static json_t *
reload_args(const struct options *o)
{
	json_t *args = json_object();

	set_target(args, o);
	set_flag(args, "atomic", o->atomic);
	set_flag(args, "plan", o->plan);
	set_flag(args, "prove", o->prove);
	set_flag(args, "force", o->force);
	set_flag(args, "noDrop", o->no_drop);
	set_flag(args, "ifSafe", o->if_safe);
	set_flag(args, "atomic", o->atomic);
	if (o->wait && !strcmp(o->wait, "settled"))
		json_object_set_new(args, "wait", json_string("settled"));
	if (o->no_wait)
		json_object_set_new(args, "wait", json_string("no"));
	return args;
}

/* Pairs that say two different things. */
static const char *
find_contradiction(const struct options *o)
{
	if ((o->word_count > 0) + o->all + o->changed + (o->package != NULL) !=
		1)
		return "reload takes plugin ids, or one of --all, --changed "
		       "and --package";
	if (o->wait && o->no_wait)
		return "--wait and --no-wait exclude each other";
	if (o->plan && o->prove)
		return "--plan and --prove exclude each other: the first "
		       "starts nothing";
	if ((o->plan || o->prove) && (o->wait || o->no_wait || o->force))
		return "--plan and --prove change nothing; --force, --wait and "
		       "--no-wait do not apply";
	return NULL;
}

int
verb_reload(const struct options *o)
{
	const char *wrong = find_contradiction(o);
	json_t *document;
	int exit_code;

	if (wrong)
		return supctl_fail(o, EXIT_USAGE, "%s", wrong);
	if (!o->plan)
		return transaction_run(o, reload_args(o), NULL);
	exit_code = supctl_ask(o, reload_args(o), &document);
	if (document)
		plan_print(document);
	json_decref(document);
	return exit_code;
}

int
verb_lifecycle(const struct options *o)
{
	return transaction_run(o, supctl_id_args(o), NULL);
}
