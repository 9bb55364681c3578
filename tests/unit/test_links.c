/* test_links: what becomes of a package's symbolic links in its staged copy:
 * kept, made relative, replaced by what they lead to, or refused by name. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/stage.h"
#include "worker/unstage.h"

static char top[64]; /* of p (the package), out (elsewhere) and the stages */

static const char *
at(const char *name)
{
	static _Thread_local char paths[8][256];
	static _Thread_local int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
	return path;
}

static void
put(const char *name, const char *text)
{
	FILE *file = fopen(at(name), "w");

	cr_assert(file, "%s", name);
	cr_assert(fputs(text, file) >= 0 && !fclose(file));
}

static void
dir(const char *name)
{
	cr_assert(!mkdir(at(name), 0755), "%s", name);
}

/* The text's @ stands for the folder of the test. */
static void
ln(const char *name, const char *text)
{
	char whole[256];
	const char *rest = strchr(text, '@');

	if (rest)
		snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(rest - text),
			text, top, rest + 1);
	else
		snprintf(whole, sizeof(whole), "%s", text);
	cr_assert(!symlink(whole, at(name)), "%s", name);
}

static void
begin(void)
{
	strcpy(top, "/tmp/supd-links-XXXXXX");
	cr_assert(mkdtemp(top));
	dir("p");
	dir("p/sub");
	dir("out");
	put("p/plugin.yaml", "name: p\n");
	put("out/code", "one");
}

static void
finish(void)
{
	cr_expect(!unstage_run(top, NULL));
}

TestSuite(links, .init = begin, .fini = finish);

static struct stage_result result;
static struct error err;

static int
stage(const char *to, uint64_t limit_bytes)
{
	char *shares[] = {(char[]){"modules"}};
	struct stage_order order = {.source = at("p"),
		.target = at(to),
		.limit_bytes = limit_bytes,
		.limit_entries = 1000,
		.shares = shares,
		.share_count = 1};

	return stage_run(&order, &result, &err);
}

/* Stages as q, anew. */
static void
stage_q(void)
{
	cr_assert(!unstage_run(at("q"), NULL));
	cr_assert(!stage("q", 100000), "%s", err.text);
}

static void
expect_text(const char *name, const char *text)
{
	char path[64], found[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "q/%s", name);
	file = fopen(at(path), "r");
	cr_assert(file, "%s", name);
	if (!fgets(found, sizeof(found), file))
		found[0] = '\0';
	fclose(file);
	cr_expect_str_eq(found, text, "%s: %s", name, found);
}

static bool
is_link(const char *name)
{
	char path[64];
	struct stat stat;

	snprintf(path, sizeof(path), "q/%s", name);
	cr_assert(!lstat(at(path), &stat), "%s", name);
	return S_ISLNK(stat.st_mode);
}

/* @ as in ln(). */
static void
expect_link(const char *name, const char *text)
{
	char path[64], found[PATH_MAX] = "", *shown = found;

	snprintf(path, sizeof(path), "q/%s", name);
	cr_expect(readlink(at(path), found, sizeof(found) - 1) > 0, "%s", name);
	if (!strncmp(found, top, strlen(top)) && *text == '@')
		*(shown = found + strlen(top) - 1) = '@';
	cr_expect_str_eq(shown, text, "%s: %s", name, shown);
}

static void
expect_refused(const char *text)
{
	cr_assert(!unstage_run(at("q"), NULL));
	cr_expect(stage("q", 100000));
	cr_expect(strstr(err.text, text), "%s", err.text);
	cr_expect(access(at("q"), F_OK), "nothing is left");
}

Test(links, within_the_package_they_stay_as_they_are)
{
	static const char *const rows[][2] = {{"a", "plugin.yaml"}, {"b", "a"},
		{"sub/up", "../a"}, {"dir", "sub"}, {"dot", "."},
		{"through", "dir/up"}, {"back", "dir/../b"},
		{"later", "not-there-yet"}, {"circle", "circle"},
		{"sub/loop", "../sub"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[64];

		snprintf(name, sizeof(name), "p/%s", rows[i][0]);
		ln(name, rows[i][1]);
	}
	stage_q();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_link(rows[i][0], rows[i][1]);
	expect_text("through", "name: p\n");
}

Test(links, out_of_the_package_their_targets_are_staged_and_in_the_digest)
{
	char first[sizeof(result.digest)];
	struct stat stat;

	dir("out/lib");
	put("out/lib/module", "two");
	put("out/lib/.hidden", "x");
	ln("out/lib/inner", "module");
	ln("out/lib/self", "../lib");
	ln("out/lib/aside", "../code");
	ln("out/chain", "code");
	cr_assert(!chmod(at("out/code"), 0751));
	ln("p/main", "@/out/code");
	ln("p/sub/main", "../../out/chain");
	ln("p/lib", "@/out/lib");
	stage_q();
	cr_expect(!is_link("main") && !is_link("sub/main") && !is_link("lib"));
	expect_text("main", "one");
	expect_text("sub/main", "one");
	expect_text("lib/module", "two");
	expect_link("lib/inner", "module");
	expect_link("lib/self", "../lib");
	expect_text("lib/aside", "one");
	cr_expect(access(at("q/lib/.hidden"), F_OK));
	cr_assert(!lstat(at("q/main"), &stat));
	cr_expect_eq(stat.st_mode & 07777, 0751);
	cr_expect_eq(result.files, 5);
	strcpy(first, result.digest);
	put("out/lib/module", "TWO");
	expect_text("lib/module", "two");
	stage_q();
	cr_expect_str_neq(result.digest, first);
	expect_text("lib/module", "TWO");
}

Test(links, the_digest_is_that_of_the_files_themselves)
{
	char linked[sizeof(result.digest)];

	ln("p/main", "@/out/code");
	stage_q();
	strcpy(linked, result.digest);
	cr_assert(!unlink(at("p/main")));
	put("p/main", "one");
	stage_q();
	cr_expect_str_eq(result.digest, linked);
}

Test(links, that_come_back_into_the_package_are_made_relative)
{
	ln("p/absolute", "@/p/plugin.yaml");
	ln("p/sub/absolute", "@/p/plugin.yaml");
	ln("p/sub/around", "../../p/sub");
	ln("p/whole", "@/p");
	ln("out/back", "@/p/sub");
	ln("p/way", "@/out/back");
	stage_q();
	expect_link("absolute", "plugin.yaml");
	expect_link("sub/absolute", "../plugin.yaml");
	expect_link("sub/around", "../sub");
	expect_link("whole", ".");
	expect_link("way", "sub");
}

Test(links, to_what_is_not_staged_itself_bring_it_along)
{
	dir("p/.data");
	dir("p/.data/deep");
	put("p/.data/code", "hidden");
	put("p/.data/deep/file", "deep");
	ln("p/.data/up", "../plugin.yaml");
	dir("p/__pycache__");
	put("p/__pycache__/a.pyc", "bytes");
	ln("p/code", ".data/code");
	ln("p/dir", ".data");
	ln("p/cached", "__pycache__/a.pyc");
	stage_q();
	expect_text("code", "hidden");
	expect_text("dir/deep/file", "deep");
	expect_link("dir/up", "../plugin.yaml");
	expect_text("cached", "bytes");
	cr_expect(access(at("q/.data"), F_OK));
}

Test(links, through_a_shared_name_lead_to_the_package)
{
	dir("p/modules");
	put("p/modules/run", "shared");
	ln("p/run", "modules/run");
	ln("p/absolute", "@/p/modules/run");
	ln("p/around", "../p/modules/run");
	ln("p/missing", "modules/not/there");
	stage_q();
	expect_link("run", "modules/run");
	expect_link("absolute", "@/p/modules/run");
	expect_link("around", "@/p/modules/run");
	expect_link("missing", "modules/not/there");
	expect_text("around", "shared");
}

Test(links, a_shared_name_may_lead_anywhere)
{
	char first[sizeof(result.digest)];

	ln("p/modules", "@/out");
	stage_q();
	expect_link("modules", "@/p/modules");
	expect_text("modules/code", "one");
	strcpy(first, result.digest);
	put("out/code", "another");
	stage_q();
	cr_expect_str_eq(result.digest, first);
}

Test(links, to_what_cannot_be_in_a_package_are_refused_by_name)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{"@/out/pipe", "/out/pipe, which is a FIFO and cannot be"},
		{"/dev/null", "x leads to /dev/null, which is a device and"},
		{"@/out/none", "/out/none, which does not exist"},
		{"../../..", NULL}, /* the bytes are too many, or a device */
		{"@/out/circle", "/out/circle, which does not exist"},
		{"@/out/code/below", "/out/code/below, which does not exist"},
		{".gone/file", "x leads to .gone/file, which does not exist"},
	};

	cr_assert(!mkfifo(at("out/pipe"), 0600));
	ln("out/circle", "circle");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ln("p/x", rows[i].text);
		expect_refused(rows[i].said ? rows[i].said : "");
		cr_assert(!unlink(at("p/x")));
	}
}

Test(links, count_towards_the_limit)
{
	char text[1001];

	memset(text, 'x', 1000);
	text[1000] = '\0';
	put("out/large", text);
	ln("p/a", "@/out/large");
	cr_expect(!stage("r", 1200), "%s", err.text);
	ln("p/b", "@/out/large");
	cr_expect(stage("q", 1200));
	cr_expect(strstr(err.text, "larger than the limit, at b"), "%s",
		err.text);
}

/* Each folder doubles the next: without a bound 2^40 entries of no bytes. */
Test(links, that_multiply_end_at_a_bound)
{
	for (int i = 0; i < 40; i++) {
		char name[32], next[32];

		snprintf(name, sizeof(name), "out/%d", i);
		dir(name);
		snprintf(next, sizeof(next), "../%d", i + 1);
		snprintf(name, sizeof(name), "out/%d/a", i);
		ln(name, next);
		snprintf(name, sizeof(name), "out/%d/b", i);
		ln(name, next);
	}
	dir("out/40");
	ln("p/x", "@/out/0");
	expect_refused("more than 1000 entries");
}

/* ---- a volume of Kubernetes ---- */

#define FILES 4
/* A copy starts again when the volume flips, so that the flips of one copy are
 * limited: without a limit a slow machine would never end it. */
#define FLIPS_PER_COPY 2
static atomic_bool flipping;
static atomic_uint flips, copies;

static void
volume_put(int revision)
{
	char name[64], text[32];

	snprintf(name, sizeof(name), "p/..%d", revision);
	dir(name);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "p/..%d/file%d", revision, i);
		snprintf(text, sizeof(text), "revision %d", revision);
		put(name, text);
	}
	snprintf(name, sizeof(name), "..%d", revision);
	ln("p/..data_tmp", name);
	cr_assert(!rename(at("p/..data_tmp"), at("p/..data")));
}

/* As kubelet does it: a new folder, one rename, the old one removed. */
static void *
flip(void *unused)
{
	(void)unused;
	for (int i = 1; flipping; i++) {
		char old[32];

		if (flips >= FLIPS_PER_COPY * (copies + 1)) {
			sched_yield();
			i--;
			continue;
		}
		volume_put(i);
		snprintf(old, sizeof(old), "p/..%d", i - 1);
		cr_assert(!unstage_run(at(old), NULL));
		flips++;
	}
	return NULL;
}

Test(links, each_copy_of_a_volume_is_of_one_revision, .timeout = 120)
{
	pthread_t thread;

	volume_put(0);
	for (int i = 0; i < FILES; i++) {
		char name[32], text[32];

		snprintf(name, sizeof(name), "p/file%d", i);
		snprintf(text, sizeof(text), "..data/file%d", i);
		ln(name, text);
	}
	flipping = true;
	cr_assert(!pthread_create(&thread, NULL, flip, NULL));
	while (flips < 1000) {
		char first[64], name[32];
		FILE *file;

		stage_q();
		copies++;
		file = fopen(at("q/file0"), "r");
		cr_assert(file && fgets(first, sizeof(first), file));
		fclose(file);
		for (int i = 1; i < FILES; i++) {
			snprintf(name, sizeof(name), "file%d", i);
			expect_text(name, first);
		}
	}
	flipping = false;
	pthread_join(thread, NULL);
}
