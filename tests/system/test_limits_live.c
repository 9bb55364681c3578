/* A limit that is called live is live in the workers, too: they are told, and
 * go on with what they have. The same plugin in each language. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(limits_live, .fini = run_fini, .timeout = 200);

static const char *const languages[] = {"c", "python", "node"};

static void
set_limit(struct gateway_run *g, const char *body)
{
	free(g->extra);
	g->extra = memory_format("limits: {body: %s}\n", body);
}

static void
apply(struct gateway_run *g)
{
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
}

static int
post(struct gateway_run *g, const char *language, size_t bytes)
{
	char *path = memory_format("/%s/length", language);
	char *body = memory_alloc(bytes + 1);
	struct answer a;
	int status;

	memset(body, 'b', bytes);
	a = http_post(g->http, path, body);
	status = a.status;
	answer_finish(&a);
	free(body);
	free(path);
	return status;
}

Test(limits_live, the_limit_of_a_body_reaches_the_workers)
{
	struct gateway_run *g = run_create();
	long pids[3];

	for (int i = 0; i < 3; i++) {
		char *package = memory_format("scenario-%s", languages[i]);

		run_package(g, package, languages[i]);
		run_plugin(g, languages[i], "mount: /%s, namespace: %s",
			languages[i], languages[i]);
		free(package);
	}
	set_limit(g, "1KiB");
	run_start(g);
	for (int i = 0; i < 3; i++) {
		pids[i] = ctl_status_number(g, languages[i], "pid");
		cr_expect_eq(post(g, languages[i], 2000), 413);
	}
	set_limit(g, "11MiB");
	apply(g);
	for (int i = 0; i < 3; i++) {
		/* The first part goes with the request, the rest follows. */
		cr_expect_eq(
			post(g, languages[i], 2000), 200, "%s", languages[i]);
		cr_expect_eq(post(g, languages[i], 10600 * 1024), 200, "%s",
			languages[i]);
	}
	set_limit(g, "1KiB");
	apply(g);
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(post(g, languages[i], 2000), 413);
		cr_expect_eq(ctl_status_number(g, languages[i], "pid"), pids[i],
			"%s was restarted", languages[i]);
	}
	run_end(g);
}
