/* main: supd's command line. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/paths.h"
#include "supervisor/arguments.h"
#include "supervisor/inherited.h"
#include "supervisor/supervisor.h"

const char *argp_program_version = "supd " SUPD_VERSION;

struct arguments {
	struct supervisor_options options;
	bool check;
};

static error_t
parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGUMENT_CONFIG:
		a->options.config_file = value;
		return 0;
	case ARGUMENT_CHECK:
		a->check = true;
		return 0;
	case ARGUMENT_WATCH:
		a->options.watch = true;
		return 0;
	case ARGUMENT_RUNTIME:
		a->options.runtime_dir = value;
		return 0;
	case ARGUMENT_STATE:
		a->options.state_dir = value;
		return 0;
	case ARGUMENT_LEVEL:
		a->options.level_is_set = true;
		if (!log_level_parse(value, &a->options.level))
			argp_error(state, "unknown log level: %s", value);
		return 0;
	case ARGUMENT_FORMAT:
		a->options.format_is_set = true;
		if (!log_format_parse(value, &a->options.format))
			argp_error(state, "unknown log format: %s", value);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument: %s", value);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {argument_rows, parse, NULL,
	"A plugin gateway: one table of routes, a process per plugin, reloads "
	"without downtime. Signals: TERM and INT stop, HUP applies the "
	"configuration, USR1 reopens the log.",
	NULL, NULL, NULL};

/* Signals are blocked before anything else, so that an early one stays pending
 * until the loop runs: a HUP would end supd, and as PID 1 it would not get a
 * TERM, which the kernel drops while nothing handles or blocks it. */
static void
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void
refuse_wrong(int argc, char **argv)
{
	const char *near = NULL;
	const char *wrong = arguments_find_wrong(argc, argv, &near);

	if (!wrong)
		return;
	fprintf(stderr, "supd: unknown option %s", wrong);
	if (near)
		fprintf(stderr, "; did you mean '--%s'?", near);
	fputs("\nTry 'supd --help' for more information.\n", stderr);
	exit(2);
}

int
main(int argc, char **argv)
{
	struct arguments a = {0};

	block_signals();
	refuse_wrong(argc, argv);
	inherited_keep();
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.check) {
		char *file = paths_config_file(a.options.config_file);
		bool bad = (config_is_package(file)
					   ? package_check(file, stdout)
					   : config_check(file, stdout)) > 0;

		free(file);
		if (!bad)
			puts("no errors");
		return bad;
	}
	return supervisor_run(&a.options);
}
