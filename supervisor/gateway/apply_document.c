/* apply_document: what a pass found and did, as the JSON object that supctl,
 * HTTP and events show alike, as an outcome, and as lines of the log. Paths and
 * ids are in it, values never. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/apply_parts.h"
#include "supervisor/gateway/news.h"

static bool
is_plan(const struct apply_pass *pass)
{
	return pass->kind == APPLY_PLAN || pass->kind == APPLY_COMPARE;
}

static bool
is_refused(const struct apply_pass *pass)
{
	return pass->error.text[0] != '\0';
}

static json_t *
plugins_view(const struct apply_pass *pass)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < pass->plan.count; i++) {
		const struct apply_step *step = &pass->plan.steps[i];

		if (step->action == ACTION_NONE)
			continue;
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s, s:O}", "pluginId", step->id,
				"action", apply_action_texts[step->action],
				"class", config_class_name(step->class),
				"reasons", step->reasons));
	}
	return rows;
}

static json_t *
problem_view(const struct problem *problem)
{
	bool has_place = problem->line != 0;
	json_t *row = json_pack("{s:s?, s:o, s:o, s:b, s:s}", "file",
		problem->file && *problem->file ? problem->file : NULL, "line",
		has_place ? json_integer(problem->line) : json_null(), "column",
		has_place ? json_integer(problem->column) : json_null(),
		"warning", problem->warning, "text", problem->text);

	return row ? row : json_pack("{s:s}", "text", "a problem");
}

static json_t *
problems_view(const struct apply_pass *pass)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < pass->problems.count; i++)
		json_array_append_new(
			rows, problem_view(&pass->problems.items[i]));
	for (uint32_t i = 0; i < pass->changes.count; i++) {
		const struct config_change *c = &pass->changes.items[i];

		if (c->class == CLASS_RESTART)
			json_array_append_new(rows,
				json_pack("{s:s, s:s}", "path", c->path, "text",
					"not applied: takes effect only when "
					"supd is restarted"));
	}
	return rows;
}

/* What took effect, and what did not. */
static void
count(const struct apply_pass *pass, size_t *good_out, size_t *bad_out)
{
	*good_out = json_array_size(pass->receipts) - pass->failed;
	*bad_out = pass->failed + pass->not_applied;
	for (uint32_t i = 0; i < pass->changes.count; i++) {
		const struct config_change *c = &pass->changes.items[i];

		*good_out += !c->plugin && c->class != CLASS_RESTART;
	}
	for (uint32_t i = 0; i < pass->plan.count; i++)
		*good_out += pass->plan.steps[i].action == ACTION_LIVE;
}

enum outcome
apply_outcome(const struct apply_pass *pass)
{
	size_t good, bad;

	if (is_refused(pass))
		return pass->gateway->stopping || pass->is_busy
			       ? OUTCOME_REFUSED
			       : OUTCOME_FAILED;
	if (is_plan(pass))
		return OUTCOME_DONE;
	count(pass, &good, &bad);
	return !bad   ? OUTCOME_DONE
	       : good ? OUTCOME_SOME_FAILED
		      : OUTCOME_FAILED;
}

static double
duration_ms(const struct apply_pass *pass)
{
	return (double)((clock_us() - pass->begun_us) / 10) / 100;
}

json_t *
apply_document(const struct apply_pass *pass)
{
	json_t *document = json_object();

	if (!is_plan(pass))
		json_object_set_new(document, "success",
			json_boolean(apply_outcome(pass) == OUTCOME_DONE));
	if (is_refused(pass))
		json_object_set_new(
			document, "error", json_string(pass->error.text));
	json_object_set_new(document, "changes",
		is_refused(pass) ? json_array()
				 : config_changes_view(&pass->changes));
	json_object_set_new(document, "plugins", plugins_view(pass));
	json_object_set_new(document, "problems", problems_view(pass));
	if (!is_plan(pass))
		json_object_set(document, "results", pass->receipts);
	json_object_set_new(
		document, "durationMs", json_real(duration_ms(pass)));
	return document;
}

/* ---- the log ---- */

void
apply_log_changes(const struct apply_pass *pass)
{
	for (uint32_t i = 0; i < pass->changes.count; i++) {
		const struct config_change *c = &pass->changes.items[i];

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

static void
log_problems(const struct apply_pass *pass)
{
	for (uint32_t i = 0; i < pass->problems.count; i++) {
		/* the line's level says so already */
		struct problem plain = pass->problems.items[i];
		char *text;

		plain.warning = false;
		text = problem_text(&plain);
		/* With a configuration in force they are a plugin's. */
		if (pass->problems.items[i].warning || pass->config)
			log_warn("%s", text);
		else
			log_error("%s", text);
		free(text);
	}
}

static void
tell_news(const struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;
	json_t *data;

	if (is_refused(pass)) {
		news_config_refused(g, pass->error.text);
		return;
	}
	data = json_pack("{s:s, s:o, s:i, s:i, s:f}", "trigger", pass->trigger,
		"changes", config_changes_view(&pass->changes), "transactions",
		(int)json_array_size(pass->receipts), "failed",
		(int)pass->failed, "durationMs", duration_ms(pass));
	if (pass->kind == APPLY_SCAN)
		news_gateway(g, "config.scanned", data);
	else
		news_config_applied(g, pass->failed + pass->not_applied, data);
}

void
apply_log(const struct apply_pass *pass)
{
	if (is_plan(pass))
		return;
	log_problems(pass);
	tell_news(pass);
	if (is_refused(pass))
		log_error("configuration not applied: %s; everything serves as "
			  "before",
			pass->error.text);
	else
		log_write(
			pass->failed || pass->not_applied ? LOG_WARN : LOG_INFO,
			NULL,
			"configuration %s in %.0f ms (%s): %zu transactions, "
			"%u failed",
			pass->kind == APPLY_SCAN ? "scanned" : "applied",
			duration_ms(pass), pass->trigger,
			json_array_size(pass->receipts), pass->failed);
}
