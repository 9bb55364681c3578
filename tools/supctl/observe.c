/* observe: events, emit, history and metrics: what happened and how much. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/table.h"

/* ---- events ---- */

/* "2026-11-21T10:00:00.123Z" as people write it; it is UTC still. */
static void
print_time(const char *at)
{
	printf("%.10s %.12s", at, strlen(at) > 11 ? at + 11 : "");
}

/* What a receipt comes to, in a few words. */
static void
print_receipt(const json_t *receipt)
{
	const json_t *generation = json_object_get(receipt, "generation");

	printf(" %s %s", supctl_text(receipt, "id"),
		supctl_text(receipt, "state"));
	if (json_is_integer(generation))
		printf(", generation %lld",
			(long long)json_integer_value(generation));
	printf(" in %.1f ms (%s)",
		json_number_value(json_object_get(receipt, "durationMs")),
		supctl_text(receipt, "trigger"));
	if (*supctl_text(receipt, "error")) {
		char *text = supctl_clean(
			memory_copy_text(supctl_text(receipt, "error")));

		printf(": %s", text);
		free(text);
	}
}

static void
print_event(const json_t *event)
{
	const json_t *data = json_object_get(event, "data");

	print_time(supctl_text(event, "at"));
	printf(" %s", supctl_text(event, "event"));
	if (*supctl_text(event, "pluginId"))
		printf(" %s", supctl_text(event, "pluginId"));
	if (json_object_get(data, "durationMs")) {
		print_receipt(data);
	} else if (!json_is_null(data)) {
		char *text = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY |
						      JSON_REAL_PRECISION(6));

		/* Escaped by JSON, but for DEL. */
		printf(" %s", text ? supctl_clean(text) : "");
		free(text);
	}
	putchar('\n');
}

static void
on_event(void *user, json_t *progress)
{
	const struct options *o = user;
	const json_t *event = json_object_get(progress, "event");
	const json_t *dropped = json_object_get(progress, "dropped");

	if (dropped)
		fprintf(stderr, "supctl: %lld events were lost: read faster\n",
			(long long)json_integer_value(dropped));
	if (!event)
		return;
	if (o->json)
		supctl_print_json(event);
	else
		print_event(event);
	fflush(stdout);
}

static json_t *
lines_args(const struct options *o)
{
	return o->lines_set ? json_pack("{s:I}", "lines", (json_int_t)o->lines)
			    : json_object();
}

int
verb_events(const struct options *o)
{
	json_t *args = lines_args(o);
	struct answer answer;
	const json_t *events;
	int exit_code;

	if (o->follow)
		json_object_set_new(args, "follow", json_true());
	supctl_call(o, args, on_event, (void *)(uintptr_t)o, &answer);
	exit_code = answer.exit_code;
	events = json_object_get(answer.data, "events");
	if (answer.error)
		supctl_print_error(o, &answer);
	else if (o->follow)
		fputs("supctl: supd has stopped\n", stderr);
	else if (o->json)
		supctl_print_json(answer.data);
	else
		for (size_t i = 0; i < json_array_size(events); i++)
			print_event(json_array_get(events, i));
	answer_finish(&answer);
	return exit_code;
}

int
verb_emit(const struct options *o)
{
	json_error_t where;
	json_t *data = NULL, *args, *document;
	int exit_code;

	if (o->word_count == 2) {
		data = json_loads(o->words[1], JSON_DECODE_ANY, &where);
		if (!data) {
			fprintf(stderr,
				"supctl: JSON is malformed: %s at column %d\n",
				where.text, where.column);
			return EXIT_USAGE;
		}
	}
	args = json_pack("{s:s,s:o*}", "name", o->words[0], "data", data);
	if (!args) {
		fputs("supctl: the name is not UTF-8\n", stderr);
		return EXIT_USAGE;
	}
	exit_code = supctl_ask(o, args, &document);
	if (document)
		printf("%s emitted\n", supctl_text(document, "event"));
	json_decref(document);
	return exit_code;
}

/* ---- history ---- */

static void
history_row(struct table *t, const json_t *receipt)
{
	const json_t *generation = json_object_get(receipt, "generation");
	const json_t *error = json_object_get(receipt, "error");
	const char *state = supctl_text(receipt, "state");
	bool success = json_is_true(json_object_get(receipt, "success"));
	char text[48] = "";

	table_row(t);
	snprintf(text, sizeof(text), "%.19s", supctl_text(receipt, "at"));
	if (text[10] == 'T')
		text[10] = ' ';
	table_text(t, text);
	table_text(t, supctl_text(receipt, "id"));
	table_text(t, supctl_text(receipt, "pluginId"));
	table_colored(t, state, success ? NULL : "red");
	table_text(t, supctl_text(receipt, "trigger"));
	if (json_is_integer(generation))
		table_number(t, json_integer_value(generation));
	else
		table_text(t, NULL);
	snprintf(text, sizeof(text), "%.1f",
		json_number_value(json_object_get(receipt, "durationMs")));
	table_text(t, text);
	table_text(t, json_string_value(error));
}

int
verb_history(const struct options *o)
{
	static const struct table_column columns[] = {{"AT (UTC)", 0, 0},
		{"RELOAD", 0, 0}, {"ID", 0, 0}, {"STATE", 0, 0},
		{"TRIGGER", 0, 0}, {"GEN", 1, 0}, {"MS", 1, 0},
		{"ERROR", 0, 1}};
	json_t *args = lines_args(o), *document;
	const json_t *receipts;
	struct table *t;
	int exit_code;

	if (o->word_count)
		json_object_set_new(args, "id", json_string(o->words[0]));
	exit_code = supctl_ask(o, args, &document);
	if (!document)
		return exit_code;
	receipts = json_object_get(document, "receipts");
	t = table_create(columns, 8, supctl_has_color(o));
	for (size_t i = 0; i < json_array_size(receipts); i++)
		history_row(t, json_array_get(receipts, i));
	table_finish(t);
	json_decref(document);
	return exit_code;
}

/* ---- metrics ---- */

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
