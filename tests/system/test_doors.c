/* The doors as a person at a shell and a client of the API find them: what is
 * said where, with which code, and how a call ends that cannot go on. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(doors, .fini = run_fini, .timeout = 200);

#define TOKEN "secret"
#define TOKEN_SHA256                                                           \
	"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

/* ---- supctl ---- */

/* One object on stdout and nothing else, whatever happened. */
static void
check_one_document(const struct ctl *c)
{
	cr_expect(json_is_object(c->json), "%d: %s", c->exit_code, c->out);
	cr_expect(*ctl_text(c, "error"), "%s", c->out);
	cr_expect_eq(ctl_number(c, "exitCode"), c->exit_code, "%s", c->out);
	cr_expect(*c->err);
}

Test(doors, several_reloads_exit_8_if_some_fail_and_1_if_all_do)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "exit_at_start", "");
	c = ctl_expect(g, 8, "reload", "hello", "fault", NULL);
	cr_expect(json_is_false(ctl_at(c, "success")));
	cr_expect(json_is_true(ctl_at(c, "results.0.success")), "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 8, "reload", "--all", NULL));
	ctl_destroy(ctl_expect(g, 1, "reload", "--package", "fault", NULL));
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", "fault", NULL));
	c = ctl_expect(g, 5, "reload", "hello", "other", NULL);
	check_one_document(c);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 3,
		"nothing is begun if one of them is unknown");
	run_end(g);
}

Test(doors, an_id_that_is_none_is_refused_and_a_package_of_two_lists_both)
{
	static const char *const odd[] = {"../hello", "HELLO", "hel lo", "",
		"\033[31m", "h\xc3\xb6", "-x", "a/b", "\xff\xfe", "%s%n"};
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_package(g, "hello", "hello");
	run_plugin(g, "one", "use: hello");
	run_plugin(g, "two", "use: hello, mount: /two, namespace: two");
	run_start(g);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		c = ctl_run(g, "show", "--", odd[i], NULL);
		/* What is no text at all is bad usage. */
		cr_expect_eq(c->exit_code, odd[i][0] == '\xff' ? 2 : 5,
			"%zu: %d", i, c->exit_code);
		check_one_document(c);
		cr_expect(!strchr(c->err, '\033'));
		ctl_destroy(c);
	}
	c = ctl_expect(g, 5, "reload", "hello", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "one, two"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(doors, a_gateway_that_hangs_ends_the_waiting_and_one_that_dies_the_call)
{
	static const char *const reload[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	run_signal(g, SIGSTOP);
	c = ctl_expect(g, 7, "--timeout", "200ms", "status", NULL);
	check_one_document(c);
	ctl_destroy(c);
	c = ctl_expect(g, 7, "--timeout", "200ms", "reload", "fault", NULL);
	check_one_document(c);
	ctl_destroy(c);
	run_signal(g, SIGCONT);
	/* What was sent is done, though nobody waits for it. */
	ctl_await_number(g, "fault", "generation", 2);
	run_fault(g, "fault", "slow_start", "start_ms: 60000");
	mark = capture_length(&g->log);
	c = ctl_begin(g, 0, reload);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	run_signal(g, SIGKILL);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 3, "%d", c->exit_code);
	check_one_document(c);
	ctl_destroy(c);
	run_wait(g);
	run_start(g); /* what the dead one left is cleared */
	run_end(g);
}

/* A shell command with supctl as $0 and the socket as $1. */
static FILE *
shell_begin(struct gateway_run *g, const char *text)
{
	char *command =
		memory_format("sh -c '%s' %s/tools/supctl/supctl %s 2>&1", text,
			run_build_root(), g->control);
	FILE *pipe = popen(command, "r");

	cr_assert(pipe);
	free(command);
	return pipe;
}

/* Its output to the end. */
static char *
shell_end(FILE *pipe, int *exit_code_out)
{
	char *out = memory_alloc(65536);
	size_t size = fread(out, 1, 65535, pipe);

	out[size] = 0;
	*exit_code_out = WEXITSTATUS(pclose(pipe));
	return out;
}

static char *
shell(struct gateway_run *g, const char *text, int *exit_code_out)
{
	return shell_end(shell_begin(g, text), exit_code_out);
}

Test(doors, following_a_log_ends_well_when_supd_stops)
{
	struct gateway_run *g = run_create();
	char line[256], *rest;
	FILE *pipe;
	int code;

	run_add_fault(g);
	run_start(g);
	pipe = shell_begin(g, "exec $0 -s $1 logs -f fault");
	cr_assert(fgets(line, sizeof(line), pipe)); /* it follows now */
	cr_expect(strstr(line, "starting in mode"), "%s", line);
	run_signal(g, SIGTERM);
	rest = shell_end(pipe, &code);
	cr_expect_eq(code, 0, "%d %s", code, rest);
	cr_expect(strstr(rest, "supd has stopped"), "%s", rest);
	free(rest);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}

Test(doors, a_terminal_sees_progress_and_a_pipe_sees_lines)
{
	struct gateway_run *g = run_create();
	char *text;
	int code;

	run_add_hello(g);
	run_start(g);
	text = shell(g, "$0 -s $1 reload hello 2>&1 >/dev/null", &code);
	cr_expect_eq(code, 0);
	cr_expect(strstr(text, "hello: staging") &&
			  strstr(text, "\nhello: checking") &&
			  !strchr(text, '\r'),
		"%s", text);
	free(text);
	text = shell(g, "$0 -s $1 reload hello 2>/dev/null", &code);
	cr_expect(!strncmp(text, "hello: reloaded 2 -> 3 in ", 26), "%s", text);
	free(text);
	text = shell(g,
		"script -qec \"$0 -s $1 --no-color reload hello\" "
		"/dev/null",
		&code);
	cr_expect(strstr(text, "\r\033[Khello: checking") &&
			  strstr(text, "\r\033[Khello: reloaded 3 -> 4"),
		"%s", text);
	free(text);
	run_end(g);
}

Test(doors, a_peer_has_the_role_of_any_of_its_groups)
{
	static const struct {
		const char *groups;
		int look, touch;
	} peers[] = {
		{"--clear-groups", 4, 4},
		{"--groups 4001", 0, 4},
		{"--groups 4002", 0, 0},
		{"--groups 4001,4002", 0, 0},
		{"--groups 4003", 4, 4},
	};
	struct gateway_run *g = run_create();
	int code;

	if (geteuid())
		cr_skip_test("only root can be somebody else");
	if (!run_build_is_open())
		cr_skip_test("other users may not enter the build folder");
	run_add_hello(g);
	free(g->extra);
	g->extra = memory_copy_text(
		"admin: {peers: [{gid: 4001, role: viewer}, "
		"{gid: 4002, role: operator}, {uid: root, role: admin}]}\n");
	run_start(g);
	for (size_t i = 0; i < sizeof(peers) / sizeof(*peers); i++) {
		char *as = memory_format("setpriv --reuid 65534 --regid 65534 "
					 "%s $0 -s $1 ",
			peers[i].groups);
		char *look = memory_format("%s status", as);
		char *touch = memory_format("%s reload hello", as);

		free(shell(g, look, &code));
		cr_expect_eq(code, peers[i].look, "%s: %d", look, code);
		free(shell(g, touch, &code));
		cr_expect_eq(code, peers[i].touch, "%s: %d", touch, code);
		free(look);
		free(touch);
		free(as);
	}
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 3);
	run_end(g);
}

Test(doors, the_receipt_of_a_restart_names_what_was_there)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long old;

	run_add_hello(g);
	run_start(g);
	old = ctl_status_number(g, "hello", "pid");
	c = ctl_expect(g, 0, "restart", "hello", NULL);
	cr_expect_eq(ctl_number(c, "generation"), 2);
	cr_expect_eq(ctl_number(c, "previousGeneration"), 1, "%s", c->out);
	cr_expect_eq(ctl_number(c, "previousPid"), old, "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(doors, the_text_of_a_command_is_printed_as_one_line)
{
	struct gateway_run *g = run_create();
	char *text;
	int code;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	text = shell(g, "$0 -s $1 call command hello | wc -l", &code);
	cr_expect_eq(atoi(text), 1, "%s", text);
	free(text);
	text = shell(g, "$0 -s $1 call command fault a b", &code);
	cr_expect_str_eq(text, "a b\n", "%s", text);
	free(text);
	run_end(g);
}

/* ---- the API ---- */

static struct answer
api(struct gateway_run *g, const char *method, const char *path,
	const char *body)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " TOKEN
		"\r\nContent-Length: %zu\r\n\r\n%s",
		method, path, strlen(body), body));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	client_close(&c);
	return a;
}

static const struct {
	const char *method, *path, *body;
	int status;
	const char *says;
} calls[] = {
	{"GET", "/api/routes?kind=tool", "", 200, "\"kind\":\"tool\""},
	{"GET", "/api/routes?kind=command&plugin=two", "", 200,
		"\"name\":\"two.hello\""},
	{"GET", "/api/routes?plugin=%74wo", "", 200, "/two/hello"},
	{"GET", "/api/routes?plugin=other", "", 404, "no such plugin"},
	{"GET", "/api/routes?kind=frob", "", 400, "kind"},
	{"GET", "/api/routes?frob=1", "", 400, "unknown argument 'frob'"},
	{"GET", "/api/routes?kind", "", 400, "query"},
	{"GET", "/api/routes?kind=%zz", "", 400, "query"},
	{"GET", "/api/routes?kind=%f", "", 400, "query"},
	{"GET", "/api/routes?kind=tool&kind=http", "", 400, "query"},
	{"GET", "/api/routes?", "", 200, "routes"},
	{"GET", "/api/plugins?frob=1", "", 400, "unknown argument 'frob'"},
	{"GET", "/api/plugins/hello?id=two", "", 400, "query"},
	{"POST", "/api/plugins/reload?pluginId=hello", "", 200, "\"done\""},
	{"POST", "/api/plugins/reload?pluginId=hello", "{\"pluginId\":\"two\"}",
		400, "duplicate"},
	{"POST", "/api/plugins/hello/restart", "{}", 200, "\"done\""},
	{"POST", "/api/plugins/hello/restart", "{\"frob\":1}", 400,
		"unknown argument 'frob'"},
	{"POST", "/api/plugins/hello/restart", "{\"id\":\"two\"}", 400,
		"duplicate"},
	{"POST", "/api/plugins/hello/restart", "{", 400, "line 1, column"},
};

Test(doors, no_argument_of_an_api_call_is_ignored)
{
	struct gateway_run *g = run_create();
	struct answer a;

	run_add_hello(g);
	run_plugin(g, "two", "use: hello, mount: /two, namespace: two");
	free(g->extra);
	g->extra = memory_copy_text(
		"admin: {tokens: [{name: ops, role: operator, sha256: "
		"\"" TOKEN_SHA256 "\"}]}\n");
	run_start(g);
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		a = api(g, calls[i].method, calls[i].path, calls[i].body);
		cr_expect_eq(a.status, calls[i].status, "%s %s: %d %s",
			calls[i].method, calls[i].path, a.status, a.body);
		cr_expect(strstr(a.body, calls[i].says), "%s: %s",
			calls[i].path, a.body);
		answer_finish(&a);
	}
	a = api(g, "GET", "/api/routes?kind=tool", "");
	cr_expect(!strstr(a.body, "\"kind\":\"http\""), "%s", a.body);
	answer_finish(&a);
	cr_expect_eq(ctl_status_number(g, "two", "generation"), 1);
	run_end(g);
}

/* ---- long answers ---- */

#define MANY 300 /* of more than 64 rows a page is made, piece by piece */
#define PAST 70	 /* each waits for the disk */

static const struct {
	const char *words[4], *path, *rows;
	size_t least;
} long_answers[] = {
	{{"status"}, "/api/status", "plugins", MANY},
	{{"list"}, "/api/plugins", "plugins", MANY},
	{{"config"}, "/api/config", "plugins", MANY},
	{{"events", "-n", "250"}, "/api/events?follow=false&lines=250",
		"events", 250},
	{{"history", "-n", "250"}, "/api/history?lines=250", "receipts", PAST},
};

static size_t
count_rows(const json_t *rows)
{
	return json_is_array(rows) ? json_array_size(rows)
				   : json_object_size(rows);
}

/* Both are asked at once, and again when the page has been made. */
static void
expect_same(struct gateway_run *g, size_t i)
{
	for (int n = 0; n < 3; n++) {
		struct ctl *c = ctl_begin(g, 0, long_answers[i].words);
		struct answer a = api(g, "GET", long_answers[i].path, "");
		json_t *document = json_loads(a.body, 0, NULL);
		const json_t *rows =
			json_object_get(document, long_answers[i].rows);

		ctl_wait(c);
		cr_expect_eq(c->exit_code, 0, "%s", c->err);
		cr_expect_eq(a.status, 200, "%s", a.body);
		cr_expect_geq(count_rows(rows), long_answers[i].least,
			"%s: %zu rows", long_answers[i].path, count_rows(rows));
		cr_expect(json_equal(rows, ctl_at(c, long_answers[i].rows)),
			"%s: %s\nand by supctl: %s", long_answers[i].path,
			a.body, c->out);
		json_decref(document);
		answer_finish(&a);
		ctl_destroy(c);
	}
}

Test(doors, a_long_answer_has_the_same_rows_at_each)
{
	struct gateway_run *g = run_create();

	run_package(g, "hello", "hello");
	run_no_plugins(g);
	for (int i = 0; i < MANY; i++) {
		char id[16];

		snprintf(id, sizeof(id), "p%d", i);
		run_plugin(g, id, "use: hello, enabled: false");
	}
	free(g->extra);
	g->extra = memory_copy_text(
		"admin: {tokens: [{name: ops, role: operator, sha256: "
		"\"" TOKEN_SHA256 "\"}]}\n");
	run_start(g);
	g->may_grow = true;
	for (int i = 0; i < PAST + 250; i++) {
		char *path = memory_format(i < PAST ? "/api/plugins/p%d/disable"
						    : "/api/events/some.e%d",
			i);
		struct answer a = api(g, "POST", path, "");

		cr_assert_eq(a.status, 200, "%s", a.body);
		answer_finish(&a);
		free(path);
	}
	for (size_t i = 0; i < sizeof(long_answers) / sizeof(*long_answers);
		i++)
		expect_same(g, i);
	run_end(g);
}
