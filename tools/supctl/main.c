/* main: supctl, the control client: which verb runs.
 * The verbs are in their files. It runs nothing by itself: without supd it
 * says so and exits 3. */
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/utf8.h"
#include "tools/supctl/grammar.h"
#include "tools/supctl/help.h"
#include "tools/supctl/supctl.h"

#define VERB(id, command, client, ...) [VERB_##id] = client,
static verb_function *const functions[] = {
#include "proto/verbs.def"
};
#undef VERB
static_assert(sizeof(functions) / sizeof(*functions) == VERB_COUNT, "all");

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
	fputs("Try 'supctl --help' for the verbs and options.\n", stderr);
	return EXIT_USAGE;
}

/* What goes to supd is JSON; paths are whatever they are. */
static bool
is_text(const struct options *o)
{
	const char *const values[] = {o->kind, o->plugin, o->package, o->grep};

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
	struct error err;

	if (!is_text(o))
		return usage(o, "an argument is not UTF-8");
	if (grammar_takes(o->verb, o->word_count))
		return functions[o->verb](o);
	error_set(&err, "usage: supctl %s %s", verb_rows[o->verb].name,
		verb_rows[o->verb].usage);
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

	if (argc == 1) {
		help_print(stdout, VERB_UNKNOWN);
		supctl_flush(0);
		return 0;
	}
	if (options_read(&o, argc, argv, &err)) {
		exit_code = usage(&o, err.text);
	} else {
		interrupt_says_document = o.json && !o.follow;
		signal(SIGINT, on_interrupt);
		signal(SIGPIPE, SIG_IGN); /* a failed write is exit code 1 */
		exit_code = run_or_help(&o);
	}
	supctl_flush(exit_code);
	return exit_code;
}
