/* The stop of supd as its clients see it. */
#include <criterion/criterion.h>
#include <signal.h>

#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(stop, .fini = run_fini, .timeout = 120);

#define ASK "GET /fault HTTP/1.1\r\nHost: x\r\n\r\n"

static void
expect_answers(struct client *c, int count, const char *what)
{
	struct answer a;

	for (int i = 0; i < count; i++) {
		cr_assert(client_read(c, &a, false, HTTP_DEADLINE_MS),
			"%s: answer %d is missing", what, i);
		cr_expect_eq(a.status, 200, "%s: %d", what, a.status);
		answer_finish(&a);
	}
	client_close(c);
}

/* While supd stands still, so that all of it waits in the kernel. */
Test(stop, what_had_arrived_before_term_is_accepted_and_answered)
{
	enum { NEW = 20 };
	struct gateway_run *g = run_create();
	struct client kept, pipelined, fresh[NEW], late;
	struct answer a;

	run_add_fault(g);
	run_start(g);
	cr_assert(client_open(&kept, g->http));
	cr_assert(client_get(&kept, "/fault", &a));
	answer_finish(&a);
	cr_assert(client_open(&pipelined, g->http));
	cr_assert(client_get(&pipelined, "/fault", &a));
	answer_finish(&a);

	run_signal(g, SIGSTOP);
	cr_assert(client_say(&kept, ASK));
	cr_assert(client_say(&pipelined, ASK ASK ASK));
	for (int i = 0; i < NEW; i++) {
		cr_assert(client_open(&fresh[i], g->http));
		cr_assert(client_say(&fresh[i], ASK));
	}
	run_signal(g, SIGTERM);
	run_signal(g, SIGCONT);

	expect_answers(&kept, 1, "on an open connection");
	expect_answers(&pipelined, 3, "in a pipeline");
	for (int i = 0; i < NEW; i++)
		expect_answers(&fresh[i], 1, "in the listen backlog");
	cr_expect_eq(run_wait(g), 0);
	cr_expect_not(client_open(&late, g->http));
	run_forget(g);
}

Test(stop, a_client_that_says_nothing_does_not_delay_it)
{
	struct gateway_run *g = run_create();
	struct client silent, half;

	run_add_fault(g);
	run_defaults(g, "stop_timeout: 1s");
	run_start(g);
	cr_assert(client_open(&silent, g->http));
	cr_assert(client_open(&half, g->http));
	cr_assert(client_say(&half, "GET /fault HT"));
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	client_close(&silent);
	client_close(&half);
	run_forget(g);
}
