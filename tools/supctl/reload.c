/* reload: reload, start, stop and restart: shows phases as they happen, then
 * the verdict. Phases go to stderr (on a terminal in one line that is written
 * anew), verdicts to stdout, failures to stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tools/supctl/receipt_view.h"
#include "tools/supctl/supctl.h"

struct show {
	const struct options *options;
	bool live;	/* stderr is a terminal */
	bool line_open; /* a phase stands there without its newline */
};

static void
clear_line(struct show *s)
{
	if (s->line_open)
		fputs("\r\033[K", stderr);
	s->line_open = false;
}

static void
show_log(const json_t *lines)
{
	for (size_t i = 0; i < json_array_size(lines); i++) {
		const json_t *line = json_array_get(lines, i);
		char *text = supctl_clean(
			memory_copy_text(supctl_text(line, "text")));

		fprintf(stderr, "  %s| %s\n", supctl_text(line, "stream"),
			text);
		free(text);
	}
}

static void
show_receipt(struct show *s, const json_t *receipt)
{
	char *text = supctl_clean(receipt_sentence(receipt, s->options->verb));
	const json_t *dropped = receipt_is_proof(receipt)
					? NULL
					: json_object_get(receipt, "dropped");

	clear_line(s);
	if (!receipt_is_success(receipt)) {
		fflush(stdout);
		fprintf(stderr, "%s\n", text);
		show_log(json_object_get(receipt, "log"));
	} else {
		printf("%s", text);
		for (size_t i = 0; i < json_array_size(dropped); i++)
			printf("%s%s", i ? ", " : "; dropped ",
				json_string_value(json_array_get(dropped, i)));
		putchar('\n');
		fflush(stdout);
	}
	free(text);
}

static void
show_phase(struct show *s, const json_t *event, const char *phase)
{
	const char *id = supctl_text(event, "pluginId");
	char time[24];

	duration_text(time, sizeof(time),
		json_number_value(json_object_get(event, "ms")));
	if (s->live)
		fprintf(stderr, "\r\033[K%s: %s %s", id, phase, time);
	else
		fprintf(stderr, "%s: %s (%s)\n", id, phase, time);
	s->line_open = s->live;
}

static void
on_progress(void *user, json_t *event)
{
	struct show *s = user;
	const char *phase = json_string_value(json_object_get(event, "phase"));
	const json_t *receipt = json_object_get(event, "receipt");

	if (s->options->json)
		return;
	if (phase)
		show_phase(s, event, phase);
	if (!receipt)
		receipt = json_object_get(event, "verdict");
	if (receipt)
		show_receipt(s, receipt);
}

static void
show_ids(const json_t *data)
{
	const json_t *results = json_object_get(data, "results");
	const char *id = json_string_value(json_object_get(data, "id"));

	if (id)
		puts(id);
	for (size_t i = 0; i < json_array_size(results); i++)
		show_ids(json_array_get(results, i));
}

/* What is left to show after the progress. */
static void
show_result(struct show *s, const json_t *data)
{
	const json_t *results = json_object_get(data, "results");
	size_t failed = 0;

	if (s->options->no_wait) {
		show_ids(data);
		return;
	}
	if (!results) {
		show_receipt(s, data);
		return;
	}
	for (size_t i = 0; i < json_array_size(results); i++)
		failed += !receipt_is_success(json_array_get(results, i));
	clear_line(s);
	printf("%zu of %zu %s\n", json_array_size(results) - failed,
		json_array_size(results),
		s->options->prove ? "proven" : "reloaded");
}

static bool
is_receipt(const json_t *data)
{
	return json_object_get(data, "pluginId") ||
	       json_object_get(data, "results");
}

static int
run(const struct options *o, json_t *args)
{
	struct show s = {.options = o, .live = isatty(STDERR_FILENO)};
	struct answer answer;
	int exit_code;

	supctl_call(o, args, on_progress, &s, &answer);
	exit_code = answer.exit_code;
	clear_line(&s);
	if (!is_receipt(answer.data))
		supctl_print_error(o, &answer);
	else if (o->json)
		supctl_print_json(answer.data);
	else if (o->no_wait && exit_code)
		show_receipt(&s, answer.data);
	else
		show_result(&s, answer.data);
	answer_finish(&answer);
	return exit_code;
}

static void
set_flag(json_t *args, const char *key, bool flag)
{
	if (flag)
		json_object_set_new(args, key, json_true());
}

static void
set_target(json_t *args, const struct options *o)
{
	json_t *ids;

	set_flag(args, "all", o->all);
	if (o->package)
		json_object_set_new(args, "package", json_string(o->package));
	if (o->word_count == 1)
		json_object_set_new(args, "pluginId", json_string(o->words[0]));
	if (o->word_count < 2)
		return;
	ids = json_array();
	for (int i = 0; i < o->word_count; i++)
		json_array_append_new(ids, json_string(o->words[i]));
	json_object_set_new(args, "pluginIds", ids);
}

int
verb_reload(const struct options *o)
{
	json_t *args;

	if ((o->word_count > 0) + o->all + (o->package != NULL) != 1) {
		fputs("supctl: reload takes plugin ids, or --all, or "
		      "--package NAME\n",
			stderr);
		return EXIT_USAGE;
	}
	if (o->wait && o->no_wait) {
		fputs("supctl: --wait and --no-wait exclude each other\n",
			stderr);
		return EXIT_USAGE;
	}
	args = json_object();
	set_target(args, o);
	set_flag(args, "force", o->force);
	set_flag(args, "noDrop", o->no_drop);
	set_flag(args, "ifSafe", o->if_safe);
	set_flag(args, "atomic", o->atomic);
	set_flag(args, "prove", o->prove);
	if (o->wait && !strcmp(o->wait, "settled"))
		json_object_set_new(args, "wait", json_string("settled"));
	if (o->no_wait)
		json_object_set_new(args, "wait", json_string("no"));
	return run(o, args);
}

int
verb_lifecycle(const struct options *o)
{
	return run(o, json_pack("{s:s}", "id", o->words[0]));
}
