/* test_worker: sup-worker alone, against a fake supd, over both links. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "proto/launch.h"
#include "tests/plugins/nulls/calls.h"
#include "tests/system/fake.h"

#define HELLO "plugins/hello", "hello.so"
#define BENCH "tests/plugins/bench", "bench.so"
#define FAULT "tests/plugins/fault", "fault.so"
#define NULLS "tests/plugins/nulls", "nulls.so"

static struct fake fake;

/* Each behaviour is tried on both links. */
#define ON_BOTH_LINKS(name)                                                    \
	static void name(const char *link);                                    \
	Test(worker, name##__nng)                                              \
	{                                                                      \
		name("nng");                                                   \
	}                                                                      \
	Test(worker, name##__native)                                           \
	{                                                                      \
		name("native");                                                \
	}                                                                      \
	static void name(const char *link)

static void
expect_exit(int code)
{
	int status = fake_stop(&fake);

	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == code,
		"wait status %#x; it wrote: %s", status, fake_output(&fake));
}

static void
get(uint32_t id, const char *path, const char *query)
{
	fake_http(&fake, id, "GET", path, query, "", 0, false);
}

ON_BOTH_LINKS(hello_registers_answers_and_ends_with_its_link)
{
	fake_start(&fake, HELLO, link, "{}", NULL);
	fake_await_ready(&fake);
	cr_expect_str_eq(fake.version, "1.0.0");
	cr_expect(fake.offers.count == 3);
	get(5, "/hello", "");
	fake_await_answer(&fake, 5);
	cr_expect(fake.answers[5].status == 200);
	cr_expect(strstr(fake.answers[5].content,
			  "{\"plugin\":\"sample\",\"version\":\"1.0.0\","
			  "\"generation\":7,\"pid\":"),
		"%s", fake.answers[5].content);
	fake_named(&fake, 6, MESSAGE_TOOL, "hello", NULL);
	fake_named(&fake, 7, MESSAGE_COMMAND, "hello", NULL);
	fake_plain(&fake, MESSAGE_PING);
	fake_await_answer(&fake, 9);
	fake_await_answer(&fake, 7);
	cr_expect(strstr(fake.answers[6].content, "\"generation\":7"), "%s",
		fake.answers[6].content);
	cr_expect(strstr(fake.answers[7].content, "generation"), "%s",
		fake.answers[7].content);
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(a_thousand_requests_at_once_are_each_answered_once)
{
	char path[64], query[16];

	fake_start(&fake, BENCH, link, "{\"prefix\":\"/b\"}", NULL);
	fake_await_ready(&fake);
	for (uint32_t id = 1; id <= 1000; id++) {
		snprintf(path, sizeof(path), "/b/%s",
			id % 10 ? "hello" : "slow");
		snprintf(query, sizeof(query), "%u", id % 50);
		get(id, path, query);
	}
	for (uint32_t id = 1; id <= 1000; id++) {
		fake_await_answer(&fake, id);
		cr_expect(fake.answers[id].content_bytes == 128);
		cr_expect(!strncmp(fake.answers[id].content, "v=0;p=", 6));
	}
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(named_requests_carry_arguments_both_ways)
{
	fake_start(&fake, FAULT, link, "{}", NULL);
	fake_await_ready(&fake);
	fake_named(&fake, 1, MESSAGE_TOOL, "fault", "{\"a\":[1,\"x\",null]}");
	fake_named(&fake, 2, MESSAGE_METHOD, "fault", "[true,-3,0.5]");
	fake_named(&fake, 3, MESSAGE_COMMAND, "fault", NULL);
	fake_named(&fake, 4, MESSAGE_TOOL, "nothing", NULL);
	fake_await_answer(&fake, 4);
	cr_expect_str_eq(
		fake.answers[1].content, "\"{\\\"a\\\":[1,\\\"x\\\",null]}\"");
	cr_expect_str_eq(fake.answers[2].content, "\"[true,-3,0.5]\"");
	cr_expect_str_eq(fake.answers[3].content, "\"some words\"");
	cr_expect(!strncmp(fake.answers[4].error, "not_found:", 10));
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(a_large_answer_goes_in_chunks_and_stops_without_credit)
{
	fake_start(&fake, FAULT, link, "{}", NULL);
	fake_await_ready(&fake);
	fake.holds_credit = true;
	get(1, "/fault/big", "1024");
	get(2, "/fault", "");
	while (fake.answers[1].content_bytes < WIRE_CREDIT_BYTES)
		fake_turn(&fake);
	fake_plain(&fake, MESSAGE_PING);
	fake_await_answer(&fake, 9); /* other answers pass */
	cr_expect(fake.answers[2].count == 1);
	cr_expect(fake.answers[1].content_bytes == WIRE_CREDIT_BYTES);
	cr_expect(fake.answers[1].more);
	fake.holds_credit = false;
	fake_about(&fake, MESSAGE_CREDIT, 1, 1024 * 1024);
	fake_await_answer(&fake, 1);
	cr_expect(fake.answers[1].content_bytes == 1024 * 1024);
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(a_stream_goes_on_as_it_is_credited_and_ends_when_cancelled)
{
	fake_start(&fake, FAULT, link, "{}", NULL);
	fake_await_ready(&fake);
	get(1, "/fault/stream", "2000");
	fake_await_answer(&fake, 1);
	cr_expect(fake.answers[1].content_bytes == 2000 * 1024);
	fake.holds_credit = true;
	get(2, "/fault/stream", "2000");
	while (fake.answers[2].content_bytes < WIRE_CREDIT_BYTES)
		fake_turn(&fake);
	fake_about(&fake, MESSAGE_CANCEL, 2, 0);
	fake_await_answer(&fake, 2);
	cr_expect(fake.answers[2].content_bytes == WIRE_CREDIT_BYTES);
	get(3, "/fault", "");
	fake_await_answer(&fake, 3);
	cr_expect(strstr(fake.answers[3].content, "\"cancelled\":1"));
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(a_large_body_is_collected_credited_and_limited)
{
	fake_start(&fake, FAULT, link, "{}", NULL);
	fake_await_ready(&fake);
	fake_http(&fake, 1, "POST", "/fault/echo", "", "ab", 2, true);
	for (int i = 0; i < 10; i++)
		fake_chunk(&fake, 1, 50000, i < 9);
	fake_http(&fake, 2, "POST", "/fault/echo", "", "ab", 2, true);
	for (int i = 0; i < 12; i++) /* beyond the 1 MiB of this supd */
		fake_chunk(&fake, 2, 100000, i < 11);
	fake_await_answer(&fake, 1);
	fake_await_answer(&fake, 2);
	cr_expect(fake.answers[1].content_bytes == 500002);
	cr_expect(!strncmp(fake.answers[1].content, "abccc", 5));
	cr_expect(fake.credited >= 450000);
	cr_expect(!strncmp(fake.answers[2].error, "too_large:", 10), "%s",
		fake.answers[2].error);
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(a_cancelled_request_is_still_answered_and_only_once)
{
	fake_start(&fake, FAULT, link, "{}", NULL);
	fake_await_ready(&fake);
	get(1, "/fault/slow", "30");
	fake_about(&fake, MESSAGE_CANCEL, 1, 0);
	fake_about(&fake, MESSAGE_CANCEL, 77, 0); /* not ours: nothing */
	fake_await_answer(&fake, 1);
	cr_expect_str_eq(fake.answers[1].error, "cancelled: cancelled");
	get(2, "/fault", "");
	fake_await_answer(&fake, 2);
	cr_expect(strstr(fake.answers[2].content, "\"cancelled\":1"));
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(drained_comes_after_the_last_answer_and_resume_undoes_it)
{
	fake_start(&fake, FAULT, link, "{}", NULL);
	fake_await_ready(&fake);
	get(1, "/fault/slow", "30");
	fake_plain(&fake, MESSAGE_DRAIN);
	fake_await_drained(&fake, 1);
	cr_expect(fake.answers[1].count == 1);
	fake_plain(&fake, MESSAGE_RESUME);
	get(2, "/fault", "");
	fake_await_answer(&fake, 2);
	cr_expect(fake.drained == 1);
	fake_plain(&fake, MESSAGE_DRAIN); /* with nothing in flight */
	fake_await_drained(&fake, 2);
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(a_plugin_calls_the_gateway_from_a_request)
{
	fake_start(&fake, FAULT, link, "{}", NULL);
	fake_await_ready(&fake);
	get(1, "/fault/reload", "");
	fake_await_answer(&fake, 1);
	cr_expect_str_eq(fake.answers[1].content,
		"{\"plugins.reload\":{\"pluginId\":\"sample\"}}");
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(an_unhealthy_plugin_says_why)
{
	fake_start(&fake, FAULT, link, "{\"mode\":\"fail_health\"}", NULL);
	fake_await_ready(&fake);
	fake_plain(&fake, MESSAGE_HEALTH);
	fake_await_answer(&fake, 9);
	cr_expect_str_eq(fake.answers[9].error, "failed: told to be unhealthy");
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(a_flood_of_log_lines_arrives_and_the_worker_still_answers)
{
	fake_start(&fake, FAULT, link, "{\"mode\":\"flood\"}", NULL);
	fake_await_ready(&fake);
	while (fake.logs < 2000)
		fake_turn(&fake);
	get(1, "/fault", "");
	fake_await_answer(&fake, 1);
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(garbage_on_the_link_is_noticed)
{
	int status;

	fake_start(&fake, FAULT, link, "{\"mode\":\"garbage\"}", NULL);
	fake_await_ready(&fake);
	get(1, "/fault", "");
	fake_await(&fake, &fake.closed, "the end of the link");
	status = fake_stop(&fake);
	cr_expect(WIFEXITED(status), "%#x", status);
}

ON_BOTH_LINKS(a_second_answer_ends_the_worker_with_a_message)
{
	int status;

	fake_start(&fake, FAULT, link, "{\"mode\":\"reply_twice\"}", NULL);
	fake_await_ready(&fake);
	get(1, "/fault", "");
	fake_await(&fake, &fake.closed, "the end of the worker");
	status = fake_wait_exit(&fake);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	cr_expect(strstr(fake_output(&fake), "answered twice"));
}

Test(worker, null_where_it_must_not_be_ends_the_worker_with_a_message)
{
	static const char *const says[] = {
#define X(function, parameter, call) #function "(): " #parameter " is NULL\n",
		NULL_CALLS(X)
#undef X
	};
	const size_t count = sizeof(says) / sizeof(*says);
	char number[8], *output;
	int status;

	for (size_t i = 0; i < count; i++) {
		snprintf(number, sizeof(number), "%zu", i);
		fake_start(&fake, NULLS, "native", "{}", NULL);
		fake_await_ready(&fake);
		get(1, "/null", number);
		fake_await(&fake, &fake.closed, "the end of the worker");
		status = fake_wait_exit(&fake);
		output = fake_output(&fake);
		cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
			"%s: %#x", says[i], status);
		cr_expect(strstr(output, says[i]), "%s: %s", says[i], output);
		free(output);
	}
}

ON_BOTH_LINKS(a_plugin_becomes_ready_when_it_says_so)
{
	fake_start(&fake, FAULT, link,
		"{\"mode\":\"slow_start\",\"start_ms\":50}", NULL);
	fake_await_ready(&fake);
	expect_exit(LAUNCH_EXIT_DONE);
	fake_start(&fake, FAULT, link, "{\"mode\":\"never_ready\"}", NULL);
	fake_await(&fake, &fake.hello, "hello");
	fake_plain(&fake, MESSAGE_PING);
	fake_await_answer(&fake, 9);
	cr_expect(!fake.ready);
	expect_exit(LAUNCH_EXIT_DONE);
}

ON_BOTH_LINKS(a_failing_start_ends_with_its_exit_code_and_says_why)
{
	static const struct {
		const char *settings;
		int code;
		const char *says;
	} cases[] = {
		{"{\"mode\":\"exit_at_start\"}", 3, "fault: exiting at start"},
		{"{\"mode\":\"fail_init\"}", LAUNCH_EXIT_INIT,
			"init of plugin sample failed"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *output;
		int status;

		fake_start(&fake, FAULT, link, cases[i].settings, NULL);
		fake_await(&fake, &fake.closed, "the end of the worker");
		status = fake_wait_exit(&fake);
		output = fake_output(&fake);
		cr_expect(WEXITSTATUS(status) == cases[i].code, "%#x", status);
		cr_expect(strstr(output, cases[i].says), "%s", output);
		free(output);
	}
}

ON_BOTH_LINKS(a_worker_whose_ready_is_refused_exits_with_the_reason)
{
	int status;

	fake_start(&fake, HELLO, link, "{}", NULL);
	fake.refuse_ready = "GET /hello belongs to another";
	fake_await(&fake, &fake.closed, "the end of the worker");
	status = fake_wait_exit(&fake);
	cr_expect(WEXITSTATUS(status) == LAUNCH_EXIT_REFUSED);
	cr_expect(strstr(fake_output(&fake), "belongs to another"));
}

ON_BOTH_LINKS(term_ends_a_worker_unless_it_is_ignored)
{
	int status;

	fake_start(&fake, HELLO, link, "{}", NULL);
	fake_await_ready(&fake);
	kill(fake.pid, SIGTERM);
	fake_await(&fake, &fake.closed, "the end of the worker");
	status = fake_wait_exit(&fake);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

	fake_start(&fake, FAULT, link, "{\"mode\":\"ignore_term\"}", NULL);
	fake_await_ready(&fake);
	kill(fake.pid, SIGTERM);
	get(1, "/fault", "");
	fake_await_answer(&fake, 1);
	kill(fake.pid, SIGKILL);
	fake_stop(&fake);
}

ON_BOTH_LINKS(a_stream_begun_after_its_cancel_is_answered_as_cancelled)
{
	fake_start(&fake, FAULT, link, "{}", NULL);
	fake_await_ready(&fake);
	get(1, "/fault/slow_stream", "30");
	fake_about(&fake, MESSAGE_CANCEL, 1, 0);
	fake_await_answer(&fake, 1);
	cr_expect_str_eq(fake.answers[1].error, "cancelled: cancelled");
	cr_expect(!fake.answers[1].chunks);
	expect_exit(LAUNCH_EXIT_DONE);
}

Test(worker, a_worker_dies_when_it_cannot_load_or_connect)
{
	int status;

	fake_start(&fake, "plugins/hello", "none.so", "native", "{}", NULL);
	status = fake_wait_exit(&fake);
	cr_expect(WEXITSTATUS(status) == LAUNCH_EXIT_LOAD);
	cr_expect(strstr(fake_output(&fake), "the package has no none.so"));
	fake_start(&fake, HELLO, "sideways", "{}", NULL);
	status = fake_wait_exit(&fake);
	cr_expect(WEXITSTATUS(status) == LAUNCH_EXIT_USAGE);
	fake_start(&fake, HELLO, "native", "{}", LAUNCH_PARENT "=1");
	status = fake_wait_exit(&fake); /* its parent is gone, it believes */
	cr_expect(WEXITSTATUS(status) == LAUNCH_EXIT_ORPHAN);
}

Test(worker, a_raw_python_worker_serves)
{
	fake_start(&fake, "tests/plugins/raw-python", "main.py", "native", "{}",
		NULL);
	fake_await_ready(&fake);
	get(1, "/raw", "");
	fake_named(&fake, 2, MESSAGE_TOOL, "raw", "{\"a\":[1,-2,\"x\"]}");
	fake_plain(&fake, MESSAGE_PING);
	fake_plain(&fake, MESSAGE_DRAIN);
	fake_await_drained(&fake, 1);
	cr_expect(!strncmp(
		fake.answers[1].content, "raw sample generation 7", 23));
	cr_expect(strstr(fake.answers[2].content, "{\"a\":[1,-2,\"x\"]}"));
	cr_expect(fake.answers[9].count == 1);
	expect_exit(LAUNCH_EXIT_DONE);
}

/* The environment names what goes wrong before hello. */
Test(worker, faults_below_the_host_never_reach_ready)
{
	static const char *const modes[] = {"FAULT_MODE=garbage",
		"FAULT_MODE=garbage_message", "FAULT_MODE=bad_hello"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		fake_start(&fake, FAULT, "native", "{}", modes[i]);
		fake_await(&fake, &fake.closed, "the end of the link");
		cr_expect(!fake.hello && !fake.ready, "%s", modes[i]);
		fake_stop(&fake);
	}
}
