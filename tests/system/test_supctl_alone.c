/* supctl against what is no supd that works: none, a dead one's socket, one
 * that hangs, one that goes away, one that talks nonsense; and supctl as
 * somebody who may not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "proto/verbs.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/run.h"

TestSuite(supctl_alone, .fini = run_fini, .timeout = 200);

#define NOBODY 65534

/* Words that each verb takes; "@" is a name in the run's folder. */
static const char *const samples[VERB_COUNT][5] = {
	[VERB_STATUS] = {"status"},
	[VERB_LIST] = {"list"},
	[VERB_SHOW] = {"show", "fault"},
	[VERB_ROUTES] = {"routes"},
	[VERB_RELOAD] = {"reload", "fault"},
	[VERB_CAN_RELOAD] = {"can-reload", "fault"},
	[VERB_START] = {"start", "fault"},
	[VERB_STOP] = {"stop", "fault"},
	[VERB_RESTART] = {"restart", "fault"},
	[VERB_ENABLE] = {"enable", "fault"},
	[VERB_DISABLE] = {"disable", "fault"},
	[VERB_CHECK] = {"check", "@supd.yaml"},
	[VERB_PLAN] = {"plan"},
	[VERB_APPLY] = {"apply"},
	[VERB_SCAN] = {"scan"},
	[VERB_WATCH] = {"watch", "on", "fault"},
	[VERB_LOGS] = {"logs", "fault"},
	[VERB_CALL] = {"call", "tool", "fault"},
	[VERB_X] = {"x"},
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
	[VERB_TOP] = {"top"},
	[VERB_TOKEN] = {"token", "new"},
	[VERB_NEW] = {"new", "c", "@"},
	[VERB_COMPLETION] = {"completion", "bash"},
	[VERB_VERSION] = {"version"},
	[VERB_SHUTDOWN] = {"shutdown"},
};

static struct ctl *
run_sample(struct gateway_run *g, uid_t uid, int verb)
{
	const char *args[8] = {NULL};
	char *path = NULL;
	struct ctl *c;
	int count = 0;

	cr_assert(samples[verb][0], "a verb without a sample: %s",
		verb_rows[verb].name);
	for (int i = 0; i < 4 && samples[verb][i]; i++)
		args[count++] = samples[verb][i];
	if (verb == VERB_CHECK)
		args[1] = path = memory_format("%s/supd.yaml", g->dir);
	if (verb == VERB_NEW) {
		args[2] = "fresh";
		args[3] = "--dir";
		args[4] = g->dir;
	}
	c = ctl_begin(g, uid, args);
	ctl_wait(c);
	free(path);
	return c;
}

static void
check_error(struct ctl *c, int exit_code, const char *text)
{
	cr_expect_eq(c->exit_code, exit_code, "%d: %s%s", c->exit_code, c->out,
		c->err);
	cr_expect(c->json, "no document: %s", c->out);
	cr_expect_eq(ctl_number(c, "exitCode"), exit_code, "%s", c->out);
	cr_expect(strstr(ctl_text(c, "error"), text), "%s", c->out);
	cr_expect(strstr(c->err, text), "%s", c->err);
	ctl_destroy(c);
}

Test(supctl_alone, without_a_daemon_every_verb_exits_3_and_starts_nothing)
{
	struct gateway_run *g = run_create();
	char *runtime = memory_format("%s/run", g->dir);

	run_add_fault(g);
	run_write_config(g);
	for (int verb = 0; verb < VERB_COUNT; verb++) {
		struct ctl *c = run_sample(g, 0, verb);

		if (verb_rows[verb].local) {
			cr_expect_eq(c->exit_code, 0, "%s: %s%s",
				verb_rows[verb].name, c->out, c->err);
			cr_expect(c->json, "%s: %s", verb_rows[verb].name,
				c->out);
			ctl_destroy(c);
		} else {
			check_error(c, 3, "supd is not running");
		}
	}
	cr_expect(!files_exist(runtime));
	free(runtime);
	run_forget(g);
}

/* ---- sockets of the test's own ---- */

static int
listen_at(struct gateway_run *g, int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *runtime = memory_format("%s/run", g->dir);

	mkdir(runtime, 0755);
	free(runtime);
	unlink(g->control);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", g->control);
	cr_assert(!bind(fd, (struct sockaddr *)&address, sizeof(address)));
	cr_assert(!listen(fd, backlog));
	return fd;
}

Test(supctl_alone, the_socket_of_a_dead_one_is_a_daemon_that_does_not_run)
{
	struct gateway_run *g = run_create();

	close(listen_at(g, 1));
	cr_assert(files_exist(g->control));
	check_error(ctl_run(g, "status", NULL), 3, "supd is not running");
	files_write(g->control, "no socket at all");
	check_error(ctl_run(g, "status", NULL), 3, "supd");
	run_forget(g);
}

Test(supctl_alone, one_that_never_answers_is_waited_for_as_long_as_is_said)
{
	struct gateway_run *g = run_create();
	int fd = listen_at(g, 8);
	struct ctl *c;

	c = ctl_run(g, "--timeout", "300ms", "reload", "fault", NULL);
	cr_expect_geq(c->took_ms, 300, "%u", c->took_ms);
	check_error(c, 7, "timed out");
	/* What only looks does not wait for ever. */
	c = ctl_run(g, "status", NULL);
	cr_expect_geq(c->took_ms, 5000, "%u", c->took_ms);
	check_error(c, 7, "timed out");
	close(fd);
	run_forget(g);
}

Test(supctl_alone, one_that_accepts_nobody_is_waited_for_as_long_as_is_said)
{
	static const char *const hold[] = {"--timeout", "20s", "version", NULL};
	struct gateway_run *g = run_create();
	int fd = listen_at(g, 0);
	struct ctl *first = ctl_begin(g, 0, hold);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int filler = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	/* Until the queue is full. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", g->control);
	while (!connect(filler, (struct sockaddr *)&address, sizeof(address)))
		filler = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	check_error(ctl_run(g, "--timeout", "300ms", "status", NULL), 7,
		"does not accept");
	close(fd);
	ctl_wait(first);
	ctl_destroy(first);
	run_forget(g);
}

/* [1, 1, nil, {"exitCode": 0, "data": {}}] cut short, and others. */
#define GREETING "\0SP\0\0\x10\0\0"
#define FRAME(size) "\1\0\0\0\0\0\0\0" size
#define CODE(size, code)                                                       \
	GREETING FRAME(size) "\x94\1\1\xc0\x82\xa8"                            \
			     "exitCode" code "\xa4"                            \
			     "data\x80"

static const struct speech {
	const char *name, *bytes;
	size_t size;
	int exit_code;
	const char *says;
} speeches[] = {
#define SAYS(text) text, sizeof(text) - 1
	{"nothing", SAYS(""), 3, "closed the connection"},
	{"half a greeting", SAYS("\0SP"), 3, "closed the connection"},
	{"another protocol", SAYS("HTTP/1.1 400 Bad Request\r\n\r\n"), 3,
		"not supd's control socket"},
	{"a greeting", SAYS(GREETING), 3, "lost the connection to supd during"},
	{"half a frame", SAYS(GREETING FRAME("\x20") "\x94\1"), 3,
		"lost the connection to supd during"},
	{"no MessagePack", SAYS(GREETING FRAME("\x04") "\xc1\xc1\xc1\xc1"), 9,
		"malformed"},
	{"a frame of 2^63 bytes", SAYS(GREETING "\1\x7f\0\0\0\0\0\0\0x"), 9,
		"malformed"},
	{"an answer that is no map",
		SAYS(GREETING FRAME("\4") "\x94\1\1\xc0" GREETING), 9,
		"malformed"},
	{"an answer without a code",
		SAYS(GREETING FRAME("\5") "\x94\1\1\xc0\x80"), 9, "malformed"},
	{"a code that would be 0 in a byte", SAYS(CODE("\x17", "\xcd\1\0")), 9,
		"malformed: 256 is not an exit code"},
	{"a code of a signal", SAYS(CODE("\x16", "\xcc\x89")), 9,
		"malformed: 137 is not an exit code"},
	{"a code of 64 bits", SAYS(CODE("\x1d", "\xcf\x80\0\0\0\0\0\0\0")), 9,
		"malformed: 9223372036854775808 is not an exit code"},
	{"a negative code", SAYS(CODE("\x15", "\xff")), 9,
		"malformed: it has no exit code"},
	{"the largest code", SAYS(CODE("\x15", "\x7d")), 125, ""},
#undef SAYS
};

Test(supctl_alone, one_that_dies_or_talks_nonsense_is_a_clear_error)
{
	static const char *const args[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	int fd = listen_at(g, 8);

	for (size_t i = 0; i < sizeof(speeches) / sizeof(*speeches); i++) {
		const struct speech *s = &speeches[i];
		struct ctl *c = ctl_begin(g, 0, args);
		int client = accept(fd, NULL, NULL);
		char request[512];

		cr_assert(client >= 0);
		cr_assert(recv(client, request, sizeof(request), 0) > 0);
		cr_assert_eq(send(client, s->bytes, s->size, MSG_NOSIGNAL),
			(ssize_t)s->size);
		close(client);
		ctl_wait(c);
		cr_expect_eq(c->exit_code, s->exit_code, "%s: %d %s", s->name,
			c->exit_code, c->err);
		if (*s->says)
			check_error(c, s->exit_code, s->says);
		else
			ctl_destroy(c);
	}
	close(fd);
	run_forget(g);
}

/* ---- usage ---- */

Test(supctl_alone, usage_errors_are_one_document_with_json)
{
	static const char *const lines[][4] = {{"frobnicate"},
		{"status", "--force"}, {"reload"}, {"reload", "a", "--all"},
		{"reload", "a", "--wait", "forever"}, {"show"},
		{"show", "a", "b"}, {"--timeout", "soon", "status"},
		{"watch", "on"}, {"watch", "up", "a"}, {"call", "tool"},
		{"call", "tool", "x", "{"}, {"emit", "x", "{"},
		{"token", "old"}, {"token", "new", "a b"}, {"new", "perl", "x"},
		{"new", "c", "../x"}, {"completion", "csh"}, {"show", "\xff"},
		{"reload", "--plan", "--prove", "a"},
		{"reload", "a", "--no-wait", "--prove"}};
	struct gateway_run *g = run_create();

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		check_error(ctl_run(g, lines[i][0], lines[i][1], lines[i][2],
				    lines[i][3], NULL),
			2, "");
	check_error(
		ctl_run(g, "reload", "a", "--all", NULL), 2, "reload takes");
	run_forget(g);
}

/* ---- somebody who may not ---- */

Test(supctl_alone, whoever_may_not_is_denied_100_of_100_times_by_every_verb)
{
	struct gateway_run *g;
	struct ctl *before, *after;
	char *config, *state;
	int denied = 0;

	if (getuid())
		cr_skip_test("needs root, to call as somebody else");
	g = run_create();
	run_add_fault(g);
	run_start(g);
	config = memory_format("%s/supd.yaml", g->dir);
	/* What apply and scan would do if they could. */
	run_plugin(g, "more", "use: fault, mount: /more, namespace: more");
	run_write_config(g);
	before = ctl_expect(g, 0, "routes", NULL);
	for (int verb = 0; denied < 100; verb = (verb + 1) % VERB_COUNT) {
		if (verb_rows[verb].local)
			continue;
		check_error(
			run_sample(g, NOBODY, verb), 4, "permission denied");
		denied++;
	}
	after = ctl_expect(g, 0, "routes", NULL);
	cr_expect_str_eq(before->out, after->out);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	state = ctl_status_text(g, "fault", "state");
	cr_expect_str_eq(state, "serving");
	ctl_destroy(before);
	ctl_destroy(ctl_expect(g, 5, "status", "more", NULL));
	ctl_destroy(after);
	free(state);
	free(config);
	run_end(g);
}
