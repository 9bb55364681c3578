/* filter: applies rules to the events that supd asks about: they drop, rename,
 * redact, enrich and limit. The rules are read once, at the start. If they are
 * wrong the start fails, and a reload then keeps the old worker and its rules.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <time.h>

#include "rules.h"

#define WORK_MS 500 /* of the processor's time, for all rules on one event */

static struct rules rules;
static int64_t priority;
static bool stops_on_error = true;

/* ---- events ---- */

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
answer_change(struct sup_req *req, struct outcome *out)
{
	char *text = json_dumps(out->data, JSON_ENCODE_ANY | JSON_COMPACT);

	if (!text || sup_change_value(req, text))
		sup_fail(req, SUP_FAILED, "the event cannot be changed: %s",
			text ? sup_json_error(sup_req_plugin(req))
			     : "no memory");
	free(text);
	json_decref(out->data);
}

static void
on_event(struct sup_req *req, void *user)
{
	const int event = rule_event_of(sup_req_event(req));
	int64_t left_ms = sup_req_time_left_ms(req) / 2;
	json_t *data = json_loads(
		sup_req_args_json(req), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct outcome out = {VERDICT_FAIL, NULL, "no memory", NULL};

	(void)user;
	if (data && event >= 0)
		out = rules_run(&rules, (enum rule_event)event, data, now_ms(),
			left_ms < WORK_MS ? (uint64_t)left_ms : WORK_MS);
	if (out.verdict == VERDICT_PASS)
		sup_pass(req);
	else if (out.verdict == VERDICT_CHANGE)
		answer_change(req, &out);
	else if (out.verdict == VERDICT_STOP)
		sup_stop(req, "%s", out.reason);
	else
		sup_fail(req, SUP_FAILED, "%s%s%s",
			out.rule ? out.rule->name : "", out.rule ? ": " : "",
			out.reason);
	json_decref(data);
}

/* ---- counts of each rule ---- */

static void
report_value(struct sup_req *req, void *user)
{
	json_t *report = rules_report(&rules);
	char *text = report ? json_dumps(report, JSON_COMPACT) : NULL;

	(void)user;
	if (!text || sup_reply_value(req, 200, text, strlen(text)))
		sup_fail(req, SUP_FAILED, "no memory");
	free(text);
	json_decref(report);
}

static void
report_text(struct sup_req *req, void *user)
{
	char *text = rules_table(&rules);

	(void)user;
	if (text)
		sup_reply(req, 200, NULL, text, strlen(text));
	else
		sup_fail(req, SUP_FAILED, "no memory");
	free(text);
}

/* ---- start ---- */

static int
read_options(const struct node *all, char why[WHY_BYTES])
{
	static const char *const known[] = {
		"file", "rules", "priority", "on_error", NULL};
	const struct node *n;

	if (node_check_keys(all, known, why))
		return -1;
	n = node_get(all, "priority");
	if (n && (n->kind != NODE_SCALAR || !json_is_integer(n->value)))
		return node_fail(n, why, "must be an integer");
	if (n)
		priority = json_integer_value(n->value);
	if (priority < -1000000 || priority > 1000000)
		return node_fail(
			n, why, "must be between -1000000 and 1000000");
	n = node_get(all, "on_error");
	if (n && (!node_text(n) || (strcmp(node_text(n), "stop") != 0 &&
					   strcmp(node_text(n), "skip") != 0)))
		return node_fail(n, why, "must be stop or skip");
	stops_on_error = !n || !strcmp(node_text(n), "stop");
	return 0;
}

/* Reads the rules from the file or from the settings. */
static int
read_rules(const struct node *all, const char **from_out, char why[WHY_BYTES])
{
	const struct node *file = node_get(all, "file");
	const struct node *list = node_get(all, "rules");
	bool has_list = list && (list->kind != NODE_LIST || list->count);
	const char *path = file ? node_text(file) : "";
	struct node *read;
	int result;

	if (!path)
		return node_fail(file, why, "must be a path");
	if (*path && has_list)
		return node_fail(
			list, why, "file and rules must not both be set");
	if (!*path && !has_list)
		return node_fail(all, why, "either file or rules must be set");
	*from_out = *path ? path : "the settings";
	if (!*path)
		return rules_read(&rules, list, why);
	read = node_from_file(path, why);
	if (!read)
		return -1;
	result = rules_read(&rules, read, why);
	node_destroy(read);
	return result;
}

static int
read_settings(struct sup *p, char why[WHY_BYTES])
{
	json_t *json = json_loads(sup_settings_json(p), JSON_ALLOW_NUL, NULL);
	struct node *all = node_from_json(json, why);
	const char *from = "";
	int result = -1;

	if (all)
		result = read_options(all, why) || read_rules(all, &from, why);
	if (!result)
		sup_log(p, SUP_INFO, "%zu %s from %s", rules.count,
			rules.count == 1 ? "rule" : "rules", from);
	node_destroy(all);
	json_decref(json);
	return result;
}

static int
add_hooks(struct sup *p)
{
	for (int i = 0; i < EVENT_COUNT; i++) {
		const struct sup_hook_offer offer = {.event = rule_events[i],
			.handler = on_event,
			.filter = true,
			.priority = (int32_t)priority,
			.stop_on_error = stops_on_error};

		if (rules.events & 1U << i && sup_register_hook(p, &offer))
			return -1;
	}
	return 0;
}

static int
init(struct sup *p)
{
	char why[WHY_BYTES];

	if (read_settings(p, why)) {
		fprintf(stderr, "filter: %s\n", why);
		return SUP_FAILED_TO_START;
	}
	if (add_hooks(p) ||
		sup_tool(p, "filter",
			"Shows the rules and how often each matched.",
			"{\"type\":\"object\"}", report_value, NULL) ||
		sup_command(p, "filter",
			"show the rules and how often each matched",
			report_text, NULL))
		return SUP_FAILED_TO_START;
	return SUP_STARTED;
}

SUP_PLUGIN("filter", "1.0.0", init)
