/* plan, apply and scan on the built program: what each change costs, that a
 * plan does nothing, and that the verdict of an apply is true. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(apply, .fini = run_fini, .timeout = 200);

/* More lines of supd.yaml; the caller's text is copied. */
static void
extra(struct gateway_run *g, const char *text)
{
	free(g->extra);
	g->extra = memory_copy_text(text);
}

static void
put_in(struct gateway_run *g, const char *name, const char *text)
{
	char *folder = memory_format("%s/conf.d", g->dir);
	char *path = memory_format("%s/%s", folder, name);

	mkdir(folder, 0700);
	files_write(path, "%s", text);
	free(path);
	free(folder);
}

/* The row of a list whose key has that value; NULL: none. */
static json_t *
row_of(const struct ctl *c, const char *list, const char *key,
	const char *value)
{
	json_t *row;
	size_t i;

	json_array_foreach(ctl_at(c, list), i, row)
	{
		const char *text = json_string_value(json_object_get(row, key));

		if (text && !strcmp(text, value))
			return row;
	}
	return NULL;
}

static const char *
text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

static void
expect_step(const struct ctl *c, const char *id, const char *action,
	const char *reason)
{
	json_t *row = row_of(c, "plugins", "pluginId", id), *word;
	bool found = !reason;
	size_t i;

	cr_assert(row, "nothing is planned for %s: %s", id, c->out);
	cr_expect_str_eq(text_of(row, "action"), action);
	json_array_foreach(json_object_get(row, "reasons"), i, word) found =
		found || !strcmp(json_string_value(word), reason);
	cr_expect(found, "%s is not for '%s': %s", id, reason, c->out);
}

static void
expect_change(const struct ctl *c, const char *path, const char *kind,
	const char *class)
{
	json_t *row = row_of(c, "changes", "path", path);

	cr_assert(row, "%s is no change: %s", path, c->out);
	cr_expect_str_eq(text_of(row, "kind"), kind);
	cr_expect_str_eq(text_of(row, "class"), class);
}

static long
table_generation(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "routes", NULL);
	long number = ctl_number(c, "tableGeneration");

	ctl_destroy(c);
	return number;
}

static unsigned
free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(!bind(fd, (void *)&address, sizeof(address)));
	cr_assert(!getsockname(fd, (void *)&address, &length));
	close(fd);
	return ntohs(address.sin_port);
}

/* ---- plan ---- */

Test(apply, a_plan_says_what_apply_does_and_does_nothing)
{
	struct gateway_run *g = run_create();
	char *marker = memory_format("%s/marker", g->dir), *before, *after;
	struct ctl *c;
	long hello, one, rows;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_plugin(g, "one",
		"use: fault, mount: /one, namespace: one, settings: {marker: "
		"\"%s\"}",
		marker);
	run_plugin(g, "gone", "use: fault, mount: /gone, namespace: gone");
	run_start(g);
	hello = ctl_status_number(g, "hello", "pid");
	one = ctl_status_number(g, "one", "pid");
	rows = table_generation(g);
	before = files_read(marker);

	run_no_plugins(g);
	run_plugin(g, "hello", "enabled: true, hold_max: 7");
	run_plugin(g, "one",
		"use: fault, mount: /one, namespace: one, settings: {marker: "
		"\"%s\", mode: other}",
		marker);
	run_plugin(g, "fresh",
		"use: fault, mount: /fresh, namespace: fresh, settings: "
		"{marker: \"%s\"}",
		marker);
	extra(g, "limits: {headers: 50}\n");
	run_write_config(g);
	c = ctl_expect(g, 0, "plan", NULL);
	expect_step(c, "hello", "live", "hold_max");
	expect_step(c, "one", "reload", "settings");
	expect_step(c, "fresh", "start", "added");
	expect_step(c, "gone", "stop", "removed");
	expect_change(c, "plugins.one.settings.mode", "added", "reload");
	expect_change(c, "plugins.hello.hold_max", "changed", "live");
	expect_change(c, "plugins.fresh", "added", "reload");
	expect_change(c, "plugins.gone", "removed", "reload");
	expect_change(c, "limits.headers", "changed", "live");
	cr_expect(!strstr(c->out, "other"), "values are not told: %s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "list", NULL));
	after = files_read(marker);
	cr_expect_str_eq(before, after, "no plugin code ran");
	cr_expect_eq(table_generation(g), rows);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), hello);
	cr_expect_eq(ctl_status_number(g, "one", "pid"), one);
	cr_expect_eq(http_status(g->http, "/gone/fault"), 200);

	g->may_grow = true;
	c = ctl_expect(g, 0, "apply", NULL);
	expect_step(c, "one", "reload", "settings");
	expect_step(c, "gone", "stop", "removed");
	cr_expect(json_is_true(ctl_at(c, "success")));
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 3);
	cr_expect_str_eq(
		text_of(row_of(c, "results", "pluginId", "one"), "trigger"),
		"supctl");
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), hello);
	cr_expect_eq(ctl_status_number(g, "one", "generation"), 2);
	cr_expect_eq(http_status(g->http, "/gone/fault"), 404);
	cr_expect_eq(http_status(g->http, "/fresh/fault"), 200);
	c = ctl_expect(g, 0, "plan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "changes")), 0, "%s", c->out);
	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 0, "%s", c->out);
	ctl_destroy(c);
	free(before);
	free(after);
	free(marker);
	run_end(g);
}

Test(apply, only_what_differs_is_staged_and_a_touch_is_no_reload)
{
	struct gateway_run *g = run_create();
	char *library, *content;
	struct ctl *c;
	size_t mark;
	long pid;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	library = run_package_file(g, "hello", "plugin.yaml");
	content = files_read(library);
	files_overwrite(library, content, strlen(content));
	c = ctl_expect(g, 0, "plan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 0, "%s", c->out);
	ctl_destroy(c);
	mark = capture_length(&g->log);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect(!run_log_has(g, mark, "queued->staging"),
		"what has not changed is not staged");
	run_fault(g, "fault", "odd", "");
	c = ctl_expect(g, 0, "plan", NULL);
	expect_step(c, "fault", "reload", "digest");
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	free(content);
	free(library);
	run_end(g);
}

/* ---- the verdict ---- */

Test(apply, a_broken_file_changes_nothing_and_is_told_by_its_place)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long pid;

	run_add_hello(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	run_announce(g, "supd.yaml:");
	run_announce(g, "configuration not applied");
	run_no_plugins(g);
	run_plugin(g, "hello", "no_such_key: 1");
	extra(g, "limits: {headers: many}\n");
	run_write_config(g);
	c = ctl_expect(g, 1, "plan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "problems")), 2, "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(json_is_false(ctl_at(c, "success")));
	cr_expect_eq(ctl_number(c, "problems.0.line"), 5, "%s", c->out);
	cr_expect_eq(ctl_number(c, "problems.0.column"), 19, "%s", c->out);
	cr_expect(strstr(ctl_text(c, "problems.0.file"), "supd.yaml"));
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0);
	ctl_destroy(c);
	c = ctl_expect(g, 1, "scan", NULL);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	run_end(g);
}

Test(apply,
	a_failing_plugin_leaves_the_others_applied_and_the_exit_code_says_so)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long pid;

	run_add_fault(g);
	run_package(g, "fault", "two");
	run_fault(g, "two", "", "prefix: /two");
	run_plugin(g, "two", "use: two, namespace: two");
	run_start(g);
	pid = ctl_status_number(g, "two", "pid");
	run_fault(g, "fault", "fine", "");
	run_fault(g, "two", "exit_at_start", "prefix: /two");
	c = ctl_expect(g, 8, "apply", NULL);
	cr_expect(json_is_false(ctl_at(c, "success")));
	cr_expect(json_is_true(json_object_get(
		row_of(c, "results", "pluginId", "fault"), "success")));
	cr_expect(json_is_false(json_object_get(
		row_of(c, "results", "pluginId", "two"), "success")));
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	cr_expect_eq(ctl_status_number(g, "two", "pid"), pid);
	/* It still differs: the only one, and it fails again. */
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	run_fault(g, "two", "good", "prefix: /two");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_status(g->http, "/two/fault"), 200);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	run_end(g);
}

Test(apply,
	what_only_a_restart_changes_is_told_each_time_and_the_rest_is_applied)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	run_start(g);
	extra(g, "state_dir: /nowhere/else\n");
	run_write_config(g);
	c = ctl_expect(g, 0, "plan", NULL);
	expect_change(c, "state_dir", "changed", "restart");
	ctl_destroy(c);
	for (int i = 0; i < 2; i++) {
		c = ctl_expect(g, 1, "apply", NULL);
		cr_expect_str_eq(ctl_text(c, "problems.0.path"), "state_dir");
		ctl_destroy(c);
	}
	extra(g, "state_dir: /nowhere/else\nlimits: {headers: 50}\n");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 1, "apply", "--atomic", NULL));
	ctl_destroy(ctl_expect(g, 8, "apply", NULL));
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	run_announce(g, "state_dir takes effect only");
	run_end(g);
}

Test(apply, the_verdict_waits_for_a_plugin_that_was_busy)
{
	static const char *const args[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c, *reload;
	struct answer a;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 700");
	mark = capture_length(&g->log);
	reload = ctl_begin(g, 0, args);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	run_fault(g, "fault", "after", "");
	c = ctl_expect(g, 6, "apply", "--atomic", NULL);
	cr_expect(strstr(c->out, "already in progress"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "apply", NULL);
	expect_step(c, "fault", "reload", "busy");
	cr_expect_eq(ctl_number(c, "results.0.generation"), 3, "%s", c->out);
	ctl_destroy(c);
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"after\""), "%s", a.body);
	answer_finish(&a);
	ctl_wait(reload);
	cr_expect_eq(reload->exit_code, 0);
	ctl_destroy(reload);
	run_announce(g, "configuration not applied");
	run_end(g);
}

Test(apply, what_comes_during_a_pass_shares_the_next_one)
{
	static const char *const args[] = {"apply", NULL};
	struct gateway_run *g = run_create();
	struct ctl *calls[8];
	struct answer a;
	unsigned passes;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	mark = capture_length(&g->log);
	run_fault(g, "fault", "slow_start", "start_ms: 500");
	calls[0] = ctl_begin(g, 0, args);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	run_fault(g, "fault", "last", "");
	for (int i = 1; i < 8; i++)
		calls[i] = ctl_begin(g, 0, args);
	for (int i = 0; i < 8; i++) {
		ctl_wait(calls[i]);
		cr_expect_eq(calls[i]->exit_code, 0, "%s", calls[i]->err);
		ctl_destroy(calls[i]);
	}
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"last\""), "%s", a.body);
	answer_finish(&a);
	passes = capture_count(&g->log, mark, "configuration applied in");
	/* The eight were begun before the first pass was over. */
	cr_expect(passes <= 3, "%u passes", passes);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 3);
	run_end(g);
}

Test(apply, what_is_added_waits_for_what_it_requires)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	size_t mark;
	char *log;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_start(g);
	g->may_grow = true;
	mark = capture_length(&g->log);
	run_plugin(g, "user",
		"use: fault, mount: /u, namespace: u, requires: [base]");
	run_plugin(g, "base",
		"use: fault, mount: /b, namespace: b, settings: {mode: "
		"slow_start, start_ms: 300}");
	run_write_config(g);
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 2, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "results.0.pluginId"), "base");
	cr_expect_str_eq(ctl_text(c, "results.1.trigger"), "supctl");
	ctl_destroy(c);
	log = capture_copy(&g->log);
	cr_expect(strstr(log + mark, "plugin=base gen=1 pid="));
	free(log);
	cr_expect_eq(http_status(g->http, "/u/fault"), 200);
	run_end(g);
}

/* Its environment without what names the plugin itself. */
static char *
environment_of(struct gateway_run *g, const char *path)
{
	struct answer a = http_get(g->http, path);
	char *kept = memory_copy_text(""), *rest = a.body, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *longer;

		if (!strncmp(line, "SUPD_", 5))
			line[strcspn(line, "=")] = '\0';
		longer = memory_format("%s%s\n", kept, line);
		free(kept);
		kept = longer;
	}
	answer_finish(&a);
	return kept;
}

Test(apply, what_is_added_gets_what_was_there_at_the_start)
{
	struct gateway_run *g = run_create();
	char *first, *late;
	struct answer a;
	struct ctl *c;

	run_package(g, "fault", "fault");
	run_plugin(g, "first",
		"use: fault, mount: /first, namespace: first, env: {TZ: UTC}, "
		"settings: {mode: m}");
	run_start(g);
	g->may_grow = true;
	run_plugin(g, "late",
		"use: fault, mount: /late, namespace: late, env: {TZ: UTC}, "
		"settings: {mode: m}");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	first = environment_of(g, "/first/fault/env");
	late = environment_of(g, "/late/fault/env");
	cr_expect(strstr(first, "TZ=UTC"), "%s", first);
	cr_expect_str_eq(first, late);
	free(first);
	free(late);
	a = http_get(g->http, "/late/fault");
	cr_expect(strstr(a.body, "\"mode\":\"m\""), "%s", a.body);
	answer_finish(&a);
	c = ctl_expect(g, 0, "logs", "late", NULL);
	cr_expect(strstr(c->out, "starting in mode 'm'"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* ---- all or nothing ---- */

Test(apply, atomic_is_all_or_nothing)
{
	struct gateway_run *g = run_create();
	char other[80];
	struct ctl *c;
	long fault, rows;

	run_add_hello(g);
	run_add_fault(g);
	run_package(g, "fault", "two");
	run_fault(g, "two", "exit_at_start", "prefix: /two");
	run_start(g);
	fault = ctl_status_number(g, "fault", "pid");
	rows = table_generation(g);
	run_announce(g, "configuration not applied");
	g->may_grow = true;
	snprintf(other, sizeof(other), "%s/other.sock", g->dir);
	run_fault(g, "fault", "changed", "");
	run_no_plugins(g);
	run_plugin(g, "fault", "use: fault");
	run_plugin(g, "two", "use: two, namespace: two");
	snprintf(g->http, sizeof(g->http), "%s", other);
	run_write_config(g);
	snprintf(g->http, sizeof(g->http), "%s/http.sock", g->dir);

	c = ctl_expect(g, 1, "apply", "--atomic", NULL);
	cr_expect(json_is_false(ctl_at(c, "success")));
	cr_expect(strstr(ctl_text(c, "error"), "two"), "%s", c->out);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 2, "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), fault);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	cr_expect_eq(table_generation(g), rows);
	cr_expect(!files_exist(other), "the new listener is gone");
	c = ctl_expect(g, 5, "show", "two", NULL);
	ctl_destroy(c);
	/* What was to come does not come by a restart or a reload. */
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));

	run_fault(g, "two", "good", "prefix: /two");
	c = ctl_expect(g, 0, "apply", "--atomic", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 3, "%s", c->out);
	ctl_destroy(c);
	snprintf(g->http, sizeof(g->http), "%s", other);
	cr_expect_eq(http_status(g->http, "/two/fault"), 200);
	cr_expect_eq(http_status(g->http, "/hello"), 404);
	cr_expect_neq(ctl_status_number(g, "fault", "pid"), fault);
	run_end(g);
}

Test(apply, atomic_opens_no_listener_that_another_has)
{
	struct gateway_run *g = run_create();
	struct sockaddr_in address = {.sin_family = AF_INET};
	char text[64], *own;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned port = free_port();
	struct ctl *c;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)port);
	cr_assert(!bind(fd, (void *)&address, sizeof(address)));
	cr_assert(!listen(fd, 1));
	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	own = memory_copy_text(g->http);
	run_fault(g, "fault", "changed", "");
	snprintf(g->http, sizeof(g->http), "127.0.0.1:%u", port);
	run_write_config(g);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	run_announce(g, "configuration not applied");
	for (int i = 0; i < 2; i++) {
		c = i ? ctl_expect(g, 1, "apply", "--atomic", NULL)
		      : ctl_expect(g, 1, "apply", NULL);
		cr_expect(strstr(ctl_text(c, "error"), text), "%s", c->out);
		ctl_destroy(c);
	}
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	cr_expect_eq(http_status(own, "/hello"), 200);
	close(fd);
	free(own);
	run_end(g);
}

/* ---- what takes effect live ---- */

Test(apply, listeners_come_go_and_move_and_connections_stay)
{
	struct gateway_run *g = run_create();
	unsigned port = free_port();
	char first[96], second[80];
	struct client c;
	struct answer a;
	struct ctl *plan;

	run_add_hello(g);
	snprintf(g->http, sizeof(g->http), "127.0.0.1:%u", port);
	snprintf(first, sizeof(first), "%s", g->http);
	run_start(g);
	cr_assert(client_open(&c, first));
	cr_assert(client_get(&c, "/hello", &a));
	answer_finish(&a);
	/* One more; the same port on every address; then elsewhere. */
	snprintf(second, sizeof(second), "%s/second.sock", g->dir);
	g->may_grow = true;
	put_in(g, "listen.yaml", "limits: {headers: 60}\n");
	snprintf(g->http, sizeof(g->http), "0.0.0.0:%u", port);
	run_write_config(g);
	plan = ctl_expect(g, 0, "plan", NULL);
	cr_expect(row_of(plan, "changes", "class", "rebind"), "%s", plan->out);
	ctl_destroy(plan);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_status(first, "/hello"), 200);
	cr_expect(client_get(&c, "/hello", &a), "the connection lives on");
	answer_finish(&a);
	snprintf(g->http, sizeof(g->http), "%s", second);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_status(second, "/hello"), 200);
	cr_expect(client_get(&c, "/hello", &a), "the connection lives on");
	answer_finish(&a);
	client_close(&c);
	cr_expect(!client_open(&c, first), "nobody listens there any more");
	run_end(g);
}

static int
status_with_token(struct gateway_run *g, const char *method, const char *path,
	const char *token)
{
	struct client c;
	struct answer a;
	int status;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"%s %s HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
		"Content-Length: 0\r\n\r\n",
		method, path, token));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	status = a.status;
	answer_finish(&a);
	client_close(&c);
	return status;
}

/* SHA-256 of "one" and of "two". */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define TWO "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"

Test(apply, limits_tokens_and_log_follow_without_a_reload)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;
	struct ctl *ctl;
	size_t mark;
	long pid;

	run_add_hello(g);
	extra(g, "admin: {tokens: [{name: one, role: operator, sha256: \"" ONE
		 "\"}]}\n");
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	cr_assert(client_open(&c, g->http));
	cr_assert(client_get(&c, "/hello", &a));
	answer_finish(&a);
	cr_expect_eq(
		status_with_token(g, "GET", "/api/config/plan", "one"), 200);
	cr_expect_eq(
		status_with_token(g, "GET", "/api/config/plan", "two"), 401);
	cr_expect_eq(
		status_with_token(g, "POST", "/api/config/apply", "one"), 200);
	cr_expect_eq(
		status_with_token(g, "POST", "/api/plugins/scan", "one"), 200);
	extra(g, "admin: {tokens: [{name: two, role: viewer, sha256: \"" TWO
		 "\"}]}\nlimits: {headers: 5}\n");
	run_write_config(g);
	ctl = ctl_expect(g, 0, "apply", NULL);
	expect_change(ctl, "admin.tokens[two]", "added", "live");
	expect_change(ctl, "limits.headers", "changed", "live");
	cr_expect_eq(json_array_size(ctl_at(ctl, "results")), 0);
	ctl_destroy(ctl);
	cr_expect(!run_log_has(g, 0, TWO) && !run_log_has(g, 0, ONE),
		"values are not told");
	cr_expect_eq(
		status_with_token(g, "GET", "/api/config/plan", "one"), 401);
	cr_expect_eq(
		status_with_token(g, "GET", "/api/config/plan", "two"), 200);
	cr_expect_eq(
		status_with_token(g, "POST", "/api/config/apply", "two"), 403);
	cr_assert(client_say(&c, "GET /hello HTTP/1.1\r\nHost: t\r\n1: a\r\n"
				 "2: a\r\n3: a\r\n4: a\r\n5: a\r\n\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 431, "open connections follow the limit");
	answer_finish(&a);
	client_close(&c);
	/* The log: from debug to errors only. */
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	run_await_log(g, 0, "queued->staging");
	{
		char *path = memory_format("%s/supd.yaml", g->dir);
		char *text = files_read(path);
		char *level = strstr(text, "debug");

		memcpy(level, "error", 5);
		files_write(path, "%s", text);
		free(text);
		free(path);
	}
	ctl = ctl_expect(g, 0, "apply", NULL);
	expect_change(ctl, "log.level", "changed", "live");
	ctl_destroy(ctl);
	mark = capture_length(&g->log);
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	cr_expect(!run_log_has(g, mark, "staging"));
	cr_expect_neq(ctl_status_number(g, "hello", "pid"), pid);
	run_end(g);
}

/* ---- files and ways in ---- */

Test(apply, a_file_added_to_conf_d_is_applied)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_start(g);
	g->may_grow = true;
	put_in(g, "more.yaml", "plugins:\n  more: {use: fault}\n");
	c = ctl_expect(g, 0, "apply", NULL);
	expect_change(c, "plugins.more", "added", "reload");
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	put_in(g, "more.yaml", "plugins: {}\n");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	run_end(g);
}

Test(apply, scan_starts_what_was_added_and_touches_nothing_else)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long fault;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	fault = ctl_status_number(g, "fault", "pid");
	g->may_grow = true;
	run_fault(g, "fault", "changed", "");
	run_package(g, "fault", "late");
	run_no_plugins(g);
	run_plugin(g, "fault", "use: fault, hold_max: 3");
	run_plugin(g, "fresh", "use: late, mount: /fresh, namespace: fresh");
	run_plugin(g, "off", "use: late, mount: /off, enabled: false");
	run_write_config(g);
	c = ctl_expect(g, 0, "scan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 1, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "results.0.pluginId"), "fresh");
	cr_expect(!row_of(c, "changes", "path", "plugins.hello"), "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fresh/fault"), 200);
	cr_expect_eq(http_status(g->http, "/hello"), 200, "nothing is stopped");
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), fault);
	c = ctl_expect(g, 0, "scan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0, "%s", c->out);
	ctl_destroy(c);
	/* The apply that follows does the rest, and does not start it again. */
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect(!row_of(c, "results", "pluginId", "fresh"), "%s", c->out);
	cr_expect(!row_of(c, "changes", "path", "plugins.fresh"), "%s", c->out);
	expect_step(c, "hello", "stop", "removed");
	expect_step(c, "fault", "reload", "digest");
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/hello"), 404);
	run_end(g);
}

Test(apply, scan_starts_what_had_no_package_before)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	put_in(g, "late.yaml", "plugins:\n  late: {}\n");
	run_announce(g, "there is no package 'late'");
	run_defaults(g, "crash: {early_max: 1, within: 1m}");
	run_spawn(g);
	run_await_log(g, 0, "plugin failed: ");
	ctl_await_state(g, "hello", "serving");
	ctl_await_state(g, "late", "failed");
	c = ctl_expect(g, 0, "scan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0, "%s", c->out);
	cr_expect(strstr(ctl_text(c, "problems.0.text"), "no package"), "%s",
		c->out);
	ctl_destroy(c);
	run_package(g, "fault", "late");
	c = ctl_expect(g, 0, "scan", NULL);
	expect_step(c, "late", "start", "package found");
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	g->may_grow = true;
	run_end(g);
}

Test(apply, a_package_that_is_gone_or_broken_is_told_and_serves_on)
{
	struct gateway_run *g = run_create();
	char *folder, *away, *manifest;
	struct ctl *c;
	long pid;

	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "fault", "pid");
	manifest = run_package_file(g, "fault", "plugin.yaml");
	files_write(manifest, "name: fault\nversion: 1.0.0\nrun: fault.so\n"
			      "nonsense: 1\n");
	c = ctl_expect(g, 0, "plan", NULL);
	expect_step(c, "fault", "reload", "digest");
	cr_expect_eq(ctl_number(c, "problems.0.line"), 4, "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	folder = memory_format("%s/packages/fault", g->dir);
	away = memory_format("%s/packages/away", g->dir);
	cr_assert(!rename(folder, away));
	c = ctl_expect(g, 0, "plan", NULL);
	expect_step(c, "fault", "reload", "package missing");
	cr_expect(strstr(ctl_text(c, "problems.0.text"), "no package"), "%s",
		c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect_eq(ctl_number(c, "results.0.pid"), pid, "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	cr_assert(!rename(away, folder));
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(
		ctl_status_number(g, "fault", "pid"), pid, "it is what runs");
	free(manifest);
	free(folder);
	free(away);
	run_end(g);
}

Test(apply, reload_of_what_changed_reloads_just_that)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long pid;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	c = ctl_expect(g, 0, "reload", "--changed", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0, "%s", c->out);
	ctl_destroy(c);
	run_fault(g, "fault", "changed", "");
	c = ctl_expect(g, 0, "reload", "--plan", "fault", "hello", NULL);
	expect_step(c, "fault", "reload", "digest");
	expect_step(c, "hello", "none", NULL);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	c = ctl_expect(g, 0, "reload", "--changed", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 1, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "results.0.pluginId"), "fault");
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	ctl_destroy(ctl_expect(g, 0, "reload", "--changed", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	run_end(g);
}

Test(apply, a_hup_only_advises_where_the_file_says_so)
{
	struct gateway_run *g = run_create();
	size_t mark;

	run_add_fault(g);
	extra(g, "reload: {on_sighup: advise}\n");
	run_start(g);
	run_fault(g, "fault", "changed", "");
	mark = capture_length(&g->log);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "nothing was applied");
	cr_expect(run_log_has(g, mark, "plan: reload fault [\"digest\"]"));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	run_end(g);
}
