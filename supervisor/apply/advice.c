/* advice: writes a plan to the log and as an event, for a HUP that only reports
 * what an apply would do (`on_sighup: advise`). */
#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/util/text.h"
#include "supervisor/apply/parts.h"
#include "supervisor/gateway/news.h"

static void
log_change(const struct config_change *c)
{
	char place[CONFIG_PLACE_TEXT_BYTES];

	if (!c->inherited)
		log_info("plan: %s %s (%s)%s", c->path,
			config_change_kind_name(c->kind),
			config_class_name(c->class),
			config_change_place(c, place));
}

static void
log_restart(const struct config_change *c)
{
	char place[CONFIG_PLACE_TEXT_BYTES];

	log_warn("plan: %s: not applied: takes effect only when supd is "
		 "restarted%s",
		c->path, config_change_place(c, place));
}

static void
log_step(const struct apply_step *step)
{
	char *why;

	if (step->action == ACTION_NONE)
		return;
	why = json_text(step->reasons, JSON_TEXT_COMPACT);
	log_info("plan: %s %s %s", apply_action_texts[step->action], step->id,
		why);
	free(why);
}

static void
log_problem(const struct problem *problem)
{
	bool has_file = problem->file && *problem->file;
	char position[32] = "";

	if (problem->line)
		text_format(position, sizeof(position), ":%u", problem->line);
	log_warn("plan: %s%s%s%s", has_file ? problem->file : "", position,
		has_file ? ": " : "", problem->text);
}

void
apply_log_plan(const struct apply_pass *pass)
{
	bool is_refused = pass->error.text[0] != '\0';

	for (uint32_t i = 0; !is_refused && i < pass->changes.count; i++)
		log_change(&pass->changes.items[i]);
	for (uint32_t i = 0; i < pass->plan.count; i++)
		log_step(&pass->plan.steps[i]);
	for (uint32_t i = 0; i < pass->problems.count; i++)
		log_problem(&pass->problems.items[i]);
	for (uint32_t i = 0; i < pass->changes.count; i++)
		if (pass->changes.items[i].class == CLASS_RESTART)
			log_restart(&pass->changes.items[i]);
	news_gateway(
		pass->gateway, "config.planned", json_incref(pass->document));
	log_info("nothing was applied: reload.on_sighup is advise; run "
		 "'supctl apply' to apply it");
}
