/* The access log on the built programs: each request is a line, in the form
 * and the file that the configuration says, live; and it stops nothing. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/notify.h"
#include "tests/system/harness/run.h"

TestSuite(access, .fini = run_fini, .timeout = 100);

/* The harness writes `log: {level: debug}`; conf.d adds the keys. */
static void
set_log(struct gateway_run *g, const char *keys)
{
	char *folder = memory_format("%s/conf.d", g->dir);
	char *file = memory_format("%s/access.yaml", folder);

	mkdir(folder, 0755);
	files_write(file, "log: {%s}\n", keys);
	free(folder);
	free(file);
}

static struct gateway_run *
start_logged(const char *keys)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	set_log(g, keys);
	run_start(g);
	return g;
}

static void
hup(struct gateway_run *g, const char *keys, const char *expected)
{
	size_t mark = capture_length(&g->log);

	set_log(g, keys);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, expected);
}

/* The file's text once it has so many lines; the caller frees. */
static char *
await_lines(const char *path, unsigned count)
{
	uint64_t until = clock_ms() + HTTP_DEADLINE_MS;

	for (;;) {
		char *text = files_read(path);
		unsigned lines = 0;

		for (char *c = text; c && (c = strchr(c, '\n')); c++)
			lines++;
		if (lines >= count)
			return text;
		cr_assert_lt(clock_ms(), until, "%s: %s", path,
			text ? text : "no file");
		free(text);
	}
}

Test(access, each_request_is_a_line_of_the_file)
{
	struct gateway_run *g =
		start_logged("access: text, access_file: access.log");
	char *path = memory_format("%s/conf.d/access.log", g->dir), *text;
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /fault?secret=1 HTTP/1.1\r\nHost: x\r\n"
				 "User-Agent: tester\r\nX-Request-Id: mine\r\n"
				 "\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	free(await_lines(path, 1));
	answer_finish(&a);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_assert(client_post(&c, "/fault/echo", "body", &a));
	answer_finish(&a);
	cr_assert(client_get(&c, "/nothing", &a));
	answer_finish(&a);
	cr_assert(client_say(&c, "GET / HTTP/9\r\n\r\n"));
	text = await_lines(path, 4);
	cr_expect(strstr(text, "\"GET /fault?secret=1 HTTP/1.1\" 200 "), "%s",
		text);
	cr_expect(strstr(text, " \"-\" \"tester\" "), "%s", text);
	cr_expect(strstr(text, " fault/1 mine\n"), "%s", text);
	cr_expect(strstr(text, "\"POST /fault/echo HTTP/1.1\" 200 4 "), "%s",
		text);
	cr_expect(strstr(text, " fault/2 "), "%s", text);
	cr_expect(strstr(text, "\"GET /nothing HTTP/1.1\" 404 "), "%s", text);
	cr_expect(strstr(text, "\"-\" 400 "), "%s", text);
	cr_expect(!run_log_has(g, 0, "/fault?secret"));
	free(text);
	free(path);
	client_close(&c);
	run_end(g);
}

Test(access, a_client_that_leaves_is_499_and_a_stream_counts_its_bytes)
{
	struct gateway_run *g =
		start_logged("access: text, access_file: access.log");
	char *path = memory_format("%s/conf.d/access.log", g->dir), *text;
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /fault/slow?60000 HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "fault", "inFlight", 1);
	client_close(&c);
	text = await_lines(path, 1);
	cr_expect(strstr(text, "\"GET /fault/slow?60000 HTTP/1.1\" 499 0 "),
		"%s", text);
	free(text);
	a = http_get(g->http, "/fault/stream?100");
	cr_expect_eq(a.body_bytes, 102400);
	answer_finish(&a);
	text = await_lines(path, 2);
	cr_expect(strstr(text, " 200 102400 "), "%s", text);
	free(text);
	free(path);
	run_end(g);
}

/* In the log itself lines keep its form, whatever level it has. */
Test(access, without_a_file_lines_are_in_the_log)
{
	struct gateway_run *g = start_logged("access: text");
	size_t mark = capture_length(&g->log);

	cr_expect_eq(http_status(g->http, "/fault?plain"), 200);
	run_await_log(g, mark, "\"GET /fault?plain HTTP/1.1\" 200 ");
	hup(g, "access: json", "configuration applied in");
	mark = capture_length(&g->log);
	cr_expect_eq(http_status(g->http, "/fault?object"), 200);
	run_await_log(g, mark, "\",\"type\":\"access\",\"peer\":\"unix\",");
	hup(g, "format: json, access: text", "configuration applied in");
	mark = capture_length(&g->log);
	cr_expect_eq(http_status(g->http, "/fault?both"), 200);
	run_await_log(g, mark, "\\\"GET /fault?both HTTP/1.1\\\" 200 ");
	hup(g, "access: off", "configuration applied in");
	mark = capture_length(&g->log);
	cr_expect_eq(http_status(g->http, "/fault?none"), 200);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_await_log(g, mark, " done ");
	cr_expect(!run_log_has(g, mark, "/fault?none"));
	run_end(g);
}

Test(access, usr1_and_hup_change_the_file)
{
	struct gateway_run *g =
		start_logged("access: json, access_file: access.log");
	char *path = memory_format("%s/conf.d/access.log", g->dir);
	char *moved = memory_format("%s/conf.d/access.log.1", g->dir);
	char *other = memory_format("%s/other.log", g->dir), *keys, *text;
	json_t *json;
	size_t mark;

	cr_expect_eq(http_status(g->http, "/fault?one"), 200);
	free(await_lines(path, 1));
	cr_assert(!rename(path, moved));
	mark = capture_length(&g->log);
	run_signal(g, SIGUSR1);
	run_await_log(g, mark, "log reopened");
	cr_expect_eq(http_status(g->http, "/fault?two"), 200);
	text = await_lines(path, 1);
	json = json_loads(text, 0, NULL);
	cr_assert(json, "%s", text);
	cr_expect_str_eq(
		json_string_value(json_object_get(json, "query")), "two");
	cr_expect_str_eq(
		json_string_value(json_object_get(json, "plugin")), "fault");
	json_decref(json);
	free(text);
	keys = memory_format("access: text, access_file: \"%s\"", other);
	hup(g, keys, "configuration applied in");
	free(keys);
	cr_expect_eq(http_status(g->http, "/fault?three"), 200);
	text = await_lines(other, 1);
	cr_expect(strstr(text, "?three"), "%s", text);
	free(text);
	/* What cannot be opened is told, and all stays as it was. */
	run_announce(g, "cannot open the access log");
	hup(g, "access: text, access_file: /nowhere/access.log",
		"cannot open the access log /nowhere/access.log");
	cr_expect_eq(http_status(g->http, "/fault?four"), 200);
	text = await_lines(other, 2);
	cr_expect(strstr(text, "?four"), "%s", text);
	free(text);
	free(other);
	free(moved);
	free(path);
	run_end(g);
}

static unsigned
lines_of(const char *path)
{
	char *text = files_read(path);
	unsigned lines = 0;

	for (char *c = text; c && (c = strchr(c, '\n')); c++)
		lines++;
	free(text);
	return lines;
}

static void
limit_files_of(struct gateway_run *g, rlim_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};

	cr_assert_eq(prlimit(g->pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static unsigned
reported_drops(struct gateway_run *g, size_t from)
{
	static const char said[] = " lines of the access log were dropped";
	char *text;
	const char *at;
	unsigned count;

	run_await_log(g, from, said);
	text = capture_copy(&g->log);
	at = strstr(text + from, said);
	while (at[-1] >= '0' && at[-1] <= '9')
		at--;
	count = (unsigned)strtoul(at, NULL, 10);
	free(text);
	return count;
}

/* The limit of a file's size is a disk that is full at once. Every line is in
 * the file in the end, or was reported as dropped. */
Test(access, a_full_disk_loses_a_counted_number_of_lines)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/conf.d/access.log", g->dir);
	struct client c;
	struct answer a;
	unsigned dropped, asked = 4000;
	size_t mark;

	run_add_bench(g);
	set_log(g, "access: json, access_file: access.log");
	run_start(g);
	limit_files_of(g, 4096);
	mark = capture_length(&g->log);
	cr_assert(client_open(&c, g->http));
	for (unsigned i = 0; i < asked; i++) {
		cr_assert(client_get(&c, "/hello", &a));
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
	}
	client_close(&c);
	run_await_log(g, mark, "cannot write the access log");
	cr_expect(!run_log_has(g, mark, "lines of the access log were"));
	limit_files_of(g, RLIM_INFINITY);
	run_await_log(g, mark, "is written again");
	dropped = reported_drops(g, mark);
	free(await_lines(path, asked - dropped));
	cr_expect_eq(lines_of(path) + dropped, asked, "%u dropped", dropped);
	cr_expect_gt(dropped, 0);
	free(path);
	g->may_grow = true;
	run_end(g);
}

/* Its reader sleeps: requests are served all the same, and the lines that did
 * not fit are counted. */
Test(access, a_pipe_that_nobody_reads_stops_nothing)
{
	struct gateway_run *g = run_create();
	char *pipe_path = memory_format("%s/pipe", g->dir), *keys;
	static char drain[1 << 16];
	struct client c;
	struct answer a;
	size_t mark;
	int fd;

	cr_assert(!mkfifo(pipe_path, 0600));
	fd = open(pipe_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	keys = memory_format("access: json, access_file: \"%s\"", pipe_path);
	run_add_bench(g);
	set_log(g, keys);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	for (int i = 0; i < 3000; i++) {
		cr_assert(client_get(&c, "/hello", &a));
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
	}
	mark = capture_length(&g->log);
	while (read(fd, drain, sizeof(drain)) > 0)
		;
	for (int i = 0; i < 20; i++) {
		cr_assert(client_get(&c, "/hello", &a));
		answer_finish(&a);
		while (read(fd, drain, sizeof(drain)) > 0)
			;
	}
	run_await_log(g, mark, " lines of the access log were dropped");
	client_close(&c);
	close(fd);
	free(keys);
	free(pipe_path);
	g->may_grow = true;
	run_end(g);
}
