/* main: supd's command line. */
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/places.h"
#include "supervisor/supervisor.h"

const char *argp_program_version = "supd " SUPD_VERSION;

enum {
	KEY_CHECK = 256,
	KEY_WATCH,
	KEY_RUNTIME,
	KEY_STATE,
	KEY_LEVEL,
	KEY_FORMAT
};

static const struct argp_option option_rows[] = {
	{"config", 'c', "FILE", 0,
		"the configuration (default: $SUPD_CONFIG, then "
		"/etc/supd/supd.yaml)",
		0},
	{"check", KEY_CHECK, 0, 0,
		"check the configuration and manifests, print every problem, "
		"start nothing",
		0},
	{"watch", KEY_WATCH, 0, 0, "not supported yet", 0},
	{"runtime-dir", KEY_RUNTIME, "DIR", 0, "where the control socket is",
		0},
	{"state-dir", KEY_STATE, "DIR", 0, "what outlives supd", 0},
	{"log-level", KEY_LEVEL, "LEVEL", 0, "error, warn, info or debug", 0},
	{"log-format", KEY_FORMAT, "FORMAT", 0, "text or json", 0},
	{0},
};

struct arguments {
	struct supervisor_options options;
	bool check;
};

static error_t
parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'c':
		a->options.config_file = value;
		return 0;
	case KEY_CHECK:
		a->check = true;
		return 0;
	case KEY_WATCH:
		argp_error(state, "--watch is not supported yet");
		return 0;
	case KEY_RUNTIME:
		a->options.runtime_dir = value;
		return 0;
	case KEY_STATE:
		a->options.state_dir = value;
		return 0;
	case KEY_LEVEL:
		a->options.level_is_set = true;
		if (!log_level_parse(value, &a->options.level))
			argp_error(state, "no such log level: %s", value);
		return 0;
	case KEY_FORMAT:
		a->options.format_is_set = true;
		if (!log_format_parse(value, &a->options.format))
			argp_error(state, "no such log format: %s", value);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "no such argument: %s", value);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {option_rows, parse, NULL,
	"A plugin gateway: one table of routes, a process per plugin, reloads "
	"that nobody notices. Signals: TERM and INT stop, HUP applies the "
	"configuration, USR1 reopens the log.",
	NULL, NULL, NULL};

/* From the first line on, so that an early HUP waits for the loop. */
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

int
main(int argc, char **argv)
{
	struct arguments a = {0};

	block_signals();
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.check) {
		char *file = places_config_file(a.options.config_file);
		bool bad = config_check(file, stdout) > 0;

		free(file);
		return bad;
	}
	return supervisor_run(&a.options);
}
