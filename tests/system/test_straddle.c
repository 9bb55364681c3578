/* Requests that straddle a swap: their routes are looked up again, so that the
 * row, its parameters and its limits are of the generation that serves. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/raw.h"

TestSuite(straddle, .fini = run_fini, .timeout = 200);

#define LONG_BODY 70000
#define ID_ROUTES                                                              \
	"only: true, routes: [GET /stream, GET /alive, 'POST /items/{id}']"
/* In another order, so that an index of the old set is another row's. */
#define KEY_ROUTES "only: true, routes: ['POST /items/{key}', GET /stream]"

static struct gateway_run *
start(const char *settings, const char *entry)
{
	struct gateway_run *g = run_create();

	raw_add_more(g, "a", settings, entry, "");
	run_start(g);
	return g;
}

static void
reload(struct gateway_run *g, const char *settings)
{
	raw_manifest(g, "a", settings, "");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
}

static void
expect_answer(struct client *c, int status, const char *text)
{
	struct answer a;

	cr_assert(client_read(c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, status, "%d %s", a.status, a.body);
	cr_expect(strstr(a.body, text), "'%s' is not in: %s", text, a.body);
	answer_finish(&a);
}

/* The only place is taken, until that client leaves. */
static void
fill(struct gateway_run *g, struct client *c)
{
	cr_assert(client_open(c, g->http));
	cr_assert(client_say(c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "a", "inFlight", 1);
}

/* The head and a part of the body have arrived: no worker has the request. */
static void
post_half(struct gateway_run *g, struct client *c)
{
	cr_assert(client_open(c, g->http));
	cr_assert(client_say(c, "POST /items/5 HTTP/1.1\r\nHost: x\r\n"
				"Content-Length: 6\r\n\r\nabc"));
	/* Another connection behind it is served: the head has been read. */
	cr_expect_eq(http_status(g->http, "/alive"), 200);
}

static void
post_held(struct gateway_run *g, struct client *c)
{
	cr_assert(client_open(c, g->http));
	cr_assert(client_say(c, "POST /items/5 HTTP/1.1\r\nHost: x\r\n"
				"Content-Length: 6\r\n\r\nabcdef"));
	ctl_await_number(g, "a", "held", 1);
}

Test(straddle, a_body_that_straddles_a_swap_goes_with_the_new_parameters)
{
	struct gateway_run *g = start(ID_ROUTES, "");
	struct client c;

	post_half(g, &c);
	reload(g, KEY_ROUTES);
	cr_assert(client_say(&c, "def"));
	expect_answer(&c, 200, "POST /items/{key} {\"key\": \"5\"}");
	client_close(&c);
	run_end(g);
}

Test(straddle, a_body_that_straddles_a_swap_has_the_limit_of_the_new_row)
{
	struct gateway_run *g = start(ID_ROUTES, "");
	struct client c;

	post_half(g, &c);
	reload(g, "only: true, routes: ['POST /items/{key} 5']");
	cr_assert(client_say(&c, "def"));
	expect_answer(&c, 413, "too large");
	client_close(&c);
	run_end(g);
}

Test(straddle, a_row_that_is_gone_at_the_end_of_the_body_is_404)
{
	struct gateway_run *g = start(ID_ROUTES, "");
	struct client c;

	post_half(g, &c);
	reload(g, "only: true, routes: [GET /stream]");
	cr_assert(client_say(&c, "def"));
	expect_answer(&c, 404, "nothing is served");
	client_close(&c);
	run_end(g);
}

Test(straddle, a_held_request_goes_with_the_new_parameters)
{
	struct gateway_run *g = start(ID_ROUTES, "max_in_flight: 1");
	struct client filler, c;

	fill(g, &filler);
	post_held(g, &c);
	reload(g, KEY_ROUTES);
	expect_answer(&c, 200, "POST /items/{key} {\"key\": \"5\"}");
	client_close(&filler);
	client_close(&c);
	run_end(g);
}

/* More than goes with the head: the rest waits until the worker asks. */
Test(straddle, a_held_request_with_a_long_body_goes_with_the_new_parameters)
{
	struct gateway_run *g = start(ID_ROUTES, "max_in_flight: 1");
	char *body = memory_alloc(LONG_BODY);
	struct client filler, c;

	memset(body, 'x', LONG_BODY);
	fill(g, &filler);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST /items/5 HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: %d\r\n\r\n",
		LONG_BODY));
	cr_assert(client_send(&c, body, LONG_BODY - 1));
	ctl_await_number(g, "a", "held", 1);
	reload(g, KEY_ROUTES);
	expect_answer(&c, 200, "POST /items/{key} {\"key\": \"5\"}");
	client_close(&filler);
	client_close(&c);
	free(body);
	run_end(g);
}

/* A held request is given to the row that a new one would be given to. */
Test(straddle, a_held_request_follows_to_a_more_specific_row)
{
	struct gateway_run *g = start(ID_ROUTES, "max_in_flight: 1");
	struct client filler, c;

	fill(g, &filler);
	post_held(g, &c);
	reload(g, "only: true, routes: ['POST /items/{id}', POST /items/5, "
		  "GET /stream]");
	expect_answer(&c, 200, "POST /items/5 {}");
	client_close(&filler);
	client_close(&c);
	run_end(g);
}

Test(straddle, a_held_request_whose_row_is_gone_is_refused)
{
	struct gateway_run *g = start(ID_ROUTES, "max_in_flight: 1");
	struct client filler, c;

	fill(g, &filler);
	post_held(g, &c);
	reload(g, "only: true, routes: [GET /stream]");
	expect_answer(&c, 503, "no longer serves this");
	client_close(&filler);
	client_close(&c);
	run_end(g);
}

/* Gone once, and there again when the plugin is back: it is served. */
Test(straddle, a_held_request_of_a_reverted_generation_follows_back)
{
	struct gateway_run *g =
		start(ID_ROUTES, "max_in_flight: 1, probation: 20s");
	struct client filler, c;

	fill(g, &filler);
	reload(g, KEY_ROUTES);
	client_close(&filler);
	fill(g, &filler);
	post_held(g, &c);
	run_announce(g, "reverted");
	cr_assert_eq(kill((pid_t)ctl_status_number(g, "a", "pid"), SIGKILL), 0);
	expect_answer(&c, 200, "POST /items/{id} {\"id\": \"5\"}");
	client_close(&filler);
	client_close(&c);
	run_end(g);
}
