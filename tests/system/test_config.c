/* The configuration on the built programs: several files, JSON, secrets, and
 * what is shown of it all. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/after.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(config, .fini = run_fini, .timeout = 200);

static void
hup(struct gateway_run *g, const char *outcome)
{
	size_t mark = capture_length(&g->log);

	run_signal(g, SIGHUP);
	run_await_log(g, mark, outcome);
}

static void
write_beside(struct gateway_run *g, const char *name, const char *text)
{
	char *path = memory_format("%s/%s", g->dir, name);
	char *slash = strrchr(path, '/');

	*slash = 0;
	mkdir(path, 0755);
	*slash = '/';
	files_write(path, "%s", text);
	free(path);
}

/* ---- secrets ---- */

/* The name of the file that tells the bench plugin its version is the secret:
 * hush-N has the version N. */
static void
write_secret(struct gateway_run *g, const char *version)
{
	char *secret = memory_format("%s/hush-%s\n", g->dir, version);
	char *name = memory_format("hush-%s", version);

	write_beside(g, name, version);
	write_beside(g, "secrets/place", secret);
	free(secret);
	free(name);
}

static struct gateway_run *
start_with_secrets(void)
{
	struct gateway_run *g = run_create();

	setenv("TEST_SECRET", "hush-variable", 1);
	run_package(g, "bench", "bench");
	run_plugin(g, "bench",
		"env: {WORD: \"<${env:TEST_SECRET}>\"}, settings: "
		"{version_file: \"${file:secrets/place}\", token: hush-literal,"
		" text: \"$${env:TEST_SECRET}\"}");
	write_secret(g, "one");
	run_start(g);
	return g;
}

static void
expect_version(struct gateway_run *g, const char *text)
{
	struct answer a = http_get(g->http, "/hello");

	cr_expect(!strncmp(a.body, text, strlen(text)), "%s", a.body);
	answer_finish(&a);
}

/* Whether the worker has this in its environment. */
static bool
worker_has(struct gateway_run *g, const char *entry)
{
	char *path = memory_format(
		"/proc/%ld/environ", ctl_status_number(g, "bench", "pid"));
	FILE *file = fopen(path, "r");
	char bytes[16384];
	size_t got;

	cr_assert(file);
	got = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	free(path);
	return memmem(bytes, got, entry, strlen(entry) + 1);
}

Test(config, secrets_reach_the_worker_and_a_changed_one_is_a_change)
{
	struct gateway_run *g = start_with_secrets();
	long pid = ctl_status_number(g, "bench", "pid");

	expect_version(g, "v=one;");
	cr_expect(worker_has(g, "WORD=<hush-variable>"));
	hup(g, "configuration applied in");
	cr_expect_eq(ctl_status_number(g, "bench", "pid"), pid);
	write_secret(g, "two");
	hup(g, "configuration applied in");
	expect_version(g, "v=two;");
	run_await_log(
		g, 0, "plugins.bench.settings.version_file changed (reload)");
	cr_expect_not(run_log_has(g, 0, "hush-"));
	run_end(g);
}

Test(config, a_secret_that_is_gone_changes_nothing)
{
	struct gateway_run *g = start_with_secrets();
	char *path = memory_format("%s/secrets/place", g->dir);
	long pid = ctl_status_number(g, "bench", "pid");

	cr_assert(!unlink(path));
	run_announce(g, "supd.yaml:");
	run_announce(g, "configuration not applied");
	hup(g, "configuration not applied");
	run_await_log(g, 0, "/secrets/place' cannot be opened");
	cr_expect_eq(ctl_status_number(g, "bench", "pid"), pid);
	write_secret(g, "one");
	hup(g, "configuration applied in");
	cr_expect_eq(ctl_status_number(g, "bench", "pid"), pid);
	cr_expect_not(run_log_has(g, 0, "hush-"));
	free(path);
	run_end(g);
}

/* ---- what is shown ---- */

Test(config, shows_references_and_masks_and_no_secret)
{
	struct gateway_run *g = start_with_secrets();
	struct ctl *c = ctl_expect(g, 0, "config", NULL);
	char *reference = memory_format("${file:%s/secrets/place}", g->dir);
	char *runtime = memory_format("%s/run", g->dir);

	cr_expect_not(strstr(c->out, "hush-"), "%s", c->out);
	cr_expect_str_eq(
		ctl_text(c, "plugins.bench.settings.version_file"), reference);
	cr_expect_str_eq(ctl_text(c, "plugins.bench.settings.token"), "***");
	cr_expect_str_eq(
		ctl_text(c, "plugins.bench.env.WORD"), "<${env:TEST_SECRET}>");
	cr_expect_str_eq(ctl_text(c, "runtime_dir"), runtime);
	cr_expect_str_eq(ctl_text(c, "limits.head"), "16KiB");
	cr_expect_str_eq(ctl_text(c, "log.level"), "debug");
	cr_expect_str_eq(ctl_text(c, "defaults.probation"), "300ms");
	ctl_destroy(c);
	free(reference);
	free(runtime);
	run_end(g);
}

/* What a command of this build prints, and its exit code. */
static char *
output_of(int *status_out, const char *format, ...)
{
	char *command, *said = memory_alloc(65536);
	va_list list;
	size_t got;
	FILE *pipe;

	va_start(list, format);
	cr_assert(vasprintf(&command, format, list) > 0);
	va_end(list);
	pipe = popen(command, "r");
	cr_assert(pipe);
	got = fread(said, 1, 65535, pipe);
	said[got] = 0;
	*status_out = WEXITSTATUS(pclose(pipe));
	free(command);
	return said;
}

Test(config, shown_as_yaml_is_the_same_configuration)
{
	struct gateway_run *g = run_create();
	int status;
	char *yaml, *said;
	size_t mark;

	run_add_fault(g);
	run_add_hello(g);
	free(g->extra);
	g->extra =
		memory_copy_text("admin: {peers: [{uid: root, role: admin}]}\n"
				 "limits: {headers: 7, idle_timeout: 90s}\n");
	run_plugin(g, "odd",
		"use: fault, mount: /odd, namespace: odd, hold_timeout: 0, "
		"settings: {mode: \"true\", n: 1.5, l: [a, {b: \"# \\e[\"}]}");
	run_start(g);
	yaml = output_of(&status, "%s/tools/supctl/supctl -s %s config",
		run_build_root(), g->control);
	cr_expect_eq(status, 0);
	cr_expect(strstr(yaml, "\n  idle_timeout: 90s\n"), "%s", yaml);
	write_beside(g, "supd.yaml", yaml);
	said = output_of(&status, "%s/supervisor/supd --check -c %s/supd.yaml",
		run_build_root(), g->dir);
	cr_expect_eq(status, 0);
	cr_expect_str_eq(said, "no errors\n", "%s%s", yaml, said);
	mark = capture_length(&g->log);
	hup(g, "configuration applied in");
	cr_expect_not(run_log_has(g, mark, "(live)"));
	cr_expect_not(run_log_has(g, mark, "(reload)"));
	cr_expect_eq(ctl_status_number(g, "odd", "generation"), 1);
	free(said);
	free(yaml);
	run_end(g);
}

/* ---- files ---- */

Test(config, conf_d_adds_plugins_and_keys_at_start_and_at_hup)
{
	struct gateway_run *g = run_create();
	struct answer a;

	run_add_fault(g);
	write_beside(g, "conf.d/10.yaml",
		"plugins:\n  ten: {use: fault, mount: /ten, namespace: ten}\n");
	write_beside(g, "conf.d/20.yml", "nonsense: [\n");
	run_start(g);
	run_await_log(g, 0, "conf.d/20.yml: is not read");
	ctl_await_state(g, "ten", "serving");
	cr_expect_eq(http_status(g->http, "/ten/fault"), 200);
	g->may_grow = true;
	write_beside(g, "conf.d/20.yaml",
		"{\"plugins\": {\"twenty\": {\"use\": \"fault\", \"mount\": "
		"\"/twenty\", \"namespace\": \"twenty\", \"settings\": "
		"{\"mode\": \"\\ud83d\\ude00\"}}}}\n");
	hup(g, "configuration applied in");
	a = http_get(g->http, "/twenty/fault");
	cr_expect(
		strstr(a.body, "\"mode\":\"\xf0\x9f\x98\x80\""), "%s", a.body);
	answer_finish(&a);
	cr_expect_eq(ctl_status_number(g, "ten", "generation"), 1);
	run_announce(g, "conf.d/30.yaml:1:11: 'ten' is set already in ");
	run_announce(g, "configuration not applied");
	write_beside(g, "conf.d/30.yaml", "plugins: {ten: {}}\n");
	hup(g, "configuration not applied");
	cr_expect_eq(http_status(g->http, "/ten/fault"), 200);
	run_end(g);
}

/* supd --check of a file beside the run's: its exit code and what it said. */
static char *
check(struct gateway_run *g, const char *name, int *status_out)
{
	return output_of(status_out,
		"cd %s && %s/supervisor/supd --check -c %s 2>&1", g->dir,
		run_build_root(), name);
}

Test(config, check_reads_json_and_names_places_of_every_file)
{
	struct gateway_run *g = run_create();
	int status;
	char *said, *expected;

	run_package(g, "hello", "hello");
	write_beside(g, "x.json",
		"{\"listen\": [], \"plugin_dirs\": [\"packages\"], "
		"\"plugins\": {\"hello\": {}}}\n");
	said = check(g, "x.json", &status);
	cr_expect_eq(status, 0, "%s", said);
	cr_expect_str_eq(said, "no errors\n");
	free(said);
	write_beside(g, "x.json",
		"{\"listen\": [], \"plugin_dirs\": [\"packages\"],\n "
		"\"log\": {\"level\": "
		"1}}\n");
	write_beside(g, "conf.d/1.yaml",
		"plugins:\n  hello: {requires: [hello, nobody]}\n"
		"  gone: {settings: {k: \"${env:TEST_NOT_THERE}\"}}\n");
	said = check(g, "x.json", &status);
	cr_expect_eq(status, 1);
	expected = memory_format(
		"x.json:2:19: 'level' must be one of error, warn, info, debug\n"
		"conf.d/1.yaml:2:22: 'hello' requires itself\n"
		"conf.d/1.yaml:2:29: 'hello' requires 'nobody', which is not "
		"among the plugins\n"
		"conf.d/1.yaml:3:3: 'gone': package 'gone' not found in "
		"%s/packages\n"
		"conf.d/1.yaml:3:24: 'k': environment variable "
		"'TEST_NOT_THERE' is not set\n",
		g->dir);
	cr_expect_str_eq(said, expected, "%s", said);
	free(expected);
	free(said);
	run_forget(g);
}
