/* Take-overs of several plugins at once: one after the other, and all of them
 * back if one fails. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/taker.h"

TestSuite(takeover_sets, .fini = run_fini, .timeout = 120);

/* a and b have services, c has nothing exclusive. */
static struct gateway_run *
start(const char *entry)
{
	struct gateway_run *g = run_create();

	taker_add(g, "a", "services: one", "", entry);
	taker_add(g, "b", "services: one", "", entry);
	taker_add(g, "c", "", "", entry);
	run_start(g);
	taker_await(g, "a", "1 runs one\n", 1);
	taker_await(g, "b", "1 runs one\n", 1);
	return g;
}

static void
end(struct gateway_run *g)
{
	taker_expect_order(g, "a");
	taker_expect_order(g, "b");
	run_end(g);
}

static void
expect_generations(struct gateway_run *g, long a, long b, long c)
{
	cr_expect_eq(ctl_status_number(g, "a", "generation"), a);
	cr_expect_eq(ctl_status_number(g, "b", "generation"), b);
	cr_expect_eq(ctl_status_number(g, "c", "generation"), c);
}

/* The line of the log, counted from the front; fails if it is not there. */
static size_t
place_of(struct gateway_run *g, const char *line)
{
	char *all = capture_copy(&g->log);
	const char *at = strstr(all, line);
	size_t place = at ? (size_t)(at - all) : 0;

	cr_expect(at, "no %s", line);
	free(all);
	return place;
}

Test(takeover_sets, take_one_after_the_other)
{
	struct gateway_run *g = start("");
	struct ctl *c =
		ctl_expect(g, 0, "reload", "a", "b", "c", "--atomic", NULL);

	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "exclusive");
	cr_expect_str_eq(ctl_text(c, "results.1.mode"), "exclusive");
	cr_expect_str_eq(ctl_text(c, "results.2.mode"), "overlap");
	ctl_destroy(c);
	cr_expect_gt(place_of(g, "plugin=b gen=2 reload r-5 proven->quiescing"),
		place_of(g, "plugin=a gen=2 reload r-4 taking->ready"));
	expect_generations(g, 2, 2, 2);
	end(g);
}

Test(takeover_sets, give_all_back_when_one_fails)
{
	struct gateway_run *g = start("");
	struct ctl *c;

	taker_manifest(g, "b", "services: one, start: fail", "");
	c = ctl_expect(g, 1, "reload", "a", "b", "c", "--atomic", NULL);
	cr_expect(strstr(ctl_text(c, "results.1.error"), "taking: 3 tries"),
		"%s", c->out);
	cr_expect(strstr(ctl_text(c, "results.0.error"),
			  "plugin 'b' of the set failed: taking: "),
		"%s", c->out);
	cr_expect(strstr(ctl_text(c, "results.2.error"), "plugin 'b'"));
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "2 runs one\n"), 1);
	cr_expect_eq(taker_count(g, "a", "2 stopped one\n"), 1);
	cr_expect_eq(taker_count(g, "a", "1 runs one\n"), 2);
	cr_expect_eq(taker_count(g, "b", "1 runs one\n"), 2);
	expect_generations(g, 1, 1, 1);

	taker_manifest(g, "b", "services: one", "");
	ctl_destroy(
		ctl_expect(g, 0, "reload", "a", "b", "c", "--atomic", NULL));
	end(g);
}

Test(takeover_sets, fail_whole_when_the_first_one_fails)
{
	struct gateway_run *g = start("");

	taker_manifest(g, "a", "services: one, start: fail", "");
	ctl_destroy(
		ctl_expect(g, 1, "reload", "a", "b", "c", "--atomic", NULL));
	cr_expect_eq(taker_count(g, "b", "1 stop one\n"), 0);
	expect_generations(g, 1, 1, 1);
	end(g);
}

Test(takeover_sets, keep_what_is_held_until_the_outcome)
{
	static const char *const reload[] = {
		"reload", "a", "b", "--atomic", NULL};
	struct gateway_run *g = start("hold_timeout: 1s");
	struct client waiting;
	struct answer a;
	struct ctl *c;

	/* the second one takes longer than the first one may hold */
	taker_manifest(g, "b", "services: one, start: hang", "");
	c = ctl_begin(g, 0, reload);
	run_await_log(g, 0, "plugin=a gen=2 reload r-4 taking->ready");
	cr_assert(client_open(&waiting, g->http));
	cr_assert(
		client_say(&waiting, "GET /a/gen HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1, "%s", c->out);
	ctl_destroy(c);
	cr_assert(client_read(&waiting, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200, "%d %s", a.status, a.body);
	cr_expect_eq(answer_number(&a, "generation"), 1);
	answer_finish(&a);
	client_close(&waiting);
	end(g);
}
