/* The Python SDK and the package echo on the built programs: a body that comes
 * back under pressure, ticks over a reload, the search path, and what a
 * handler that fails does to its worker. With BODY_MIB the body is that long.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/run.h"

TestSuite(python, .fini = run_fini, .timeout = 600);

#define MIB (1024 * 1024)
#define PIECE_BYTES (64 * 1024)

/* Of both processes: windows of up to 1 MiB each way in each, and copies. */
#define GROWTH_MAX_KIB (8 * 1024)

static struct gateway_run *
start(const char *package, const char *entry)
{
	struct gateway_run *g = run_create();

	run_package(g, package, package);
	run_plugin(g, package, "%s", entry);
	run_start(g);
	return g;
}

/* A package of one file. */
static struct gateway_run *
start_program(const char *entry, const char *program)
{
	struct gateway_run *g = run_create();
	char *folder = memory_format("%s/packages/own", g->dir);
	char *file = run_package_file(g, "own", "main.py");
	char *manifest = run_package_file(g, "own", "plugin.yaml");

	cr_assert(!mkdir(folder, 0755));
	files_write(manifest,
		"name: own\nversion: 1.0.0\nexec: [python3, main.py]\n");
	files_write(file, "%s", program);
	run_plugin(g, "own", "%s", entry);
	run_start(g);
	free(folder);
	free(file);
	free(manifest);
	return g;
}

/* ---- echo ---- */

struct upload {
	struct client *client;
	size_t pieces;
	bool sent;
};

static void *
upload(void *user)
{
	struct upload *u = user;
	char *piece = memory_alloc(PIECE_BYTES);

	memset(piece, 'u', PIECE_BYTES);
	u->sent = true;
	for (size_t i = 0; u->sent && i < u->pieces; i++)
		u->sent = client_send(u->client, piece, PIECE_BYTES);
	free(piece);
	return NULL;
}

/* Reads to the last chunk and counts. */
static size_t
read_chunks(struct client *c, struct buffer *all, long *rss_most, pid_t supd,
	pid_t worker)
{
	size_t bytes = 0;

	for (unsigned reads = 0;; reads++) {
		const char *at = (const char *)buffer_bytes(all), *line;
		size_t have = buffer_length(all), size, head;
		long rss;

		line = have ? memmem(at, have, "\r\n", 2) : NULL;
		if (line) {
			size = strtoul(at, NULL, 16);
			head = (size_t)(line - at) + 2;
			if (have >= head + size + 2) {
				if (!size)
					return bytes;
				bytes += size;
				buffer_consume(all, head + size + 2);
				continue;
			}
		}
		if (reads % 64 == 0) {
			rss = process_rss_kib(supd) + process_rss_kib(worker);
			*rss_most = rss > *rss_most ? rss : *rss_most;
		}
		cr_assert(
			client_read_some(c, all), "cut after %zu bytes", bytes);
	}
}

Test(python, echo_gives_back_a_long_body_within_bounded_memory)
{
	const char *mib = getenv("BODY_MIB");
	struct gateway_run *g = start("echo", "use: echo");
	size_t bytes = (size_t)(mib ? atoi(mib) : 48) * MIB;
	pid_t worker = (pid_t)ctl_status_number(g, "echo", "pid");
	struct client c, other;
	struct upload u = {.client = &c, .pieces = bytes / PIECE_BYTES};
	struct buffer all = {0};
	long before, most = 0;
	pthread_t thread;
	struct answer a;

	/* once before: what an interpreter allocates the first time */
	a = http_post(g->http, "/echo", "warm");
	cr_assert_str_eq(a.body, "warm");
	answer_finish(&a);
	before = process_rss_kib(g->pid) + process_rss_kib(worker);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\n"
		"Content-Length: %zu\r\n\r\n",
		bytes));
	pthread_create(&thread, NULL, upload, &u);
	cr_assert(client_read_until(&c, &all, "\r\n\r\n"));
	cr_expect(memmem(buffer_bytes(&all), buffer_length(&all),
		"Content-Type: a/b\r\n", 19));
	/* nobody reads: everything stands, and others are served */
	cr_assert(client_open(&other, g->http));
	for (int i = 0; i < 100; i++) {
		cr_assert(client_get(&other, "/echo", &a));
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
	}
	client_close(&other);
	most = process_rss_kib(g->pid) + process_rss_kib(worker);
	buffer_consume(
		&all, (size_t)((const uint8_t *)memmem(buffer_bytes(&all),
				       buffer_length(&all), "\r\n\r\n", 4) -
			       buffer_bytes(&all)) +
			      4);
	cr_expect_eq(read_chunks(&c, &all, &most, g->pid, worker), bytes);
	pthread_join(thread, NULL);
	cr_expect(u.sent);
	cr_expect_leq(most - before, process_growth_max_kib(GROWTH_MAX_KIB),
		"memory grew by %ld KiB", most - before);
	buffer_finish(&all);
	client_close(&c);
	run_end(g);
}

Test(python, ticks_go_on_over_a_reload_from_the_generation_that_began)
{
	struct gateway_run *g =
		start("echo", "use: echo, settings: {interval: 0.05}");
	struct client c;
	struct buffer all = {0};

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n"));
	cr_expect(client_read_until(
		&c, &all, "Content-Type: text/event-stream\r\n"));
	cr_expect(client_read_until(
		&c, &all, "id: 0\ndata: {\"tick\":0,\"generation\":1}\n\n"));
	ctl_destroy(ctl_expect(g, 0, "reload", "echo", NULL));
	buffer_clear(&all);
	cr_expect(client_read_until(&c, &all, ",\"generation\":1}\n\n"));
	buffer_clear(&all);
	cr_expect(client_read_until(&c, &all, ",\"generation\":1}\n\n"));
	client_close(&c);
	buffer_finish(&all);

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n"));
	cr_expect(client_read_until(
		&c, &all, "{\"tick\":0,\"generation\":2}\n\n"));
	client_close(&c);
	buffer_finish(&all);
	run_end(g);
}

Test(python, echo_is_a_tool_and_a_command)
{
	struct gateway_run *g = start("echo", "use: echo");
	struct ctl *c = ctl_expect(
		g, 0, "call", "tool", "echo", "{\"a\": [1, null]}", NULL);

	cr_expect(strstr(c->out, "{\"a\": [1, null]}"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "call", "command", "echo", "hey you", NULL);
	cr_expect(strstr(c->out, "hey you"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(python, an_interval_that_is_none_does_not_take_over)
{
	struct gateway_run *g = start("echo", "use: echo");
	char *path = run_package_file(g, "echo", "plugin.yaml");
	struct ctl *c;

	files_write(path,
		"name: echo\nversion: 1.0.0\nexec: [python3, main.py]\n"
		"settings: {interval: never}\n");
	c = ctl_expect(g, 1, "reload", "echo", NULL);
	cr_expect(strstr(c->out, "interval must be 0.01 to 3600 seconds"), "%s",
		c->out);
	ctl_destroy(c);
	free(path);
	run_end(g);
}

/* ---- the SDK ---- */

Test(python, its_own_search_path_stands_before_the_sdk)
{
	struct gateway_run *g =
		start_program("use: own, env: {PYTHONPATH: /no/such/folder}",
			"import os, supd\n"
			"plugin = supd.Plugin('own', '1')\n"
			"@plugin.http('GET', '/path')\n"
			"async def path(req):\n"
			"    return os.environ['PYTHONPATH']\n"
			"plugin.run()\n");
	char *path = memory_format(
		"/no/such/folder:%s/worker/python", run_build_root());
	struct answer a;

	a = http_get(g->http, "/path");
	cr_expect_str_eq(a.body, path);
	answer_finish(&a);
	free(path);
	run_end(g);
}

/* The answer's body to a GET with these fields, which has this status. */
static char *
get_with(struct gateway_run *g, const char *path, const char *fields,
	int status, const char *type)
{
	struct client c;
	struct answer a;
	char *body;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, fields));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, status, "%s: %d", path, a.status);
	cr_expect_str_eq(answer_header(&a, "Content-Type"), type);
	body = memory_copy_text(a.body);
	answer_finish(&a);
	client_close(&c);
	return body;
}

Test(python, an_error_is_json_for_a_client_that_accepts_it)
{
	static const char accepts[] = "Accept: application/json\r\n";
	struct gateway_run *g = start_program("use: own",
		"import supd\n"
		"plugin = supd.Plugin('own', '1')\n"
		"@plugin.http('GET', '/user')\n"
		"async def user(req):\n"
		"    raise supd.Error('not_found', 'no \"such\" user')\n"
		"plugin.run()\n");
	char *body = get_with(g, "/user", "Accept: */*\r\n", 404,
		"text/plain; charset=utf-8");

	cr_expect_str_eq(body, "404 Not Found: no \"such\" user\n");
	free(body);
	body = get_with(g, "/user", accepts, 404, "application/json");
	cr_expect_str_eq(
		body, "{\"error\":\"no \\\"such\\\" user\",\"status\":404}\n");
	free(body);
	/* one that nobody serves as well */
	body = get_with(g, "/none", accepts, 404, "application/json");
	cr_expect(strstr(body, "\"status\":404"), "%s", body);
	free(body);
	run_end(g);
}

static const char failing[] =
	"import sys, supd\n"
	"plugin = supd.Plugin('own', '1')\n"
	"@plugin.http('GET', '/plain')\n"
	"def plain(req): return 1 / 0\n"
	"@plugin.http('GET', '/async')\n"
	"async def later(req): raise KeyError('gone')\n"
	"@plugin.http('GET', '/inline', inline=True)\n"
	"def here(req): sys.exit(1)\n"
	"@plugin.http('GET', '/header')\n"
	"async def header(req):\n"
	"    return supd.Response(200, {'X': 'a\\r\\nSet-Cookie: b'}, 'x')\n"
	"@plugin.http('GET', '/object')\n"
	"async def thing(req): return object()\n"
	"@plugin.http('GET', '/fine')\n"
	"async def fine(req): return 'fine'\n"
	"plugin.run()\n";

Test(python, what_handlers_do_wrong_ends_their_request_and_not_the_worker)
{
	static const struct {
		const char *path;
		int status;
	} calls[] = {{"/plain", 500}, {"/async", 500}, {"/inline", 500},
		{"/header", 502}, {"/object", 500}, {"/fine", 200}};
	struct gateway_run *g = start_program("use: own", failing);
	long pid = ctl_status_number(g, "own", "pid");

	run_announce(g, "stream=log");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		cr_expect_eq(http_status(g->http, calls[i].path),
			calls[i].status, "%s", calls[i].path);
	run_await_log(g, 0, "GET /plain failed: Traceback");
	run_await_log(g, 0, "ZeroDivisionError: division by zero");
	cr_expect_eq(ctl_status_number(g, "own", "pid"), pid);
	run_end(g);
}

Test(python, asyncio_is_the_loop_where_the_plugin_imports_it)
{
	struct gateway_run *g = start_program("use: own",
		"import asyncio, supd\n"
		"plugin = supd.Plugin('own', '1')\n"
		"@plugin.http('GET', '/both')\n"
		"async def both(req):\n"
		"    met = asyncio.Event()\n"
		"    async def wait():\n"
		"        await asyncio.wait_for(met.wait(), 20)\n"
		"        return 1\n"
		"    async def meet():\n"
		"        loop = asyncio.get_running_loop()\n"
		"        loop.call_later(0.001, met.set)\n"
		"        return 2\n"
		"    return await asyncio.gather(wait(), meet())\n"
		"plugin.run()\n");
	struct answer a = http_get(g->http, "/both");

	cr_expect_str_eq(a.body, "[1,2]");
	answer_finish(&a);
	run_end(g);
}
