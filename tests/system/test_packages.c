/* Package folders as people and orchestrators really have them, on the built
 * programs: links out of the package, volumes whose contents are swapped by
 * one rename, and what is left of stages. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/run.h"

TestSuite(packages, .fini = run_fini, .timeout = 200);

/* ---- links out of the package ---- */

/* Moves a file of the package to DIR/NAME and links to it; its new path. */
static char *
move_out(struct gateway_run *g, const char *name)
{
	char *inside = run_package_file(g, "fault", name);
	char *outside = memory_format("%s/%s", g->dir, name);

	cr_assert(!rename(inside, outside) && !symlink(outside, inside), "%s",
		strerror(errno));
	free(inside);
	return outside;
}

static char *
read_bytes(const char *path, size_t *size_out)
{
	FILE *file = fopen(path, "r");
	struct stat stat;
	char *bytes;

	cr_assert(file && !fstat(fileno(file), &stat));
	*size_out = (size_t)stat.st_size;
	bytes = memory_alloc(*size_out);
	cr_assert(fread(bytes, 1, *size_out, file) == *size_out);
	fclose(file);
	return bytes;
}

Test(packages, overwriting_what_a_link_leads_to_hurts_no_worker)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 2};
	char *code, *bytes;
	size_t size;

	run_add_fault(g);
	run_defaults(g, "probation: 0ms");
	code = move_out(g, "fault.so");
	bytes = read_bytes(code, &size);
	run_start(g);
	load_start(&load, g->http, "/fault", NULL);
	files_overwrite(code, "no program", strlen("no program"));
	load_await(&load, 20);
	kill(http_pid(g->http, "/fault"), SIGKILL);
	load_await(&load, 20);
	/* The change is seen, fails, and changes nothing. */
	ctl_destroy(ctl_expect(g, 1, "reload", "--changed", NULL));
	files_overwrite(code, bytes, size - 1); /* without its last byte */
	ctl_destroy(ctl_expect(g, 0, "reload", "--changed", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 4);
	load_stop_clean(&load);
	free(code);
	free(bytes);
	run_end(g);
}

Test(packages, a_link_to_what_cannot_be_staged_is_refused_by_name)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	char *link;

	run_add_fault(g);
	run_start(g);
	link = run_package_file(g, "fault", "input");
	cr_assert(!symlink("/dev/zero", link));
	c = ctl_expect(g, 1, "reload", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "error"),
		"staging: input leads to /dev/zero, which is a device and "
		"cannot be in a package");
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	free(link);
	run_end(g);
}

/* ---- a volume whose contents are swapped as a whole ---- */

#define FLIPS 1000
#define VOLUME_FILES 3

struct volume {
	char *folder; /* of the package */
	pthread_t thread;
	atomic_uint flips, reloads;
};

/* A copy starts again when the volume flips, so that the flips of one reload
 * are limited: without a limit a slow machine would never end it. */
#define FLIPS_PER_RELOAD 4

/* One revision in a folder of its own, whose manifest and files all tell its
 * number. */
static void
volume_write(const struct volume *v, unsigned revision)
{
	char *folder = memory_format("%s/..%u", v->folder, revision), *path;

	cr_assert(!mkdir(folder, 0755));
	path = memory_format("%s/plugin.yaml", folder);
	files_write(path,
		"name: fault\nversion: 1.0.0\nrun: fault.so\n"
		"settings: {mode: r%u}\n",
		revision);
	free(path);
	for (int i = 0; i < VOLUME_FILES; i++) {
		path = memory_format("%s/file%d", folder, i);
		files_write(path, "r%u", revision);
		free(path);
	}
	free(folder);
}

/* As kubelet does it: one rename of a link to the new revision's folder. */
static void
volume_flip(const struct volume *v, unsigned revision)
{
	char *next = memory_format("%s/..data_tmp", v->folder);
	char *data = memory_format("%s/..data", v->folder);
	char text[16];

	snprintf(text, sizeof(text), "..%u", revision);
	cr_assert(!symlink(text, next) && !rename(next, data));
	free(next);
	free(data);
}

static void
volume_link(const struct volume *v, const char *name)
{
	char *path = memory_format("%s/%s", v->folder, name);
	char *text = memory_format("..data/%s", name);

	unlink(path);
	cr_assert(!symlink(text, path), "%s", strerror(errno));
	free(path);
	free(text);
}

static void *
volume_keep_flipping(void *user)
{
	struct volume *v = user;

	for (unsigned i = 1; i <= FLIPS; i++) {
		char *old = memory_format("%s/..%u", v->folder, i - 1);

		while (i > FLIPS_PER_RELOAD * (v->reloads + 1))
			sched_yield();
		volume_write(v, i);
		volume_flip(v, i);
		files_remove_tree(old);
		free(old);
		v->flips = i;
	}
	return NULL;
}

/* What a file of the generation's copy says; the caller frees. */
static char *
read_copy(struct gateway_run *g, long generation, unsigned file)
{
	char *path = memory_format(
		"%s/state/run/fault/%ld/file%u", g->dir, generation, file);
	char *text = files_read(path);

	cr_assert(text, "%s", path);
	free(path);
	return text;
}

static void
expect_whole(struct gateway_run *g, long generation)
{
	char *first = read_copy(g, generation, 0);
	char *mode = memory_format("\"mode\":\"%s\"", first);
	struct answer a = http_get(g->http, "/fault");

	cr_expect(strstr(a.body, mode), "%s: %s", mode, a.body);
	answer_finish(&a);
	for (unsigned i = 1; i < VOLUME_FILES; i++) {
		char *text = read_copy(g, generation, i);

		cr_expect_str_eq(text, first);
		free(text);
	}
	free(mode);
	free(first);
}

Test(packages, each_reload_of_a_volume_is_of_one_revision)
{
	struct gateway_run *g = run_create();
	struct volume v = {0};

	run_add_fault(g);
	run_defaults(g, "probation: 0ms");
	v.folder = run_package_file(g, "fault", "");
	v.folder[strlen(v.folder) - 1] = '\0';
	volume_write(&v, 0);
	volume_flip(&v, 0);
	volume_link(&v, "plugin.yaml");
	volume_link(&v, "file0");
	volume_link(&v, "file1");
	volume_link(&v, "file2");
	run_start(g);
	cr_assert(!pthread_create(&v.thread, NULL, volume_keep_flipping, &v));
	while (v.flips < FLIPS) {
		struct ctl *c = ctl_expect(g, 0, "reload", "fault", NULL);

		expect_whole(g, ctl_number(c, "generation"));
		ctl_destroy(c);
		v.reloads++;
	}
	pthread_join(v.thread, NULL);
	free(v.folder);
	run_end(g);
}

/* ---- generations ---- */

/* The folder of the stores takes no file, then it does: as a disk that was full
 * for a while. */
Test(packages, a_generation_that_could_not_be_noted_is_not_used_again)
{
	struct gateway_run *g = run_create();
	char *stores, *aside;
	long used;

	run_add_fault(g);
	run_defaults(g, "probation: 0ms");
	run_start(g);
	stores = memory_format("%s/state/plugins", g->dir);
	aside = memory_format("%s/aside", g->dir);
	run_announce(g, "state/plugins");
	cr_assert(!rename(stores, aside));
	cr_assert(!symlink("/proc", stores));
	for (int i = 0; i < 2; i++) {
		int pid = http_pid(g->http, "/fault");

		kill(pid, SIGKILL);
		ctl_await_number(g, "fault", "restarts", i + 1);
		ctl_await_state(g, "fault", "serving");
	}
	used = ctl_status_number(g, "fault", "generation");
	cr_expect_eq(used, 3);
	cr_assert(!unlink(stores) && !rename(aside, stores));
	run_signal(g, SIGKILL);
	run_wait(g);
	run_start(g);
	cr_expect_gt(ctl_status_number(g, "fault", "generation"), used);
	free(stores);
	stores = memory_format("%s/state/run/fault/3.claimed", g->dir);
	cr_expect(!files_exist(stores), "the store has it now");
	free(stores);
	free(aside);
	run_end(g);
}

/* ---- damaged stages ---- */

Test(packages, a_damaged_stage_is_replaced_by_the_package)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	char *code;
	int pid;

	run_add_fault(g);
	run_defaults(g, "probation: 0ms");
	run_start(g);
	run_announce(g, "the staged copy of generation 1 is damaged");
	run_announce(g, "died");
	code = memory_format("%s/state/run/fault/1/fault.so", g->dir);
	pid = http_pid(g->http, "/fault");
	/* A new file, so that the running worker keeps the old one. */
	files_write(code, "not what was proven");
	kill(pid, SIGKILL);
	run_await_log(g, 0, "is damaged");
	ctl_await_state(g, "fault", "serving");
	cr_expect_neq(http_pid(g->http, "/fault"), pid);
	cr_expect(!files_exist(code), "the damaged one goes");
	c = ctl_expect(g, 0, "status", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "plugins.0.stageDamaged"),
			  "generation 1 is damaged"),
		"%s", c->out);
	ctl_destroy(c);
	/* What serves now is proven: the next crash starts from it. */
	kill(http_pid(g->http, "/fault"), SIGKILL);
	ctl_await_number(g, "fault", "restarts", 3);
	ctl_await_state(g, "fault", "serving");
	free(code);
	run_end(g);
}
