/* test_stage: the copy of a package, its digest, and what is refused. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker/stage.h"
#include "worker/survey.h"
#include "worker/unstage.h"

static char folder[64];

static const char *
at(const char *name)
{
	static char paths[8][256];
	static int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void
put(const char *name, const char *text, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	cr_assert(!fchmod(fd, mode));
	close(fd);
}

static void
begin(void)
{
	strcpy(folder, "/tmp/supd-stage-XXXXXX");
	cr_assert(mkdtemp(folder));
	cr_assert(!mkdir(at("p"), 0755) && !mkdir(at("p/sub"), 0555));
	put("p/plugin.yaml", "name: p\n", 0644);
	put("p/run.sh", "#!/bin/sh\n", 0755);
	cr_assert(!symlink("run.sh", at("p/link")));
}

static void
finish(void)
{
	cr_expect(!unstage_run(folder, NULL));
	cr_expect(access(folder, F_OK));
}

TestSuite(stage, .init = begin, .fini = finish);

static int
stage(const char *to, struct stage_result *result, struct error *err)
{
	char *shares[] = {(char[]){"modules"}};
	struct stage_order order = {.source = at("p"),
		.target = at(to),
		.limit_bytes = 1000,
		.limit_entries = 100,
		.shares = shares,
		.share_count = 1};

	return stage_run(&order, result, err);
}

static const char *
digest(void)
{
	static char digests[16][80];
	static int next;
	struct stage_result result;
	struct error err;
	char *text = digests[next++ % 16], to[16];

	snprintf(to, sizeof(to), "d%d", next);
	cr_assert(!stage(to, &result, &err), "%s", err.text);
	strcpy(text, result.digest);
	return text;
}

Test(stage, copies_files_modes_links_and_folders)
{
	struct stage_result result;
	struct error err;
	struct stat stat;
	char text[64] = "";

	cr_assert(!stage("q", &result, &err), "%s", err.text);
	cr_expect(result.files == 2 && result.bytes == 18);
	cr_expect(!strncmp(result.digest, "sha256:", 7));
	cr_expect(strlen(result.digest) == 7 + 64);
	cr_assert(!lstat(at("q/run.sh"), &stat));
	cr_expect((stat.st_mode & 07777) == 0755);
	cr_expect(readlink(at("q/link"), text, sizeof(text) - 1) == 6);
	cr_expect_str_eq(text, "run.sh");
	cr_assert(!lstat(at("q/sub"), &stat) && S_ISDIR(stat.st_mode));
	cr_expect((stat.st_mode & 0700) == 0700, "it can be removed again");
}

/* Sets the time of an entry of the package; expects it of the copy in `q`. */
static const struct timespec old_times[] = {
	{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1234567890, .tv_nsec = 123456789}};

static void
expect_old(const char *name)
{
	char path[64];
	struct stat stat;

	snprintf(path, sizeof(path), "q/%s", name);
	cr_assert(!lstat(at(path), &stat));
	cr_expect_eq(stat.st_mtim.tv_sec, old_times[1].tv_sec, "%s", name);
	cr_expect_eq(stat.st_mtim.tv_nsec, old_times[1].tv_nsec, "%s", name);
}

Test(stage, copies_keep_their_times_to_the_nanosecond)
{
	/* The folders last: a new entry is a change of its folder. */
	static const char *const names[] = {
		"run.sh", "link", "sub/file", "sub", "."};
	struct stage_result result;
	struct error err;
	const char *touched;

	cr_assert(!chmod(at("p/sub"), 0755));
	put("p/sub/file", "x", 0444);
	touched = digest();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "p/%s", names[i]);
		cr_assert(!utimensat(
			AT_FDCWD, at(path), old_times, AT_SYMLINK_NOFOLLOW));
	}
	cr_assert(!stage("q", &result, &err), "%s", err.text);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect_old(names[i]);
	cr_expect_str_eq(result.digest, touched, "times are no content");
}

Test(stage, caches_and_hidden_files_stay_and_shares_are_linked)
{
	struct stage_result result;
	struct error err;
	const char *first = digest();
	char text[256] = "";

	cr_assert(!mkdir(at("p/__pycache__"), 0755));
	cr_assert(!mkdir(at("p/modules"), 0755));
	put("p/modules/big", "outside the digest", 0644);
	put("p/.swap", "x", 0644);
	put("p/a.pyc", "x", 0644);
	cr_assert(!stage("q", &result, &err), "%s", err.text);
	cr_expect_str_eq(result.digest, first);
	cr_expect(access(at("q/.swap"), F_OK) && access(at("q/a.pyc"), F_OK));
	cr_expect(access(at("q/__pycache__"), F_OK));
	cr_expect(readlink(at("q/modules"), text, sizeof(text) - 1) > 0);
	cr_expect_str_eq(text, at("p/modules"));
}

Test(stage, the_digest_tells_content_name_mode_and_kind_apart)
{
	const char *first = digest(), *same = digest();

	cr_expect_str_eq(first, same);
	cr_assert(!chmod(at("p/plugin.yaml"), 0600));
	cr_expect_str_eq(first, digest(), "only the x bit counts");
	cr_assert(!chmod(at("p/plugin.yaml"), 0700));
	cr_expect_str_neq(first, digest());
	put("p/plugin.yaml", "name: q\n", 0644);
	cr_expect_str_neq(first, digest());
	put("p/plugin.yaml", "name: p\n", 0644);
	cr_expect_str_eq(first, digest());
	cr_assert(!rename(at("p/run.sh"), at("p/run2.sh")));
	cr_expect_str_neq(first, digest());
	cr_assert(!rename(at("p/run2.sh"), at("p/run.sh")));
	cr_assert(!rmdir(at("p/sub")));
	cr_expect_str_neq(first, digest(), "an empty folder counts");
}

Test(stage, refuses_and_leaves_nothing)
{
	static const char large[1001] = {0};
	struct stage_result result;
	struct error err;
	char text[1001];

	memset(text, 'x', 1000);
	text[1000] = large[0];
	put("p/large", text, 0644);
	cr_expect(stage("q", &result, &err));
	cr_expect(strstr(err.text, "larger than the limit"), "%s", err.text);
	cr_expect(access(at("q"), F_OK));
	cr_assert(!unlink(at("p/large")));

	cr_assert(!mkfifo(at("p/pipe"), 0644));
	cr_expect(stage("q", &result, &err));
	cr_expect_str_eq(err.text, "pipe is a FIFO and cannot be in a package");
	cr_expect(access(at("q"), F_OK));
	cr_assert(!unlink(at("p/pipe")));

	cr_assert(!mkdir(at("q"), 0755));
	cr_expect(stage("q", &result, &err));
	cr_expect(strstr(err.text, "File exists"), "%s", err.text);
	cr_expect(!access(at("q"), F_OK), "it was there before");
}

Test(stage, a_package_that_keeps_changing_is_refused)
{
	struct stage_result result;
	struct error err;
	pid_t writer = fork();

	if (!writer)
		for (unsigned i = 0;; i++)
			put("p/plugin.yaml", i % 2 ? "name: a\n" : "name: b\n",
				0644);
	for (int i = 0; i < 20; i++) {
		if (!stage("q", &result, &err)) {
			cr_assert(!unstage_run(at("q"), NULL));
			continue;
		}
		cr_expect(strstr(err.text, "changes while it is copied"), "%s",
			err.text);
		cr_expect(access(at("q"), F_OK));
		break;
	}
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
}

Test(stage, a_copy_inside_its_own_package_does_not_copy_itself)
{
	struct stage_result result;
	struct error err;

	cr_assert(!stage("p/copy", &result, &err), "%s", err.text);
	cr_expect(access(at("p/copy/copy"), F_OK));
}

Test(stage, removing_takes_what_is_not_writable_and_minds_nothing_missing)
{
	struct error err;

	cr_assert(!mkdir(at("r"), 0755) && !mkdir(at("r/s"), 0755));
	put("r/s/f", "x", 0400);
	cr_assert(!chmod(at("r/s"), 0));
	cr_expect(!unstage_run(at("r"), &err), "%s", err.text);
	cr_expect(access(at("r"), F_OK));
	cr_expect(!unstage_run(at("r"), &err));
}

/* ---- the survey ---- */

/* The fingerprint, or with `digest` the digest, of an answer; "" if none. */
static const char *
survey(const char *known, bool digest)
{
	static char texts[8][2048];
	static int next;
	char *line = texts[next++ % 8], *text = texts[next++ % 8], *found;
	FILE *in, *out;

	snprintf(line, 2048,
		"{\"folder\":\"%s\",\"shares\":[\"modules\"],\"known\":\"%s\"}"
		"\n",
		at("p"), known);
	in = fmemopen(line, strlen(line), "r");
	out = fmemopen(text, 2048, "w");
	cr_assert(!survey_run(in, out));
	fclose(in);
	fclose(out);
	found = strstr(text, digest ? "\"digest\":\"" : "\"fingerprint\":\"");
	cr_assert(found || digest, "%s", text);
	if (!found)
		return "";
	found = strchr(found + 2, ':') + 2;
	*strchr(found, '"') = '\0';
	return found;
}

/* As if nothing in the package had been touched lately; not so for ctime. */
static void
await_old(void)
{
	for (int i = 0; i < 1000 && !*survey("", false); i++)
		poll(NULL, 0, 5);
}

Test(stage, a_survey_reads_only_what_looks_different)
{
	const char *now;
	char first[64];

	cr_expect(!strcmp(survey("", true), digest()),
		"the digest is that of a copy");
	await_old();
	snprintf(first, sizeof(first), "%s", survey("", false));
	cr_expect(strlen(first) == 32, "%s", first);
	cr_expect_str_empty(survey(first, true), "it is as it was known");
	/* The same content, touched: another fingerprint, the same digest. */
	cr_assert(!utimensat(AT_FDCWD, at("p/run.sh"), NULL, 0));
	now = survey(first, false);
	cr_expect_str_neq(now, first);
	cr_expect_str_eq(survey(first, true), digest());
	/* What is not staged is not seen; what is, is. */
	put("p/.hidden", "x", 0644);
	cr_expect_str_eq(survey(first, true), digest());
	put("p/run.sh", "#!/bin/no\n", 0755);
	cr_expect_str_eq(survey(first, true), digest());
	cr_expect_str_neq(survey(first, true), "");
}

Test(stage, what_was_touched_just_now_has_no_fingerprint)
{
	struct stage_result result;
	struct error err;

	put("p/run.sh", "#!/bin/it\n", 0755);
	cr_assert(!stage("a", &result, &err), "%s", err.text);
	/* Unless this machine is very slow. */
	cr_expect(!*result.fingerprint || strlen(result.fingerprint) == 32);
	put("p/plugin.yaml", "name: q\n", 0644);
	await_old();
	cr_assert(!stage("b", &result, &err), "%s", err.text);
	cr_expect_str_eq(result.fingerprint, survey("", false));
	cr_expect_str_empty(survey(result.fingerprint, true));
}

Test(stage, a_survey_says_what_it_cannot_read)
{
	char text[512] = "", line[] = "{\"folder\":\"/no/such\",\"shares\":[],"
				      "\"known\":\"\"}\n{}\n";
	FILE *in = fmemopen(line, strlen(line), "r");
	FILE *out = fmemopen(text, sizeof(text), "w");

	cr_expect(!survey_run(in, out));
	fclose(in);
	fclose(out);
	cr_expect(strstr(text, "cannot read /no/such"), "%s", text);
	cr_expect(strstr(text, "\n"
			       "{\"error\":\"malformed order\"}"),
		"%s", text);
}

/* The digest that a survey gives of the copy. */
static const char *
copy_digest(const char *name)
{
	static char text[2048];
	char line[512], *found;
	FILE *in, *out;

	snprintf(line, sizeof(line),
		"{\"folder\":\"%s\",\"shares\":[\"modules\"],\"known\":\"\","
		"\"copy\":true}\n",
		at(name));
	in = fmemopen(line, strlen(line), "r");
	out = fmemopen(text, sizeof(text), "w");
	cr_assert(!survey_run(in, out));
	fclose(in);
	fclose(out);
	found = strstr(text, "\"digest\":\"");
	cr_assert(found, "%s", text);
	found += strlen("\"digest\":\"");
	*strchr(found, '"') = '\0';
	return found;
}

/* Files are born with the kernel's coarse clock, which may be a moment behind
 * the one that programs read: two ticks are one for sure. */
static void
await_tick(void)
{
	struct timespec then, now;

	for (int i = 0; i < 2; i++) {
		clock_gettime(CLOCK_REALTIME_COARSE, &then);
		do {
			clock_gettime(CLOCK_REALTIME_COARSE, &now);
		} while (then.tv_sec == now.tv_sec &&
			 then.tv_nsec == now.tv_nsec);
	}
}

Test(stage, a_copy_is_damaged_by_a_change_and_not_by_what_is_added)
{
	struct stage_result result;
	struct error err;

	cr_assert(!mkdir(at("p/modules"), 0755));
	cr_assert(!symlink(at("p/modules"), at("p/absolute")));
	cr_assert(!stage("q", &result, &err), "%s", err.text);
	cr_expect_str_eq(copy_digest("q"), result.digest);
	await_tick();
	put("q/log", "written by the plugin", 0644);
	cr_assert(!mkdir(at("q/made"), 0755));
	cr_expect_str_eq(copy_digest("q"), result.digest);
	put("q/run.sh", "#!/bin/no\n", 0755);
	cr_expect_str_neq(copy_digest("q"), result.digest);
	put("q/run.sh", "#!/bin/sh\n", 0755);
	cr_expect_str_eq(copy_digest("q"), result.digest);
	cr_assert(!unlink(at("q/link")));
	cr_expect_str_neq(copy_digest("q"), result.digest);
}
