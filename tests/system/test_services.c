/* Services on the built programs: started once their worker serves, tried again
 * when that fails, shown, and stopped in order before their worker ends. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/shell.h"
#include "tests/system/taker.h"

TestSuite(services, .fini = run_fini, .timeout = 120);

static struct gateway_run *
start(const char *settings, const char *manifest)
{
	struct gateway_run *g = run_create();

	taker_add(g, "a", settings, manifest, "");
	run_start(g);
	return g;
}

static void
expect_journal(struct gateway_run *g, const char *expected)
{
	char *journal = taker_journal(g, "a");

	cr_expect_str_eq(journal, expected);
	free(journal);
}

Test(services, are_started_and_stopped_in_the_order_of_registration)
{
	struct gateway_run *g = start("services: \"one,two\"", "");
	struct ctl *c;

	ctl_await_shown(g, "a", "services.1.state", "running");
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "services.0.name"), "one");
	cr_expect_str_eq(ctl_text(c, "services.0.state"), "running");
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect_str_eq(
		ctl_text(c, "lastReload.registered.services.1"), "two");
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	expect_journal(g,
		"1 take take\n1 epoch 1\n1 start one\n1 runs one\n1 start two\n"
		"1 runs two\n1 stop one\n1 stopped one\n1 stop two\n"
		"1 stopped two\n1 quiesce quiesce\n");
	run_end(g);
}

Test(services, are_stopped_when_supd_stops_or_the_plugin_is_disabled)
{
	struct gateway_run *g = start("services: \"one\"", "");

	taker_await(g, "a", "1 runs one\n", 1);
	ctl_destroy(ctl_expect(g, 0, "disable", "a", NULL));
	taker_await(g, "a", "1 stopped one\n", 1);
	ctl_destroy(ctl_expect(g, 0, "enable", "a", NULL));
	taker_await(g, "a", "2 runs one\n", 1);
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	cr_expect_eq(taker_count(g, "a", "2 stopped one\n"), 1);
	run_forget(g);
}

Test(services, that_do_not_stop_keep_nobody_longer_than_stop_timeout)
{
	struct gateway_run *g = run_create();

	taker_add(g, "a", "services: \"one,two\", stop: hang", "",
		"stop_timeout: 300ms");
	run_start(g);
	taker_await(g, "a", "1 runs two\n", 1);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	cr_expect_eq(taker_count(g, "a", "1 stop one\n"), 1);
	run_end(g);
}

Test(services, that_fail_to_start_are_tried_again_and_the_plugin_serves)
{
	struct gateway_run *g = start("services: \"one,two\", only: one, "
				      "start: \"fail,fail,ok\"",
		"");

	cr_expect_eq(http_status(g->http, "/a/gen"), 200);
	taker_await(g, "a", "1 runs one\n", 1);
	cr_expect_eq(taker_count(g, "a", "1 start one\n"), 3);
	cr_expect_eq(taker_count(g, "a", "1 start two\n"), 1);
	ctl_await_shown(g, "a", "services.0.state", "running");
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	run_end(g);
}

static void
expect_metric(struct gateway_run *g, const char *line)
{
	struct answer a = http_get(g->http, "/metrics");

	cr_expect(strstr(a.body, line), "%s", line);
	answer_finish(&a);
}

Test(services, that_never_start_are_shown_with_the_reason)
{
	struct gateway_run *g = start("services: one, start: fail", "");
	struct ctl *c;
	char *out;

	ctl_await_shown(
		g, "a", "services.0.text", "start of one fails as asked");
	ctl_await_shown(g, "a", "services.0.state", "waiting");
	taker_await(g, "a", "1 start one\n", 3);
	c = ctl_expect(g, 0, "status", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "plugins.0.state"), "serving");
	cr_expect_str_eq(ctl_text(c, "plugins.0.services.0.name"), "one");
	ctl_destroy(c);
	expect_metric(
		g, "supd_plugin_services{plugin=\"a\",state=\"waiting\"} 1");
	expect_metric(
		g, "supd_plugin_services{plugin=\"a\",state=\"running\"} 0");
	expect_metric(g, "supd_plugin_service_starts_total{plugin=\"a\"} 0");
	expect_metric(g, "supd_plugin_service_failures_total{plugin=\"a\"} ");
	out = shell_expect(g, 0, "$SUPCTL status");
	cr_expect(strstr(out, "a: service one waits: start of one fails as "
			      "asked"),
		"%s", out);
	free(out);
	run_end(g);
}

Test(services, are_started_again_after_a_crash)
{
	struct gateway_run *g = start("services: one", "");
	pid_t pid;

	taker_await(g, "a", "1 runs one\n", 1);
	pid = (pid_t)ctl_status_number(g, "a", "pid");
	run_announce(g, "killed by signal 9");
	cr_assert_gt(pid, 1); /* -1 would be everybody */
	kill(pid, SIGKILL);
	taker_await(g, "a", "2 runs one\n", 1);
	cr_expect_eq(taker_expect_order(g, "a"), 2);
	run_end(g);
}

Test(services, that_say_they_failed_are_stopped_and_started)
{
	struct gateway_run *g =
		start("services: one, start: \"broken,broken,ok\"", "");

	taker_await(g, "a", "1 runs one\n", 3);
	cr_expect_eq(taker_count(g, "a", "1 stopped one\n"), 2);
	ctl_await_shown(g, "a", "services.0.state", "running");
	run_end(g);
}

Test(services, are_shown_as_they_say)
{
	struct gateway_run *g = start("services: one", "");
	struct ctl *c;

	ctl_await_shown(g, "a", "services.0.state", "running");
	cr_expect_eq(
		http_status(g->http, "/a/say/waiting/for%20a%20server"), 204);
	ctl_await_shown(g, "a", "services.0.text", "for a server");
	ctl_await_shown(g, "a", "services.0.state", "waiting");
	c = ctl_expect(g, 0, "events", NULL);
	cr_expect(strstr(c->out, "service.status"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* ---- offers ---- */

/* The status of an offer of these services. */
static int
offer(struct gateway_run *g, const char *names)
{
	char *path = memory_format("/a/offer/%s", names);
	int status = http_status(g->http, path);

	free(path);
	return status;
}

Test(services, that_an_offer_drops_are_stopped_and_new_ones_started)
{
	struct gateway_run *g = start("services: \"one,two\"", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs two\n", 1);
	cr_expect_eq(offer(g, "two,three"), 204);
	taker_await(g, "a", "1 runs three\n", 1);
	expect_journal(g,
		"1 take take\n1 epoch 1\n1 start one\n1 runs one\n1 start two\n"
		"1 runs two\n1 stop one\n1 stopped one\n1 start three\n"
		"1 runs three\n");
	ctl_await_shown(g, "a", "services.1.state", "running");
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "services.0.name"), "two");
	cr_expect_str_eq(ctl_text(c, "services.1.name"), "three");
	ctl_destroy(c);
	/* a reload has what the package registers */
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	taker_await(g, "a", "2 runs two\n", 1);
	cr_expect_eq(taker_count(g, "a", "1 stopped three\n"), 1);
	taker_expect_order(g, "a");
	run_end(g);
}

Test(services, may_all_be_dropped_and_the_first_be_offered)
{
	struct gateway_run *g = start("services: \"one\"", "");
	struct ctl *c;

	taker_await(g, "a", "1 runs one\n", 1);
	cr_expect_eq(offer(g, "-"), 204);
	cr_expect_eq(taker_count(g, "a", "1 stopped one\n"), 1);
	cr_expect_eq(taker_count(g, "a", "1 quiesce quiesce\n"), 1);
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "overlap");
	ctl_destroy(c);
	cr_expect_eq(offer(g, "two"), 204);
	taker_await(g, "a", "1 epoch 2\n", 1);
	taker_await(g, "a", "1 runs two\n", 1);
	taker_expect_order(g, "a");
	run_end(g);
}

Test(services, of_a_plugin_without_any_may_be_offered)
{
	struct gateway_run *g = start("", "");

	cr_expect_eq(offer(g, "one"), 204);
	taker_await(g, "a", "1 runs one\n", 1);
	ctl_await_shown(g, "a", "services.0.state", "running");
	run_end(g);
}

Test(services, that_do_not_stop_fail_an_offer_and_run_on)
{
	struct gateway_run *g = start(
		"services: \"one,two\", only: two, stop: \"fail,ok\"", "");

	taker_await(g, "a", "1 runs two\n", 1);
	cr_expect_eq(offer(g, "three"), 409);
	cr_expect_eq(taker_count(g, "a", "1 start three\n"), 0);
	taker_await(g, "a", "1 runs one\n", 2);
	taker_await(g, "a", "1 runs two\n", 2);
	ctl_await_shown(g, "a", "services.1.state", "running");
	cr_expect_eq(offer(g, "three"), 204);
	taker_await(g, "a", "1 runs three\n", 1);
	run_end(g);
}

Test(services, that_an_offer_is_stopping_when_the_plugin_stops_end_with_it)
{
	struct gateway_run *g =
		start("services: \"one,two\", stop: \"hang,ok\"", "");
	struct client waiting;
	struct answer a;

	taker_await(g, "a", "1 runs two\n", 1);
	cr_assert(client_open(&waiting, g->http));
	cr_assert(client_say(
		&waiting, "GET /a/offer/two HTTP/1.1\r\nHost: x\r\n\r\n"));
	taker_await(g, "a", "1 stop one\n", 1);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	cr_assert(client_read(&waiting, &a, false, HTTP_DEADLINE_MS));
	cr_expect_geq(a.status, 400);
	answer_finish(&a);
	client_close(&waiting);
	run_end(g);
}
