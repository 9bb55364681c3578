/* reload_with_required on the built programs: who is reloaded after whom, and
 * once. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/run.h"

TestSuite(required, .fini = run_fini, .timeout = 200);

#define FOLLOWS "reload_with_required: true"

/* left and right require base, and top both of them; loner does not follow. */
static void
add_plugins(struct gateway_run *g, const char *base, const char *left)
{
	run_plugin(g, "base", "use: calls, namespace: base%s", base);
	run_plugin(g, "left",
		"use: calls, namespace: left, requires: [base], " FOLLOWS "%s",
		left);
	run_plugin(g, "right",
		"use: calls, namespace: right, requires: [base], " FOLLOWS);
	run_plugin(g, "top",
		"use: calls, namespace: top, requires: [left, "
		"right], " FOLLOWS);
	run_plugin(
		g, "loner", "use: calls, namespace: loner, requires: [base]");
}

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-calls", "calls");
	add_plugins(g, "", "");
	run_start(g);
	return g;
}

/* Receipts in the history of that plugin and trigger. */
static unsigned
receipts(struct gateway_run *g, const char *plugin, const char *trigger)
{
	struct ctl *c = ctl_expect(g, 0, "history", plugin, NULL);
	json_t *receipt;
	unsigned count = 0;
	size_t i;

	json_array_foreach(ctl_at(c, "receipts"), i, receipt)
	{
		count += !strcmp(
			json_string_value(json_object_get(receipt, "trigger")),
			trigger);
	}
	ctl_destroy(c);
	return count;
}

/* Top is the last one: after it nothing is left to follow. */
static void
expect_all_at(struct gateway_run *g, long generation)
{
	static const char *const ids[] = {"base", "left", "right", "top"};

	ctl_await_number(g, "top", "generation", generation);
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		ctl_await_state(g, ids[i], "serving");
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		cr_expect_eq(ctl_status_number(g, ids[i], "generation"),
			generation, "%s", ids[i]);
	cr_expect_eq(ctl_status_number(g, "loner", "generation"), 1);
}

Test(required, are_followed_in_order_and_once)
{
	struct gateway_run *g = start();
	struct ctl *c;

	ctl_destroy(ctl_expect(g, 0, "reload", "base", NULL));
	expect_all_at(g, 2);
	cr_expect_eq(receipts(g, "left", "required"), 1);
	cr_expect_eq(receipts(g, "top", "required"), 1);
	c = ctl_expect(g, 0, "history", "left", NULL);
	cr_expect(strstr(c->out, "the reload of 'base'"), "%s", c->out);
	ctl_destroy(c);

	/* from the middle, only upwards */
	ctl_destroy(ctl_expect(g, 0, "reload", "left", NULL));
	ctl_await_number(g, "top", "generation", 3);
	cr_expect_eq(ctl_status_number(g, "base", "generation"), 2);
	cr_expect_eq(ctl_status_number(g, "right", "generation"), 2);
	run_end(g);
}

Test(required, are_followed_once_after_a_set)
{
	struct gateway_run *g = start();

	ctl_destroy(ctl_expect(
		g, 0, "reload", "base", "left", "right", "--atomic", NULL));
	expect_all_at(g, 2);
	ctl_destroy(ctl_expect(g, 0, "reload", "--all", NULL));
	for (int i = 0; i < 3; i++)
		ctl_await_state(g, "top", "serving");
	cr_expect_eq(receipts(g, "left", "required"), 0);
	cr_expect_eq(receipts(g, "top", "required"), 1);
	run_end(g);
}

Test(required, are_followed_once_after_a_hup_that_changes_several)
{
	struct gateway_run *g = start();
	size_t from = capture_length(&g->log);

	run_no_plugins(g);
	add_plugins(g, ", settings: {other: 1}", ", settings: {other: 1}");
	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, from, "configuration applied");
	expect_all_at(g, 2);
	cr_expect_eq(receipts(g, "left", "required"), 0);
	cr_expect_eq(receipts(g, "right", "required"), 1);
	run_end(g);
}

/* A reload that failed has changed nothing, a proof neither, and a crash
 * restart is no reload. */
Test(required, that_were_not_reloaded_are_not_followed)
{
	struct gateway_run *g = start();

	ctl_destroy(ctl_expect(g, 0, "reload", "base", "--prove", NULL));
	run_announce(g, "killed by signal 9");
	kill((pid_t)ctl_status_number(g, "base", "pid"), SIGKILL);
	ctl_await_number(g, "base", "generation", 3);
	ctl_await_state(g, "base", "serving");
	ctl_destroy(ctl_expect(g, 0, "reload", "top", NULL));
	cr_expect_eq(ctl_status_number(g, "left", "generation"), 1);
	cr_expect_eq(ctl_status_number(g, "top", "generation"), 2);
	run_end(g);
}
