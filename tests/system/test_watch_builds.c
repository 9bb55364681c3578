/* Builds while a package is watched: each save is built, and each once. A build
 * waits at a gate, so that a test knows what happens while it runs. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/shell.h"
#include "tests/system/watch_bed.h"

TestSuite(watch_builds, .fini = run_fini, .timeout = 300);

static char *
beside(struct gateway_run *g, const char *name)
{
	return memory_format("%s/%s", g->dir, name);
}

/* a is built from DIR/source; each build adds a line to DIR/builds, writes the
 * content of the source to `made`, and waits at the gate. An empty source makes
 * it fail. */
static struct gateway_run *
prepare(void)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *manifest = run_package_file(g, "a", "plugin.yaml");
	char *gate = beside(g, "gate"), *source = beside(g, "source");

	files_write(manifest, "name: a\nversion: 1.0.0\nrun: hello.so\n"
			      "watch: {also: [../../source], run: [sh, -c, '"
			      "cp ../../source made; echo >>../../builds; "
			      "read line <../../gate; test -s made']}\n");
	cr_assert_eq(mkfifo(gate, 0644), 0);
	files_write(source, "1");
	free(manifest);
	free(gate);
	free(source);
	return g;
}

static void
save(struct gateway_run *g, const char *text)
{
	char *source = beside(g, "source");

	files_write(source, "%s", text);
	free(source);
}

static size_t
count_builds(struct gateway_run *g)
{
	char *path = beside(g, "builds"), *text = files_read(path);
	size_t count = text ? strlen(text) : 0;

	free(text);
	free(path);
	return count;
}

/* It has written what it writes, and is at the gate. */
static void
await_build(struct gateway_run *g, size_t number)
{
	struct patience p = patience_for(WATCH_DEADLINE_MS);

	while (count_builds(g) < number)
		cr_assert(patience_lasts(&p), "build %zu never began", number);
	cr_assert_eq(count_builds(g), number);
}

/* Lets one build pass; it must be there, or come. */
static void
open_gate(struct gateway_run *g)
{
	char *gate = beside(g, "gate");
	int fd = open(gate, O_WRONLY | O_CLOEXEC);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, "\n", 1), 1);
	close(fd);
	free(gate);
}

static void
expect_made(struct gateway_run *g, const char *text)
{
	char *path = run_package_file(g, "a", "made");
	char *made = files_read(path);

	cr_expect(made && !strcmp(made, text), "%s", made ? made : "(none)");
	free(made);
	free(path);
}

Test(watch_builds, a_save_at_the_end_of_a_build_is_built_too)
{
	struct gateway_run *g = prepare();
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	save(g, "22");
	await_build(g, 1);
	save(g, "333"); /* the build ends before it was quiet for long */
	open_gate(g);
	await_build(g, 2);
	open_gate(g);
	ctl_await_number(g, "a", "generation", at + 2);
	expect_made(g, "333");
	watch_expect_no_more(g, "a", at + 2);
	cr_expect_eq(count_builds(g), 2);
	run_end(g);
}

/* It has never been seen to change, and is no source by its name. */
Test(watch_builds, so_is_the_first_save_of_another_file)
{
	struct gateway_run *g = prepare();
	long at;

	watch_put(g, "a", "Makefile", "1");
	watch_start(g);
	at = watch_generation(g, "a");
	save(g, "22");
	await_build(g, 1);
	watch_put(g, "a", "Makefile", "22");
	open_gate(g);
	await_build(g, 2);
	open_gate(g);
	watch_await_said(g, "a", "state", "watching");
	cr_expect_gt(watch_generation(g, "a"), at);
	run_end(g);
}

/* Saves of b pass meanwhile, each after the debounce: it is longer than that.
 */
Test(watch_builds, a_long_build_that_writes_early_runs_once)
{
	struct gateway_run *g = prepare();
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	for (size_t i = 1; i <= 2; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%zu", 10 + i);
		save(g, text);
		await_build(g, i);
		watch_expect_no_more(g, "a", at);
		watch_expect_no_more(g, "a", at);
		open_gate(g);
		ctl_await_number(g, "a", "generation", ++at);
		expect_made(g, text);
		watch_expect_no_more(g, "a", at);
		cr_expect_eq(count_builds(g), i);
	}
	run_end(g);
}

Test(watch_builds, a_source_that_is_mended_while_its_build_fails_is_built)
{
	struct gateway_run *g = prepare();
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	save(g, "");
	await_build(g, 1);
	save(g, "good");
	open_gate(g);
	run_await_log(g, 0, "a: the build failed");
	await_build(g, 2);
	open_gate(g);
	ctl_await_number(g, "a", "generation", at + 1);
	expect_made(g, "good");
	run_end(g);
}

/* Another order for the watching process while a build runs loses nothing. */
Test(watch_builds, a_change_of_the_configuration_meanwhile_loses_no_save)
{
	struct gateway_run *g = prepare();
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	save(g, "22");
	await_build(g, 1);
	save(g, "333");
	plan_extra(g, "reload: {watch: true, debounce: 61ms}\n");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	open_gate(g);
	/* What the first one created counts as what was there before, so there
	 * are two more until it is known. */
	for (size_t i = 2; i <= 4; i++) {
		await_build(g, i);
		open_gate(g);
	}
	ctl_await_number(g, "a", "generation", at + 2);
	watch_await_said(g, "a", "state", "watching");
	watch_expect_no_more(g, "a", watch_generation(g, "a"));
	cr_expect_eq(count_builds(g), 4);
	expect_made(g, "333");
	run_end(g);
}

Test(watch_builds, a_package_is_built_before_it_is_reloaded)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *manifest = run_package_file(g, "a", "plugin.yaml"), *out;
	char *made = run_package_file(g, "a", "made"), *text;
	long at;

	/* It writes something new each time, and must not follow itself. */
	files_write(manifest, "name: a\nversion: 1.0.0\nrun: hello.so\n"
			      "watch: {also: [../../source], "
			      "run: [sh, -c, 'echo built; date +%%s%%N >stamp; "
			      "cp ../../source made; test -s made']}\n");
	text = memory_format("%s/source", g->dir);
	files_write(text, "1");
	watch_start(g);
	at = watch_generation(g, "a");
	files_write(text, "2");
	ctl_await_number(g, "a", "generation", at + 1);
	watch_await_said(
		g, "a", "state", "watching"); /* what it wrote is known */
	out = files_read(made);
	cr_expect_str_eq(out, "2");
	free(out);
	watch_expect_no_more(g, "a", at + 1);
	/* One that fails. */
	files_write(text, "%s", "");
	run_await_log(g, 0, "a: the build failed (exit status 1)");
	out = shell_expect(g, 0, "$SUPCTL events | grep watch.build_failed");
	cr_expect(strstr(out, "built"), "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL logs a | grep built");
	free(out);
	watch_expect_no_more(g, "a", at + 1);
	free(manifest);
	free(made);
	free(text);
	run_end(g);
}
