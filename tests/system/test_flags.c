/* Every flag of the two programs, tried so that ignoring it fails, and what
 * supctl prints for people. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/run.h"

TestSuite(flags, .fini = run_fini, .timeout = 200);

/* Runs a program of the build through the shell; what it said on both. */
static char *
say(int *status_out, const char *format, ...)
{
	char said[32 * 1024], *arguments, *command;
	va_list list;
	FILE *pipe;
	size_t got;

	va_start(list, format);
	cr_assert(vasprintf(&arguments, format, list) >= 0);
	va_end(list);
	command = memory_format("%s/%s 2>&1", run_build_root(), arguments);
	pipe = popen(command, "r");
	cr_assert(pipe);
	got = fread(said, 1, sizeof(said) - 1, pipe);
	said[got] = 0;
	*status_out = WEXITSTATUS(pclose(pipe));
	free(arguments);
	free(command);
	return memory_copy_text(said);
}

/* What it says must hold each of these texts. */
static void
expect_said(int status, const char *const *texts, char *said, int got)
{
	cr_expect_eq(got, status, "exit %d: %s", got, said);
	for (; *texts; texts++)
		cr_expect(strstr(said, *texts), "no '%s' in: %s", *texts, said);
	free(said);
}

#define EXPECT(status, texts, ...)                                             \
	do {                                                                   \
		int got_;                                                      \
		char *said_ = say(&got_, __VA_ARGS__);                         \
		static const char *const texts_[] = texts;                     \
		expect_said(status, texts_, said_, got_);                      \
	} while (0)
#define T(...)                                                                 \
	{                                                                      \
		__VA_ARGS__, NULL                                              \
	}

Test(flags, of_supd_that_start_nothing)
{
	EXPECT(0, T("supd 0."), "supervisor/supd --version");
	EXPECT(0, T("--runtime-dir", "--state-dir", "--check", "--log-level"),
		"supervisor/supd --help");
	EXPECT(2, T("no-such"), "supervisor/supd --no-such");
	EXPECT(2, T("extra"), "supervisor/supd extra");
	EXPECT(2, T("loud"), "supervisor/supd --log-level loud");
	EXPECT(2, T("xml"), "supervisor/supd --log-format xml");
	EXPECT(1, T("/no/such.yaml"), "supervisor/supd -c /no/such.yaml");
	EXPECT(1, T("/no/such.yaml"),
		"supervisor/supd --check -c /no/such.yaml");
}

Test(flags, check_prints_every_problem_with_its_place)
{
	struct gateway_run *g = run_create();

	run_package(g, "fault", "fault");
	free(g->extra);
	g->extra = memory_copy_text("limitz: {}\nlog: {}\n");
	run_plugin(g, "fault", "drain_timeout: soon");
	run_write_config(g);
	EXPECT(1,
		T("supd.yaml:5:1:", "limits", "supd.yaml:6:1:", "supd.yaml:8:"),
		"supervisor/supd --check -c %s/supd.yaml", g->dir);
	run_no_plugins(g);
	g->extra[0] = 0;
	run_plugin(g, "other", "use: not-there, requires: [nobody]");
	run_write_config(g);
	EXPECT(1, T("supd.yaml:", "not-there", "nobody"),
		"supervisor/supd --check -c %s/supd.yaml", g->dir);
	run_no_plugins(g);
	run_fault(g, "fault", "", "");
	run_plugin(g, "fault", "use: fault");
	run_write_config(g);
	EXPECT(0, T(""), "supervisor/supd --check -c %s/supd.yaml", g->dir);
	run_forget(g);
}

Test(flags, log_level_and_format_win_over_the_file)
{
	struct gateway_run *g = run_create();
	static const char *const wrapper[] = {"sh", "-c",
		"exec \"$@\" --log-level info --log-format json", "sh"};
	char *text;

	run_add_hello(g);
	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	run_start(g);
	text = capture_copy(&g->log);
	cr_expect(!strncmp(text, "{\"time\":\"", 9), "%s", text);
	cr_expect(!strstr(text, "\"level\":\"debug\""));
	cr_expect(strstr(text, "\"level\":\"info\""));
	free(text);
	run_end(g);
}

Test(flags, supctl_prints_tables_for_people_and_json_for_programs)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_start(g);
#define CTL "tools/supctl/supctl -s %s "
	EXPECT(0, T("fault", "serving", "ready"), CTL "status", g->control);
	EXPECT(0, T("fault"), CTL "list", g->control);
	EXPECT(0, T("/fault/slow"), CTL "routes", g->control);
	EXPECT(0, T("fault"), CTL "show fault", g->control);
	EXPECT(0, T("staging", "spawning", "checking", "fault"),
		CTL "reload fault", g->control);
	EXPECT(0, T("starting in mode"), CTL "logs fault", g->control);
	EXPECT(5, T("no such plugin"), CTL "reload nope", g->control);
	EXPECT(0, T("reload", "status", "Exit:"), "tools/supctl/supctl --help");
	EXPECT(0, T("--force", "--no-drop"),
		"tools/supctl/supctl reload --help");
	EXPECT(3, T("supd"), "tools/supctl/supctl -s %s/none status", g->dir);
	EXPECT(3, T("supd"),
		"../bin/true; SUPCTL_SOCKET=%s/none "
		"%s/tools/supctl/supctl status",
		g->dir, run_build_root());
	run_fault(g, "fault", "exit_at_start", "");
	EXPECT(1, T("exiting at start", "checking"), CTL "reload fault",
		g->control);
	run_end(g);
}

static void
set_second(struct gateway_run *g, const char *plugins)
{
	plan_put_in(g, "second.yaml", plugins);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
}

static void
read_until(FILE *pipe, const char *text)
{
	char line[512] = "";

	while (!strstr(line, text))
		cr_assert(fgets(line, sizeof(line), pipe), "no '%s'", text);
}

Test(flags, logs_follow_goes_on_when_the_plugin_comes_back)
{
	static const char second[] = "plugins:\n  second: {use: fault, mount: "
				     "/second, namespace: second}\n";
	struct gateway_run *g = run_create();
	char *command;
	FILE *pipe;

	run_add_fault(g);
	plan_put_in(g, "second.yaml", second);
	run_start(g);
	g->may_grow = true;
	command = memory_format("exec %s/tools/supctl/supctl -s %s logs -f "
				"second 2>&1",
		run_build_root(), g->control);
	pipe = popen(command, "r");
	cr_assert(pipe);
	read_until(pipe, "starting in mode");
	for (int i = 0; i < 3; i++) {
		set_second(g, "plugins: {}\n");
		ctl_destroy(ctl_expect(g, 5, "logs", "second", NULL));
		set_second(g, second);
		read_until(pipe, "starting in mode");
		ctl_destroy(ctl_expect(g, 0, "reload", "second", NULL));
		read_until(pipe, "starting in mode");
	}
	run_signal(g, SIGTERM);
	read_until(pipe, "supd has stopped");
	cr_expect_eq(WEXITSTATUS(pclose(pipe)), 0);
	cr_expect_eq(run_wait(g), 0);
	free(command);
	run_forget(g);
}

Test(flags, logs_follow_ends_with_the_client_alone)
{
	static const char *const follow[] = {"logs", "-f", "fault", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	run_start(g);
	c = ctl_begin(g, 0, follow);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	kill(c->pid, SIGTERM);
	ctl_wait(c);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "status", NULL));
	run_end(g);
}
