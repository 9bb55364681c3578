/* Readiness is a function of the present: whatever makes the last plugin that
 * supd waits for serve, or takes it away, sends READY=1; until then STATUS= and
 * status name the plugin and why. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/notify.h"
#include "tests/system/harness/run.h"
#include "tests/system/harness/shell.h"

TestSuite(ready, .fini = run_fini, .timeout = 200);

/* ---- the transitions ---- */

static void
use(struct gateway_run *g, const char *fault)
{
	run_no_plugins(g);
	run_plugin(g, "hello", "use: hello");
	if (fault)
		run_plugin(g, "fault", "use: fault, %s", fault);
	run_write_config(g);
}

static void
take_out(struct gateway_run *g)
{
	use(g, NULL);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
}

static void
take_out_by_hup(struct gateway_run *g)
{
	use(g, NULL);
	run_signal(g, SIGHUP);
}

static void
disable_in_file(struct gateway_run *g)
{
	use(g, "enabled: false");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
}

static void
disable(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
}

static void
stop(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
}

static void
mend_and_reload(struct gateway_run *g)
{
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
}

static void
mend_and_apply(struct gateway_run *g)
{
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
}

static const struct {
	const char *name;
	void (*make)(struct gateway_run *g);
} transitions[] = {
	{"taken out by an apply", take_out},
	{"taken out by a HUP", take_out_by_hup},
	{"disabled in the file", disable_in_file},
	{"disabled by a person", disable},
	{"stopped by a person", stop},
	{"mended and reloaded", mend_and_reload},
	{"mended and applied", mend_and_apply},
};

static void
expect_waiting(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "status", NULL);

	cr_expect(json_is_false(ctl_at(c, "ready")), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "waitingFor.0.pluginId"), "fault");
	cr_expect(strstr(ctl_text(c, "waitingFor.0.why"), "failed"), "%s",
		c->out);
	cr_expect_null(ctl_at(c, "waitingFor.1"));
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/readyz"), 503);
}

static void
try_transition(size_t i)
{
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);
	struct ctl *c;

	run_package(g, "hello", "hello");
	run_package(g, "fault", "fault");
	run_fault(g, "fault", "exit_at_start", "");
	run_defaults(g, "probation: 300ms, crash: {early_max: 1, within: 5m}");
	use(g, "enabled: true");
	run_announce(g, "plugin failed");
	run_spawn(g);
	notify_await(fd, "STATUS=waiting for fault: failed", "READY=1");
	expect_waiting(g);
	transitions[i].make(g);
	notify_await(fd, "READY=1", NULL);
	run_await_log(g, 0, "ready in ");
	c = ctl_expect(g, 0, "status", NULL);
	cr_expect(json_is_true(ctl_at(c, "ready")), "%s: %s",
		transitions[i].name, c->out);
	cr_expect_null(ctl_at(c, "waitingFor.0"), "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/readyz"), 200);
	g->may_grow = true;
	run_end(g);
}

Test(ready, comes_with_every_change_that_leaves_nothing_to_wait_for)
{
	for (size_t i = 0; i < sizeof(transitions) / sizeof(*transitions); i++)
		try_transition(i);
}

Test(ready, names_a_refused_configuration_until_one_is_accepted)
{
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);
	char *file = memory_format("%s/supd.yaml", g->dir), *text;
	struct ctl *c;

	run_package(g, "hello", "hello");
	use(g, NULL);
	run_start(g);
	notify_await(fd, "STATUS=serving", NULL);
	c = ctl_expect(g, 0, "status", NULL);
	cr_expect(json_is_null(ctl_at(c, "configRefused")), "%s", c->out);
	ctl_destroy(c);

	run_announce(g, "configuration not applied");
	run_announce(g, "supd.yaml:");
	files_write(file, "nonsense: [\n");
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	notify_await(fd,
		"STATUS=serving; configuration refused: the configuration has "
		"1 "
		"error: ",
		NULL);
	text = shell_expect(g, 0, "$SUPCTL status");
	cr_expect(strstr(text, "\nconfiguration refused: "), "%s", text);
	free(text);
	c = ctl_expect(g, 0, "status", NULL);
	cr_expect(strstr(ctl_text(c, "configRefused"), "supd.yaml:2:1: "), "%s",
		c->out);
	ctl_destroy(c);

	use(g, NULL);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	c = ctl_expect(g, 0, "status", NULL);
	cr_expect(json_is_null(ctl_at(c, "configRefused")), "%s", c->out);
	ctl_destroy(c);
	notify_await(fd, "STATUS=serving", "refused");
	free(file);
	run_end(g);
}

Test(ready, goes_with_what_is_required_and_comes_back_with_it)
{
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);
	size_t mark;

	run_add_hello(g);
	run_add_fault(g);
	/* supd looks every 50 ms: a shorter gap would go by unseen. */
	run_fault(g, "fault", "slow_start", "start_ms: 500");
	run_defaults(g, "probation: 0ms, crash: {early_max: 1, within: 5m}");
	run_start(g);
	notify_await(fd, "READY=1", NULL);
	mark = capture_length(&g->log);
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/readyz"), 200);
	run_fault(g, "fault", "exit_at_start", "");
	ctl_destroy(ctl_expect(g, 1, "enable", "fault", NULL));
	/* What it was proven with last serves in its place. */
	notify_await(fd, "STATUS=waiting for fault", NULL);
	run_await_log(g, mark, "ready again");
	notify_await(fd, "STATUS=serving", NULL);
	cr_expect_eq(http_status(g->http, "/readyz"), 200);
	g->may_grow = true;
	run_end(g);
}
