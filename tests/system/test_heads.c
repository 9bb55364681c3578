/* Heads on the built programs: what ends at this hop, what every answer has,
 * and answers that have no body. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(heads, .fini = run_fini, .timeout = 100);

static struct gateway_run *
start_streams(void)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-stream", "stream");
	run_plugin(g, "stream", "use: stream");
	run_start(g);
	return g;
}

Test(heads, what_ends_at_this_hop_does_not_reach_the_plugin)
{
	static const char *const ended[] = {"connection", "keep-alive", "te",
		"trailer", "upgrade", "proxy-connection", "proxy-authorization",
		"x-private", "x-other", "expect", "transfer-encoding"};
	struct gateway_run *g = start_streams();
	struct client c;
	struct answer a;
	json_t *head, *fields;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"GET /stream/head HTTP/1.1\r\nHost: x\r\n"
		"Connection: keep-alive, X-Private\r\nConnection: X-Other\r\n"
		"Keep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: X-T\r\n"
		"Upgrade: h2c\r\nProxy-Connection: keep-alive\r\n"
		"Proxy-Authorization: Basic eA==\r\nX-Private: 1\r\n"
		"X-Other: 2\r\nX-Kept: 3\r\nAuthorization: Bearer t\r\n\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	head = json_loads(a.body, 0, NULL);
	cr_assert(head, "%s", a.body);
	fields = json_object_get(head, "headers");
	for (size_t i = 0; i < sizeof(ended) / sizeof(*ended); i++)
		cr_expect_null(json_object_get(fields, ended[i]), "%s: %s",
			ended[i], a.body);
	cr_expect(json_object_get(fields, "x-kept"));
	cr_expect(json_object_get(fields, "authorization"));
	cr_expect(json_object_get(fields, "host"));
	json_decref(head);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

Test(heads, nor_does_a_plugins_own_reach_the_client)
{
	static const char *const ended[] = {"X-Private", "Keep-Alive",
		"Transfer-Encoding", "Upgrade", "TE", "Trailer",
		"Proxy-Authenticate", "Connection"};
	struct gateway_run *g = start_streams();
	struct answer a = http_get(g->http, "/stream/fields");

	cr_expect_eq(a.status, 200);
	for (size_t i = 0; i < sizeof(ended) / sizeof(*ended); i++)
		cr_expect_null(answer_header(&a, ended[i]), "%s in %s",
			ended[i], a.head);
	cr_expect(answer_header(&a, "X-Kept"));
	cr_expect_str_eq(answer_header(&a, "Content-Length"), "4");
	cr_expect_str_eq(a.body, "body");
	cr_expect_not(a.closes);
	answer_finish(&a);
	run_end(g);
}

static unsigned
count_in(const char *text, const char *what)
{
	unsigned count = 0;

	for (const char *c = text; (c = strstr(c, what)); c++)
		count++;
	return count;
}

Test(heads, every_answer_has_one_date_and_one_server)
{
	static const struct {
		const char *ask;
		int status;
	} rows[] = {{"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
		 "\r\n",
			405},
		{"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"GET /api/plugins HTTP/1.1\r\nHost: x\r\n\r\n", 401},
		{"GET /stream/status?204 HTTP/1.1\r\nHost: x\r\n\r\n", 204},
		{"GET /stream/status?99 HTTP/1.1\r\nHost: x\r\n\r\n", 502},
		{"GET /stream/flood HTTP/1.0\r\n\r\n", 200},
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501}};
	struct gateway_run *g = start_streams();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct client c;
		struct answer a = {0};

		cr_assert(client_open(&c, g->http));
		cr_assert(client_say(&c, "%s", rows[i].ask));
		client_read(&c, &a, rows[i].status == 204, HTTP_DEADLINE_MS);
		if (a.head) {
			cr_expect_eq(a.status, rows[i].status, "%s%s",
				rows[i].ask, a.head);
			cr_expect_eq(
				count_in(a.head, "\nDate: "), 1, "%s", a.head);
			cr_expect_eq(count_in(a.head, "\nServer: "), 1, "%s",
				a.head);
		}
		cr_expect(a.head || i == 7, "%s", rows[i].ask);
		answer_finish(&a);
		client_close(&c);
	}
	run_end(g);
}

/* What follows on the connection would be read wrongly if a body had come. */
Test(heads, answers_without_a_body_have_none_whatever_the_plugin_sends)
{
	static const int statuses[] = {204, 205, 304};
	struct gateway_run *g = start_streams();
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	for (int i = 0; i < 3; i++) {
		cr_assert(client_say(&c,
			"GET /stream/status?%d HTTP/1.1\r\nHost: x\r\n\r\n",
			statuses[i]));
		cr_assert(client_read(&c, &a, true, HTTP_DEADLINE_MS));
		cr_expect_eq(a.status, statuses[i]);
		cr_expect(!answer_header(&a, "Content-Length") ||
				  statuses[i] != 204,
			"%s", a.head);
		answer_finish(&a);
		cr_assert(
			client_get(&c, "/livez", &a), "after %d", statuses[i]);
		cr_expect_eq(a.status, 200);
		cr_expect_str_eq(a.body, "ok\n");
		answer_finish(&a);
	}
	cr_assert(client_say(&c, "HEAD /stream/status?200 HTTP/1.1\r\n"
				 "Host: x\r\n\r\n"));
	cr_assert(client_read(&c, &a, true, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(answer_header(&a, "Content-Length"), "4");
	answer_finish(&a);
	cr_assert(client_get(&c, "/livez", &a));
	cr_expect_str_eq(a.body, "ok\n");
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}
