/* supctl: the control client. Which verb, how many words it takes and how long
 * it waits; the verbs are in their files. It runs nothing by itself: without
 * supd it says so and exits 3. */
#include "tools/supctl/supctl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/places.h"

#define LOOK_TIMEOUT_MS 5000 /* for verbs that only look */

static const struct verb_way {
	verb_function *run;
	int words_min, words_max; /* -1: any number */
	bool waits;		  /* as long as it takes */
} ways[VERB_COUNT] = {
	[VERB_STATUS] = {verb_status, 0, 1, false},
	[VERB_LIST] = {verb_list, 0, 0, false},
	[VERB_SHOW] = {verb_show, 1, 1, false},
	[VERB_ROUTES] = {verb_routes, 0, 0, false},
	[VERB_RELOAD] = {verb_reload, 0, -1, true},
	[VERB_CAN_RELOAD] = {verb_can_reload, 1, 1, false},
	[VERB_START] = {verb_lifecycle, 1, 1, true},
	[VERB_STOP] = {verb_lifecycle, 1, 1, true},
	[VERB_RESTART] = {verb_lifecycle, 1, 1, true},
	[VERB_EVENTS] = {verb_events, 0, 0, false},
	[VERB_EMIT] = {verb_emit, 1, 2, false},
	[VERB_HISTORY] = {verb_history, 0, 1, false},
	[VERB_METRICS] = {verb_metrics, 0, 0, false},
	[VERB_LOGS] = {verb_logs, 1, 1, false},
	[VERB_CALL] = {verb_call, 2, -1, true},
	[VERB_VERSION] = {verb_version, 0, 0, false},
	[VERB_SHUTDOWN] = {verb_shutdown, 0, 0, true},
};

/* ^C ends the waiting, never what was begun. */
static void
on_interrupt(int signal)
{
	if (isatty(STDERR_FILENO) && write(STDERR_FILENO, "\n", 1) < 0)
		_exit(EXIT_INTERRUPTED);
	_exit(EXIT_INTERRUPTED);
}

void
supctl_call(const struct options *o, json_t *args,
	void (*on_progress)(void *user, json_t *event), void *user,
	struct answer *answer_out)
{
	bool waits = ways[o->verb].waits || o->follow;
	uint64_t timeout_ms = o->timeout_ms, deadline_ms = UINT64_MAX;
	char *path = places_control_socket(o->socket);

	if (timeout_ms == TIMEOUT_UNSET && !waits)
		timeout_ms = LOOK_TIMEOUT_MS;
	if (timeout_ms != TIMEOUT_UNSET)
		deadline_ms = clock_ms() + timeout_ms;
	client_call(path, deadline_ms, o->verb, args, on_progress, user,
		answer_out);
	free(path);
	json_decref(args);
}

void
supctl_print_json(const json_t *document)
{
	json_dumpf(document, stdout,
		JSON_REAL_PRECISION(12) | JSON_ENCODE_ANY |
			(isatty(STDOUT_FILENO) ? JSON_INDENT(2) : 0));
	putchar('\n');
}

int
supctl_print_error(const struct options *o, const struct answer *answer)
{
	char *text = supctl_clean(
		memory_copy_text(answer->error ? answer->error : "failed"));

	if (o->json && answer->data) {
		if (!json_object_get(answer->data, "pluginId"))
			json_object_set_new(answer->data, "exitCode",
				json_integer(answer->exit_code));
		supctl_print_json(answer->data);
	} else if (o->json) {
		json_t *document = json_pack("{s:s,s:i}", "error", text,
			"exitCode", answer->exit_code);

		supctl_print_json(document);
		json_decref(document);
	}
	fprintf(stderr, "supctl: %s\n", text);
	free(text);
	return answer->exit_code;
}

int
supctl_ask(const struct options *o, json_t *args, json_t **data_out)
{
	struct answer answer;
	int exit_code;

	*data_out = NULL;
	supctl_call(o, args, NULL, NULL, &answer);
	exit_code = answer.exit_code;
	if (answer.error)
		supctl_print_error(o, &answer);
	else if (o->json)
		supctl_print_json(answer.data);
	else
		*data_out = json_incref(answer.data);
	answer_finish(&answer);
	return exit_code;
}

const char *
supctl_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool
supctl_has_color(const struct options *o)
{
	return !o->no_color && !getenv("NO_COLOR") && isatty(STDOUT_FILENO);
}

char *
supctl_clean(char *text)
{
	for (char *at = text; *at; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			*at = '?';
	return text;
}

static int
usage(const char *text)
{
	fprintf(stderr, "supctl: %s\nTry 'supctl --help' for what there is.\n",
		text);
	return EXIT_USAGE;
}

static int
run(const struct options *o)
{
	const struct verb_way *way = &ways[o->verb];
	struct error err;

	if (way->run && (o->word_count < way->words_min ||
				(way->words_max >= 0 &&
					o->word_count > way->words_max))) {
		error_set(&err, "usage: supctl %s %s", verb_rows[o->verb].name,
			verb_rows[o->verb].arguments);
		return usage(err.text);
	}
	if (!way->run) {
		error_set(&err, "'%s' is not supported yet",
			verb_rows[o->verb].name);
		return usage(err.text);
	}
	return way->run(o);
}

int
main(int argc, char **argv)
{
	struct options o;
	struct error err;
	int exit_code;

	if (options_read(&o, argc, argv, &err))
		return usage(err.text);
	if (o.own_version) {
		puts("supctl " SUPD_VERSION);
		return 0;
	}
	if (o.help) {
		options_print_help(stdout, o.verb);
		return 0;
	}
	signal(SIGINT, on_interrupt);
	exit_code = run(&o);
	if (fflush(stdout) || ferror(stdout)) {
		perror("supctl: cannot write the result");
		return exit_code ? exit_code : EXIT_FAILURE;
	}
	return exit_code;
}
