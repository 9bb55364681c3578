/* apply_document: what a pass found and did, as the JSON object that supctl,
 * HTTP and events share, as an outcome, and as log lines. The document names
 * paths and ids but never values, which may be secret. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/apply/parts.h"
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
step_view(const struct apply_step *step)
{
	return json_pack("{s:s, s:s, s:s, s:O}", "pluginId", step->id, "action",
		apply_action_texts[step->action], "class",
		config_class_name(step->class), "reasons", step->reasons);
}

static json_t *
problem_view(const struct problem *problem)
{
	bool has_position = problem->line != 0;
	json_t *row = json_pack("{s:o, s:o, s:o, s:b, s:o}", "file",
		value_text(
			problem->file && *problem->file ? problem->file : NULL),
		"line",
		has_position ? json_integer(problem->line) : json_null(),
		"column",
		has_position ? json_integer(problem->column) : json_null(),
		"warning", problem->warning, "text", value_text(problem->text));

	return row;
}

static json_t *
restart_view(const struct config_change *c)
{
	return json_pack("{s:s, s:s?, s:o, s:s}", "path", c->path, "file",
		c->file, "line", c->file ? json_integer(c->line) : json_null(),
		"text",
		"not applied: takes effect only when supd is restarted");
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
			json_array_append_new(rows, restart_view(c));
	}
	return rows;
}

/* Counts the changes that took effect and those that did not. */
static void
count(const struct apply_pass *pass, size_t *good_out, size_t *bad_out)
{
	*good_out = pass->receipt_count - pass->failed;
	*bad_out = pass->failed + pass->not_applied;
	for (uint32_t i = 0; i < pass->changes.count; i++) {
		const struct config_change *c = &pass->changes.items[i];

		*good_out += !c->plugin && c->class != CLASS_RESTART;
	}
	for (uint32_t i = 0; i < pass->plan.count; i++)
		*good_out += pass->plan.steps[i].action == ACTION_LIVE;
}

static enum outcome
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

static json_t *
document_create(const struct apply_pass *pass)
{
	json_t *document = json_pack("{s:[], s:[]}", "changes", "plugins");

	if (!is_plan(pass))
		json_object_set_new(document, "results", json_array());
	return document;
}

static void
add_change(struct apply_pass *pass, const struct config_change *change)
{
	if (!change->inherited)
		json_array_append_new(
			json_object_get(pass->document, "changes"),
			config_change_view(change));
}

static void
add_plugin(struct apply_pass *pass, const struct apply_step *step)
{
	if (step->action == ACTION_NONE)
		return;
	json_array_append_new(
		json_object_get(pass->document, "plugins"), step_view(step));
	pass->plugin_ids[pass->plugin_count++] = step->id;
}

static void
add_receipt(struct apply_pass *pass, struct receipt *receipt)
{
	json_array_append(json_object_get(pass->document, "results"),
		receipt_view(receipt));
}

bool
apply_document_step(struct apply_pass *pass)
{
	uint32_t changes = is_refused(pass) ? 0 : pass->changes.count;
	uint32_t i = pass->at++;

	if (!pass->document) {
		pass->document = document_create(pass);
		pass->plugin_ids = memory_alloc(
			(pass->plan.count + 1) * sizeof(*pass->plugin_ids));
	}
	if (i < changes)
		add_change(pass, &pass->changes.items[i]);
	else if ((i -= changes) < pass->plan.count)
		add_plugin(pass, &pass->plan.steps[i]);
	else if ((i -= pass->plan.count) < pass->receipt_count)
		add_receipt(pass, pass->receipts[i]);
	else
		return true;
	return false;
}

void
apply_document_finish(struct apply_pass *pass)
{
	json_t *document = pass->document;

	if (!is_plan(pass))
		json_object_set_new(document, "success",
			json_boolean(apply_outcome(pass) == OUTCOME_DONE));
	if (is_refused(pass))
		json_object_set_new(
			document, "error", value_text(pass->error.text));
	json_object_set_new(document, "problems", problems_view(pass));
	json_object_set_new(
		document, "durationMs", json_real(duration_ms(pass)));
}

struct apply_report
apply_report_of(const struct apply_pass *pass)
{
	return (struct apply_report){
		.outcome = apply_outcome(pass),
		.error = is_refused(pass) ? pass->error.text : NULL,
		.problems = &pass->problems,
		.transactions = pass->receipt_count,
		.failed = pass->failed,
		.plugin_ids = pass->plugin_ids,
		.plugin_count = pass->plugin_count,
		.document = pass->document,
	};
}

/* ---- the log ---- */

void
apply_log_changes(const struct apply_pass *pass)
{
	char place[CONFIG_PLACE_TEXT_BYTES];

	for (uint32_t i = 0; i < pass->changes.count; i++) {
		const struct config_change *c = &pass->changes.items[i];

		if (c->inherited)
			continue;
		log_info("configuration: %s %s (%s)%s", c->path,
			config_change_kind_name(c->kind),
			config_class_name(c->class),
			config_change_place(c, place));
		if (c->class == CLASS_RESTART)
			log_warn("%s takes effect only when supd is "
				 "restarted%s",
				c->path, config_change_place(c, place));
	}
}

static void
log_problems(const struct apply_pass *pass)
{
	for (uint32_t i = 0; i < pass->problems.count; i++) {
		/* the level of the log line already says "warning" */
		struct problem plain = pass->problems.items[i];
		char *text;

		plain.warning = false;
		text = problem_text(&plain);
		/* errors that do not refuse the configuration concern one
		 * plugin */
		if (pass->problems.items[i].warning || !is_refused(pass))
			log_warn("%s", text);
		else
			log_error("%s", text);
		free(text);
	}
}

/* An event goes to many readers, so it names only the first changes and counts
 * the others. */
static json_t *
first_changes(const struct apply_pass *pass, uint32_t *left_out)
{
	const json_t *all = json_object_get(pass->document, "changes");
	json_t *first = json_array();
	size_t count = json_array_size(all);

	for (size_t i = 0; i < count && i < APPLY_EVENT_CHANGES_MAX; i++)
		json_array_append(first, json_array_get(all, i));
	*left_out = (uint32_t)(count - json_array_size(first));
	return first;
}

/* The first error of its files, if that is why. */
static void
report_refusal(const struct apply_pass *pass)
{
	const struct problems *problems = &pass->problems;
	char text[1024];
	char *first;

	for (uint32_t i = 0; i < problems->count; i++) {
		if (problems->items[i].warning)
			continue;
		first = problem_text(&problems->items[i]);
		text_format(
			text, sizeof(text), "%s: %s", pass->error.text, first);
		free(first);
		news_config_refused(pass->gateway, text);
		return;
	}
	news_config_refused(pass->gateway, pass->error.text);
}

static void
report_news(const struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;
	json_t *changes, *data;
	uint32_t left_out;

	if (is_refused(pass)) {
		report_refusal(pass);
		return;
	}
	changes = first_changes(pass, &left_out);
	data = json_pack("{s:s, s:o, s:I, s:i, s:i, s:f}", "trigger",
		pass->trigger, "changes", changes, "changesLeftOut",
		(json_int_t)left_out, "transactions", (int)pass->receipt_count,
		"failed", (int)pass->failed, "durationMs", duration_ms(pass));
	if (pass->kind == APPLY_SCAN)
		news_gateway(g, "config.scanned", data);
	else
		news_config_applied(g, pass->failed + pass->not_applied, data);
}

/* "configuration applied in 12 ms (hup), with failures: 1 of 3 transactions
 * failed" */
static void
log_end(const struct apply_pass *pass)
{
	uint32_t count = pass->receipt_count;
	char failures[48] = "";

	if (pass->failed)
		text_format(failures, sizeof(failures),
			", with failures: %u of", pass->failed);
	log_write(pass->failed || pass->not_applied ? LOG_WARN : LOG_INFO, NULL,
		"configuration %s in %.0f ms (%s)%s %u transaction%s%s",
		pass->kind == APPLY_SCAN ? "scanned" : "applied",
		duration_ms(pass), pass->trigger, *failures ? failures : ":",
		count, count == 1 ? "" : "s", *failures ? " failed" : "");
}

void
apply_log(const struct apply_pass *pass)
{
	if (is_plan(pass))
		return;
	log_problems(pass);
	report_news(pass);
	if (is_refused(pass))
		log_error("configuration not applied: %s; everything serves as "
			  "before",
			pass->error.text);
	else
		log_end(pass);
}
