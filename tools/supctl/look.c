/* look: the other verbs that only look: show, routes, can-reload, config,
 * metrics, version. Each asks once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/supctl/hooks.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/view.h"
#include "tools/supctl/yaml.h"

static json_t *
id_args(const struct options *o)
{
	return json_pack("{s:s}", "id", o->words[0]);
}

static void
print_routes(const json_t *rows, bool with_plugin)
{
	static const struct table_column columns[] = {{"KIND", 0, 0, 0},
		{"NAME", 0, 0, 0}, {"DESCRIPTION", 0, 1, 0},
		{"PLUGIN", 0, 0, 0}, {"GEN", 1, 0, 0}};
	struct table *t = table_create(columns, with_plugin ? 5 : 3, false);

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		table_row(t);
		table_text(t, supctl_text(row, "kind"));
		table_text(t, supctl_text(row, "name"));
		table_text(t, supctl_text(row, "description"));
		if (!with_plugin)
			continue;
		table_text(t, supctl_text(row, "pluginId"));
		number_or_none(t, row, "generation");
	}
	table_finish(t);
}

int
verb_routes(const struct options *o)
{
	json_t *args = json_object(), *document;
	int exit_code;

	if (o->kind)
		json_object_set_new(args, "kind", json_string(o->kind));
	if (o->plugin)
		json_object_set_new(args, "plugin", json_string(o->plugin));
	exit_code = supctl_ask(o, args, &document);
	if (document)
		print_routes(json_object_get(document, "routes"), true);
	json_decref(document);
	return exit_code;
}

static void
print_workers(const json_t *rows)
{
	static const struct table_column columns[] = {{"ROLE", 0, 0, 0},
		{"STATE", 0, 0, 0}, {"GEN", 1, 0, 0}, {"PID", 1, 0, 0},
		{"AGE", 1, 0, 0}, {"IN FLIGHT", 1, 0, 0}, {"ANSWERED", 1, 0, 0},
		{"VERSION", 0, 0, 0}, {"ERROR", 0, 1, 0}};
	struct table *t = table_create(columns, 9, false);
	char text[32];

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		table_row(t);
		table_text(t, supctl_text(row, "role"));
		table_text(t, supctl_text(row, "state"));
		number_or_none(t, row, "generation");
		number_or_none(t, row, "pid");
		table_text(t, age_text(text, sizeof(text), row, "ageSeconds"));
		table_number(t, number_of(row, "inFlight"));
		table_number(t, number_of(row, "answered"));
		table_text(t, supctl_text(row, "version"));
		table_text(t, supctl_text(row, "error"));
	}
	table_finish(t);
}

/* The plain values of a document, one a line. */
static void
print_values(const json_t *document)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)document, key, value)
	{
		if (json_is_string(value) && json_string_length(value)) {
			char *text =
				supctl_clean(strdup(json_string_value(value)));

			printf("%-15s %s\n", key, text);
			free(text);
		} else if (json_is_integer(value)) {
			printf("%-15s %lld\n", key,
				(long long)json_integer_value(value));
		} else if (json_is_real(value)) {
			printf("%-15s %.1f\n", key, json_real_value(value));
		} else if (json_is_boolean(value)) {
			printf("%-15s %s\n", key,
				json_is_true(value) ? "yes" : "no");
		}
	}
}

static void
print_schedules(const json_t *rows)
{
	static const struct table_column columns[] = {{"SCHEDULE", 0, 0, 0},
		{"WHEN", 0, 1, 0}, {"ZONE", 0, 0, 0}, {"NEXT", 0, 0, 0},
		{"LAST", 0, 0, 0}, {"END", 0, 1, 0}, {"DONE", 1, 0, 0},
		{"FAILED", 1, 0, 0}, {"MISSED", 1, 0, 0}};
	struct table *t;

	if (!json_array_size(rows))
		return;
	puts("\nschedules");
	t = table_create(columns, 9, false);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		table_row(t);
		table_text(t, supctl_text(row, "name"));
		table_text(t, supctl_text(row, "when"));
		table_text(t, supctl_text(row, "zone"));
		table_text(t, supctl_text(row, "next"));
		table_text(t, supctl_text(row, "last"));
		table_text(t, supctl_text(row, "lastEnd"));
		table_number(t, number_of(row, "done"));
		table_number(t, number_of(row, "failed"));
		table_number(t, number_of(row, "missed"));
	}
	table_finish(t);
}

static bool
has_hooks(const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (json_object_get(json_array_get(rows, i), "hook"))
			return true;
	return false;
}

int
verb_show(const struct options *o)
{
	json_t *document;
	int exit_code = supctl_ask(o, id_args(o), &document);

	if (!document)
		return exit_code;
	print_values(document);
	if (json_is_object(json_object_get(document, "lastReload"))) {
		puts("\nlast reload");
		print_values(json_object_get(document, "lastReload"));
	}
	if (json_is_object(json_object_get(document, "lastExit"))) {
		puts("\nlast exit");
		print_values(json_object_get(document, "lastExit"));
	}
	puts("\nlimits");
	print_values(json_object_get(document, "limits"));
	puts("\ncounters");
	print_values(json_object_get(document, "counters"));
	puts("\nregistrations");
	print_routes(json_object_get(document, "registrations"), false);
	if (has_hooks(json_object_get(document, "registrations"))) {
		puts("\nhooks");
		hooks_print(json_object_get(document, "registrations"));
	}
	print_schedules(json_object_get(document, "schedules"));
	puts("\nworkers");
	print_workers(json_object_get(document, "workers"));
	json_decref(document);
	return exit_code;
}

int
verb_can_reload(const struct options *o)
{
	struct answer answer;
	int exit_code;
	bool safe;

	supctl_call(o, id_args(o), NULL, &answer);
	exit_code = answer.exit_code;
	safe = is_true(answer.data, "safe");
	if (answer.error) {
		supctl_print_error(o, &answer);
	} else {
		if (o->json)
			supctl_print_json(answer.data);
		else
			printf("%s: %s%s\n",
				supctl_text(answer.data, "pluginId"),
				safe ? "safe" : "not safe: ",
				supctl_text(answer.data, "reason"));
		exit_code = safe ? 0 : outcome_rows[OUTCOME_REFUSED].exit_code;
	}
	answer_finish(&answer);
	return exit_code;
}

int
verb_config(const struct options *o)
{
	json_t *document;
	int exit_code = supctl_ask(o, NULL, &document);

	if (document)
		yaml_print(stdout, document);
	json_decref(document);
	return exit_code;
}

int
verb_metrics(const struct options *o)
{
	json_t *document;
	int exit_code = supctl_ask(o,
		json_pack("{s:s}", "format", o->json ? "json" : "text"),
		&document);

	if (document)
		fputs(supctl_text(document, "text"), stdout);
	json_decref(document);
	return exit_code;
}

int
verb_version(const struct options *o)
{
	struct answer answer;
	int exit_code;

	supctl_call(o, NULL, NULL, &answer);
	exit_code = answer.exit_code;
	if (answer.error) {
		supctl_print_error(o, &answer);
	} else if (o->json) {
		json_t *document = json_pack("{s:s,s:O}", "supctl",
			SUPD_VERSION, "supd", answer.data);

		supctl_print_json(document);
		json_decref(document);
	} else {
		printf("supctl %s\nsupd %s (pid %lld, protocol %lld)\n",
			SUPD_VERSION, supctl_text(answer.data, "version"),
			number_of(answer.data, "pid"),
			number_of(answer.data, "protocol"));
	}
	answer_finish(&answer);
	return exit_code;
}
