/* transaction: see transaction.h. */
#include "tools/supctl/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tools/supctl/progress.h"
#include "tools/supctl/receipt_view.h"

#define TICK_MS 500 /* how often the time on a terminal is written anew */

struct show {
	const struct options *options;
	struct progress *progress;
	json_t *refused; /* those that are shown, by id */
};

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

/* The plugin's id carries the colour. */
static void
print_sentence(const struct options *o, FILE *out, const char *color,
	const char *text, const char *end)
{
	int length = (int)strcspn(text, ":");

	if (supctl_has_color(o, fileno(out)))
		fprintf(out, "\033[%sm%.*s\033[0m%s%s", color, length, text,
			text + length, end);
	else
		fprintf(out, "%s%s", text, end);
}

static bool
is_refused(const json_t *receipt)
{
	return !strcmp(supctl_text(receipt, "state"), "refused");
}

static void
show_receipt(struct show *s, const json_t *receipt)
{
	char *text = supctl_clean(receipt_sentence(receipt, s->options->verb));
	/* The sentence of a proof names the registrations already. */
	const json_t *dropped = receipt_is_proof(receipt)
					? NULL
					: json_object_get(receipt, "dropped");

	if (is_refused(receipt))
		json_object_set_new(s->refused,
			supctl_text(receipt, "pluginId"), json_true());
	progress_end(s->progress, supctl_text(receipt, "pluginId"));
	progress_clear(s->progress);
	if (!receipt_is_success(receipt)) {
		fflush(stdout);
		print_sentence(s->options, stderr, "31", text, "\n");
		show_log(json_object_get(receipt, "log"));
	} else {
		print_sentence(s->options, stdout, "32", text, "");
		for (size_t i = 0; i < json_array_size(dropped); i++)
			printf("%s%s", i ? ", " : "; dropped ",
				json_string_value(json_array_get(dropped, i)));
		putchar('\n');
		fflush(stdout);
	}
	progress_draw(s->progress);
	free(text);
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
		progress_phase(s->progress, supctl_text(event, "pluginId"),
			phase, json_number_value(json_object_get(event, "ms")));
	if (!receipt)
		receipt = json_object_get(event, "verdict");
	if (receipt)
		show_receipt(s, receipt);
}

static void
on_tick(void *user)
{
	struct show *s = user;

	progress_draw(s->progress);
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

static void
show_count(const struct options *o, const json_t *results)
{
	static const char *const done[VERB_COUNT] = {
		[VERB_RELOAD] = "reloaded",
		[VERB_START] = "started",
		[VERB_STOP] = "stopped",
		[VERB_RESTART] = "restarted",
		[VERB_ENABLE] = "enabled",
		[VERB_DISABLE] = "disabled",
	};
	size_t count = json_array_size(results), failed = 0;

	for (size_t i = 0; i < count; i++)
		failed += !receipt_is_success(json_array_get(results, i));
	if (count)
		printf("%zu of %zu %s\n", count - failed, count,
			o->prove ? "proven" : done[o->verb]);
	else
		puts("nothing to reload");
}

/* What was refused at once has made no progress. */
static void
show_refused(struct show *s, const json_t *results)
{
	for (size_t i = 0; i < json_array_size(results); i++) {
		const json_t *receipt = json_array_get(results, i);

		if (is_refused(receipt) &&
			!json_object_get(
				s->refused, supctl_text(receipt, "pluginId")))
			show_receipt(s, receipt);
	}
}

/* What is left to show after the progress. */
static void
show_result(struct show *s, const json_t *data,
	void (*rest)(const struct options *o, const json_t *document))
{
	const json_t *results = json_object_get(data, "results");

	progress_clear(s->progress);
	if (!s->options->no_wait)
		show_refused(s, results);
	if (s->options->no_wait)
		show_ids(data);
	else if (rest)
		rest(s->options, data);
	else if (results)
		show_count(s->options, results);
	else
		show_receipt(s, data);
}

static bool
is_receipt(const json_t *data)
{
	return json_object_get(data, "pluginId") ||
	       json_object_get(data, "results");
}

int
transaction_run(const struct options *o, json_t *args,
	void (*rest)(const struct options *o, const json_t *document))
{
	bool live = isatty(STDERR_FILENO) && !o->json;
	struct show s = {o,
		progress_create(live, supctl_has_color(o, STDERR_FILENO)),
		json_object()};
	struct client_watch watch = {.on_progress = on_progress,
		.on_tick = on_tick,
		.tick_ms = live ? TICK_MS : 0,
		.user = &s};
	struct answer answer;
	int exit_code;

	supctl_call(o, args, &watch, &answer);
	exit_code = answer.exit_code;
	progress_clear(s.progress);
	if (!is_receipt(answer.data)) {
		supctl_print_error(o, &answer);
	} else if (o->json) {
		supctl_print_json(answer.data);
	} else if (o->no_wait && exit_code) {
		show_receipt(&s, answer.data);
	} else {
		show_result(&s, answer.data, rest);
	}
	json_decref(s.refused);
	progress_destroy(s.progress);
	answer_finish(&answer);
	return exit_code;
}
