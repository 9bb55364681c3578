/* sup-worker: what supd starts for every plugin and every copy of a package.
 * It reads its arguments and nothing else; proto/launch.h has their forms. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proto/launch.h"
#include "worker/host.h"
#include "worker/launch.h"
#include "worker/polite.h"
#include "worker/stage.h"
#include "worker/survey.h"
#include "worker/sweep.h"
#include "worker/sync.h"
#include "worker/unstage.h"
#include "worker/watch/watch.h"

static int
main_usage(void)
{
	fputs("usage: sup-worker host FILE.so\n"
	      "       sup-worker exec -- PROG [ARG]...\n"
	      "       sup-worker stage SRC DST [--limit BYTES] [--share "
	      "NAME]...\n"
	      "       sup-worker unstage DIR...\n"
	      "       sup-worker survey\n"
	      "       sup-worker sweep [--cgroups OWN] NAME=VALUE...\n"
	      "       sup-worker watch\n"
	      "supd starts it; see supd(8)\n",
		stderr);
	return LAUNCH_EXIT_USAGE;
}

static int
main_host(int argc, char **argv)
{
	struct error err;

	if (argc != 1)
		return main_usage();
	if (launch_prepare(&err)) {
		host_say("%s", err.text);
		return LAUNCH_EXIT_USAGE;
	}
	return host_run(argv[0]);
}

static int
main_exec(int argc, char **argv)
{
	struct error err;

	if (argc < 2 || strcmp(argv[0], "--"))
		return main_usage();
	if (launch_prepare(&err)) {
		host_say("%s", err.text);
		return LAUNCH_EXIT_USAGE;
	}
	launch_exec(argv + 1, &err);
	host_say("%s", err.text);
	return err.shortage ? LAUNCH_EXIT_SHORT : LAUNCH_EXIT_NO_PROGRAM;
}

static int
main_stage_order(int argc, char **argv, struct stage_order *order_out)
{
	if (argc < 2)
		return -1;
	order_out->source = argv[0];
	order_out->target = argv[1];
	for (int i = 2; i < argc; i += 2) {
		char *end;

		if (i + 1 == argc)
			return -1;
		if (!strcmp(argv[i], LAUNCH_STAGE_SHARE)) {
			order_out->shares[order_out->share_count++] =
				argv[i + 1];
			continue;
		}
		if (strcmp(argv[i], LAUNCH_STAGE_LIMIT))
			return -1;
		order_out->limit_bytes = strtoull(argv[i + 1], &end, 10);
		if (*end || end == argv[i + 1])
			return -1;
	}
	return 0;
}

/* Ends with supd, in a session whose low priority is its own. */
static void
main_helper(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
}

static int
main_stage(int argc, char **argv)
{
	struct stage_order order = {.limit_bytes = LAUNCH_STAGE_LIMIT_BYTES,
		.limit_entries = LAUNCH_STAGE_LIMIT_ENTRIES};
	struct stage_result result;
	struct error err;
	int rc;

	main_helper();
	order.shares = calloc((size_t)argc + 1, sizeof(*order.shares));
	if (!order.shares || main_stage_order(argc, argv, &order)) {
		free(order.shares);
		return main_usage();
	}
	rc = stage_run(&order, &result, &err);
	free(order.shares);
	if (rc) {
		fprintf(stderr, "%s\n", err.text);
		return err.shortage ? LAUNCH_EXIT_SHORT : LAUNCH_EXIT_FAILED;
	}
	printf("{\"digest\":\"%s\",\"bytes\":%llu,\"files\":%llu,"
	       "\"fingerprint\":\"%s\"}\n",
		result.digest, (unsigned long long)result.bytes,
		(unsigned long long)result.files, result.fingerprint);
	return fflush(stdout) ? LAUNCH_EXIT_FAILED : LAUNCH_EXIT_DONE;
}

static int
main_unstage(int argc, char **argv)
{
	int rc = LAUNCH_EXIT_DONE;
	struct error err;

	if (argc < 1)
		return main_usage();
	main_helper();
	polite_now();
	for (int i = 0; i < argc; i++)
		if (unstage_run(argv[i], &err)) {
			fprintf(stderr, "%s\n", err.text);
			rc = err.shortage ? LAUNCH_EXIT_SHORT
					  : LAUNCH_EXIT_FAILED;
		}
	return rc;
}

static int
main_sync(int argc, char **argv)
{
	int rc = LAUNCH_EXIT_DONE;
	struct error err;

	if (argc < 1)
		return main_usage();
	main_helper();
	for (int i = 0; i < argc; i++)
		if (sync_run(argv[i], &err)) {
			fprintf(stderr, "%s\n", err.text);
			rc = LAUNCH_EXIT_FAILED;
		}
	return rc;
}

static int
main_survey(int argc, char **argv)
{
	(void)argv;
	if (argc)
		return main_usage();
	main_helper();
	return survey_run(stdin, stdout) ? LAUNCH_EXIT_FAILED
					 : LAUNCH_EXIT_DONE;
}

static int
main_sweep(int argc, char **argv)
{
	const char *own = NULL;
	struct sweep sweep;

	if (argc > 2 && !strcmp(argv[0], LAUNCH_SWEEP_CGROUPS)) {
		own = argv[1];
		argc -= 2;
		argv += 2;
	}
	if (argc < 1)
		return main_usage();
	main_helper();
	if (sweep_run(own, argv, argc, LAUNCH_SWEEP_MS, &sweep) < 0)
		return LAUNCH_EXIT_FAILED;
	if (sweep.is_unfinished)
		return LAUNCH_EXIT_UNSWEPT;
	return sweep.killed ? LAUNCH_EXIT_SWEPT : LAUNCH_EXIT_DONE;
}

static int
main_watch(int argc, char **argv)
{
	(void)argv;
	if (argc)
		return main_usage();
	main_helper();
	return watch_run(STDOUT_FILENO) ? LAUNCH_EXIT_FAILED : LAUNCH_EXIT_DONE;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = {
		{LAUNCH_HOST, main_host},
		{LAUNCH_EXEC, main_exec},
		{LAUNCH_STAGE, main_stage},
		{LAUNCH_UNSTAGE, main_unstage},
		{LAUNCH_SURVEY, main_survey},
		{LAUNCH_SWEEP, main_sweep},
		{LAUNCH_SYNC, main_sync},
		{LAUNCH_WATCH, main_watch},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]);
		i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 2, argv + 2);
	return main_usage();
}
