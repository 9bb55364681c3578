/* Who saves files, and when: each program that people use makes one reload, on
 * a clock that is stepped as well. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/shell.h"
#include "tests/system/watch_bed.h"

TestSuite(watch_savers, .fini = run_fini, .timeout = 300);

/* In the folder of the package, where hidden files do not count; `file` is
 * there, with another content. */
static const struct {
	const char *needs, *prepare, *save;
} savers[] = {
	{"sh", NULL, "echo one >file"},
	{"sh", NULL, "echo two >>file"},
	{"sed", NULL, "sed -i s/two/three/ file"},
	{"cp", "echo four >.old; touch -d 2001-01-01 .old", "cp -p .old file"},
	{"mv", "echo five >.new", "mv .new file"},
	{"ln", "echo six >.six", "ln -sfn .six file"},
	{"ln", "echo seven >.seven", "ln -sfn .seven file"},
	{"install", "echo eight >.new", "install .new file"},
	{"tee", NULL, "echo nine | tee file"},
	{"dd", NULL, "echo ten | dd of=file conv=notrunc"},
	{"rsync", "echo eleven eleven >.new", "rsync -I .new file"},
	{"rsync", "echo twelve twelve >.new", "rsync -I --inplace .new file"},
	{"vim.tiny", NULL,
		"vim.tiny -es -u NONE -c 'normal ggcc13' -c wq file"},
	{"vim.tiny", NULL,
		"vim.tiny -es -u NONE -c 'set backupcopy=no' -c "
		"'normal ggcc14' -c wq file"},
	{"vim.tiny", NULL,
		"vim.tiny -es -u NONE -c 'set backupcopy=yes' -c "
		"'normal ggcc15' -c wq file"},
	{"git",
		"git init -q . && hash=$(echo 16 | git hash-object -w --stdin) "
		"&& git update-index --add --cacheinfo 100644,$hash,file",
		"git checkout -q -- file"},
	{"python3", NULL,
		"python3 -c 'f = open(\"file\", \"r+\"); f.write(\"17\"); "
		"f.truncate(); f.close()'"},
	{"tar", "echo 18 >.new; tar -cf .t --transform=s/.new/file/ .new",
		"tar -xf .t"},
	{"emacs", NULL,
		"emacs -Q --batch file --eval '(progn (erase-buffer) (insert "
		"\"19\") (save-buffer))'"},
};

Test(watch_savers, each_program_that_saves_a_file_makes_one_reload,
	.timeout = 600)
{
	/* Longer than a busy machine keeps one of them waiting. */
	struct gateway_run *g =
		watch_prepare("reload: {watch: true, debounce: 400ms}\n");
	long at;

	watch_put(g, "a", "file", "zero");
	watch_start(g);
	at = watch_generation(g, "a");
	for (size_t i = 0; i < sizeof(savers) / sizeof(*savers); i++) {
		if (!shell_has(savers[i].needs))
			continue;
		free(shell_expect(g, 0, "cd %s/packages/a && { %s; } 2>&1",
			g->dir, savers[i].prepare ? savers[i].prepare : ":"));
		free(shell_expect(g, 0, "cd %s/packages/a && { %s; } 2>&1",
			g->dir, savers[i].save));
		++at;
		ctl_await_number(g, "a", "generation", at);
		watch_expect_no_more(g, "a", at);
	}
	run_end(g);
}

/* ---- the clock ---- */

static void
step_clock(struct gateway_run *g, const char *offset)
{
	char *path = memory_format("%s/offset", g->dir);

	files_write(path, "%s\n", offset);
	free(path);
}

/* Whether supd has written lines on that day. */
static bool
wrote_on(struct gateway_run *g, time_t then)
{
	struct tm parts;
	char text[16];

	gmtime_r(&then, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT", &parts);
	return run_log_has(g, 0, text);
}

/* The wall clock of supd, which libfaketime reads from a file; that of files is
 * the kernel's. */
Test(watch_savers, a_stepped_clock_neither_delays_nor_repeats)
{
	static const char *const offsets[] = {
		"+1d", "-400d", "+0", "+3h", "-1", "+0"};
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	static char path[96];
	long at;

#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("libfaketime and the sanitizer both come first");
#endif
	snprintf(path, sizeof(path), "%s/clocked", g->dir);
	files_write(path,
		"#!/bin/sh\n"
		"export FAKETIME_TIMESTAMP_FILE=%s/offset FAKETIME_NO_CACHE=1 "
		"FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1\n"
		"lib=$(ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null | "
		"head -n 1)\n"
		"[ -n \"$lib\" ] || exit 1\n"
		"export LD_PRELOAD=$lib\nexec \"$@\"\n",
		g->dir);
	cr_assert_eq(chmod(path, 0755), 0);
	step_clock(g, "+0");
	if (!shell_has("faketime"))
		cr_skip_test("needs libfaketime: apt install faketime");
	g->wrapper[0] = path;
	watch_start(g);
	at = watch_generation(g, "a");
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		watch_put(g, "a", "file", offsets[i]);
		step_clock(g, offsets[i]); /* while it is pending */
		watch_expect_one(g, &at);
	}
	cr_expect(wrote_on(g, time(NULL) - 400 * 24 * 3600),
		"supd's clock was not stepped");
	run_end(g);
}
