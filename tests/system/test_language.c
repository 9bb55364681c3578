/* Workers in other languages, without any SDK, behind the built programs: what
 * the README's chapter "The wire" promises to their authors. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(language, .fini = run_fini, .timeout = 60);

/* More than the credit that a stream begins with. */
#define BODY_BYTES (300 * 1024)

static struct gateway_run *
start(const char *package)
{
	struct gateway_run *g = run_create();

	run_package(g, package, package);
	run_plugin(g, package, "use: %s", package);
	run_start(g);
	return g;
}

static void
reloads(const char *package, const char *path)
{
	struct gateway_run *g = start(package);
	int before = http_pid(g->http, path);
	struct ctl *c = ctl_run(g, "reload", package, NULL);

	cr_assert_eq(c->exit_code, 0, "%s", c->err);
	cr_assert_eq(ctl_number(c, "previousPid"), before);
	cr_assert_eq(http_pid(g->http, path), ctl_number(c, "pid"));
	ctl_destroy(c);
	run_end(g);
}

Test(language, a_worker_in_python_is_reloaded)
{
	reloads("raw-python", "/raw");
}

Test(language, a_worker_in_perl_is_reloaded)
{
	reloads("raw-perl", "/perl/x");
}

Test(language, a_large_body_streams_both_ways_under_credit)
{
	struct gateway_run *g = start("raw-perl");
	char *body = malloc(BODY_BYTES + 1);
	struct answer a;

	for (size_t i = 0; i < BODY_BYTES; i++)
		body[i] = (char)('a' + i / 7 % 26);
	body[BODY_BYTES] = '\0';
	a = http_post(g->http, "/perl/x", body);
	cr_assert_eq(a.status, 200);
	cr_assert_eq(a.body_bytes, BODY_BYTES);
	cr_assert(!memcmp(a.body, body, BODY_BYTES));
	answer_finish(&a);
	free(body);
	run_end(g);
}

static void
expect_command(struct gateway_run *g, const char *answer)
{
	struct ctl *c = ctl_expect(g, 0, "call", "command", "perl", "", NULL);

	cr_expect(strstr(c->out, answer), "%s is not in %s", answer, c->out);
	ctl_destroy(c);
}

static void
expect_mode(struct gateway_run *g, const char *verb, const char *id,
	const char *mode)
{
	struct ctl *c = ctl_expect(g, 0, verb, id, NULL);

	cr_expect(strstr(c->out, mode), "%s is not in %s", mode, c->out);
	ctl_destroy(c);
}

Test(language, its_state_goes_along_and_its_settings_change_while_it_runs)
{
	struct gateway_run *g = start("raw-perl");
	struct ctl *c;

	expect_command(g, "Hello 1");
	expect_command(g, "Hello 2");
	expect_mode(g, "reload", "raw-perl", "\"stateBytes\": 1");
	expect_command(g, "Hello 3");
	run_no_plugins(g);
	run_plugin(g, "raw-perl", "use: raw-perl, settings: {greeting: Hi}");
	run_write_config(g);
	expect_mode(g, "apply", NULL, "\"mode\": \"configure\"");
	expect_command(g, "Hi 4");
	c = ctl_expect(g, 0, "events", "-n", "1", NULL);
	cr_expect(strstr(c->out, "perl.asked"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}
