/* Channels on the built programs: their life, with an outside server that
 * takes one connection (tests/plugins/chat-python). */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"

TestSuite(channels, .fini = run_fini, .timeout = 120);

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", settings, "");
	run_start(g);
	return g;
}

static void
expect_one_holder(struct gateway_run *g)
{
	cr_expect_eq(chat_count(g, "a", "journal", "two-holders"), 0);
}

Test(channels, are_started_with_an_epoch_and_shown)
{
	struct gateway_run *g = start("");
	struct ctl *c;
	char *journal;

	ctl_await_shown(g, "a", "channels.0.state", "up");
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "channels.0.name"), "chat");
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect_str_eq(
		ctl_text(c, "lastReload.registered.channels.0"), "chat");
	ctl_destroy(c);
	c = ctl_expect(g, 0, "routes", "--kind", "channel", NULL);
	cr_expect(strstr(c->out, "chat"), "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	journal = chat_file(g, "a", "journal");
	cr_expect_str_eq(
		journal, "1 start 1 nil\n1 connected 1\n1 stop\n1 stopped\n");
	free(journal);
	run_end(g);
}

Test(channels, go_to_the_new_worker_after_the_old_one_has_let_go)
{
	struct gateway_run *g = start("");
	struct ctl *c;

	chat_await(g, "a", "journal", "1 connected", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	ctl_destroy(c);
	chat_await(g, "a", "journal", "2 connected 2", 1);
	cr_expect_eq(chat_count(g, "a", "journal", "1 stopped"), 1);
	expect_one_holder(g);
	run_end(g);
}

Test(channels, go_back_to_the_old_worker_when_the_new_one_cannot_connect)
{
	struct gateway_run *g = start("");

	chat_await(g, "a", "journal", "1 connected", 1);
	chat_settings(g, "a", "refuses: true");
	run_announce(g, "the server refuses");
	ctl_destroy(ctl_expect(g, 1, "reload", "a", NULL));
	cr_expect_eq(chat_count(g, "a", "journal", "2 start 2"), 3);
	cr_expect_eq(chat_count(g, "a", "journal", "1 connected 3"), 1);
	ctl_await_shown(g, "a", "channels.0.state", "up");
	expect_one_holder(g);
	run_end(g);
}

Test(channels, that_cannot_connect_at_first_wait_and_the_plugin_serves)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", "", "");
	chat_set(g, "a", "refuse", "");
	run_start(g);
	ctl_await_shown(g, "a", "channels.0.state", "waiting");
	chat_await(g, "a", "journal", "1 start 1", 2);
	chat_set(g, "a", "refuse", NULL);
	ctl_await_shown(g, "a", "channels.0.state", "up");
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	run_end(g);
}

Test(channels, get_a_higher_epoch_after_a_crash)
{
	struct gateway_run *g = start("");
	pid_t pid;

	chat_await(g, "a", "journal", "1 connected 1", 1);
	pid = (pid_t)ctl_status_number(g, "a", "pid");
	run_announce(g, "killed by signal 9");
	cr_assert_gt(pid, 1);
	kill(pid, SIGKILL);
	chat_await(g, "a", "journal", "2 connected 2", 1);
	expect_one_holder(g);
	run_end(g);
}

Test(channels, that_may_overlap_run_in_both_workers_until_the_commit)
{
	struct gateway_run *g = start("overlap: true");
	struct ctl *c;

	chat_await(g, "a", "journal", "1 connected", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "overlap");
	ctl_destroy(c);
	cr_expect_eq(chat_count(g, "a", "journal", "2 connected 2"), 1);
	chat_await(g, "a", "journal", "1 stopped", 1);
	run_end(g);
}

Test(channels, have_names_that_only_one_plugin_may_use)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", "", "");
	chat_add(g, "b", "name: other", "");
	run_start(g);
	chat_settings(g, "b", "name: chat");
	run_announce(g, "channel chat is taken by plugin 'a'");
	ctl_destroy(ctl_expect(g, 1, "reload", "b", NULL));
	run_end(g);
}
