/* look: the verbs that only look: status, list, show, routes, can-reload,
 * version. Each asks once and prints a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/supctl/supctl.h"
#include "tools/supctl/table.h"

static long long
number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool
is_true(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static json_t *
id_args(const struct options *o)
{
	return o->word_count ? json_pack("{s:s}", "id", o->words[0])
			     : json_object();
}

static const char *
state_color(const char *state)
{
	static const struct {
		const char *state, *color;
	} colors[] = {{"serving", "green"}, {"failed", "red"},
		{"holding", "yellow"}, {"reloading", "cyan"},
		{"starting", "cyan"}};

	for (size_t i = 0; i < sizeof(colors) / sizeof(*colors); i++)
		if (!strcmp(colors[i].state, state))
			return colors[i].color;
	return NULL;
}

/* "12s", "5m 2s", "3h 4m", "2d 5h" */
static const char *
age_text(char *text, size_t size, const json_t *o, const char *key)
{
	long long s = number_of(o, key);

	if (!json_is_integer(json_object_get(o, key)))
		return NULL;
	if (s < 60)
		snprintf(text, size, "%llds", s);
	else if (s < 3600)
		snprintf(text, size, "%lldm %llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, size, "%lldh %lldm", s / 3600, s / 60 % 60);
	else
		snprintf(text, size, "%lldd %lldh", s / 86400, s / 3600 % 24);
	return text;
}

static void
number_or_none(struct table *t, const json_t *o, const char *key)
{
	if (json_is_integer(json_object_get(o, key)))
		table_number(t, number_of(o, key));
	else
		table_text(t, NULL);
}

static const char *
last_text(char *text, size_t size, const json_t *row)
{
	const json_t *last = json_object_get(row, "lastReload");

	if (!json_is_object(last))
		return NULL;
	snprintf(text, size, "%s %s", supctl_text(last, "id"),
		supctl_text(last, "state"));
	return text;
}

static void
print_gateway(const json_t *document, const json_t *rows)
{
	char age[32] = "";

	age_text(age, sizeof(age), document, "uptimeSeconds");
	printf("supd %s (pid %lld), %s, up %s, %zu plugin%s\n",
		supctl_text(document, "version"), number_of(document, "pid"),
		is_true(document, "stopping") ? "stopping"
		: is_true(document, "ready")  ? "ready"
					      : "not ready",
		age, json_array_size(rows),
		json_array_size(rows) == 1 ? "" : "s");
}

static void
print_failures(const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *failure = supctl_text(row, "failure");

		if (*failure)
			printf("%s failed: %s\n", supctl_text(row, "id"),
				failure);
	}
}

static void
print_status(const json_t *rows, bool color)
{
	static const struct table_column columns[] = {{"ID", 0, 0},
		{"STATE", 0, 0}, {"GEN", 1, 0}, {"PID", 1, 0}, {"UP", 1, 0},
		{"RESTARTS", 1, 0}, {"IN FLIGHT", 1, 0}, {"HELD", 1, 0},
		{"VERSION", 0, 0}, {"LAST", 0, 1}};
	struct table *t = table_create(columns, 10, color);
	char text[96];

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *state = supctl_text(row, "state");

		table_row(t);
		table_text(t, supctl_text(row, "id"));
		table_colored(t, state, state_color(state));
		number_or_none(t, row, "generation");
		number_or_none(t, row, "pid");
		table_text(
			t, age_text(text, sizeof(text), row, "uptimeSeconds"));
		table_number(t, number_of(row, "restarts"));
		table_number(t, number_of(row, "inFlight"));
		table_number(t, number_of(row, "held"));
		table_text(t, supctl_text(row, "version"));
		table_text(t, last_text(text, sizeof(text), row));
	}
	table_finish(t);
}

int
verb_status(const struct options *o)
{
	json_t *document;
	int exit_code = supctl_ask(o, id_args(o), &document);

	if (document) {
		const json_t *rows = json_object_get(document, "plugins");

		print_gateway(document, rows);
		print_status(rows, supctl_has_color(o));
		print_failures(rows);
	}
	json_decref(document);
	return exit_code;
}

int
verb_list(const struct options *o)
{
	static const struct table_column columns[] = {{"ID", 0, 0},
		{"PACKAGE", 0, 0}, {"VERSION", 0, 0}, {"TYPE", 0, 0},
		{"STATE", 0, 0}, {"ENABLED", 0, 0}, {"RELOAD", 0, 0},
		{"SOURCE", 0, 1}};
	json_t *document;
	int exit_code = supctl_ask(o, NULL, &document);
	const json_t *rows = json_object_get(document, "plugins");
	struct table *t;

	if (!document)
		return exit_code;
	t = table_create(columns, 8, supctl_has_color(o));
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *state = supctl_text(row, "state");

		table_row(t);
		table_text(t, supctl_text(row, "id"));
		table_text(t, supctl_text(row, "package"));
		table_text(t, supctl_text(row, "version"));
		table_text(t, supctl_text(row, "type"));
		table_colored(t, state, state_color(state));
		table_text(t, is_true(row, "enabled") ? "yes" : "no");
		table_text(t, is_true(row, "canReload")
				      ? "yes"
				      : supctl_text(row, "reason"));
		table_text(t, supctl_text(row, "source"));
	}
	table_finish(t);
	json_decref(document);
	return exit_code;
}

static void
print_routes(const json_t *rows, bool with_plugin)
{
	static const struct table_column columns[] = {{"KIND", 0, 0},
		{"NAME", 0, 0}, {"DESCRIPTION", 0, 1}, {"PLUGIN", 0, 0},
		{"GEN", 1, 0}};
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
	static const struct table_column columns[] = {{"ROLE", 0, 0},
		{"STATE", 0, 0}, {"GEN", 1, 0}, {"PID", 1, 0}, {"AGE", 1, 0},
		{"IN FLIGHT", 1, 0}, {"ANSWERED", 1, 0}, {"VERSION", 0, 0},
		{"ERROR", 0, 1}};
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
	puts("\nlimits");
	print_values(json_object_get(document, "limits"));
	puts("\ncounters");
	print_values(json_object_get(document, "counters"));
	puts("\nregistrations");
	print_routes(json_object_get(document, "registrations"), false);
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

	supctl_call(o, id_args(o), NULL, NULL, &answer);
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
verb_version(const struct options *o)
{
	struct answer answer;
	int exit_code;

	supctl_call(o, NULL, NULL, NULL, &answer);
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
