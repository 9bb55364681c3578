/* The HTTP edge on the built program: what no proxy may let through, order of
 * answers, limits and timeouts. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/run.h"

TestSuite(edge, .fini = run_fini, .timeout = 200);

#define SECOND "GET /fault HTTP/1.1\r\nHost: x\r\n\r\n"

/* ---- smuggling vectors: one answer, 4xx, and the end ---- */

struct vector {
	const char *what, *bytes;
	size_t size;
};

#define V(what, text)                                                          \
	{                                                                      \
		what, text, sizeof(text) - 1                                   \
	}

static const struct vector vectors[] = {
	V("two lengths that differ",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
		"Content-Length: 5\r\n\r\nbody" SECOND),
	V("two lengths in one line", "POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
				     "Content-Length: 4, 5\r\n\r\nbody" SECOND),
	V("a length with a sign", "POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
				  "Content-Length: +4\r\n\r\nbody" SECOND),
	V("a negative length", "POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
			       "Content-Length: -1\r\n\r\n" SECOND),
	V("a length beyond 64 bits",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 99999999999999999999999\r\n\r\n" SECOND),
	V("length and chunks",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
		"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND),
	V("a blank before the colon",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SECOND),
	V("an unknown coding",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SECOND),
	V("chunked twice",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		"chunked, chunked\r\n\r\n0\r\n\r\n" SECOND),
	V("chunked not last",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		"chunked, identity\r\n\r\n0\r\n\r\n" SECOND),
	V("a bare CR in a value",
		"GET /fault HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n" SECOND),
	V("a bare CR after an empty value",
		"GET /fault HTTP/1.1\r\nHost: x\r\nX:\rY: b\r\n\r\n" SECOND),
	V("a bare LF after a header",
		"GET /fault HTTP/1.1\r\nHost: x\nX: b\r\n\r\n" SECOND),
	V("a bare LF after the request line",
		"GET /fault HTTP/1.1\nHost: x\r\n\r\n" SECOND),
	V("a folded line",
		"GET /fault HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n" SECOND),
	V("a fold of the first header",
		"GET /fault HTTP/1.1\r\n Host: x\r\n\r\n" SECOND),
	V("NUL in a value", "GET /fault HTTP/1.1\r\nHost: x\r\nX: "
			    "a\0b\r\n\r\n" SECOND),
	V("NUL in the path", "GET /fa\0ult HTTP/1.1\r\nHost: x\r\n\r\n" SECOND),
	V("no Host", "GET /fault HTTP/1.1\r\nX: y\r\n\r\n" SECOND),
	V("two Hosts",
		"GET /fault HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" SECOND),
	V("a Host that is none",
		"GET /fault HTTP/1.1\r\nHost: x y\r\n\r\n" SECOND),
	V("a chunk size that is none",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" SECOND),
	V("a chunk size with 0x",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: "
		"chunked\r\n\r\n0x4\r\nbody\r\n0\r\n\r\n" SECOND),
	V("a chunk size beyond 64 bits",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		"chunked\r\n\r\nfffffffffffffffff\r\nbody\r\n0\r\n\r\n" SECOND),
	V("a chunk longer than its size",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: "
		"chunked\r\n\r\n3\r\nbody\r\n0\r\n\r\n" SECOND),
	V("an empty name",
		"GET /fault HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n" SECOND),
	V("a name with a blank",
		"GET /fault HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n" SECOND),
	V("a header without a colon",
		"GET /fault HTTP/1.1\r\nHost: x\r\nXY\r\n\r\n" SECOND),
	V("an unknown version", "GET /fault HTTP/3.7\r\nHost: x\r\n\r\n"),
	V("no version", "GET /fault\r\n\r\n" SECOND),
	V("a method that is none",
		"G@T /fault HTTP/1.1\r\nHost: x\r\n\r\n" SECOND),
	V("TLS on a plain port",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
	V("control characters in the path",
		"GET /fa\x01ult HTTP/1.1\r\nHost: x\r\n\r\n" SECOND),
};

static void
expect_refusal(struct gateway_run *g, const struct vector *v)
{
	struct client c;
	struct answer a;
	size_t size = v->size;

	cr_assert(client_open(&c, g->http));
	client_send(&c, v->bytes, size);
	if (!client_read(&c, &a, false, HTTP_DEADLINE_MS)) {
		cr_expect_fail("%s: no answer", v->what);
		client_close(&c);
		return;
	}
	cr_expect(a.status == 400 || a.status == 505 || a.status == 501,
		"%s: %d %s", v->what, a.status, a.body);
	cr_expect(client_sees_close(&c, HTTP_DEADLINE_MS),
		"%s: the connection stays open, or there is a second answer: "
		"%.200s",
		v->what, c.input ? c.input : "");
	answer_finish(&a);
	client_close(&c);
}

Test(edge, malformed_requests_get_one_400_and_the_end)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_start(g);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		expect_refusal(g, &vectors[i]);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

/* The same, a byte at a time: no hang, the same verdict. */
Test(edge, malformed_requests_in_single_bytes_get_the_same)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_start(g);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i += 3) {
		const struct vector *v = &vectors[i];
		size_t size = v->size;
		struct client c;
		struct answer a;

		cr_assert(client_open(&c, g->http));
		for (size_t k = 0; k < size; k++)
			if (!client_send(&c, v->bytes + k, 1))
				break;
		cr_expect(client_read(&c, &a, false, HTTP_DEADLINE_MS), "%s",
			v->what);
		cr_expect(a.status >= 400, "%s: %d", v->what, a.status);
		answer_finish(&a);
		client_close(&c);
	}
	run_end(g);
}

/* ---- paths ---- */

Test(edge, paths_are_resolved_or_refused)
{
	static const struct {
		const char *path;
		int status;
	} rows[] = {{"/fault", 200}, {"/fault?x=1", 200}, {"/./fault", 200},
		{"/x/../fault", 200}, {"/%66ault", 200}, {"/fault/", 404},
		{"//fault", 400}, {"/fault//slow", 400}, {"/fault%2Fslow", 400},
		{"/fault%00", 400}, {"/fault%zz", 400}, {"/../../fault", 200},
		{"/nothing", 404}, {"/api/../fault", 200}, {"/Fault", 404}};
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_start(g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int status = http_status(g->http, rows[i].path);

		cr_expect(status == rows[i].status ||
				  (rows[i].status == 200 &&
					  strstr(rows[i].path, "/../..") &&
					  status == 400),
			"%s: %d", rows[i].path, status);
	}
	run_end(g);
}

/* ---- methods and bodies ---- */

Test(edge, a_wrong_method_gets_405_and_allow)
{
	struct gateway_run *g = run_create();
	struct answer a;
	const char *allow;

	run_add_fault(g);
	run_start(g);
	a = http_post(g->http, "/fault", "x");
	cr_expect_eq(a.status, 405);
	allow = answer_header(&a, "Allow");
	cr_expect(allow && strstr(allow, "GET"), "%s", a.head);
	answer_finish(&a);
	run_end(g);
}

Test(edge, head_and_not_modified_carry_no_body)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;

	run_add_fault(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	for (int i = 0; i < 3; i++) {
		cr_assert(client_say(
			&c, "HEAD /fault HTTP/1.1\r\nHost: x\r\n\r\n"));
		cr_assert(client_read(&c, &a, true, HTTP_DEADLINE_MS));
		cr_expect_eq(a.status, 200);
		cr_expect(answer_header(&a, "Content-Length"), "%s", a.head);
		answer_finish(&a);
	}
	/* What follows would be read wrongly if a body had come. */
	cr_assert(client_get(&c, "/fault", &a));
	cr_expect_eq(a.status, 200);
	cr_expect(a.body_bytes > 0);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

Test(edge, bodies_arrive_whole_in_chunks_and_with_a_length)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;
	size_t size = 300 * 1024;
	char *body = memory_alloc(size + 1);

	memset(body, 'b', size);
	run_add_fault(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: chunked\r\n\r\n"
		"4;ext=1\r\nbody\r\n6\r\n parts\r\n0\r\nTrailer: t\r\n\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_str_eq(a.body, "body parts");
	answer_finish(&a);
	cr_assert(client_post(&c, "/fault/echo", body, &a));
	cr_expect_eq(a.status, 200);
	cr_expect_eq(a.body_bytes, size);
	answer_finish(&a);
	cr_assert(client_say(&c,
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_str_eq(a.body, "body");
	answer_finish(&a);
	client_close(&c);
	free(body);
	run_end(g);
}

Test(edge, a_request_id_is_kept_or_made)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;
	const char *id;

	run_add_fault(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /fault HTTP/1.1\r\nHost: x\r\n"
				 "X-Request-Id: mine-1\r\n\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	id = answer_header(&a, "X-Request-Id");
	cr_expect(id && !strcmp(id, "mine-1"), "%s", a.head);
	answer_finish(&a);
	cr_assert(client_get(&c, "/fault", &a));
	id = answer_header(&a, "X-Request-Id");
	cr_expect(id && strlen(id) > 8, "%s", a.head);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

/* ---- pipelining ---- */

Test(edge, pipelined_requests_are_answered_in_order_also_if_the_first_waits)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;

	run_add_fault(g);
	run_add_bench(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"GET /fault/slow?600 HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 5\r\n\r\nthird"
		"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
		"HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect(!strncmp(a.body, "pid=", 4), "%s", a.body);
	answer_finish(&a);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect(!strncmp(a.body, "v=1;", 4), "%s", a.body);
	answer_finish(&a);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_str_eq(a.body, "third");
	answer_finish(&a);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 404);
	answer_finish(&a);
	cr_assert(client_read(&c, &a, true, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect(!strncmp(a.body, "v=1;", 4), "%s", a.body);
	cr_expect(a.closes);
	answer_finish(&a);
	cr_expect(client_sees_close(&c, HTTP_DEADLINE_MS));
	client_close(&c);
	run_end(g);
}

Test(edge, many_pipelined_requests_are_all_answered)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;
	char *all = memory_copy_text("");

	run_add_bench(g);
	run_start(g);
	for (int i = 0; i < 200; i++) {
		char *more = memory_format("%sGET /hello HTTP/1.1\r\n"
					   "Host: x\r\n\r\n",
			all);

		free(all);
		all = more;
	}
	cr_assert(client_open(&c, g->http));
	cr_assert(client_send(&c, all, strlen(all)));
	for (int i = 0; i < 200; i++) {
		cr_assert(
			client_read(&c, &a, false, HTTP_DEADLINE_MS), "%d", i);
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
	}
	client_close(&c);
	free(all);
	run_end(g);
}

Test(edge, http_1_0_is_closed_unless_kept_alive)
{
	struct gateway_run *g = run_create();
	struct client c;
	struct answer a;

	run_add_bench(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /hello HTTP/1.0\r\n\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200, "%d", a.status);
	answer_finish(&a);
	cr_expect(client_sees_close(&c, HTTP_DEADLINE_MS));
	client_close(&c);
	run_end(g);
}

/* ---- limits and timeouts ---- */

static struct gateway_run *
start_limited(const char *limits)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	free(g->extra);
	g->extra = memory_format("limits: {%s}\n", limits);
	run_start(g);
	return g;
}

Test(edge, what_is_too_large_is_413_or_431)
{
	struct gateway_run *g =
		start_limited("body: 8KiB, head: 4KiB, headers: 20");
	char *body = memory_alloc(9 * 1024 + 1), *head = memory_copy_text("");
	struct client c;
	struct answer a;

	memset(body, 'b', 9 * 1024);
	a = http_post(g->http, "/fault/echo", body);
	cr_expect_eq(a.status, 413);
	answer_finish(&a);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
		9 * 1024, body));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 413);
	answer_finish(&a);
	client_close(&c);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /fault HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", body));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 431);
	answer_finish(&a);
	client_close(&c);
	for (int i = 0; i < 25; i++) {
		char *more = memory_format("%sX-%d: y\r\n", head, i);

		free(head);
		head = more;
	}
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /fault HTTP/1.1\r\nHost: x\r\n%s\r\n", head));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 431);
	answer_finish(&a);
	client_close(&c);
	free(body);
	free(head);
	run_end(g);
}

Test(edge, slow_heads_slow_bodies_and_idle_clients_are_ended)
{
	struct gateway_run *g = start_limited("head_timeout: 300ms, "
					      "body_timeout: 300ms, "
					      "idle_timeout: 300ms");
	static const char *const begins[] = {"GET /fault HT",
		"POST /fault/echo HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 4\r\n\r\nbo",
		""};

	for (int i = 0; i < 3; i++) {
		struct client c;
		struct answer a = {0};

		cr_assert(client_open(&c, g->http));
		cr_assert(client_send(&c, begins[i], strlen(begins[i])));
		if (client_read(&c, &a, false, HTTP_DEADLINE_MS))
			cr_expect_eq(a.status, 408, "%d: %d", i, a.status);
		answer_finish(&a);
		cr_expect(client_sees_close(&c, HTTP_DEADLINE_MS), "%d", i);
		client_close(&c);
	}
	run_end(g);
}

Test(edge, a_client_that_does_not_read_delays_nobody)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 2};
	struct client c;

	run_add_fault(g);
	run_start(g);
	cr_assert(client_open(&c, g->http));
	for (int i = 0; i < 4; i++)
		cr_assert(client_say(&c, "GET /fault/stream?16384 HTTP/1.1\r\n"
					 "Host: x\r\n\r\n"));
	load_start(&load, g->http, "/fault", "/fault/echo");
	load_await(&load, 200);
	load_stop_clean(&load);
	client_close(&c);
	run_end(g);
}

Test(edge, idle_clients_keep_nobody_out_at_the_limit_of_connections)
{
	struct gateway_run *g = start_limited("connections: 8");
	struct client clients[16];
	struct answer a;

	for (int i = 0; i < 16; i++) {
		cr_assert(client_open(&clients[i], g->http));
		cr_assert(client_get(&clients[i], "/fault", &a), "%d", i);
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
	}
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	for (int i = 0; i < 8; i++)
		cr_expect(client_sees_close(&clients[i], HTTP_DEADLINE_MS));
	for (int i = 0; i < 16; i++)
		client_close(&clients[i]);
	run_end(g);
}
