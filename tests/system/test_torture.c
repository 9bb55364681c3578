/* Everything at once, in a random order, on the built programs: reloads of all
 * kinds, applies, HUPs, kills, good and broken packages, good and broken
 * configurations, under load. What it looks at after each step holds whatever
 * the order was. Not run by default (meson test --suite slow); SEED repeats a
 * run, ROUNDS changes how long it is. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/after.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/raw.h"

TestSuite(torture, .fini = run_fini, .timeout = 7200);

#define CALLS_MAX 5
#define STEPS_PER_ROUND 12
#define GENERATIONS_MAX 20000
#define QUIET_MS 90000

enum { CALM, F1, F2, SC, RP, EXTRA, PLUGINS };

static const char *const ids[PLUGINS] = {
	"calm", "f1", "f2", "sc", "rp", "extra"};
static const char *const paths[PLUGINS] = {"/calm/fault", "/f1/fault",
	"/f2/fault", "/sc/text", "/rp/count", "/extra/fault"};

struct torture {
	struct gateway_run *run;
	struct ctl *calls[CALLS_MAX];
	char said[CALLS_MAX][160]; /* what was called */
	unsigned call_count, reloads, kills, edits, hups;
	/* The file: */
	bool has_extra, off[PLUGINS];
	unsigned settings;
	long calm_pid;
	int *pids[PLUGINS]; /* by generation */
};

static unsigned
below(unsigned limit)
{
	return (unsigned)random() % limit;
}

static unsigned
number_from(const char *name, unsigned fallback)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

/* ---- calls ---- */

/* Where there is none that could be meant it is refused. */
static bool
has_verdict(const struct ctl *c)
{
	return c->exit_code == 5 || ctl_at(c, "state") ||
	       ctl_at(c, "results") ||
	       (c->exit_code == 6 && ctl_at(c, "error"));
}

/* Every call ends by itself, with one document and an exit code that can
 * be. */
static void
finish_call(struct torture *t, unsigned at)
{
	struct ctl *c = t->calls[at];
	int code;

	ctl_wait(c);
	code = c->exit_code;
	cr_assert(code == 0 || code == 1 || code == 5 || code == 6 || code == 8,
		"supctl%s: exit %d after %u ms: %s%s", t->said[at], code,
		c->took_ms, c->out, c->err);
	cr_assert(c->json || code == 5, "supctl%s: exit %d, no document: %s%s",
		t->said[at], code, c->out, c->err);
	if (!strncmp(t->said[at], " reload", 7)) {
		t->reloads++;
		cr_assert(has_verdict(c), "supctl%s: no verdict: exit %d: %s%s",
			t->said[at], code, c->out, c->err);
	}
	ctl_destroy(c);
	t->call_count--;
	for (unsigned i = at; i < t->call_count; i++) {
		t->calls[i] = t->calls[i + 1];
		memcpy(t->said[i], t->said[i + 1], sizeof(t->said[i]));
	}
}

static void
finish_calls(struct torture *t)
{
	while (t->call_count)
		finish_call(t, 0);
}

static void
call(struct torture *t, const char *const *args)
{
	char *said;

	if (t->call_count == CALLS_MAX)
		finish_call(t, below(CALLS_MAX));
	said = t->said[t->call_count];
	said[0] = '\0';
	for (int i = 0; args[i]; i++)
		snprintf(said + strlen(said), 160 - strlen(said), " %s",
			args[i]);
	t->calls[t->call_count++] = ctl_begin(t->run, 0, args);
}

static const char *
any_id(void)
{
	return ids[1 + below(PLUGINS - 1)];
}

static void
reload(struct torture *t)
{
	static const char *const flags[] = {"--force", "--no-drop", "--if-safe",
		"--prove", "--no-wait", "--wait=settled", NULL, NULL, NULL};
	const char *flag = flags[below(sizeof(flags) / sizeof(*flags))];
	const char *one[] = {"reload", any_id(), flag, NULL};
	const char *two[] = {
		"reload", "f1", "rp", "f2", "sc", "--atomic", NULL};
	const char *some[] = {"reload", "--atomic", any_id(), any_id(), NULL};
	const char *package[] = {"reload", "--package", "f1", NULL};

	switch (below(8)) {
	case 0:
		call(t, two);
		break;
	case 1:
		call(t, some);
		break;
	case 2:
		call(t, package);
		break;
	default:
		call(t, one);
	}
}

static void
of_a_person(struct torture *t)
{
	static const char *const verbs[] = {"start", "stop", "restart",
		"enable", "disable", "start", "enable"};
	const char *args[] = {verbs[below(7)], any_id(), NULL};

	call(t, args);
}

static void
apply(struct torture *t)
{
	static const char *const all[][3] = {{"apply"}, {"apply", "--atomic"},
		{"scan"}, {"plan"}, {"reload", "--changed"}, {"status"},
		{"routes"}, {"list"}};

	call(t, all[below(8)]);
}

/* ---- what happens to it ---- */

static void
hup(struct torture *t)
{
	for (unsigned i = 1 + below(4); i; i--, t->hups++)
		run_signal(t->run, SIGHUP);
}

static json_t *
row_of(const struct ctl *c, const char *id)
{
	json_t *row;
	size_t i;

	json_array_foreach(ctl_at(c, "plugins"), i,
		row) if (!strcmp(json_string_value(json_object_get(row, "id")),
				 id)) return row;
	return NULL;
}

static void
kill_one(struct torture *t)
{
	struct ctl *c = ctl_expect(t->run, 0, "status", NULL);
	json_t *pid = json_object_get(row_of(c, any_id()), "pid");

	if (json_integer_value(pid) > 0 &&
		kill((pid_t)json_integer_value(pid), SIGKILL) == 0)
		t->kills++;
	ctl_destroy(c);
}

static void
repair(struct torture *t, const char *id)
{
	if (!strcmp(id, "rp"))
		raw_manifest(t->run, "rp", "count: true",
			below(2) ? "state: {export: true}\nconfigure: true\n"
				 : "state: {export: true, optional: true}\n");
	else if (strcmp(id, "sc"))
		run_fault(t->run, !strcmp(id, "f2") ? "f2" : "f1", "", "");
}

/* f1 and extra share a package, f2 and rp have one of their own. */
static void
edit_package(struct torture *t)
{
	static const char *const modes[] = {"fail_init", "exit_at_start",
		"fail_health", "registers_nothing", "exit_after_swap",
		"conflict", "flood_output", "", "", ""};
	static const char *const faults[] = {"fail: before_ready",
		"fail: after_ready", "fail: health", "die_ms: 50",
		"state: {fault: export_die}", "state: {fault: export_error}",
		"state: {fault: import_die}", "state: {fault: import_error}",
		"state: {fault: export_sum}", "configure: die",
		"configure: refuse"};
	const char *package = below(2) ? "f1" : "f2";
	char *path = run_package_file(t->run, package, "plugin.yaml"), *text;

	t->edits++;
	switch (below(6)) {
	case 0:
		files_write(path, "name: [broken\n");
		break;
	case 1:
		cr_assert(!unlink(path) || true);
		break;
	case 2:
		text = memory_format("count: true, %s", faults[below(11)]);
		raw_manifest(t->run, "rp", text,
			below(2) ? "state: {export: true}\nconfigure: true\n"
				 : "state: {export: true, optional: true}\n");
		free(text);
		break;
	case 3:
		repair(t, any_id());
		break;
	default:
		run_fault(t->run, package, modes[below(10)], "");
	}
	free(path);
}

static void
write_config(struct torture *t)
{
	struct gateway_run *g = t->run;

	run_no_plugins(g);
	run_plugin(g, "calm", "use: calm, mount: /calm, namespace: calm");
	for (int i = F1; i < PLUGINS; i++) {
		if (i == EXTRA && !t->has_extra)
			continue;
		run_plugin(g, ids[i],
			"use: %s, mount: /%s, namespace: %s, enabled: %s, "
			"requires: [%s], settings: {greeting: \"%u\"}",
			i == EXTRA ? "f1" : ids[i], ids[i], ids[i],
			t->off[i] ? "false" : "true",
			i == F2	     ? "f1"
			: i == EXTRA ? "rp"
				     : "",
			i == SC ? t->settings : 0);
	}
	run_write_config(g);
}

static void
edit_config(struct torture *t)
{
	char *path = memory_format("%s/supd.yaml", t->run->dir);
	int i = F1 + (int)below(PLUGINS - 1);

	t->edits++;
	switch (below(5)) {
	case 0:
		files_write(path, "plugins: {calm: {enabled: perhaps}}\n");
		break;
	case 1:
		t->has_extra = !t->has_extra;
		write_config(t);
		break;
	case 2:
		t->off[i] = !t->off[i];
		write_config(t);
		break;
	default:
		t->settings++;
		write_config(t);
	}
	free(path);
}

static void
step(struct torture *t)
{
	static void (*const deeds[])(struct torture *) = {reload, reload,
		reload, apply, apply, of_a_person, of_a_person, hup, kill_one,
		edit_package, edit_package, edit_config};

	deeds[below(sizeof(deeds) / sizeof(*deeds))](t);
}

/* ---- what must hold ---- */

/* A generation is one process, for ever. */
static void
check_generation(struct torture *t, int i, json_t *row)
{
	long generation =
		(long)json_integer_value(json_object_get(row, "generation"));
	int pid = (int)json_integer_value(json_object_get(row, "pid"));

	if (!pid || generation <= 0 || generation >= GENERATIONS_MAX)
		return;
	if (!t->pids[i][generation])
		t->pids[i][generation] = pid;
	cr_assert_eq(t->pids[i][generation], pid,
		"generation %ld of %s was pid %d and is pid %d", generation,
		ids[i], t->pids[i][generation], pid);
}

static const char *
state_of(json_t *row)
{
	const char *state = json_string_value(json_object_get(row, "state"));

	return state ? state : "absent";
}

static bool
is_moving(json_t *row)
{
	const char *state = state_of(row);

	return !strcmp(state, "starting") || !strcmp(state, "reloading") ||
	       !strcmp(state, "holding");
}

static void
check_status(struct torture *t, bool *moves_out)
{
	struct ctl *c = ctl_expect(t->run, 0, "status", NULL);

	*moves_out = false;
	for (int i = 0; i < PLUGINS; i++) {
		json_t *row = row_of(c, ids[i]);

		if (!row)
			continue;
		check_generation(t, i, row);
		*moves_out = *moves_out || is_moving(row);
	}
	cr_assert_eq(
		json_integer_value(json_object_get(row_of(c, "calm"), "pid")),
		t->calm_pid, "the plugin that nobody touches");
	ctl_destroy(c);
}

/* Nothing moves: then what status says is what a client sees. */
static void
check_routes(struct torture *t)
{
	struct ctl *before = ctl_expect(t->run, 0, "status", NULL), *after;
	int answers[PLUGINS];

	for (int i = 0; i < PLUGINS; i++)
		answers[i] = http_status(t->run->http, paths[i]);
	after = ctl_expect(t->run, 0, "status", NULL);
	for (int i = 0; i < PLUGINS; i++) {
		json_t *row = row_of(after, ids[i]);
		const char *state = state_of(row);
		const char *was = state_of(row_of(before, ids[i]));
		int wanted = !strcmp(state, "serving")	  ? 200
			     : !strcmp(state, "disabled") ? 404
			     : !row			  ? 404
							  : 0;

		if (strcmp(state, was) || is_moving(row) || !wanted)
			continue;
		/* It may have died, or been started, between the two. */
		cr_expect(answers[i] == wanted || answers[i] == 502 ||
				  answers[i] == 503,
			"%s is %s, and its route answers %d", ids[i], state,
			answers[i]);
	}
	ctl_destroy(before);
	ctl_destroy(after);
}

static void
await_quiet(struct torture *t)
{
	uint64_t until = clock_ms() + QUIET_MS;
	bool moves = true;

	while (moves) {
		check_status(t, &moves);
		cr_assert(clock_ms() < until, "it does not come to rest");
		if (moves)
			poll(NULL, 0, 20);
	}
}

static unsigned
count_children(struct gateway_run *g)
{
	char *path = memory_format(
		"/proc/%d/task/%d/children", (int)g->pid, (int)g->pid);
	char *text = files_read(path);
	unsigned count = 0;

	for (const char *at = text; at && (at = strchr(at, ' ')); at++)
		count++;
	free(text);
	free(path);
	return count;
}

/* As it was at the start: a worker each and its stage, and the one before, but
 * nothing else. */
static void
check_rest(struct torture *t)
{
	uint64_t until = clock_ms() + QUIET_MS;
	unsigned expected = t->has_extra ? PLUGINS : PLUGINS - 1;

	while (count_children(t->run) != expected && clock_ms() < until)
		poll(NULL, 0, 50);
	cr_expect_eq(count_children(t->run), expected, "%u processes, not %u",
		count_children(t->run), expected);
	for (int i = 0; i < PLUGINS; i++) {
		char *stages =
			memory_format("%s/state/run/%s", t->run->dir, ids[i]);

		cr_expect_leq(files_count(stages), 2, "%s has %u stages",
			ids[i], files_count(stages));
		free(stages);
	}
}

/* Whatever came before, a good file and good packages bring all back. */
static void
bring_back(struct torture *t)
{
	finish_calls(t);
	for (int i = F1; i < PLUGINS; i++) {
		t->off[i] = false;
		repair(t, ids[i]);
	}
	t->has_extra = false;
	write_config(t);
	ctl_destroy(ctl_run(t->run, "apply", NULL));
	await_quiet(t);
	for (int i = F1; i < EXTRA; i++) {
		ctl_destroy(ctl_run(t->run, "enable", ids[i], NULL));
		ctl_destroy(ctl_run(t->run, "start", ids[i], NULL));
		await_quiet(t);
	}
	/* The one that serves may be one that cannot export its state. */
	ctl_destroy(ctl_expect(t->run, 0, "restart", "rp", NULL));
	ctl_destroy(ctl_expect(t->run, 0, "apply", NULL));
	for (int i = F1; i < EXTRA; i++) {
		ctl_await_state(t->run, ids[i], "serving");
		cr_expect_eq(http_status(t->run->http, paths[i]), 200);
	}
	check_rest(t);
}

static void
start(struct torture *t)
{
	struct gateway_run *g = t->run = run_create();

	run_package(g, "fault", "calm");
	run_fault(g, "calm", "", "");
	run_package(g, "fault", "f1");
	run_package(g, "fault", "f2");
	run_package(g, "scenario-c", "sc");
	run_package(g, "raw-python", "rp");
	for (int i = F1; i < PLUGINS; i++)
		repair(t, ids[i]);
	run_defaults(g, "probation: 200ms, drain_timeout: 2s, stop_timeout: "
			"2s, start_timeout: 20s, health_timeout: 10s, "
			"crash: {early_max: 4}");
	write_config(t);
	run_announce(g, "during start; giving up");
	run_announce(g, "supd.yaml");
	run_announce(g, "configuration not applied");
	run_announce(g, "plugin.yaml");
	run_start(g);
	t->calm_pid = ctl_status_number(g, "calm", "pid");
	for (int i = 0; i < PLUGINS; i++)
		t->pids[i] = memory_alloc(GENERATIONS_MAX * sizeof(int));
}

Test(torture, of_all_kinds_hurts_nobody_else_and_leaves_nothing)
{
	struct torture t = {0};
	static struct load load = {.clients = 2, .pause_ms = 3};
	unsigned seed = number_from("SEED", (unsigned)clock_us());
	bool moves;

	fprintf(stderr, "torture: SEED=%u\n", seed);
	srandom(seed);
	start(&t);
	load_start(&load, t.run->http, "/calm/fault", NULL);
	for (unsigned round = number_from("ROUNDS", 40); round; round--) {
		for (unsigned i = 0; i < STEPS_PER_ROUND; i++) {
			step(&t);
			check_status(&t, &moves);
		}
		finish_calls(&t);
		await_quiet(&t);
		check_routes(&t);
		if (round % 5 == 1)
			bring_back(&t);
	}
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 1);
	fprintf(stderr, "torture: %u reloads, %u kills, %u edits, %u HUPs\n",
		t.reloads, t.kills, t.edits, t.hups);
	for (int i = 0; i < PLUGINS; i++)
		free(t.pids[i]);
	run_end(t.run);
}

/* Whatever is under way, supd ends cleanly and those who wait hear of it. */
Test(torture, is_ended_cleanly_by_a_stop_in_the_middle_of_it)
{
	unsigned seed = number_from("SEED", (unsigned)clock_us());

	fprintf(stderr, "torture: SEED=%u\n", seed);
	srandom(seed);
	for (unsigned round = number_from("ROUNDS", 40) / 4; round; round--) {
		struct torture t = {0};
		bool moves;

		start(&t);
		for (unsigned i = 0; i < CALLS_MAX; i++)
			step(&t);
		for (unsigned i = below(8); i; i--)
			check_status(&t, &moves);
		run_signal(t.run, SIGTERM);
		cr_assert_eq(run_wait(t.run), 0, "supd's exit status");
		while (t.call_count) {
			struct ctl *c = t.calls[--t.call_count];

			ctl_wait(c);
			cr_expect(c->exit_code >= 0, "supctl%s does not end",
				t.said[t.call_count]);
			ctl_destroy(c);
		}
		for (int i = 0; i < PLUGINS; i++)
			free(t.pids[i]);
		run_forget(t.run);
	}
}
