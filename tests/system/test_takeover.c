/* The take-over on the built programs: what cannot exist twice goes from the
 * old worker to the new one, and back if the new one cannot have it. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/taker.h"

TestSuite(takeover, .fini = run_fini, .timeout = 120);

#define EXCLUSIVE "reload: exclusive\n"

static struct gateway_run *
start(const char *settings, const char *manifest, const char *entry)
{
	struct gateway_run *g = run_create();

	taker_add(g, "a", settings, manifest, entry);
	run_start(g);
	return g;
}

static void
expect_after(struct gateway_run *g, const char *from, const char *expected)
{
	char *journal = taker_journal(g, "a"), *at = strstr(journal, from);

	cr_assert(at, "%s", journal);
	cr_expect_str_eq(at, expected);
	free(journal);
}

Test(takeover, of_a_service_goes_step_by_step)
{
	struct gateway_run *g = start("services: \"one,two\"", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect(json_is_number(ctl_at(c, "takeMs")), "%s", c->out);
	cr_expect(json_is_number(ctl_at(c, "phases.taking")), "%s", c->out);
	cr_expect(json_is_number(ctl_at(c, "phases.quiescing")));
	cr_expect_eq(ctl_number(c, "held"), 0);
	ctl_destroy(c);
	expect_after(g, "1 stop one\n",
		"1 stop one\n1 stopped one\n1 stop two\n1 stopped two\n"
		"1 quiesce quiesce\n2 take take\n2 epoch 2\n2 start one\n"
		"2 runs one\n2 start two\n2 runs two\n");
	run_end(g);
}

Test(takeover, of_a_manifest_goes_by_quiesce_and_take)
{
	struct gateway_run *g = start("exclusive: true", EXCLUSIVE, "");
	struct ctl *c;

	taker_await(g, "a", "1 epoch 1\n", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	ctl_destroy(c);
	expect_after(
		g, "1 quiesce", "1 quiesce quiesce\n2 take take\n2 epoch 2\n");
	run_end(g);
}

Test(takeover, is_not_made_without_something_exclusive)
{
	struct gateway_run *g = start("", "", "");
	struct ctl *c = ctl_expect(g, 0, "reload", "a", NULL);
	char *journal = taker_journal(g, "a");

	cr_expect_str_eq(ctl_text(c, "mode"), "overlap");
	cr_expect_null(ctl_at(c, "takeMs"));
	cr_expect_null(ctl_at(c, "phases.taking"));
	cr_expect_str_eq(journal, "");
	free(journal);
	ctl_destroy(c);
	run_end(g);
}

Test(takeover, needs_handlers_only_where_the_manifest_says_exclusive)
{
	struct gateway_run *g = start("services: one, plain: true", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs one\n", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_eq(taker_count(g, "a", "2 runs one\n"), 1);
	taker_manifest(g, "a", "services: one, plain: true", EXCLUSIVE);
	run_announce(g, "has no handler of take");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "no handler of take"), "%s",
		c->out);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 2);
	run_end(g);
}

Test(takeover, of_a_service_that_starts_late_is_tried_three_times)
{
	struct gateway_run *g = start("services: one", "", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs one\n", 1);
	taker_manifest(g, "a", "services: one, start: \"fail,fail,ok\"", "");
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_eq(taker_count(g, "a", "2 start one\n"), 3);
	cr_expect_geq(ctl_number(c, "takeMs"), 500); /* both pauses */
	ctl_destroy(c);
	run_end(g);
}

Test(takeover, goes_back_when_the_new_one_cannot_start_three_times)
{
	struct gateway_run *g = start("services: \"one,two\"", "", "");
	long pid;
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	pid = ctl_status_number(g, "a", "pid");
	taker_manifest(
		g, "a", "services: \"one,two\", only: two, start: fail", "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "rolled_back");
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect_str_eq(ctl_text(c, "error"),
		"taking: 3 tries: service 'two' did not start: start of two "
		"fails as asked");
	cr_expect(json_is_number(ctl_at(c, "takeMs")));
	ctl_destroy(c);
	cr_expect_eq(taker_count(g, "a", "2 start two\n"), 3);
	expect_after(g, "2 stop one\n",
		"2 stop one\n2 stopped one\n2 quiesce quiesce\n1 take take\n"
		"1 epoch 3\n1 start one\n1 runs one\n1 start two\n"
		"1 runs two\n");
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	taker_expect_order(g, "a");

	taker_manifest(g, "a", "services: \"one,two\"", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_eq(taker_expect_order(g, "a"), 4);
	run_end(g);
}
