/* The configuration is watched: a change of any of its files is applied, one
 * that is refused changes nothing, and a storm of signals meanwhile loses none.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/watch_bed.h"

TestSuite(watch_config, .fini = run_fini, .timeout = 300);

static void
await_answer(struct gateway_run *g, const char *path)
{
	struct patience p = patience_for(WATCH_DEADLINE_MS);

	while (http_status(g->http, path) != 200)
		cr_assert(patience_lasts(&p), "%s does not serve", path);
}

Test(watch_config, a_configuration_that_changes_is_applied)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *secret = memory_format("%s/secret", g->dir);
	char *config = memory_format("%s/supd.yaml", g->dir), *good, *more;
	long at;

	files_write(secret, "one");
	watch_add_token(g, secret);
	watch_start(g);
	g->may_grow = true;
	run_plugin(g, "d", "use: a, mount: /d, namespace: d");
	run_write_config(g);
	await_answer(g, "/d/hello");
	/* A file that a setting refers to. */
	at = watch_generation(g, "c");
	files_write(secret, "two");
	ctl_await_number(g, "c", "generation", at + 1);
	/* A file beside it that is new. */
	more = memory_format("%s/conf.d", g->dir);
	cr_assert_eq(mkdir(more, 0755), 0);
	free(more);
	more = memory_format("%s/conf.d/more.yaml", g->dir);
	files_write(more, "plugins: {e: {use: a, mount: /e, namespace: e}}\n");
	await_answer(g, "/e/hello");
	/* One that is broken changes nothing. */
	run_announce(g, "supd.yaml");
	run_announce(g, "configuration");
	good = files_read(config);
	files_write(config, "plugins: {{\n");
	run_await_log(g, 0, "configuration not applied");
	cr_expect_eq(http_status(g->http, "/d/hello"), 200);
	files_write(config, "%s", good);
	free(good);
	free(config);
	free(more);
	free(secret);
	run_end(g);
}

Test(watch_config, a_missing_file_of_a_refused_configuration_is_watched_for)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *secret = memory_format("%s/later/secret", g->dir);
	char *folder = memory_format("%s/later", g->dir);

	watch_start(g);
	g->may_grow = true;
	run_announce(g, "supd.yaml");
	run_announce(g, "configuration");
	watch_add_token(g, secret);
	run_write_config(g);
	run_await_log(g, 0, "configuration not applied");
	cr_assert_eq(mkdir(folder, 0755), 0);
	files_write(secret, "one");
	await_answer(g, "/c/hello");
	free(folder);
	free(secret);
	run_end(g);
}

Test(watch_config, a_storm_of_hups_while_the_file_changes_makes_two_passes)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	uint64_t begun_ms;
	unsigned most;

	watch_start(g);
	g->may_grow = true;
	run_plugin(g, "c", "use: a, mount: /c, namespace: c");
	run_write_config(g);
	begun_ms = clock_ms();
	/* Until the watching process has noticed it, too. */
	for (int i = 0; i < 100 || !run_log_has(g, 0, "supd.yaml changed"); i++)
		run_signal(g, SIGHUP);
	/* A burst that is longer is cut after three seconds. */
	most = 2 + 2 * (unsigned)((clock_ms() - begun_ms) / 3000);
	await_answer(g, "/c/hello");
	watch_expect_no_more(g, "a", watch_generation(g, "a"));
	cr_expect_leq(capture_count(&g->log, 0, "configuration applied"), most);
	run_end(g);
}
