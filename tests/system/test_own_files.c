/* Files of supd's own in its state and runtime directories: whatever has become
 * of one, supd starts in no more time than usual, every plugin serves, and what
 * was found is put aside or reported. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/notify.h"
#include "tests/system/harness/run.h"

TestSuite(own_files, .fini = run_fini, .timeout = 290);

static void
stop(struct gateway_run *g)
{
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
}

static char *
path_in(struct gateway_run *g, const char *name)
{
	return memory_format("%s/%s", g->dir, name);
}

/* ---- every file, every damage ---- */

static const char *const own[] = {
	"state/lock",
	"state/history.jsonl",
	"state/history.jsonl.1",
	"state/plugins",
	"state/plugins/hello.json",
	"state/plugins/hello.2.json",
	"state/plugins/hello.json.new",
	"state/run",
	"state/run/hello",
	"state/run/hello/3",
	"state/data",
	"state/data/hello",
	"run/lock",
	"run/control.sock",
	"run/w",
	"run/w/0",
	"run/w/1",
	"run/w/1/s",
};

static void
make_empty(const char *path)
{
	files_write(path, "%s", "");
}

static void
make_garbage(const char *path)
{
	files_write(path, "\xff\xfe{ this is\n no JSON\n\n");
}

static void
make_huge(const char *path)
{
	make_garbage(path);
	cr_assert_eq(truncate(path, (off_t)64 << 30), 0);
}

static void
make_fifo(const char *path)
{
	cr_assert_eq(mkfifo(path, 0600), 0);
}

static void
make_folder(const char *path)
{
	char *inside = memory_format("%s/file", path);

	cr_assert_eq(mkdir(path, 0755), 0);
	files_write(inside, "not supd's");
	free(inside);
}

static void
make_dangling_link(const char *path)
{
	cr_assert_eq(symlink("/no/such/file", path), 0);
}

/* Without the right to make a device, another thing that nobody reads. */
static void
make_device(const char *path)
{
	if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0)
		make_fifo(path);
}

static void
make_unreadable(const char *path)
{
	make_garbage(path);
	cr_assert_eq(chmod(path, 0), 0);
}

static const struct {
	const char *name;
	void (*make)(const char *path);
} damages[] = {
	{"empty", make_empty},
	{"garbage", make_garbage},
	{"huge", make_huge},
	{"a FIFO", make_fifo},
	{"a folder", make_folder},
	{"a dangling link", make_dangling_link},
	{"a device", make_device},
	{"unreadable", make_unreadable},
};
#define DAMAGES (sizeof(damages) / sizeof(*damages))

static void
damage(struct gateway_run *g, const char *name, size_t kind)
{
	char *path = path_in(g, name), *parent = memory_copy_text(path);

	*strrchr(parent, '/') = '\0';
	if (!files_exist(parent))
		mkdir(parent, 0755);
	files_remove_tree(path);
	damages[kind].make(path);
	free(parent);
	free(path);
}

static void
announce(struct gateway_run *g)
{
	run_announce(g, "stored state lost");
	run_announce(g, "was not a folder");
	run_announce(g, "was not a regular file");
	run_announce(g, "past verdicts are unknown");
	run_announce(g, "something that is not supd's");
}

static struct gateway_run *
start_hello(void)
{
	struct gateway_run *g = run_create();

	setenv("TEST_LINK", "native", 1); /* it starts faster */
	run_add_hello(g);
	announce(g);
	run_start(g);
	return g;
}

Test(own_files, whatever_becomes_of_one_every_plugin_serves)
{
	struct gateway_run *g = start_hello();

	for (size_t file = 0; file < sizeof(own) / sizeof(*own); file++)
		for (size_t kind = 0; kind < DAMAGES; kind++) {
			char *state;

			stop(g);
			damage(g, own[file], kind);
			run_spawn(g);
			cr_assert(capture_await(&g->log, 0, "ready in ",
					  RUN_DEADLINE_MS),
				"%s is %s: not ready", own[file],
				damages[kind].name);
			cr_expect_eq(http_status(g->http, "/hello"), 200,
				"%s is %s", own[file], damages[kind].name);
			state = ctl_status_text(g, "hello", "state");
			cr_expect_str_eq(state, "serving", "%s is %s",
				own[file], damages[kind].name);
			free(state);
		}
	g->may_grow = true;
	run_end(g);
}

Test(own_files, all_of_them_at_once)
{
	struct gateway_run *g = start_hello();

	for (size_t kind = 0; kind < DAMAGES; kind++) {
		stop(g);
		for (size_t file = 0; file < sizeof(own) / sizeof(*own); file++)
			if (!strchr(strchr(own[file], '/') + 1, '/'))
				damage(g, own[file], kind);
		run_spawn(g);
		run_await_log(g, 0, "ready in ");
		cr_expect_eq(http_status(g->http, "/hello"), 200, "%s",
			damages[kind].name);
		ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	}
	g->may_grow = true;
	run_end(g);
}

Test(own_files,
	a_read_only_state_directory_is_the_reason_why_supd_does_not_start)
{
	struct gateway_run *g = run_create();
	static const char *const wrapper[] = {"unshare", "-rm", "sh", "-c",
		"mount -t tmpfs -o ro tmpfs \"$7\" && exec \"$@\"", "sh"};

	if (system("unshare -rm mount -t tmpfs tmpfs /mnt 2>/dev/null"))
		cr_skip_test("no mount namespace here");
	run_add_hello(g);
	for (size_t i = 0; i < sizeof(wrapper) / sizeof(*wrapper); i++)
		g->wrapper[i] = wrapper[i];
	free(g->notify);
	g->notify = NULL;
	{
		char *state = path_in(g, "state");

		cr_assert_eq(mkdir(state, 0755), 0);
		free(state);
	}
	run_announce(g, "Read-only file system");
	run_spawn(g);
	cr_expect_eq(run_wait(g), 1);
	run_await_log(g, 0, "/state as user 0, group 0: Read-only file system");
	run_forget(g);
}

/* ---- links out of the state directory ---- */

/* OUT/1 to OUT/9 and more, as many a folder has them. */
static char *
make_outside(struct gateway_run *g)
{
	static const char *const names[] = {"1", "2", "9", "file", ".hidden"};
	char *out = path_in(g, "out");

	cr_assert_eq(mkdir(out, 0755), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *path = memory_format("%s/%s", out, names[i]);

		files_write(path, "mine");
		free(path);
	}
	return out;
}

Test(own_files, a_link_in_the_place_of_stages_harms_nothing_outside)
{
	static const char *const names[] = {"state/run/hello", "state/run"};
	struct gateway_run *g = start_hello();
	char *out = make_outside(g);

	run_announce(g, "was not a folder");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *path = path_in(g, names[i]);

		stop(g);
		files_remove_tree(path);
		cr_assert_eq(symlink(out, path), 0);
		run_start(g);
		cr_expect_eq(http_status(g->http, "/hello"), 200);
		ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
		/* And while it runs. */
		files_remove_tree(path);
		cr_assert_eq(symlink(out, path), 0);
		for (int reloads = 0; reloads < 3; reloads++)
			ctl_destroy(ctl_expect(g, 0, "reload", "--wait",
				"settled", "hello", NULL));
		free(path);
	}
	stop(g);
	cr_expect_eq(files_count(out), 4, "%u", files_count(out));
	free(out);
	run_forget(g);
}

Test(own_files, a_directory_with_a_run_of_its_own_is_refused)
{
	struct gateway_run *g = run_create();
	char *state = path_in(g, "state"), *run = path_in(g, "state/run");
	char *out;

	run_add_hello(g);
	free(g->notify);
	g->notify = NULL;
	cr_assert_eq(mkdir(state, 0755), 0);
	out = make_outside(g);
	cr_assert_eq(rename(out, run), 0);
	run_announce(g, "cannot be the state directory");
	run_spawn(g);
	cr_expect_eq(run_wait(g), 1);
	run_await_log(g, 0, "its 'run' has files that are not supd's");
	cr_expect_eq(files_count(state), 1);
	cr_expect_eq(files_count(run), 4, "%u", files_count(run));
	free(state);
	free(run);
	free(out);
	run_forget(g);
}

/* ---- the store: what a person said, and the count of generations ---- */

static const char *const copies[] = {
	"state/plugins/fault.json", "state/plugins/fault.2.json"};

static void
damage_copies(struct gateway_run *g, unsigned from, unsigned until)
{
	for (unsigned i = from; i < until; i++)
		damage(g, copies[i], 1);
}

Test(own_files, one_torn_copy_of_the_store_loses_nothing_of_before)
{
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "enable", "hello", NULL));
	for (unsigned i = 0; i < 2; i++) {
		char *state;

		stop(g);
		damage_copies(g, i, i + 1);
		run_start(g);
		cr_expect(run_log_has(g, 0, "read the other copy"));
		/* Of two writes both kept it from running. */
		state = ctl_status_text(g, "fault", "state");
		cr_expect(strcmp(state, "serving") != 0, "%s", state);
		free(state);
		ctl_destroy(ctl_expect(g, 0, "enable", "fault", NULL));
		ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
		ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	}
	g->may_grow = true;
	run_end(g);
}

static void
expect_event(struct gateway_run *g, const char *name, const char *plugin)
{
	struct ctl *c = ctl_expect(g, 0, "events", NULL);

	cr_expect(strstr(c->out, name) && strstr(c->out, plugin), "%s", c->out);
	ctl_destroy(c);
}

Test(own_files, a_lost_store_is_reported_and_the_plugin_starts_as_the_file_says)
{
	struct gateway_run *g = run_create();
	char *aside, *text;
	struct ctl *c;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	for (int i = 0; i < 3; i++)
		ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 4);
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	stop(g);
	damage_copies(g, 0, 2);
	run_announce(g, "stored state lost");
	run_start(g);
	run_await_log(g, 0, "stored state lost");
	ctl_await_state(g, "fault", "serving");
	c = ctl_expect(g, 0, "status", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "plugins.0.stateLost"), "damaged"), "%s",
		c->out);
	cr_expect_str_eq(ctl_text(c, "plugins.0.enabledBy"), "config");
	cr_expect(ctl_number(c, "plugins.0.generation") > 4, "%s", c->out);
	ctl_destroy(c);
	expect_event(g, "plugin.state_lost", "fault");
	aside = path_in(g, "state/plugins/fault.json.bad-1");
	text = files_read(aside);
	cr_expect(text && strstr(text, "no JSON"), "%s is not there", aside);
	/* A person says anew what holds. */
	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	c = ctl_expect(g, 0, "status", "fault", NULL);
	cr_expect_null(ctl_at(c, "plugins.0.stateLost.0"));
	cr_expect(json_is_null(ctl_at(c, "plugins.0.stateLost")), "%s", c->out);
	ctl_destroy(c);
	free(text);
	free(aside);
	stop(g);
	run_start(g);
	ctl_await_state(g, "fault", "stopped");
	run_end(g);
}

/* A plugin with a lost store starts from its package only: a stage that is
 * there may be any. */
Test(own_files, a_store_that_cannot_be_written_keeps_nothing_from_starting)
{
	struct gateway_run *g = run_create();
	char *plugins = path_in(g, "state/plugins");
	struct ctl *c;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_start(g);
	g->may_grow = true;
	files_remove_tree(plugins);
	make_fifo(plugins);
	run_announce(g, "was not a folder");
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	run_plugin(g, "fault", "use: fault");
	run_write_config(g);
	c = ctl_expect(g, 0, "apply", NULL);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	free(plugins);
	run_end(g);
}

/* ---- while supd runs ---- */

static void
expect_failure(struct gateway_run *g, const char *verb)
{
	struct ctl *c = ctl_run(g, verb, "fault", NULL);

	cr_expect_neq(c->exit_code, 0, "%s: %s", verb, c->out);
	cr_expect(strstr(c->out, "No such file or directory") &&
			  strstr(c->out, "/state/"),
		"%s: %s", verb, c->out);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200, "after %s", verb);
}

/* What crashes meanwhile has no copy to start from; it is not given up. */
Test(own_files, a_state_directory_that_is_removed_ends_nothing_that_serves)
{
	struct gateway_run *g = run_create();
	char *state = path_in(g, "state");
	struct ctl *c;
	size_t mark;

	run_add_hello(g);
	run_add_fault(g);
	run_defaults(g, "probation: 0ms, crash: {early_max: 2, within: 5m}");
	run_start(g);
	g->may_grow = true;
	run_announce(g, "No such file or directory");
	files_remove_tree(state);
	expect_failure(g, "reload");
	expect_failure(g, "disable");
	expect_failure(g, "stop");
	mark = capture_length(&g->log);
	kill(http_pid(g->http, "/fault"), SIGKILL);
	run_await_log(g, mark, "(crash)");
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	ctl_destroy(ctl_expect(g, 0, "history", NULL));
	/* It is back, and empty. */
	cr_assert_eq(mkdir(state, 0755), 0);
	ctl_await_state(g, "fault", "serving");
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	cr_expect_gt(ctl_number(c, "generation"), 2, "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	stop(g);
	/* And what was decided since lasts. */
	run_start(g);
	ctl_await_state(g, "fault", "disabled");
	c = ctl_expect(g, 0, "history", NULL);
	cr_expect(strstr(c->out, "\"hello\""), "%s", c->out);
	ctl_destroy(c);
	free(state);
	run_end(g);
}

/* As a child that supd was starting when it was killed. */
static pid_t
hold_lock_a_while(const char *folder, pid_t owner)
{
	char *path = memory_format("%s/lock", folder);
	char *store = memory_format("%s/plugins", folder);
	int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t holder;

	files_write(path, "%d\n", (int)owner);
	free(path);
	free(store);
	cr_assert(fd >= 0);
	cr_assert_eq(flock(fd, LOCK_EX), 0);
	holder = fork();
	if (!holder) {
		poll(NULL, 0, 300);
		_exit(0);
	}
	close(fd);
	return holder;
}

Test(own_files, a_lock_that_a_dead_supd_left_to_a_child_is_awaited)
{
	struct gateway_run *g = run_create();
	char *folder = path_in(g, "state");
	char *store = path_in(g, "state/plugins");
	pid_t dead = fork(), holder;

	if (!dead)
		_exit(0);
	waitpid(dead, NULL, 0);
	run_add_hello(g);
	cr_assert(!mkdir(folder, 0755) && !mkdir(store, 0700));
	holder = hold_lock_a_while(folder, dead);
	run_start(g);
	waitpid(holder, NULL, 0);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	free(folder);
	free(store);
	run_end(g);
}

/* What a supd prints that must not start. */
static char *
second(struct gateway_run *g, const char *runtime_dir)
{
	char *line = memory_format("%s/supervisor/supd --config %s/supd.yaml "
				   "--state-dir %s/state --runtime-dir %s 2>&1",
		run_build_root(), g->dir, g->dir, runtime_dir);
	FILE *pipe = popen(line, "r");
	char text[4096];
	size_t length;

	cr_assert(pipe);
	length = fread(text, 1, sizeof(text) - 1, pipe);
	text[length] = '\0';
	cr_expect_neq(pclose(pipe), 0, "it started");
	free(line);
	return memory_copy_text(text);
}

Test(own_files, another_user_cannot_lock_the_folders)
{
	static const char *const locked[] = {"run", "state/plugins"};
	struct gateway_run *g = run_create();
	struct stat st;

	run_add_hello(g);
	run_start(g);
	for (int i = 0; i < 2; i++) {
		char *path = path_in(g, locked[i]);

		cr_assert_eq(stat(path, &st), 0);
		cr_expect_not(st.st_mode & 0044, "%s can be read", path);
		free(path);
	}
	run_end(g);
}

Test(own_files, a_stop_leaves_the_socket_of_another_supd)
{
	struct gateway_run *g = run_create();
	char *path = path_in(g, "run/control.sock");
	char *moved = path_in(g, "run/moved.sock");
	struct stat st;

	run_add_hello(g);
	run_start(g);
	cr_assert(!rename(path, moved));
	files_write(path, "another's\n");
	stop(g);
	cr_expect_eq(lstat(path, &st), 0, "it was removed");
	unlink(moved);
	free(path);
	free(moved);
	run_forget(g);
}

Test(own_files, a_second_supd_harms_nothing_though_the_lock_files_are_gone)
{
	struct gateway_run *g = run_create();
	char *runtime[] = {path_in(g, "run"), path_in(g, "run2")};
	long pid;

	run_add_hello(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	for (int i = 0; i < 2; i++) {
		char *locks[] = {
			path_in(g, "state/lock"), path_in(g, "run/lock")};
		char *text;

		for (int k = 0; k < 2; free(locks[k++]))
			unlink(locks[k]);
		text = second(g, runtime[i]);
		cr_expect(strstr(text, "belongs to another supd"), "%s", text);
		cr_expect_eq(http_status(g->http, "/hello"), 200);
		cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
		free(text);
		free(runtime[i]);
	}
	run_end(g);
}

/* The shell opens it without O_APPEND. */
Test(own_files, a_log_that_is_truncated_begins_again_without_a_hole)
{
	static const char *const wrapper[] = {
		"sh", "-c", "exec \"$0\" \"$@\" 2>\"${2%/*}/log\"", NULL};
	struct gateway_run *g = run_create();
	int fd = notify_listen(g);
	char *log = path_in(g, "log"), *text;
	struct stat st;

	run_add_hello(g);
	memcpy(g->wrapper, wrapper, sizeof(wrapper));
	run_spawn(g);
	notify_await(fd, "READY=1", NULL);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(truncate(log, 0), 0);
		ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	}
	stop(g);
	text = files_read(log);
	cr_assert(text);
	cr_assert_eq(stat(log, &st), 0);
	cr_expect_eq(strlen(text), (size_t)st.st_size, "it has NULs");
	cr_expect(strstr(text, "generation 3 -> 4") && strstr(text, " stopped"),
		"%s", text);
	cr_expect(!strstr(text, " ready in "));
	free(text);
	free(log);
	close(fd);
	run_forget(g);
}
