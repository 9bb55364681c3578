/* watch: which plugins are reloaded when their packages change, and what
 * happens then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tools/supctl/receipt_view.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/table.h"
#include "tools/supctl/view.h"

/* ---- status ---- */

static void
put_row(struct table *t, const char *name, const json_t *row)
{
	table_row(t);
	table_text(t, name);
	table_text(t, is_true(row, "on") ? "on" : "off");
	table_text(t, supctl_text(row, "by"));
	table_text(t, supctl_text(row, "mode"));
	table_text(t, supctl_text(row, "state"));
	table_text(t, supctl_text(row, "lastTrigger"));
	table_text(t, supctl_text(row, "file"));
	table_text(t, supctl_text(row, "why"));
}

static int
status(const struct options *o)
{
	static const struct table_column columns[] = {{"PLUGIN", 0, 0, 0},
		{"WATCH", 0, 0, 0}, {"BY", 0, 0, 4}, {"HOW", 0, 0, 2},
		{"STATE", 0, 0, 0}, {"LAST CHANGE", 0, 0, 3}, {"FILE", 0, 1, 1},
		{"WHY", 0, 1, 1}};
	json_t *document;
	const json_t *rows;
	struct table *t;
	int exit_code = supctl_ask(o, NULL, &document);

	if (!document)
		return exit_code;
	rows = json_object_get(document, "plugins");
	t = table_create(columns, 8, false);
	put_row(t, "(configuration)",
		json_object_get(document, "configuration"));
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		put_row(t, supctl_text(row, "id"), row);
	}
	table_finish(t);
	json_decref(document);
	return exit_code;
}

/* ---- on and off ---- */

static int
set(const struct options *o)
{
	const json_t *rows;
	json_t *args = json_pack("{s:s}", "set", o->words[0]), *document;
	json_t *ids = json_array();
	int exit_code;

	for (int i = 1; i < o->word_count; i++)
		json_array_append_new(ids, json_string(o->words[i]));
	if (json_array_size(ids))
		json_object_set(args, "ids", ids);
	if (o->all)
		json_object_set_new(args, "all", json_true());
	json_decref(ids);
	exit_code = supctl_ask(o, args, &document);
	rows = json_object_get(document, "results");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *error = supctl_text(row, "error");

		if (*error)
			fprintf(stderr, "%s: %s\n", supctl_text(row, "id"),
				error);
		else
			printf("%s: watch %s (%s)\n", supctl_text(row, "id"),
				is_true(row, "on") ? "on" : "off",
				supctl_text(row, "state"));
	}
	json_decref(document);
	return exit_code;
}

/* ---- what happens ---- */

static void
print_log(const json_t *lines)
{
	for (size_t i = 0; i < json_array_size(lines); i++) {
		char *text = supctl_clean(memory_copy_text(
			supctl_text(json_array_get(lines, i), "text")));

		printf("  | %s\n", text);
		free(text);
	}
}

/* One line of a reload that went well; the reason and the last lines of the
 * worker of one that did not. */
static void
print_verdict(const json_t *receipt)
{
	char *text = supctl_clean(receipt_sentence(receipt, VERB_RELOAD));

	puts(text);
	if (!receipt_is_success(receipt))
		print_log(json_object_get(receipt, "log"));
	free(text);
}

static void
print_build(const char *id, const json_t *data)
{
	char *text = memory_copy_text(supctl_text(data, "output")), *rest;

	printf("%s: the build failed (%s); the plugin is not reloaded\n", id,
		supctl_text(data, "how"));
	for (char *line = strtok_r(text, "\n", &rest); line;
		line = strtok_r(NULL, "\n", &rest))
		printf("  | %s\n", supctl_clean(line));
	free(text);
}

/* A name of a file may hold anything. */
static void
print_line(const char *who, const char *before, const char *value,
	const char *after)
{
	char *text = supctl_clean(
		memory_format("%s: %s%s%s", who, before, value, after));

	puts(text);
	free(text);
}

static void
print_event(const json_t *event)
{
	const char *name = supctl_text(event, "event");
	const char *id = supctl_text(event, "pluginId");
	const json_t *data = json_object_get(event, "data");
	const char *file = supctl_text(data, "file");

	if (!strcmp(name, "reload.verdict"))
		print_verdict(data);
	else if (!strcmp(name, "watch.build_failed"))
		print_build(id, data);
	else if (!strcmp(name, "watch.changed"))
		print_line(id, "", *file ? file : "a file", " changed");
	else if (!strcmp(name, "watch.missing"))
		print_line(id, "", "the package is missing",
			"; the last version still serves");
	else if (!strcmp(name, "watch.swept"))
		print_line(id,
			"scanning its files every 2 s or less often, as ",
			supctl_text(data, "why"), "");
	else if (!strcmp(name, "watch.looping"))
		print_line(id, "", supctl_text(data, "text"), "");
	else if (!strcmp(name, "watch.on") || !strcmp(name, "watch.off"))
		printf("%s: watch %s\n", id, name + strlen("watch."));
	else if (!strcmp(name, "config.applied"))
		puts("configuration: applied");
	else if (!strcmp(name, "config.refused"))
		print_line("configuration",
			"refused: ", supctl_text(data, "error"), "");
}

/* "watch." or what follows from it. */
static bool
is_of_watch(const json_t *event)
{
	const char *name = supctl_text(event, "event");

	return !strncmp(name, "watch.", 6) || !strncmp(name, "config.", 7) ||
	       (!strcmp(name, "reload.verdict") &&
		       !strcmp(supctl_text(json_object_get(event, "data"),
				       "trigger"),
			       "watch"));
}

static void
on_progress(void *user, json_t *progress)
{
	const struct options *o = user;
	const json_t *event = json_object_get(progress, "event");

	if (!event || !is_of_watch(event))
		return;
	if (o->json)
		supctl_print_json(event);
	else
		print_event(event);
	supctl_flush(0);
}

static int
follow(const struct options *o)
{
	struct options events = *o;
	const struct client_watch watch = {
		.on_progress = on_progress, .follows = true, .user = &events};
	struct answer answer;
	int exit_code;

	events.verb = VERB_EVENTS;
	events.follow = true;
	supctl_call(&events, json_pack("{s:b, s:i}", "follow", 1, "lines", 0),
		&watch, &answer);
	exit_code = answer.exit_code;
	if (answer.error)
		supctl_print_error(o, &answer);
	else
		fputs("supctl: supd has stopped, or your role no longer allows "
		      "this\n",
			stderr);
	answer_finish(&answer);
	return exit_code;
}

int
verb_watch(const struct options *o)
{
	const char *what = o->word_count ? o->words[0] : NULL;

	if (!what && !o->all)
		return follow(o);
	if (what && !strcmp(what, "status") && o->word_count == 1 && !o->all)
		return status(o);
	if (what && (!strcmp(what, "on") || !strcmp(what, "off")) &&
		o->all != (o->word_count > 1))
		return set(o);
	return supctl_fail(o, EXIT_USAGE, "usage: supctl watch %s",
		verb_rows[VERB_WATCH].usage);
}
