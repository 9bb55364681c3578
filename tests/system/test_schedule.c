/* Schedules on the built programs: each due time has one tick, over reloads,
 * crashes and restarts of supd; what nobody can take comes once, afterwards. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(schedule, .fini = run_fini, .timeout = 300);

#define PERIOD_MS 100
#define PAUSE_MS 20

/* ---- what the plugin has noted ---- */

struct tick {
	char id[160];
	long long due;
	unsigned long long missed;
	unsigned generation;
};

struct ticks {
	struct tick *items;
	size_t count;
};

/* Whole lines only: the last one may be half written. */
static struct ticks
ticks_read(struct gateway_run *g, const char *plugin)
{
	struct ticks t = {0};
	char path[256], *text, *rest, *line;

	snprintf(path, sizeof(path), "%s/state/data/%s/ticks", g->dir, plugin);
	text = files_read(path);
	rest = text;
	while (text && (line = strsep(&rest, "\n")) && rest) {
		struct tick *tick;

		t.items = memory_resize(
			t.items, (t.count + 1) * sizeof(*t.items));
		tick = &t.items[t.count++];
		cr_assert_eq(
			sscanf(line, "%159s %lld %llu %u", tick->id, &tick->due,
				&tick->missed, &tick->generation),
			4, "%s", line);
	}
	free(text);
	return t;
}

static void
ticks_finish(struct ticks *t)
{
	free(t->items);
	*t = (struct ticks){0};
}

/* Waits until the plugin has noted so many. */
static struct ticks
await_ticks(struct gateway_run *g, const char *plugin, size_t count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	for (;;) {
		struct ticks t = ticks_read(g, plugin);

		if (t.count >= count)
			return t;
		cr_assert_lt(clock_ms(), until, "%zu of %zu ticks of %s",
			t.count, count, plugin);
		ticks_finish(&t);
		poll(NULL, 0, PAUSE_MS);
	}
}

static size_t
count_ticks(struct gateway_run *g, const char *plugin)
{
	struct ticks t = ticks_read(g, plugin);
	size_t count = t.count;

	ticks_finish(&t);
	return count;
}

/* Each due time of `every PERIOD` belongs to one tick: its own, or one that
 * stands for several. */
static void
expect_each_once(const struct ticks *t)
{
	char id[160];

	for (size_t i = 0; i < t->count; i++) {
		const struct tick *tick = &t->items[i];
		long long covers = tick->missed ? (long long)tick->missed : 1;

		snprintf(id, sizeof(id), "/tick@%lld", tick->due);
		cr_expect(strstr(tick->id, id), "%s", tick->id);
		if (i)
			cr_assert_eq(tick->due - covers * PERIOD_MS,
				tick[-1].due,
				"%s stands for %lld, and follows %s", tick->id,
				covers, tick[-1].id);
	}
}

/* ---- runs ---- */

static void
manifest(struct gateway_run *g, const char *more)
{
	char *path = run_package_file(g, "clock", "plugin.yaml");

	files_write(
		path, "name: clock\nversion: 1.0.0\nrun: clock.so\n%s", more);
	free(path);
}

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = run_create();

	run_package(g, "clock", "clock");
	run_plugin(g, "clock", "settings: {%s}", settings);
	run_start(g);
	return g;
}

/* Other settings, and what an apply makes of them. */
static void
change(struct gateway_run *g, const char *settings)
{
	run_no_plugins(g);
	run_plugin(g, "clock", "settings: {%s}", settings);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
}

/* What `show` says of the first schedule. */
static json_t *
shown(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "show", "clock", NULL);
	json_t *row = json_incref(ctl_at(c, "schedules.0"));

	cr_assert(row, "%s", c->out);
	ctl_destroy(c);
	return row;
}

static long long
shown_number(struct gateway_run *g, const char *key)
{
	json_t *row = shown(g);
	long long number = json_integer_value(json_object_get(row, key));

	json_decref(row);
	return number;
}

static char *
shown_text(struct gateway_run *g, const char *key)
{
	json_t *row = shown(g);
	char *text =
		memory_copy_text(json_string_value(json_object_get(row, key)));

	json_decref(row);
	return text;
}

static void
await_shown(struct gateway_run *g, const char *key, long long least)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long long now;

	while ((now = shown_number(g, key)) < least) {
		cr_assert_lt(clock_ms(), until, "%s is %lld", key, now);
		poll(NULL, 0, PAUSE_MS);
	}
}

static bool
has_event(struct gateway_run *g, const char *event, const char *text)
{
	struct ctl *c = ctl_expect(g, 0, "events", "-n", "1000", NULL);
	bool found = false;
	json_t *row;
	size_t i;

	json_array_foreach(ctl_at(c, "events"), i, row)
	{
		const char *name =
			json_string_value(json_object_get(row, "event"));
		char *all = json_dumps(row, JSON_COMPACT);

		found = found ||
			(!strcmp(name ? name : "", event) && strstr(all, text));
		free(all);
	}
	ctl_destroy(c);
	return found;
}

/* ---- the ordinary life ---- */

Test(schedule, is_counted_listed_and_shown)
{
	struct gateway_run *g = start("when: every 100ms");
	struct ticks t = await_ticks(g, "clock", 5);
	struct ctl *c;
	char *text;

	expect_each_once(&t);
	cr_expect(!strncmp(t.items[0].id, "clock/tick@", 11), "%s",
		t.items[0].id);
	ticks_finish(&t);
	c = ctl_expect(g, 0, "routes", "--kind", "schedule", NULL);
	cr_expect_str_eq(ctl_text(c, "routes.0.name"), "tick");
	ctl_destroy(c);
	c = ctl_expect(g, 0, "reload", "clock", NULL);
	cr_expect_str_eq(
		ctl_text(c, "registered.schedules.0"), "tick", "%s", c->out);
	ctl_destroy(c);
	text = shown_text(g, "when");
	cr_expect_str_eq(text, "every 100ms");
	free(text);
	text = shown_text(g, "next");
	cr_expect_eq(strlen(text), strlen("2026-11-29T12:00:00.000Z"));
	free(text);
	text = shown_text(g, "last");
	cr_expect_eq(strlen(text), strlen("2026-11-29T12:00:00.000Z"));
	free(text);
	text = shown_text(g, "lastEnd");
	cr_expect_str_eq(text, "done");
	free(text);
	c = ctl_expect(g, 0, "metrics", NULL);
	cr_expect(strstr(c->out, "supd_plugin_ticks_total"));
	ctl_destroy(c);
	run_end(g);
}

Test(schedule, a_zone_that_does_not_exist_is_refused_by_its_name)
{
	struct gateway_run *g = start("when: '0 3 * * *'");
	struct ctl *c;

	run_no_plugins(g);
	run_plugin(g, "clock",
		"settings: {when: '0 3 * * *', zone: Europe/Atlantis}");
	run_write_config(g);
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(strstr(c->out, "schedule tick: there is no time zone "
				 "\\\"Europe/Atlantis\\\""),
		"%s", c->out);
	ctl_destroy(c);
	run_no_plugins(g);
	run_plugin(g, "clock", "settings: {when: '0 0 30 2 *'}");
	run_write_config(g);
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(strstr(c->out, "no date ever matches"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(schedule, fires_by_hand)
{
	struct gateway_run *g = start("when: every 1d");
	struct ctl *c = ctl_expect(g, 0, "schedule", "run", "tick", NULL);
	struct ticks t = await_ticks(g, "clock", 1);

	cr_expect_str_eq(ctl_text(c, "tickId"), t.items[0].id);
	cr_expect_eq(t.items[0].missed, 0);
	ticks_finish(&t);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "schedule", "run", "clock/tick", NULL));
	c = ctl_expect(g, 5, "schedule", "run", "tock", NULL);
	cr_expect(strstr(c->err, "tock"), "%s", c->err);
	ctl_destroy(c);
	c = ctl_expect(g, 2, "schedule", "walk", "tick", NULL);
	ctl_destroy(c);
	change(g, "when: every 1d, does: err");
	c = ctl_expect(g, 1, "schedule", "run", "tick", NULL);
	cr_expect(strstr(c->err, "as asked"), "%s", c->err);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "stop", "clock", NULL));
	ctl_destroy(ctl_expect(g, 6, "schedule", "run", "tick", NULL));
	run_end(g);
}

Test(schedule, a_name_that_two_plugins_have_needs_the_plugin)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_package(g, "clock", "clock");
	run_plugin(g, "one", "use: clock, settings: {when: every 1d}");
	run_plugin(g, "two",
		"use: clock, mount: /two, settings: {when: every 1d}");
	run_start(g);
	c = ctl_expect(g, 5, "schedule", "run", "tick", NULL);
	cr_expect(strstr(c->err, "one/tick and two/tick"), "%s", c->err);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "schedule", "run", "two/tick", NULL));
	cr_expect_eq(count_ticks(g, "one"), 0);
	cr_expect_eq(count_ticks(g, "two"), 1);
	run_end(g);
}

/* ---- reloads ---- */

Test(schedule, each_due_time_has_one_tick_over_50_reloads)
{
	struct gateway_run *g = start("when: every 100ms");
	struct ticks t;

	for (int i = 0; i < 50; i++)
		ctl_destroy(ctl_expect(g, 0, "reload", "clock", NULL));
	t = await_ticks(g, "clock", count_ticks(g, "clock") + 3);
	expect_each_once(&t);
	cr_expect_eq(t.items[t.count - 1].generation, 51);
	ticks_finish(&t);
	run_end(g);
}

/* While the state is handed over, requests are held for longer than several
 * periods: they become one tick of the new generation. */
Test(schedule, what_falls_into_a_hold_comes_once_at_the_new_generation)
{
	struct gateway_run *g = run_create();
	struct ticks t;
	size_t i = 0;

	run_package(g, "clock", "clock");
	manifest(g, "state: {export: true}\n");
	run_plugin(g, "clock", "settings: {when: every 100ms}");
	run_start(g);
	t = await_ticks(g, "clock", 3);
	ticks_finish(&t);
	ctl_destroy(ctl_expect(g, 0, "reload", "clock", NULL));
	t = await_ticks(g, "clock", count_ticks(g, "clock") + 3);
	expect_each_once(&t);
	while (i < t.count && t.items[i].generation == 1)
		i++;
	cr_assert_lt(i, t.count);
	cr_expect_geq(t.items[i].missed, 5, "%llu", t.items[i].missed);
	ticks_finish(&t);
	cr_expect(has_event(g, "schedule.missed", "\"delivered\":true"));
	run_end(g);
}

Test(schedule, without_catch_up_it_is_counted_and_dropped)
{
	struct gateway_run *g = run_create();
	struct ticks t;

	run_package(g, "clock", "clock");
	manifest(g, "state: {export: true}\n");
	run_plugin(g, "clock", "settings: {when: every 100ms, none: true}");
	run_start(g);
	t = await_ticks(g, "clock", 3);
	ticks_finish(&t);
	ctl_destroy(ctl_expect(g, 0, "reload", "clock", NULL));
	t = await_ticks(g, "clock", count_ticks(g, "clock") + 3);
	for (size_t i = 0; i < t.count; i++)
		cr_expect_eq(t.items[i].missed, 0);
	ticks_finish(&t);
	cr_expect_geq(shown_number(g, "missed"), 5);
	cr_expect(has_event(g, "schedule.missed", "\"delivered\":false"));
	run_end(g);
}

Test(schedule, a_changed_when_has_no_catch_up)
{
	struct gateway_run *g = start("when: every 1d");
	struct ticks t;

	change(g, "when: every 100ms");
	t = await_ticks(g, "clock", 3);
	cr_expect_eq(t.items[0].missed, 0);
	expect_each_once(&t);
	ticks_finish(&t);
	run_end(g);
}

Test(schedule, a_stopped_plugin_has_no_due_times)
{
	struct gateway_run *g = start("when: every 100ms");
	struct ticks t = await_ticks(g, "clock", 2);
	long long before;
	size_t count;

	ticks_finish(&t);
	ctl_destroy(ctl_expect(g, 0, "stop", "clock", NULL));
	before = (long long)clock_wall_ms();
	count = count_ticks(g, "clock");
	/* some periods pass */
	while ((long long)clock_wall_ms() < before + 5 * PERIOD_MS)
		poll(NULL, 0, PAUSE_MS);
	cr_expect_eq(count_ticks(g, "clock"), count);
	ctl_destroy(ctl_expect(g, 0, "start", "clock", NULL));
	t = await_ticks(g, "clock", count + 2);
	cr_expect_eq(t.items[count].missed, 0);
	cr_expect_geq(t.items[count].due, before + 5 * PERIOD_MS);
	/* the grid is the same */
	cr_expect_eq((t.items[count].due - t.items[0].due) % PERIOD_MS, 0);
	ticks_finish(&t);
	run_end(g);
}

Test(schedule, what_is_not_registered_any_more_is_not_due)
{
	struct gateway_run *g = start("when: every 100ms");
	struct ticks t = await_ticks(g, "clock", 2);
	struct ctl *c;
	size_t count;

	ticks_finish(&t);
	change(g, "bare: true");
	count = count_ticks(g, "clock");
	c = ctl_expect(g, 0, "show", "clock", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "schedules")), 0);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 5, "schedule", "run", "tick", NULL));
	change(g, "when: every 100ms");
	t = await_ticks(g, "clock", count + 2);
	cr_expect_eq(t.items[count].missed, 0);
	cr_expect_eq((t.items[count].due - t.items[0].due) % PERIOD_MS, 0,
		"its first registration is remembered");
	ticks_finish(&t);
	run_end(g);
}

Test(schedule, the_manifest_can_keep_one)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_package(g, "clock", "clock");
	manifest(g, "keep: ['schedule:tick']\n");
	run_plugin(g, "clock", "settings: {when: every 1d}");
	run_start(g);
	run_no_plugins(g);
	run_plugin(g, "clock", "settings: {bare: true}");
	run_write_config(g);
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(strstr(c->out, "schedule:tick is missing"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* ---- supd goes and comes back ---- */

static void
start_again(struct gateway_run *g)
{
	run_start(g);
}

Test(schedule, over_a_restart_of_supd_each_due_time_has_one_tick)
{
	struct gateway_run *g = start("when: every 100ms");
	struct ticks t = await_ticks(g, "clock", 3);
	size_t count;

	ticks_finish(&t);
	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	count = count_ticks(g, "clock");
	/* supd may be back within one period: two of them pass without it. */
	poll(NULL, 0, 2 * PERIOD_MS);
	start_again(g);
	t = await_ticks(g, "clock", count + 3);
	expect_each_once(&t);
	cr_expect_geq(t.items[count].missed, 1);
	ticks_finish(&t);
	run_end(g);
}

/* Killed between two saves: a tick may come again, with the same id or as a
 * part of one that stands for several, but none is skipped. */
Test(schedule, after_a_kill_of_supd_no_due_time_is_skipped)
{
	struct gateway_run *g = start("when: every 100ms");
	struct ticks t;

	for (int i = 0; i < 3; i++) {
		t = await_ticks(g, "clock", count_ticks(g, "clock") + 12);
		ticks_finish(&t);
		run_signal(g, SIGKILL);
		run_wait(g);
		start_again(g);
	}
	t = await_ticks(g, "clock", count_ticks(g, "clock") + 3);
	for (size_t i = 1; i < t.count; i++) {
		long long covers =
			t.items[i].missed ? (long long)t.items[i].missed : 1;

		cr_expect_leq(t.items[i].due - covers * PERIOD_MS,
			t.items[i - 1].due, "before %s", t.items[i].id);
		cr_expect_eq((t.items[i].due - t.items[0].due) % PERIOD_MS, 0);
	}
	ticks_finish(&t);
	run_end(g);
}

/* Makes the record look as if the clock had been set back by that much: its
 * times are later than now. */
static void
move_record(struct gateway_run *g, long long ms)
{
	for (char copy = 'a'; copy <= 'b'; copy++) {
		char *path = memory_format(
			"%s/state/schedules/clock.%c", g->dir, copy);
		char *text = files_read(path), *line = text, *whole;
		char name[64], rest[128];
		long long anchor, settled, last;
		unsigned long long sum = 14695981039346656037ull;

		if (!text) {
			free(path);
			continue; /* it was saved only once */
		}
		strsep(&line, "\n");
		cr_assert_eq(sscanf(line, "%63s %lld %lld %lld %127[^\n]", name,
				     &anchor, &settled, &last, rest),
			5, "%s", line);
		whole = memory_format("%s\n%s %lld %lld %lld %s\n", text, name,
			anchor + ms, settled + ms, last + ms, rest);
		for (const char *at = whole; *at; at++)
			sum = (sum ^ (unsigned char)*at) * 1099511628211ull;
		files_write(path, "%send %016llx\n", whole, sum);
		free(whole);
		free(text);
		free(path);
	}
}

Test(schedule, a_clock_set_back_while_supd_was_down_silences_none)
{
	static const char *const whens[] = {
		"when: every 100ms", "when: '* * * * * *'"};

	for (size_t i = 0; i < 2; i++) {
		struct gateway_run *g = start(whens[i]);
		struct ticks t = await_ticks(g, "clock", 2);
		size_t count;

		ticks_finish(&t);
		run_signal(g, SIGTERM);
		cr_assert_eq(run_wait(g), 0);
		count = count_ticks(g, "clock");
		move_record(g, 4 * 3600 * 1000);
		start_again(g);
		t = await_ticks(g, "clock", count + 2);
		ticks_finish(&t);
		run_await_log(g, 0,
			"ahead of the clock, which was set back while supd");
		run_end(g);
	}
}

Test(schedule, a_plugin_that_was_stopped_catches_nothing_up)
{
	struct gateway_run *g = start("when: every 100ms");
	struct ticks t = await_ticks(g, "clock", 2);
	size_t count;

	ticks_finish(&t);
	ctl_destroy(ctl_expect(g, 0, "stop", "clock", NULL));
	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	count = count_ticks(g, "clock");
	run_start(g);
	g->may_grow = true;
	ctl_destroy(ctl_expect(g, 0, "start", "clock", NULL));
	t = await_ticks(g, "clock", count + 2);
	cr_expect_eq(t.items[count].missed, 0);
	ticks_finish(&t);
	run_end(g);
}

Test(schedule, a_record_that_is_damaged_is_a_warning)
{
	struct gateway_run *g = start("when: every 100ms");
	struct ticks t = await_ticks(g, "clock", 2);
	size_t count;
	char path[128];

	ticks_finish(&t);
	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	count = count_ticks(g, "clock");
	for (const char *copy = "ab"; *copy; copy++) {
		snprintf(path, sizeof(path), "%s/state/schedules/clock.%c",
			g->dir, *copy);
		files_write(path, "supd-schedules 1 7 1\ntick");
	}
	start_again(g);
	run_await_log(g, 0, "a record of the schedules is damaged");
	t = await_ticks(g, "clock", count + 2);
	cr_expect_eq(t.items[count].missed, 0);
	ticks_finish(&t);
	run_end(g);
}

/* ---- handlers that misbehave ---- */

Test(schedule, a_tick_that_fails_is_counted_and_its_reason_shown)
{
	struct gateway_run *g = start("when: every 100ms, does: err");
	struct ticks t = await_ticks(g, "clock", 3);
	char *text;

	expect_each_once(&t);
	ticks_finish(&t);
	await_shown(g, "failed", 2);
	text = shown_text(g, "lastError");
	cr_expect_str_eq(text, "as asked");
	free(text);
	cr_expect_eq(shown_number(g, "done"), 0);
	run_end(g);
}

Test(schedule, a_tick_that_hangs_is_cancelled_and_others_follow)
{
	struct gateway_run *g =
		start("when: every 100ms, does: hang, timeout: 350");
	struct ticks t = await_ticks(g, "clock", 4);
	char *text;

	/* one at a time: what was due meanwhile comes once */
	expect_each_once(&t);
	for (size_t i = 1; i < t.count; i++)
		cr_expect_geq(t.items[i].missed, 2, "%s", t.items[i].id);
	ticks_finish(&t);
	await_shown(g, "failed", 3);
	text = shown_text(g, "lastEnd");
	cr_expect_str_eq(text, "timed out");
	free(text);
	run_end(g);
}

Test(schedule, a_tick_is_not_repeated_when_its_worker_dies)
{
	struct gateway_run *g = start("when: every 1d, does: die");
	struct ctl *c;

	run_announce(g, "clock");
	c = ctl_expect(g, 1, "schedule", "run", "tick", NULL);
	cr_expect(strstr(c->err, "the worker died"), "%s", c->err);
	ctl_destroy(c);
	ctl_await_state(g, "clock", "serving");
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	cr_expect_eq(count_ticks(g, "clock"), 1);
	cr_expect_eq(shown_number(g, "failed"), 1);
	run_end(g);
}

/* A tick in flight at the switch ends where it began, and the next one waits
 * for that. */
Test(schedule, a_tick_in_flight_at_a_reload_ends_at_its_generation)
{
	struct gateway_run *g = start("when: every 100ms, does: slow");
	struct ticks t;

	for (int i = 0; i < 3; i++) {
		t = await_ticks(g, "clock", count_ticks(g, "clock") + 1);
		ticks_finish(&t);
		ctl_destroy(ctl_expect(g, 0, "reload", "clock", NULL));
	}
	t = await_ticks(g, "clock", count_ticks(g, "clock") + 2);
	expect_each_once(&t);
	ticks_finish(&t);
	cr_expect_eq(shown_number(g, "failed"), 0);
	run_end(g);
}

/* ---- many ---- */

/* Their registration takes a sanitizer's worker long. */
#ifdef __SANITIZE_ADDRESS__
#define MANY 1000
#else
#define MANY 4000
#endif

Test(schedule, thousands_of_schedules_are_due_at_the_same_time)
{
	struct gateway_run *g = run_create();
	struct ticks t;

	run_package(g, "clock", "clock");
	run_plugin(g, "clock",
		"start_timeout: 60s, settings: {when: every 1s, count: %d}",
		MANY);
	run_start(g);
	t = await_ticks(g, "clock", 2 * MANY + 2);

	ticks_finish(&t);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	run_end(g);
}

/* Each of them misses something while the state is handed over. */
Test(schedule, events_of_many_at_once_are_bounded)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	size_t told = 0, i;
	json_t *row;

	run_package(g, "clock", "clock");
	manifest(g, "state: {export: true}\n");
	run_plugin(g, "clock", "settings: {when: every 100ms, count: 500}");
	run_start(g);
	ctl_destroy(ctl_expect(g, 0, "reload", "clock", NULL));
	await_shown(g, "missed", 1);
	c = ctl_expect(g, 0, "events", "-n", "1000", NULL);
	json_array_foreach(ctl_at(c, "events"), i, row) told +=
		!strcmp(json_string_value(json_object_get(row, "event")),
			"schedule.missed");
	ctl_destroy(c);
	cr_expect_geq(told, 1);
	cr_expect_leq(told, 400, "%zu events", told);
	run_end(g);
}
