/* Who follows events or logs: what has been and what comes, over many turns. */
#include <criterion/criterion.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/control/commands.h"
#include "supervisor/control/slices.h"
#include "supervisor/ops/journal.h"
#include "tests/unit/fake_gateway.h"

#define TURNS_MAX 1000

static struct ev_loop *loop;

static void
make(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	fake_open("plugins:\n  plugin-1: {}\n", loop);
}

static void
unmake(void)
{
	fake_close();
	ev_loop_destroy(loop);
}

TestSuite(followers, .init = make, .fini = unmake, .timeout = 60);

static void
on_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	cr_assert(false, "the call ended");
}

/* What followers are told. */
struct ear {
	struct command_call call;
	unsigned told, in_turn, most_in_turn;
	json_int_t dropped;
	int last; /* the number that its last line or event has */
};

static void
on_progress(struct command_call *call, json_t *event)
{
	struct ear *e = container_of(call, struct ear, call);
	const json_t *line = json_object_get(event, "line");
	const json_t *data =
		json_object_get(json_object_get(event, "event"), "data");

	e->dropped += json_integer_value(json_object_get(event, "dropped"));
	if (!line && !data)
		return;
	e->told++;
	e->in_turn++;
	if (e->in_turn > e->most_in_turn)
		e->most_in_turn = e->in_turn;
	e->last = line ? atoi(json_string_value(json_object_get(line, "text")))
		       : (int)json_integer_value(data);
}

static void
ear_run(struct ear *e, const char *verb, const char *args_text)
{
	json_t *args = json_loads(args_text, 0, NULL);

	*e = (struct ear){.call = {.gateway = &fake.gateway,
				  .role = ROLE_ADMIN,
				  .door = "test",
				  .on_progress = on_progress,
				  .on_done = on_done}};
	command_run(&e->call, verb, args);
	json_decref(args);
}

/* Turns of the loop until it has been told so many. */
static unsigned
ear_await(struct ear *e, unsigned told)
{
	unsigned turns = 0;

	for (; e->told < told && turns < TURNS_MAX; turns++) {
		e->in_turn = 0;
		ev_run(loop, EVRUN_ONCE);
	}
	cr_assert_eq(e->told, told);
	return turns;
}

Test(followers, of_events_catch_up_a_few_a_turn)
{
	struct ear e;

	for (int i = 1; i <= 1000; i++)
		journal_note(fake.gateway.journal, "x", NULL, json_integer(i));
	ear_run(&e, "events", "{\"lines\":1000,\"follow\":true}");
	/* What comes meanwhile has its place behind. */
	journal_note(fake.gateway.journal, "reload.settled", NULL,
		json_integer(1001));
	cr_expect_leq(e.told, 50);
	cr_expect_geq(ear_await(&e, 1001), 1000 / 50 - 1);
	cr_expect_leq(e.most_in_turn, 50);
	cr_expect_eq(e.last, 1001);
	cr_expect_eq(e.dropped, 0);
	command_abandon(&e.call);
}

Test(followers, of_logs_catch_up_a_few_a_turn)
{
	struct output *o = fake_plugin("plugin-1")->output;
	char text[16];
	struct ear e;

	for (int i = 1; i <= OUTPUT_LINES + 1; i++) {
		snprintf(text, sizeof(text), "%d", i);
		if (i > OUTPUT_LINES)
			ear_run(&e, "logs",
				"{\"id\":\"plugin-1\",\"lines\":500,"
				"\"follow\":true}");
		output_add(o, 1, 1, "stdout", bytes_of(text));
	}
	cr_expect_leq(e.told, 50);
	/* The oldest, which gave way to the newest, had been told. */
	ear_await(&e, OUTPUT_LINES + 1);
	cr_expect_leq(e.most_in_turn, 50);
	cr_expect_eq(e.dropped, 0);
	cr_expect_eq(e.last, OUTPUT_LINES + 1);
	command_abandon(&e.call);
}

/* Each wants the same large event; all have it in the end, and none of them
 * keeps the loop for long. */
Test(followers, share_a_turn_when_there_are_many)
{
	static struct ear ears[500];
	char *data = memory_alloc(64 * 1024);
	unsigned turns = 0, left = 500;

	memset(data, 'x', 60 * 1024);
	for (int i = 0; i < 500; i++)
		ear_run(&ears[i], "events", "{\"lines\":0,\"follow\":true}");
	journal_note(fake.gateway.journal, "x", NULL, json_string(data));
	for (; left && turns < TURNS_MAX; turns++) {
		ev_run(loop, EVRUN_ONCE);
		left = 0;
		for (int i = 0; i < 500; i++)
			left += !ears[i].told;
	}
	cr_expect_eq(left, 0);
	cr_expect_geq(turns, 3);
	for (int i = 0; i < 500; i++)
		command_abandon(&ears[i].call);
	free(data);
}

static unsigned
count_told(const struct ear *ears, unsigned count)
{
	unsigned told = 0;

	for (unsigned i = 0; i < count; i++)
		told += ears[i].told != 0;
	return told;
}

/* What is sent costs more than writing it, so there is a number, too. */
Test(followers, are_told_of_a_small_event_a_few_a_turn)
{
	enum { EARS = 500 };
	static struct ear ears[EARS];
	unsigned told, before;

	for (int i = 0; i < EARS; i++)
		ear_run(&ears[i], "events", "{\"lines\":0,\"follow\":true}");
	ev_run(loop, EVRUN_NOWAIT);
	journal_note(fake.gateway.journal, "x", NULL, json_integer(1));
	told = count_told(ears, EARS);
	cr_expect_leq(told, SLICES_TURN_MAX, "%u", told);
	for (unsigned turns = 0; told < EARS && turns < TURNS_MAX; turns++) {
		before = told;
		ev_run(loop, EVRUN_NOWAIT);
		told = count_told(ears, EARS);
		cr_expect_leq(
			told - before, SLICES_TURN_MAX, "%u", told - before);
	}
	cr_expect_eq(told, EARS);
	for (int i = 0; i < EARS; i++)
		command_abandon(&ears[i].call);
}
