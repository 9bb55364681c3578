/* The package dashboard in a real browser: Debian's Chromium, driven through
 * chromedriver by browser/dashboard.py. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/shell.h"

TestSuite(dashboard, .fini = run_fini, .timeout = 240);

/* SHA-256 of "one". */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

/* run_package() leaves out subfolders, and the page is in one. */
static void
add_dashboard(struct gateway_run *g)
{
	run_package(g, "dashboard", "dashboard");
	free(shell_expect(g, 0,
		"cp -r %s/plugins/dashboard/public %s/packages/"
		"dashboard/",
		run_build_root(), g->dir));
	run_plugin(g, "dashboard", "use: dashboard, mount: /board");
}

static struct gateway_run *
start(void)
{
	struct gateway_run *g;

	if (!shell_has("chromium") || !shell_has("chromedriver"))
		cr_skip_test("needs Chromium and its driver (apt-get install "
			     "chromium chromium-driver)");
	g = run_create();
	snprintf(g->http, sizeof(g->http), "127.0.0.1:%d", http_free_port());
	run_add_hello(g);
	run_add_fault(g);
	add_dashboard(g);
	plan_extra(g,
		"admin: {tokens: [{name: one, role: operator, sha256: \"" ONE
		"\"}]}\n");
	run_start(g);
	return g;
}

Test(dashboard, shows_and_steers_what_runs)
{
	struct gateway_run *g = start();

	free(shell_expect(g, 0,
		"python3 -B %s/browser/dashboard.py %d http://%s/board/ one %s",
		TEST_SOURCE_DIR, http_free_port(), g->http, g->dir));
	run_end(g);
}
