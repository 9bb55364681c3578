/* apply on the built program: all or nothing, and what takes effect without a
 * reload while connections stay. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"

TestSuite(apply_live, .fini = run_fini, .timeout = 200);

/* ---- all or nothing ---- */

Test(apply_live, atomic_is_all_or_nothing)
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
	rows = plan_table_generation(g);
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
	cr_expect_eq(plan_table_generation(g), rows);
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

Test(apply_live, atomic_opens_no_listener_that_another_has)
{
	struct gateway_run *g = run_create();
	struct sockaddr_in address = {.sin_family = AF_INET};
	char text[64], *own;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned port = http_free_port();
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

static void
add_listener(struct gateway_run *g, const char *path)
{
	char *file = memory_format("%s/supd.yaml", g->dir);
	char *text = files_read(file);
	char *at = strstr(text, "listen: [") + strlen("listen: [");

	files_write(file, "%.*s{http: \"unix:%s\"}, %s", (int)(at - text), text,
		path, at);
	free(text);
	free(file);
}

Test(apply_live, listeners_come_go_and_move_and_connections_stay)
{
	struct gateway_run *g = run_create();
	unsigned port = http_free_port();
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
	g->may_grow = true;
	/* One more beside it. */
	snprintf(second, sizeof(second), "%s/second.sock", g->dir);
	add_listener(g, second);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_status(second, "/hello"), 200);
	cr_expect_eq(http_status(first, "/hello"), 200);
	/* The same port on every address, and the second goes again. */
	snprintf(g->http, sizeof(g->http), "0.0.0.0:%u", port);
	run_write_config(g);
	plan = ctl_expect(g, 0, "plan", NULL);
	cr_expect(
		plan_row(plan, "changes", "class", "rebind"), "%s", plan->out);
	ctl_destroy(plan);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_status(first, "/hello"), 200);
	cr_expect(!files_exist(second));
	cr_expect(client_get(&c, "/hello", &a), "the connection lives on");
	answer_finish(&a);
	/* Elsewhere. */
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

Test(apply_live, limits_tokens_and_log_follow_without_a_reload)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;
	struct ctl *ctl;
	size_t mark;
	long pid;

	run_add_hello(g);
	plan_extra(g,
		"admin: {tokens: [{name: one, role: operator, sha256: \"" ONE
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
	plan_extra(g,
		"admin: {tokens: [{name: two, role: viewer, sha256: \"" TWO
		"\"}]}\nlimits: {headers: 5}\n");
	run_write_config(g);
	ctl = ctl_expect(g, 0, "apply", NULL);
	plan_expect_change(ctl, "admin.tokens[two]", "added", "live");
	plan_expect_change(ctl, "limits.headers", "changed", "live");
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
	plan_expect_change(ctl, "log.level", "changed", "live");
	ctl_destroy(ctl);
	mark = capture_length(&g->log);
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	cr_expect(!run_log_has(g, mark, "staging"));
	cr_expect_neq(ctl_status_number(g, "hello", "pid"), pid);
	run_end(g);
}
