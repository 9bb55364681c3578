/* The control socket and the users of the machine: the kernel says who calls,
 * and the configuration what that user may do, verb by verb. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "proto/verbs.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/plan.h"

TestSuite(peers, .fini = run_fini, .timeout = 200);

/* Harmless words for each verb that asks supd, in the order of trying. */
static const char *const samples[VERB_COUNT][5] = {
	[VERB_STATUS] = {"status"},
	[VERB_LIST] = {"list"},
	[VERB_SHOW] = {"show", "hello"},
	[VERB_ROUTES] = {"routes"},
	[VERB_RELOAD] = {"reload", "hello"},
	[VERB_CAN_RELOAD] = {"can-reload", "hello"},
	[VERB_START] = {"start", "hello"},
	[VERB_STOP] = {"stop", "hello"},
	[VERB_RESTART] = {"restart", "hello"},
	[VERB_ENABLE] = {"enable", "hello"},
	[VERB_DISABLE] = {"disable", "hello"},
	[VERB_PLAN] = {"plan"},
	[VERB_APPLY] = {"apply"},
	[VERB_SCAN] = {"scan"},
	[VERB_WATCH] = {"watch", "status"},
	[VERB_LOGS] = {"logs", "hello"},
	[VERB_CALL] = {"call", "tool", "hello"},
	[VERB_SCHEDULE] = {"schedule", "run", "none"},
	[VERB_CHANNELS] = {"channels"},
	[VERB_MESSAGES] = {"messages", "list"},
	[VERB_SEND] = {"send", "none", "somebody", "text"},
	[VERB_EMIT] = {"emit", "some.event"},
	[VERB_HOOKS] = {"hooks"},
	[VERB_EVENTS] = {"events"},
	[VERB_HISTORY] = {"history"},
	[VERB_CONFIG] = {"config"},
	[VERB_METRICS] = {"metrics"},
	[VERB_TOP] = {"top", "-d", "100ms"},
	[VERB_VERSION] = {"version"},
	[VERB_SHUTDOWN] = {"shutdown"},
};

enum { NO_ROLE = -1 };

static const struct person {
	uid_t uid;
	int role; /* VERB_VIEWER ..., or NO_ROLE */
} people[] = {
	{4104, NO_ROLE},
	{4101, VERB_VIEWER},
	{4102, VERB_OPERATOR},
	{4105, VERB_OPERATOR}, /* viewer as user, operator as group */
	{4103, VERB_ADMIN},
};

#define PEERS                                                                  \
	"{uid: root, role: admin}, {uid: 4102, role: operator}, "              \
	"{uid: 4103, role: admin}, {uid: 4105, role: viewer}, "                \
	"{gid: 4105, role: operator}"

static int
try_verb(struct gateway_run *g, uid_t uid, int verb)
{
	struct ctl *c;
	int code;

	cr_assert(samples[verb][0], "no sample of %s", verb_rows[verb].name);
	c = ctl_begin(g, uid, samples[verb]);
	ctl_wait(c);
	code = c->exit_code;
	if (code == 4)
		cr_expect(strstr(ctl_text(c, "error"), "permission denied"),
			"%s", c->out);
	ctl_destroy(c);
	return code;
}

static void
try_all(struct gateway_run *g, const struct person *who)
{
	long generation = ctl_status_number(g, "hello", "generation");

	for (int verb = 0; verb < VERB_COUNT; verb++) {
		bool may = (int)verb_rows[verb].role <= who->role;
		int code;

		/* x knows no --json; see test_x */
		if (verb_rows[verb].local || verb == VERB_X ||
			(may && verb == VERB_SHUTDOWN))
			continue;
		code = try_verb(g, who->uid, verb);
		cr_expect_eq(code == 4, !may, "%s of uid %u: %d",
			verb_rows[verb].name, (unsigned)who->uid, code);
		if (may && verb == VERB_DISABLE)
			ctl_destroy(ctl_expect(g, 0, "enable", "hello", NULL));
	}
	if (who->role < VERB_OPERATOR)
		cr_expect_eq(ctl_status_number(g, "hello", "generation"),
			generation, "what was denied changed nothing");
}

static struct gateway_run *
start(void)
{
	struct gateway_run *g;

	if (geteuid())
		cr_skip_test("only root can call as somebody else");
	g = run_create();
	run_add_hello(g);
	plan_extra(
		g, "admin: {peers: [{uid: 4101, role: viewer}, " PEERS "]}\n");
	run_start(g);
	g->may_grow = true;
	return g;
}

Test(peers, each_may_what_their_role_says_and_nothing_else)
{
	struct gateway_run *g = start();

	for (size_t i = 0; i < sizeof(people) / sizeof(*people); i++)
		try_all(g, &people[i]);
	/* The last of them is an admin. */
	cr_expect_eq(try_verb(g, 4103, VERB_SHUTDOWN), 0);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}

Test(peers, have_another_role_with_the_next_call_after_an_apply)
{
	static const struct {
		const char *row;
		int look, touch;
	} steps[] = {
		{"{uid: 4101, role: operator}, ", 0, 0},
		{"", 4, 4},
		{"{uid: 4101, role: viewer}, ", 0, 4},
	};
	struct gateway_run *g = start();
	char *extra;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		extra = memory_format(
			"admin: {peers: [%s" PEERS "]}\n", steps[i].row);
		plan_extra(g, extra);
		free(extra);
		run_write_config(g);
		ctl_destroy(ctl_expect(g, 0, "apply", NULL));
		cr_expect_eq(try_verb(g, 4101, VERB_STATUS), steps[i].look);
		cr_expect_eq(try_verb(g, 4101, VERB_RELOAD), steps[i].touch);
	}
	run_end(g);
}

Test(peers, without_the_key_are_root_and_nobody_else)
{
	struct gateway_run *g;

	if (geteuid())
		cr_skip_test("only root can call as somebody else");
	g = run_create();
	run_add_hello(g);
	run_start(g);
	cr_expect_eq(try_verb(g, 4101, VERB_VERSION), 4);
	cr_expect_eq(try_verb(g, 0, VERB_SHUTDOWN), 0);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}
