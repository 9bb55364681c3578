/* execute: x, a command line of a plugin, with the streams of this process. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/supctl/supctl.h"
#include "tools/supctl/table.h"

static int
list(const struct options *o)
{
	static const struct table_column columns[] = {{"PLUGIN", 0, 0, 0},
		{"VERB", 0, 0, 0}, {"ARGUMENTS", 0, 1, 0}, {"HELP", 0, 1, 0}};
	struct options routes = *o;
	json_t *document;
	struct table *t;
	const json_t *rows;
	int exit_code;

	routes.verb = VERB_ROUTES;
	exit_code = supctl_ask(
		&routes, json_pack("{s:s}", "kind", "cli"), &document);
	if (!document)
		return exit_code;
	rows = json_object_get(document, "routes");
	t = table_create(columns, 4, false);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *name = supctl_text(row, "name");
		const char *dot = strrchr(name, '.'); /* behind a namespace */

		table_row(t);
		table_text(t, supctl_text(row, "pluginId"));
		table_text(t, dot ? dot + 1 : name);
		table_text(t, supctl_text(row, "arguments"));
		table_text(t, supctl_text(row, "description"));
	}
	table_finish(t);
	json_decref(document);
	return exit_code;
}

static json_t *
args_of(const struct options *o, bool has_input)
{
	json_t *argv = json_array();

	for (int i = 2; i < o->word_count; i++)
		json_array_append_new(argv, json_string(o->words[i]));
	return json_pack("{s:s,s:s,s:o,s:b}", "plugin", o->words[0], "verb",
		o->words[1], "argv", argv, "stdin", has_input);
}

int
verb_x(const struct options *o)
{
	bool has_input = !isatty(STDIN_FILENO);
	const struct client_watch watch = {
		.streams = true, .input_fd = has_input ? STDIN_FILENO : -1};
	struct answer answer;
	int exit_code;

	if (!o->word_count)
		return list(o);
	if (o->word_count < 2)
		return supctl_fail(o, EXIT_USAGE, "usage: supctl x %s",
			verb_rows[VERB_X].usage);
	if (o->json)
		return supctl_fail(o, EXIT_USAGE,
			"the output of a command line is its own: without "
			"--json");
	supctl_call(o, args_of(o, has_input), &watch, &answer);
	exit_code = answer.exit_code;
	if (answer.error) {
		supctl_print_error(o, &answer);
		if (json_is_true(json_object_get(answer.data, "cut")))
			exit_code = EXIT_CUT;
	} else {
		exit_code = (int)json_integer_value(
			json_object_get(answer.data, "exitStatus"));
	}
	answer_finish(&answer);
	return exit_code;
}
