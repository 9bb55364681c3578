/* trusted_proxies on the built programs: whose word is taken for who asks, on
 * TCP and unix listeners, and live. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(proxies, .fini = run_fini, .timeout = 100);

static struct gateway_run *
start_trusting(const char *trusted, bool tcp)
{
	struct gateway_run *g = run_create();

	if (tcp)
		snprintf(g->http, sizeof(g->http), "127.0.0.1:%d",
			http_free_port());
	run_package(g, "raw-stream", "stream");
	run_plugin(g, "stream", "use: stream");
	free(g->extra);
	g->extra = memory_format("trusted_proxies: [%s]\n", trusted);
	run_start(g);
	return g;
}

/* What the plugin sees of a request that begins with `before`. */
static json_t *
head_of(struct client *c, const char *before, const char *fields)
{
	struct answer a;
	json_t *json;

	cr_assert(client_say(c,
		"%sGET /stream/head HTTP/1.1\r\nHost: x\r\n%s\r\n", before,
		fields));
	cr_assert(client_read(c, &a, false, HTTP_DEADLINE_MS));
	cr_assert_eq(a.status, 200, "%d %s", a.status, a.body);
	json = json_loads(a.body, 0, NULL);
	cr_assert(json, "%s", a.body);
	answer_finish(&a);
	return json;
}

static const char *
field_of(const json_t *head, const char *name)
{
	const char *text = json_string_value(json_array_get(
		json_object_get(json_object_get(head, "headers"), name), 0));

	return text ? text : "";
}

/* peer: its text up to the port, or all of it. */
static void
expect_seen(struct gateway_run *g, const char *before, const char *fields,
	const char *peer, const char *forwarded)
{
	struct client c;
	json_t *head;
	const char *seen;

	cr_assert(client_open(&c, g->http));
	head = head_of(&c, before, fields);
	seen = json_string_value(json_object_get(head, "peer"));
	cr_expect(!strncmp(seen, peer, strlen(peer)), "%s%s: %s", before,
		fields, seen);
	cr_expect_str_eq(field_of(head, "x-forwarded-for"), forwarded);
	json_decref(head);
	client_close(&c);
}

#define CLAIM "X-Forwarded-For: 198.51.100.7\r\n"
#define PROXY "PROXY TCP4 198.51.100.9 127.0.0.1 77 80\r\n"

Test(proxies, a_trusted_peer_is_believed)
{
	struct gateway_run *g = start_trusting("127.0.0.0/8", true);

	expect_seen(g, "", "", "127.0.0.1:", "127.0.0.1");
	expect_seen(g, "", CLAIM, "198.51.100.7", "198.51.100.7, 127.0.0.1");
	expect_seen(g, PROXY, "", "198.51.100.9:77", "198.51.100.9");
	expect_seen(g, PROXY, CLAIM, "198.51.100.9:77", "198.51.100.9");
	run_end(g);
}

Test(proxies, so_is_one_behind_a_unix_socket)
{
	struct gateway_run *g = start_trusting("unix", false);

	expect_seen(g, "", "", "unix", "");
	expect_seen(g, "", CLAIM, "198.51.100.7", "198.51.100.7");
	expect_seen(g, PROXY, "", "198.51.100.9:77", "198.51.100.9");
	run_end(g);
}

Test(proxies, a_stranger_is_not_and_his_proxy_header_is_400)
{
	struct gateway_run *g = start_trusting("10.0.0.0/8", true);
	struct client c;
	struct answer a;

	expect_seen(g, "", CLAIM, "127.0.0.1:", "127.0.0.1");
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, PROXY "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 400);
	answer_finish(&a);
	cr_expect(client_sees_close(&c, HTTP_DEADLINE_MS));
	client_close(&c);
	run_end(g);
}

Test(proxies, a_hup_changes_who_is_trusted_on_open_connections)
{
	struct gateway_run *g = start_trusting("", true);
	struct client c;
	json_t *head;

	cr_assert(client_open(&c, g->http));
	for (int i = 0; i < 2; i++) {
		size_t mark = capture_length(&g->log);

		head = head_of(&c, "", CLAIM);
		cr_expect_str_eq(field_of(head, "x-forwarded-for"),
			i ? "198.51.100.7, 127.0.0.1" : "127.0.0.1");
		json_decref(head);
		free(g->extra);
		g->extra = memory_format("trusted_proxies: [127.0.0.1]\n");
		run_write_config(g);
		run_signal(g, SIGHUP);
		run_await_log(g, mark, "configuration applied in");
	}
	client_close(&c);
	run_end(g);
}
