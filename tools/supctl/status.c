/* status: status and list: the tables of all plugins. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/view.h"

static const char *
last_text(char *text, size_t size, const json_t *row)
{
	const json_t *last = json_object_get(row, "lastReload");

	if (!json_is_object(last))
		return NULL;
	snprintf(text, size, "%s %s", supctl_text(last, "state"),
		supctl_text(last, "id"));
	return text;
}

/* "998 serving, 1 failed": states in the order in which they are met. */
static void
print_states(const json_t *rows)
{
	json_t *counts = json_object(), *count;
	const char *state, *join = ": ";

	for (size_t i = 0; i < json_array_size(rows); i++) {
		state = supctl_text(json_array_get(rows, i), "state");
		json_object_set_new(counts, state,
			json_integer(number_of(counts, state) + 1));
	}
	json_object_foreach(counts, state, count)
	{
		printf("%s%lld %s", join, number_of(counts, state), state);
		join = ", ";
	}
	json_decref(counts);
}

static void
print_waits(const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		char *why =
			supctl_clean(memory_copy_text(supctl_text(row, "why")));

		printf("waiting for %s: %s\n", supctl_text(row, "pluginId"),
			why);
		free(why);
	}
}

static void
print_refusal(const json_t *document)
{
	const char *said = supctl_text(document, "configRefused");
	char *why;

	if (!*said)
		return;
	why = supctl_clean(memory_copy_text(said));
	printf("configuration refused: %s; supd runs with the one before it\n",
		why);
	free(why);
}

static void
print_gateway(const json_t *document, const json_t *rows)
{
	char age[32] = "";

	age_text(age, sizeof(age), document, "uptimeSeconds");
	printf("supd %s (pid %lld), %s, up %s, %zu plugin%s",
		supctl_text(document, "version"), number_of(document, "pid"),
		is_true(document, "stopping") ? "stopping"
		: is_true(document, "ready")  ? "ready"
					      : "not ready",
		age, json_array_size(rows),
		json_array_size(rows) == 1 ? "" : "s");
	print_states(rows);
	putchar('\n');
	print_refusal(document);
	print_waits(json_object_get(document, "waitingFor"));
}

/* "yes", "no", or who said so, if it is not the file: STATE says which. */
static const char *
enabled_text(const json_t *row)
{
	const char *by = supctl_text(row, "enabledBy");

	if (*by && strcmp(by, "config"))
		return by;
	return is_true(row, "enabled") ? "yes" : "no";
}

/* "512K", "12M", "3.4G" */
static const char *
memory_text(char *text, size_t size, const json_t *row)
{
	double kib = (double)number_of(row, "memoryBytes") / 1024;

	if (kib == 0)
		return NULL;
	if (kib < 1024)
		snprintf(text, size, "%.0fK", kib);
	else if (kib < 1024 * 1024)
		snprintf(text, size, "%.0fM", kib / 1024);
	else
		snprintf(text, size, "%.1fG", kib / 1024 / 1024);
	return text;
}

static const char *
cpu_text(char *text, size_t size, const json_t *row)
{
	const json_t *seconds = json_object_get(row, "cpuSeconds");

	if (!json_is_real(seconds))
		return NULL;
	snprintf(text, size, "%.2fs", json_real_value(seconds));
	return text;
}

static void
print_status(const json_t *rows, bool color, bool wide)
{
	static const struct table_column columns[] = {{"ID", 0, 0, 0},
		{"STATE", 0, 0, 0}, {"ENABLED", 0, 0, 6}, {"GEN", 1, 0, 0},
		{"PID", 1, 0, 5}, {"UP", 1, 0, 4}, {"RESTARTS", 1, 0, 7},
		{"IN FLIGHT", 1, 0, 2}, {"HELD", 1, 0, 1}, {"VERSION", 0, 0, 3},
		{"LAST", 0, 1, 0}, {"MEM", 1, 0, 0}, {"CPU", 1, 0, 0}};
	struct table *t = table_create(columns, wide ? 13 : 11, color);
	char text[96];

	if (wide)
		table_keep_all(t);

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *state = supctl_text(row, "state");

		table_row(t);
		table_text(t, supctl_text(row, "id"));
		table_colored(t, state, state_color(state));
		table_text(t, enabled_text(row));
		number_or_none(t, row, "generation");
		number_or_none(t, row, "pid");
		table_text(
			t, age_text(text, sizeof(text), row, "uptimeSeconds"));
		table_number(t, number_of(row, "restarts"));
		table_number(t, number_of(row, "inFlight"));
		table_number(t, number_of(row, "held"));
		table_text(t, supctl_text(row, "version"));
		table_text(t, last_text(text, sizeof(text), row));
		if (!wide)
			continue;
		table_text(t, memory_text(text, sizeof(text), row));
		table_text(t, cpu_text(text, sizeof(text), row));
	}
	table_finish(t);
}

static void
print_document(const struct options *o, const json_t *document)
{
	const json_t *rows = json_object_get(document, "plugins");

	print_gateway(document, rows);
	print_status(rows, supctl_has_color(o, STDOUT_FILENO), o->wide);
	print_failures(rows);
}

int
verb_status(const struct options *o)
{
	struct answer answer;
	json_t *args = supctl_id_args(o);
	int exit_code;

	if (o->wide)
		json_object_set_new(args, "usage", json_true());
	supctl_call(o, args, NULL, &answer);
	exit_code = answer.exit_code;
	if (answer.error)
		supctl_print_error(o, &answer);
	else if (o->json)
		supctl_print_json(answer.data);
	else
		print_document(o, answer.data);
	if (o->ready && !exit_code && !is_true(answer.data, "ready"))
		exit_code = 1;
	answer_finish(&answer);
	return exit_code;
}

int
verb_list(const struct options *o)
{
	static const struct table_column columns[] = {{"ID", 0, 0, 0},
		{"PACKAGE", 0, 0, 3}, {"VERSION", 0, 0, 2}, {"TYPE", 0, 0, 1},
		{"STATE", 0, 0, 0}, {"ENABLED", 0, 0, 4}, {"RELOAD", 0, 0, 0},
		{"SOURCE", 0, 1, 0}};
	json_t *document;
	int exit_code = supctl_ask(o, NULL, &document);
	const json_t *rows = json_object_get(document, "plugins");
	struct table *t;

	if (!document)
		return exit_code;
	t = table_create(columns, 8, supctl_has_color(o, STDOUT_FILENO));
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *state = supctl_text(row, "state");

		table_row(t);
		table_text(t, supctl_text(row, "id"));
		table_text(t, supctl_text(row, "package"));
		table_text(t, supctl_text(row, "version"));
		table_text(t, supctl_text(row, "type"));
		table_colored(t, state, state_color(state));
		table_text(t, enabled_text(row));
		table_text(t, is_true(row, "canReload")
				      ? "yes"
				      : supctl_text(row, "reason"));
		table_text(t, supctl_text(row, "source"));
	}
	table_finish(t);
	print_failures(rows);
	json_decref(document);
	return exit_code;
}
