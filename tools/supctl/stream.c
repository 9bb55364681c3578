/* stream: logs, events, history and emit: what was said and what happened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "tools/supctl/argument.h"
#include "tools/supctl/receipt_view.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/table.h"

/* "2026-11-21T10:00:00.123Z" as people write it; it is UTC still. */
static const char *
time_text(char *text, size_t size, const char *at)
{
	snprintf(text, size, "%.10s %.12s", at, strlen(at) > 11 ? at + 11 : "");
	return text;
}

/* ---- what logs and events have in common ---- */

struct stream {
	const struct options *options;
	const char *one;  /* key of one in a progress message: "line" */
	const char *all;  /* key of the array in the document: "lines" */
	const char *name; /* what was lost: "lines" */
	void (*print)(const struct options *o, const json_t *one);
};

static void
on_one(void *user, json_t *event)
{
	const struct stream *s = user;
	const json_t *one = json_object_get(event, s->one);
	const json_t *dropped = json_object_get(event, "dropped");

	if (dropped)
		fprintf(stderr,
			"supctl: %lld %s were dropped because they were not "
			"read in time\n",
			(long long)json_integer_value(dropped), s->name);
	if (!one)
		return;
	if (s->options->json)
		supctl_print_json(one);
	else
		s->print(s->options, one);
	supctl_flush(0);
}

static int
stream_run(const struct stream *s, json_t *args)
{
	const struct options *o = s->options;
	struct client_watch watch = {.on_progress = on_one,
		.follows = o->follow,
		.user = (void *)(uintptr_t)s};
	struct answer answer;
	const json_t *all;
	int exit_code;

	if (option_is_given(o, OPTION_LINES))
		json_object_set_new(
			args, "lines", json_integer((json_int_t)o->lines));
	if (o->follow)
		json_object_set_new(args, "follow", json_true());
	supctl_call(o, args, &watch, &answer);
	exit_code = answer.exit_code;
	all = json_object_get(answer.data, s->all);
	if (answer.error)
		supctl_print_error(o, &answer);
	else if (o->follow)
		fputs("supctl: supd has stopped, or your role no longer allows "
		      "this\n",
			stderr);
	else if (o->json)
		supctl_print_json(answer.data);
	else
		for (size_t i = 0; i < json_array_size(all); i++)
			s->print(o, json_array_get(all, i));
	answer_finish(&answer);
	return exit_code;
}

/* ---- logs ---- */

static char *
shown(const struct options *o, char *text)
{
	return o->raw ? text : supctl_clean(text);
}

static void
print_line(const struct options *o, const json_t *line)
{
	json_int_t wall_ms = json_integer_value(json_object_get(line, "time"));
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local;
	char clock[32] = "";
	const char *id = supctl_text(line, "pluginId");
	char *text = shown(o, memory_copy_text(supctl_text(line, "text")));

	if (localtime_r(&seconds, &local))
		strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &local);
	printf("%s.%03d %s%sg%lld[%lld] %s| %s\n", clock, (int)(wall_ms % 1000),
		id, *id ? " " : "",
		(long long)json_integer_value(
			json_object_get(line, "generation")),
		(long long)json_integer_value(json_object_get(line, "pid")),
		supctl_text(line, "stream"), text);
	free(text);
}

int
verb_logs(const struct options *o)
{
	struct stream s = {o, "line", "lines", "lines", print_line};

	json_t *args = json_object();

	if (o->word_count)
		json_object_set_new(args, "id", json_string(o->words[0]));
	if (o->since_ms)
		json_object_set_new(
			args, "since", json_integer((json_int_t)o->since_ms));
	if (o->grep)
		json_object_set_new(args, "grep", json_string(o->grep));
	return stream_run(&s, args);
}

/* ---- events ---- */

/* A receipt reads as its sentence without the id, all else as JSON. */
static char *
event_text(const json_t *data)
{
	char *sentence, *text;

	if (!data || json_is_null(data))
		return memory_copy_text("");
	if (json_is_object(json_object_get(data, "phases"))) {
		sentence = receipt_sentence(data, VERB_RELOAD);
		text = strstr(sentence, ": ");
		text = memory_copy_text(text ? text + 2 : sentence);
		free(sentence);
		return text;
	}
	return json_text(data, JSON_TEXT_COMPACT);
}

static void
print_event(const struct options *o, const json_t *event)
{
	const char *id = supctl_text(event, "pluginId");
	char *text = shown(o, event_text(json_object_get(event, "data")));
	char *name =
		supctl_clean(memory_copy_text(supctl_text(event, "event")));

	printf("%s %s %s%s%s\n", supctl_text(event, "at"), name, *id ? id : "-",
		*text ? " " : "", text);
	free(name);
	free(text);
}

int
verb_events(const struct options *o)
{
	struct stream s = {o, "event", "events", "events", print_event};
	json_t *args = json_object();

	if (o->plugin)
		json_object_set_new(args, "plugin", json_string(o->plugin));
	return stream_run(&s, args);
}

int
verb_emit(const struct options *o)
{
	json_t *args = json_pack("{s:s}", "name", o->words[0]), *document;
	struct error err;
	int exit_code;

	if (!args)
		return supctl_fail(
			o, EXIT_USAGE, "the event's name is not UTF-8");
	if (o->word_count == 2) {
		json_t *data = argument_read_json(o->words[1], &err);

		if (!data) {
			json_decref(args);
			return supctl_fail(o, EXIT_USAGE, "%s", err.text);
		}
		json_object_set_new(args, "data", data);
	}
	exit_code = supctl_ask(o, args, &document);
	if (document)
		printf("%s emitted\n", o->words[0]);
	json_decref(document);
	return exit_code;
}

/* ---- history ---- */

/* "supctl, uid 0", or what began it by itself. */
static const char *
by_text(char *text, size_t size, const json_t *receipt)
{
	const char *by = supctl_text(receipt, "by");

	snprintf(text, size, "%s%s%s", supctl_text(receipt, "trigger"),
		*by ? ", " : "", by);
	return text;
}

static void
history_row(struct table *t, const json_t *receipt)
{
	json_int_t generation =
		json_integer_value(json_object_get(receipt, "generation"));
	bool good = receipt_is_success(receipt);
	char time[24], at[40], by[96];

	duration_text(time, sizeof(time),
		json_number_value(json_object_get(receipt, "durationMs")));
	table_row(t);
	table_text(t, time_text(at, sizeof(at), supctl_text(receipt, "at")));
	table_text(t, supctl_text(receipt, "id"));
	table_text(t, supctl_text(receipt, "pluginId"));
	table_text(t, supctl_text(receipt, "kind"));
	table_colored(t, supctl_text(receipt, "state"), good ? "green" : "red");
	if (generation)
		table_number(t, generation);
	else
		table_text(t, NULL);
	table_text(t, by_text(by, sizeof(by), receipt));
	table_text(t, time);
	table_text(t, supctl_text(receipt, "version"));
	table_text(t, supctl_text(json_object_get(receipt, "cause"), "text"));
	table_text(t, supctl_text(receipt, "error"));
}

int
verb_history(const struct options *o)
{
	static const struct table_column columns[] = {{"AT (UTC)", 0, 0, 5},
		{"ID", 0, 0, 4}, {"PLUGIN", 0, 0, 0}, {"WHAT", 0, 0, 0},
		{"STATE", 0, 0, 0}, {"GEN", 1, 0, 3}, {"BY", 0, 0, 6},
		{"TOOK", 1, 0, 2}, {"VERSION", 0, 0, 1}, {"CAUSE", 0, 1, 7},
		{"ERROR", 0, 1, 0}};
	json_t *args = json_object(), *document;
	const json_t *receipts;
	struct table *t;
	int exit_code;

	if (o->word_count)
		json_object_set_new(args, "id", json_string(o->words[0]));
	if (option_is_given(o, OPTION_LINES))
		json_object_set_new(
			args, "lines", json_integer((json_int_t)o->lines));
	exit_code = supctl_ask(o, args, &document);
	if (!document)
		return exit_code;
	receipts = json_object_get(document, "receipts");
	t = table_create(columns, 11, supctl_has_color(o, STDOUT_FILENO));
	for (size_t i = 0; i < json_array_size(receipts); i++)
		history_row(t, json_array_get(receipts, i));
	table_finish(t);
	json_decref(document);
	return exit_code;
}
