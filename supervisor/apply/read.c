/* read: reads the file again, finds the changes, and checks everything that
 * `supd --check` checks. Puts nothing in force. */
#include <stdlib.h>
#include <string.h>

#include "supervisor/apply/parts.h"

void
apply_read_abandon(struct apply_pass *pass)
{
	if (pass->loading)
		config_unref(config_loading_finish(pass->loading));
	config_comparison_destroy(pass->comparison);
	package_check_destroy(pass->check);
	config_unref(pass->old);
	pass->loading = NULL;
	pass->comparison = NULL;
	pass->check = NULL;
	pass->old = NULL;
}

static bool
has_errors(struct apply_pass *pass)
{
	uint32_t errors = pass->problems.errors;

	if (errors)
		error_set(&pass->error, "the configuration has %u error%s",
			errors, errors == 1 ? "" : "s");
	return errors != 0;
}

/* ---- the packages ---- */

static bool
check_one(struct apply_pass *pass)
{
	return package_check_step(pass->check, 1, &pass->problems);
}

/* Any error of `supd --check` refuses the whole configuration. */
static void
checked(struct apply_pass *pass)
{
	apply_read_abandon(pass);
	if (has_errors(pass))
		apply_pass_end(pass);
	else
		apply_put_in_force(pass);
}

/* ---- the changes ---- */

static bool
plugin_configures(void *user, const char *plugin_id)
{
	const struct plugin *p = gateway_plugin(user, plugin_id);

	return p && apply_plugin_configures(p);
}

/* A plugin that the file adds may run already, if a scan found it. A scan looks
 * for added plugins only. */
static bool
is_change(const struct apply_pass *pass, const struct config_change *change)
{
	const struct plugin *p =
		change->plugin ? gateway_plugin(pass->gateway, change->plugin)
			       : NULL;
	bool adds = change->kind == CHANGE_ADDED && change->plugin &&
		    !strchr(change->path + strlen("plugins."), '.');

	if (adds)
		return !p || p->removed;
	return pass->kind != APPLY_SCAN;
}

static bool
compare_one(struct apply_pass *pass)
{
	return config_comparison_step(pass->comparison);
}

static void
leave_out_others(struct apply_pass *pass)
{
	struct config_changes *all = &pass->changes;
	uint32_t count = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		struct config_change *change = &all->items[i];

		if (!is_change(pass, change)) {
			free(change->path);
			free(change->plugin);
			continue;
		}
		pass->not_applied += change->class == CLASS_RESTART;
		all->items[count++] = *change;
	}
	all->count = count;
}

static void
compared(struct apply_pass *pass)
{
	leave_out_others(pass);
	if (pass->kind == APPLY_SCAN) {
		apply_read_abandon(pass);
		apply_put_in_force(pass);
		return;
	}
	pass->check = package_check_create(pass->config);
	apply_work(pass, check_one, checked);
}

/* ---- the file ---- */

static bool
load_some(struct apply_pass *pass)
{
	return config_loading_step(pass->loading);
}

static void
loaded(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;
	struct config_running running = {plugin_configures, g};

	pass->config = config_loading_finish(pass->loading);
	pass->loading = NULL;
	if (pass->config)
		config_refuse_nothing(pass->config, &pass->problems);
	if (has_errors(pass)) {
		apply_pass_end(pass);
		return;
	}
	pass->old = config_ref(g->config);
	pass->comparison = config_comparison_create(
		pass->old, pass->config, &running, &pass->changes);
	apply_work(pass, compare_one, compared);
}

void
apply_read(struct apply_pass *pass)
{
	pass->loading = config_loading_create(
		pass->gateway->config_file, &pass->problems);
	apply_work(pass, load_some, loaded);
}
