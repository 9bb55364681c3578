/* The package webchat: rooms on a page. webchat/scenes.py plays pages, without
 * a browser; browser/webchat.py drives Debian's Chromium. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/shell.h"

TestSuite(webchat, .fini = run_fini, .timeout = 240);

/* SHA-256 of "one". */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define USERS "users: [{name: Ann, sha256: \"" ONE "\"}]"
#define FAST "rate: {burst: 1000, per_second: 1000}"

/* run_package() leaves out subfolders, and the page is in one. */
static void
add_webchat(struct gateway_run *g, const char *settings)
{
	run_package(g, "webchat", "webchat");
	free(shell_expect(g, 0,
		"cp -r %s/plugins/webchat/public %s/packages/webchat/",
		run_build_root(), g->dir));
	run_plugin(g, "webchat",
		"use: webchat, mount: /chat, settings: {rooms: [lobby, "
		"garden]%s%s}",
		*settings ? ", " : "", settings);
}

static struct gateway_run *
create(const char *settings)
{
	struct gateway_run *g = run_create();
	char *folder = memory_format("%s/webchat.d", g->dir);

	snprintf(g->http, sizeof(g->http), "127.0.0.1:%d", http_free_port());
	cr_assert_eq(mkdir(folder, 0755), 0);
	free(folder);
	add_webchat(g, settings);
	chat_add_talk(g, "talk", "webchat", "has: \"command,observer\"");
	g->may_grow = true; /* the socket of the message store is right */
	return g;
}

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = create(settings);

	run_start(g);
	ctl_await_shown(g, "webchat", "channels.0.state", "up");
	return g;
}

static void
play(struct gateway_run *g, const char *scene)
{
	free(shell_expect(g, 0,
		"SUPD_PID=%d timeout -k 5 220 python3 -B %s/webchat/scenes.py "
		"%s %s %s",
		(int)g->pid, TEST_SOURCE_DIR, scene, g->http, g->dir));
	run_end(g);
}

Test(webchat, people_and_plugins_talk_in_rooms)
{
	play(start(""), "talk");
}

Test(webchat, who_comes_again_gets_what_was_missed_once)
{
	play(start(""), "missed");
}

Test(webchat, a_hundred_messages_over_reloads_come_once_and_in_order)
{
	play(start(FAST), "reloads");
}

Test(webchat, a_killed_worker_loses_and_doubles_nothing)
{
	struct gateway_run *g = start(FAST);

	run_announce(g, "killed by signal 9");
	play(g, "crashes");
}

Test(webchat, a_reload_that_fails_changes_nothing)
{
	struct gateway_run *g = start(FAST);

	run_announce(g, "the rooms cannot be opened");
	play(g, "failed_reload");
}

Test(webchat, the_history_outlives_a_restart)
{
	play(start(""), "restart");
}

Test(webchat, a_damaged_history_is_put_aside)
{
	struct gateway_run *g = start("");

	run_announce(g, "is damaged");
	play(g, "damaged");
}

Test(webchat, what_a_killed_worker_was_to_send_is_in_the_room_once)
{
	struct gateway_run *g = start("");

	run_announce(g, "killed by signal 9");
	play(g, "unknown_send");
}

Test(webchat, a_full_disk_loses_nothing)
{
	struct gateway_run *g = start("");

	run_announce(g, "rooms.db fails");
	play(g, "full_disk");
}

Test(webchat, the_page_sees_what_supd_has_not_taken_yet)
{
	play(start(""), "busy");
}

Test(webchat, names_with_a_token_are_nobody_elses)
{
	play(start(USERS), "names");
}

Test(webchat, who_has_a_token_may_be_an_admin)
{
	struct gateway_run *g = create(USERS);

	plan_extra(g,
		"admin: {chat: [{channel: webchat, from: Ann, role: operator}"
		"]}\n");
	run_start(g);
	play(g, "admins");
}

Test(webchat, other_pages_do_not_get_in)
{
	play(start("origins: [\"https://friend.example\"]"), "origins");
}

Test(webchat, frames_that_no_page_sends_end_the_connection)
{
	play(start(""), "wrong_frames");
}

Test(webchat, who_writes_too_fast_is_slowed_and_a_flood_ends)
{
	play(start("rate: {burst: 3, per_second: 5}"), "too_fast");
}

Test(webchat, texts_have_a_limit)
{
	play(start("text_limit: 10"), "too_long");
}

Test(webchat, a_connection_without_a_hello_is_closed)
{
	play(start(""), "no_hello");
}

Test(webchat, connections_are_bounded)
{
	play(start("connections: 5, per_address: 3"), "too_many");
}

Test(webchat, rooms_keep_their_last_messages)
{
	play(start("history: 5, " FAST), "trimmed");
}

Test(webchat, a_page_that_does_not_read_is_closed_and_delays_nobody)
{
	play(start("history: 50, text_limit: 4000, " FAST), "slow_reader");
}

Test(webchat, what_is_longest_as_json_comes_to_every_page)
{
	play(start("text_limit: 4000, " FAST), "many_escapes");
}

Test(webchat, a_page_that_is_behind_misses_nothing_over_a_reload)
{
	play(start("history: 1000, text_limit: 4000, " FAST), "behind");
}

Test(webchat, wrong_settings_are_refused_by_name)
{
	static const struct {
		const char *settings, *complaint;
	} cases[] = {
		{"rooms: []", "rooms must be"},
		{"rooms: [a, a]", "rooms must be different"},
		{"rooms: [\"a b\"]", "rooms.0 must be 1 to 32"},
		{"history: 0", "history must be a number"},
		{"rate: {burst: 1.5}", "rate.burst must be a whole number"},
		{"rates: 1", "settings has no 'rates'"},
		{"users: [{name: bot, sha256: x}]", "users.0.sha256 must be"},
		{"users: [{name: Bot, sha256: \"" ONE "\"}]",
			"users.0.name 'Bot' is taken"},
		{"origins: [friend.example]", "origins.0 must be"},
	};
	struct gateway_run *g = start("");
	size_t from;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		run_announce(g, cases[i].complaint);
		run_no_plugins(g);
		run_plugin(g, "webchat",
			"use: webchat, mount: /chat, settings: {%s}",
			cases[i].settings);
		run_plugin(g, "talk", "mount: /talk");
		run_write_config(g);
		from = capture_length(&g->log);
		ctl_destroy(ctl_run(g, "apply", NULL));
		run_await_log(g, from, cases[i].complaint);
	}
	run_end(g);
}

Test(webchat, the_page_is_strict)
{
	struct gateway_run *g = start("");
	struct answer a = http_get(g->http, "/chat/");
	const char *policy = answer_header(&a, "content-security-policy");

	cr_assert_eq(a.status, 200);
	cr_assert_not_null(policy);
	cr_expect(strstr(policy, "default-src 'none'; script-src 'self'"));
	cr_expect_null(strstr(policy, "unsafe"));
	cr_expect_null(strstr(a.body, "http")); /* nothing from elsewhere */
	answer_finish(&a);
	cr_expect_eq(http_status(g->http, "/chat/main.py"), 404);
	cr_expect_eq(http_status(g->http, "/chat/../main.py"), 404);
	run_end(g);
}

Test(webchat, a_browser_stays_over_reloads_and_comes_back_after_a_crash)
{
	struct gateway_run *g;

	if (!shell_has("chromium") || !shell_has("chromedriver"))
		cr_skip_test("needs Chromium and its driver (apt-get install "
			     "chromium chromium-driver)");
	g = start(FAST ", " USERS);
	run_announce(g, "killed by signal 9");
	free(shell_expect(g, 0,
		"python3 -B %s/browser/webchat.py %d http://%s/chat/ %s",
		TEST_SOURCE_DIR, http_free_port(), g->http, g->dir));
	run_end(g);
}
