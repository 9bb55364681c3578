/* The keys of supd.yaml on the built programs: each test fails if supd reads
 * its key and then forgets it. Keys that other files test (those of crashes,
 * of health, of what is held) are not repeated here. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/after.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/notify.h"
#include "tests/system/harness/run.h"

TestSuite(keys, .fini = run_fini, .timeout = 200);

static struct gateway_run *
start_fault(const char *defaults, const char *extra)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_defaults(g, defaults);
	free(g->extra);
	g->extra = memory_copy_text(extra);
	run_start(g);
	return g;
}

/* Another `defaults` or more lines, put in force without a new worker. */
static void
change_live(struct gateway_run *g, const char *defaults, const char *extra)
{
	long pid = ctl_status_number(g, "fault", "pid");
	size_t mark = capture_length(&g->log);

	run_defaults(g, defaults);
	free(g->extra);
	g->extra = memory_copy_text(extra);
	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration applied");
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
}

static void
ask(struct gateway_run *g, struct client *c, const char *path)
{
	cr_assert(client_open(c, g->http));
	cr_assert(client_say(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path));
}

static int
status_of(struct client *c)
{
	struct answer a = {0};
	int status;

	cr_assert(client_read(c, &a, false, HTTP_DEADLINE_MS));
	status = a.status;
	answer_finish(&a);
	client_close(c);
	return status;
}

/* ---- limits ---- */

Test(keys, write_timeout_gives_up_a_client_that_takes_nothing)
{
	struct gateway_run *g = start_fault("", "limits: {write_timeout: "
						"300ms}\n");
	struct client c;

	ask(g, &c, "/fault/stream?65536");
	ctl_await_number(g, "fault", "inFlight", 1);
	ctl_await_number(g, "fault", "inFlight", 0);
	client_close(&c);
	run_end(g);
}

Test(keys, limits_of_clients_change_without_a_restart)
{
	struct gateway_run *g = start_fault("", "");
	char *body = memory_alloc(5000);
	struct answer a;

	memset(body, 'b', 4999);
	a = http_post(g->http, "/fault/echo", body);
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	change_live(g, "", "limits: {body: 4KiB}\n");
	a = http_post(g->http, "/fault/echo", body);
	cr_expect_eq(a.status, 413);
	answer_finish(&a);
	free(body);
	run_end(g);
}

/* ---- defaults ---- */

Test(keys, hold_bytes_bounds_what_is_held)
{
	static const char *const restart[] = {"restart", "fault", NULL};
	struct gateway_run *g =
		start_fault("hold_bytes: 4KiB, probation: 100ms", "");
	size_t mark = capture_length(&g->log);
	char *body = memory_alloc(8000);
	struct client waits;
	struct ctl *c;
	struct answer a;

	memset(body, 'b', 7999);
	run_fault(g, "fault", "slow_start", "start_ms: 1500");
	c = ctl_begin(g, 0, restart);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	ask(g, &waits, "/fault");
	ctl_await_number(g, "fault", "held", 1);
	a = http_post(g->http, "/fault/echo", body);
	cr_expect_eq(a.status, 503, "%d", a.status);
	cr_expect(answer_header(&a, "Retry-After"));
	answer_finish(&a);
	cr_expect_eq(status_of(&waits), 200);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0);
	ctl_destroy(c);
	free(body);
	run_end(g);
}

Test(keys, stream_drain_ends_a_stream_of_the_old_worker)
{
	struct gateway_run *g =
		start_fault("stream_drain: 300ms, drain_timeout: 100ms", "");
	struct client reader;
	struct ctl *c;

	ask(g, &reader, "/fault/stream?65536"); /* and never reads */
	ctl_await_number(g, "fault", "inFlight", 1);
	c = ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL);
	cr_expect_eq(ctl_number(c, "aborted"), 1);
	cr_expect_lt(c->took_ms, 20000);
	ctl_destroy(c);
	client_close(&reader);
	run_end(g);
}

Test(keys, max_retiring_ends_the_oldest_of_the_old_workers)
{
	struct gateway_run *g =
		start_fault("max_retiring: 1, probation: 10m", "");
	struct client slow;
	struct ctl *c;

	ask(g, &slow, "/fault/slow?60000");
	ctl_await_number(g, "fault", "inFlight", 1);
	for (int i = 0; i < 2; i++)
		ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_neq(status_of(&slow), 200);
	ctl_await_number(g, "fault", "inFlight", 0);
	c = ctl_expect(g, 0, "show", "fault", NULL);
	cr_expect_leq(json_array_size(ctl_at(c, "workers")), 3, "%s", c->out);
	ctl_destroy(c);
	g->may_grow = true;
	run_end(g);
}

Test(keys, limits_of_plugins_change_in_the_worker_that_serves)
{
	struct gateway_run *g = start_fault("", "");
	struct client first, second;

	change_live(g, "request_timeout: 300ms", "");
	cr_expect_eq(http_status(g->http, "/fault/slow?1000"), 504);
	ctl_await_number(g, "fault", "inFlight", 0);
	change_live(g, "max_in_flight: 1", "");
	ask(g, &first, "/fault/slow?60000");
	ctl_await_number(g, "fault", "inFlight", 1);
	ask(g, &second, "/fault");
	ctl_await_number(g, "fault", "held", 1);
	change_live(g, "max_in_flight: 2, drain_timeout: 200ms", "");
	cr_expect_eq(status_of(&second), 200);
	ctl_destroy(
		ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL));
	cr_expect_neq(status_of(&first), 200);
	run_end(g);
}

static char *
digest_after_reload(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "reload", "fault", NULL);
	char *digest = memory_copy_text(ctl_text(c, "digest"));

	ctl_destroy(c);
	return digest;
}

/* What is shared is linked: a change is seen by who runs, and in no digest. */
Test(keys, share_links_a_folder_instead_of_staging_it)
{
	struct gateway_run *g = run_create();
	char *manifest, *folder, *file, *stage, *seen;
	char *before, *after;
	struct ctl *show;

	run_add_fault(g);
	manifest = run_package_file(g, "fault", "plugin.yaml");
	folder = run_package_file(g, "fault", "lib");
	file = run_package_file(g, "fault", "lib/module");
	files_write(manifest, "name: fault\nversion: 1.0.0\nrun: fault.so\n"
			      "share: [lib]\n");
	cr_assert_eq(mkdir(folder, 0755), 0);
	files_write(file, "one");
	run_start(g);
	before = digest_after_reload(g);
	show = ctl_expect(g, 0, "show", "fault", NULL);
	stage = memory_format("%s/lib/module", ctl_text(show, "stage"));
	files_write(file, "two");
	seen = files_read(stage);
	cr_assert(seen);
	cr_expect_str_eq(seen, "two");
	after = digest_after_reload(g);
	cr_expect_str_eq(before, after);
	free(after);
	/* Staged, the same change is another digest. */
	files_write(manifest, "name: fault\nversion: 1.0.0\nrun: fault.so\n");
	free(before);
	before = digest_after_reload(g);
	files_write(file, "three");
	after = digest_after_reload(g);
	cr_expect_str_neq(before, after);
	ctl_destroy(show);
	free(before);
	free(after);
	free(seen);
	free(stage);
	free(file);
	free(folder);
	free(manifest);
	run_end(g);
}

/* Three early deaths, but never within 250 ms: the pauses grow beyond that. */
Test(keys, crash_within_forgets_early_deaths_that_are_long_ago)
{
	struct gateway_run *g = run_create();
	char *state;

	run_add_fault(g);
	run_fault(g, "fault", "", "crash_after_ms: 20");
	run_defaults(g, "crash: {early_max: 3, within: 250ms}");
	run_spawn(g);
	run_await_log(g, 0, "plugin=fault gen=7 ");
	g->may_grow = true; /* it never came to rest to be counted */
	state = ctl_status_text(g, "fault", "state");
	cr_expect_str_neq(state, "failed");
	free(state);
	run_end(g);
}

Test(keys, ping_timeout_changes_in_the_worker_that_serves)
{
	struct gateway_run *g = start_fault("ping_timeout: 0s", "");
	struct answer a;

	change_live(g, "ping_timeout: 300ms", "");
	run_announce(g, "did not answer ping");
	a = http_get(g->http, "/fault/hang?60000");
	cr_expect_eq(a.status, 502, "%d", a.status);
	answer_finish(&a);
	ctl_await_state(g, "fault", "serving");
	run_end(g);
}

Test(keys, stop_timeout_of_a_plugin_is_its_own)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_package(g, "fault", "fault");
	run_fault(g, "fault", "ignore_term", "");
	run_defaults(g, "stop_timeout: 1m");
	run_plugin(g, "fault", "stop_timeout: 200ms");
	run_start(g);
	c = ctl_expect(g, 0, "stop", "fault", NULL);
	cr_expect_lt(c->took_ms, 20000);
	ctl_destroy(c);
	g->may_grow = true;
	run_end(g);
}

/* ---- plugins, admin, folders ---- */

Test(keys, what_is_not_required_does_not_keep_it_from_being_ready)
{
	struct gateway_run *g = run_create();
	char *more;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_fault(g, "fault", "never_ready", "");
	more = memory_format("%s  fault: {}\n", g->plugins);
	free(g->plugins);
	g->plugins = more;
	run_start(g);
	cr_expect_eq(http_status(g->http, "/readyz"), 200);
	g->may_grow = true;
	run_end(g);
}

Test(keys, admin_http_false_switches_the_api_off)
{
	struct gateway_run *g = start_fault("", "admin: {http: false}\n");

	cr_expect_eq(http_status(g->http, "/api/plugins"), 404);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	change_live(g, "", "admin: {http: true}\n");
	cr_expect_eq(http_status(g->http, "/api/plugins"), 401);
	run_end(g);
}

Test(keys, the_folders_may_be_named_in_the_file_alone)
{
	static const char *const wrapper[] = {
		"sh", "-c", "exec \"$0\" \"$1\" \"$2\"", NULL};
	struct gateway_run *g = run_create();
	char *state;

	run_add_hello(g);
	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	free(g->extra);
	g->extra = memory_copy_text("runtime_dir: run\nstate_dir: state\n");
	run_start(g);
	state = memory_format("%s/state", g->dir);
	cr_expect_gt(files_count(state), 0);
	free(state);
	ctl_destroy(ctl_expect(g, 0, "status", NULL));
	run_end(g);
}

/* ---- log ---- */

static void
check_json_lines(const char *text)
{
	const char *line = text, *end;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		json_t *o = json_loadb(line, (size_t)(end - line), 0, NULL);

		cr_expect(o && json_object_get(o, "message"), "%.*s",
			(int)(end - line), line);
		json_decref(o);
	}
}

Test(keys, every_line_of_a_json_log_is_json)
{
	static const char *const wrapper[] = {"sh", "-c",
		"exec \"$0\" \"$@\" --log-format json --log-level debug", NULL};
	struct gateway_run *g = run_create();
	char *text;

	run_add_hello(g);
	run_add_fault(g);
	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	run_spawn(g);
	run_await_log(g, 0, "\"ready in ");
	g->fds_at_start = after_count_fds(g->pid);
	ctl_destroy(ctl_expect(g, 0, "reload", "--all", NULL));
	text = capture_copy(&g->log);
	check_json_lines(text);
	free(text);
	run_end(g);
}

Test(keys, a_bad_file_is_told_in_the_format_of_the_log)
{
	static const char *const wrapper[] = {
		"sh", "-c", "exec \"$0\" \"$@\" --log-format json", NULL};
	struct gateway_run *g = run_create();
	char *text;

	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	free(g->extra);
	g->extra = memory_copy_text("no_such_key: 1\n");
	run_announce(g, "no_such_key");
	run_spawn(g);
	cr_expect_eq(run_wait(g), 1);
	run_await_log(g, 0, "supd.yaml:5:1: unknown key 'no_such_key'");
	text = capture_copy(&g->log);
	check_json_lines(text);
	free(text);
	run_forget(g);
}

Test(keys, the_journal_gets_priorities)
{
	static const char *const wrapper[] = {"sh", "-c",
		"SUPD_JOURNAL_SOCKET=/nowhere "
		"JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec \"$0\" "
		"\"$@\"",
		NULL};
	struct gateway_run *g = run_create();

	run_add_hello(g);
	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	run_start(g);
	cr_expect(run_log_has(g, 0, "<6>info ready in "));
	cr_expect(run_log_has(g, 0, "\n<7>debug "));
	run_end(g);
}

Test(keys, usr1_opens_the_log_again_by_its_name)
{
	static const char *const wrapper[] = {
		"sh", "-c", "exec \"$0\" \"$@\" 2>\"${2%/*}/log\"", NULL};
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);
	char *log = memory_format("%s/log", g->dir);
	char *moved = memory_format("%s/log.1", g->dir);
	char *text;

	run_add_hello(g);
	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	run_spawn(g);
	notify_await(fd, "READY=1", NULL);
	cr_assert(!rename(log, moved));
	run_signal(g, SIGUSR1);
	/* A signal is taken before what comes after it. */
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	text = files_read(log);
	cr_assert(text);
	cr_expect(strstr(text, "log reopened") && strstr(text, " stopped"));
	free(text);
	text = files_read(moved);
	cr_expect(strstr(text, " ready in ") && !strstr(text, " stopped"));
	free(text);
	free(log);
	free(moved);
	close(fd);
	run_forget(g);
}

/* ---- the service manager ---- */

Test(keys, a_hup_before_it_is_ready_does_not_say_that_it_is)
{
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);

	run_add_fault(g);
	run_fault(g, "fault", "never_ready", "");
	run_spawn(g);
	run_await_log(g, 0, "with 1 plugin,");
	run_announce(g, "supd.yaml:");
	run_announce(g, "configuration not applied");
	free(g->extra);
	g->extra = memory_copy_text("no_such_key: 1\n");
	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, 0, "configuration not applied");
	run_signal(g, SIGTERM);
	notify_await(fd, "STOPPING=1", "READY=1");
	cr_expect_eq(run_wait(g), 0);
	close(fd);
	run_forget(g);
}

Test(keys, the_watchdog_is_fed)
{
	static const char *const wrapper[] = {
		"env", "WATCHDOG_USEC=200000", NULL};
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);

	run_add_hello(g);
	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	run_start(g);
	for (int i = 0; i < 3; i++)
		notify_await(fd, "WATCHDOG=1", NULL);
	close(fd);
	run_end(g);
}
