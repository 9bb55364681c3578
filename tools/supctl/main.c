/* main: supctl, the control client: which verb, and how many words it takes.
 * The verbs are in their files. It runs nothing by itself: without supd it
 * says so and exits 3. */
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/utf8.h"
#include "tools/supctl/help.h"
#include "tools/supctl/supctl.h"

static const struct verb_way {
	verb_function *run;
	int words_min, words_max; /* -1: any number */
} ways[] = {
	[VERB_STATUS] = {verb_status, 0, 1},
	[VERB_LIST] = {verb_list, 0, 0},
	[VERB_SHOW] = {verb_show, 1, 1},
	[VERB_ROUTES] = {verb_routes, 0, 0},
	[VERB_RELOAD] = {verb_reload, 0, -1},
	[VERB_CAN_RELOAD] = {verb_can_reload, 1, 1},
	[VERB_START] = {verb_lifecycle, 1, 1},
	[VERB_STOP] = {verb_lifecycle, 1, 1},
	[VERB_RESTART] = {verb_lifecycle, 1, 1},
	[VERB_ENABLE] = {verb_lifecycle, 1, 1},
	[VERB_DISABLE] = {verb_lifecycle, 1, 1},
	[VERB_CHECK] = {verb_check, 0, 1},
	[VERB_PLAN] = {verb_plan, 0, 0},
	[VERB_APPLY] = {verb_apply, 0, 0},
	[VERB_SCAN] = {verb_scan, 0, 0},
	[VERB_LOGS] = {verb_logs, 1, 1},
	[VERB_CALL] = {verb_call, 2, -1},
	[VERB_EMIT] = {verb_emit, 1, 2},
	[VERB_EVENTS] = {verb_events, 0, 0},
	[VERB_HISTORY] = {verb_history, 0, 1},
	[VERB_CONFIG] = {verb_config, 0, 0},
	[VERB_METRICS] = {verb_metrics, 0, 0},
	[VERB_TOKEN] = {verb_token, 1, 2},
	[VERB_NEW] = {verb_new, 2, 2},
	[VERB_COMPLETION] = {verb_completion, 1, 1},
	[VERB_VERSION] = {verb_version, 0, 0},
	[VERB_SHUTDOWN] = {verb_shutdown, 0, 0},
};
static_assert(sizeof(ways) / sizeof(*ways) == VERB_COUNT, "every verb");

/* Set before the signal can come: --json promises a document, but for what
 * follows, which printed one for each thing that happened. */
static bool interrupt_says_document;

/* ^C ends the waiting, never what was begun. What waits in stdout's buffer is
 * left there: the document is this one. */
static void
on_interrupt(int signal)
{
	static const char document[] =
		"{\"error\": \"interrupted\", \"exitCode\": 130}\n";

	static_assert(EXIT_INTERRUPTED == 130, "as the document says");
	if (interrupt_says_document &&
		write(STDOUT_FILENO, document, sizeof(document) - 1) < 0)
		_exit(EXIT_INTERRUPTED);
	if (isatty(STDERR_FILENO) && write(STDERR_FILENO, "\n", 1) < 0)
		_exit(EXIT_INTERRUPTED);
	_exit(EXIT_INTERRUPTED);
}

static int
usage(const struct options *o, const char *text)
{
	supctl_fail(o, EXIT_USAGE, "%s", text);
	fputs("Try 'supctl --help' for what there is.\n", stderr);
	return EXIT_USAGE;
}

/* What goes to supd is JSON; paths are whatever they are. */
static bool
is_text(const struct options *o)
{
	const char *const values[] = {o->kind, o->plugin, o->package};

	for (int i = 0; i < o->word_count; i++)
		if (!utf8_is_valid(o->words[i], strlen(o->words[i])))
			return o->verb == VERB_CHECK;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (values[i] && !utf8_is_valid(values[i], strlen(values[i])))
			return false;
	return true;
}

static int
run(const struct options *o)
{
	const struct verb_way *way = &ways[o->verb];
	struct error err;

	if (!is_text(o))
		return usage(o, "an argument is not UTF-8");
	if (o->word_count >= way->words_min &&
		(way->words_max < 0 || o->word_count <= way->words_max))
		return way->run(o);
	error_set(&err, "usage: supctl %s %s", verb_rows[o->verb].name,
		verb_rows[o->verb].arguments);
	return usage(o, err.text);
}

static void
print_document(const char *key, const char *text)
{
	json_t *document = json_pack("{s:s}", key, text);

	supctl_print_json(document);
	json_decref(document);
}

static void
print_help(const struct options *o)
{
	char *text = NULL;
	size_t size;
	FILE *out = o->json ? open_memstream(&text, &size) : stdout;

	help_print(out, o->verb);
	if (!o->json)
		return;
	fclose(out);
	print_document("help", text);
	free(text);
}

static int
run_or_help(const struct options *o)
{
	if (o->own_version && o->json)
		print_document("supctl", SUPD_VERSION);
	else if (o->own_version)
		puts("supctl " SUPD_VERSION);
	else if (o->help)
		print_help(o);
	else
		return run(o);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct error err;
	int exit_code;

	if (options_read(&o, argc, argv, &err)) {
		exit_code = usage(&o, err.text);
	} else {
		interrupt_says_document = o.json && !o.follow;
		signal(SIGINT, on_interrupt);
		exit_code = run_or_help(&o);
	}
	if (fflush(stdout) || ferror(stdout)) {
		perror("supctl: cannot write the result");
		return exit_code ? exit_code : EXIT_FAILURE;
	}
	return exit_code;
}
