/* run: see run.h. It starts and stops one supd; clients and supctl are in
 * http.h and ctl.h. */
#include "tests/system/harness/run.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/after.h"
#include "tests/system/harness/cgroups.h"
#include "tests/system/harness/files.h"

/* Of this test's process, for run_fini(). */
static struct gateway_run *current;

/* Instead of libc's, in every test: a pid that a document does not have is read
 * as -1 or 0, and a signal to those goes to every process of the machine, or to
 * the whole suite. */
int
kill(pid_t pid, int signal)
{
	cr_assert(pid > 1 || pid < -1, "kill(%d, %d)", (int)pid, signal);
	return (int)syscall(SYS_kill, pid, signal);
}

const char *
run_build_root(void)
{
	const char *root = getenv("BUILD");

	cr_assert(root, "BUILD must name the build folder");
	return root;
}

struct gateway_run *
run_create(void)
{
	struct gateway_run *g = memory_alloc(sizeof(*g));
	char *packages;

	signal(SIGPIPE, SIG_IGN);
	strcpy(g->dir, "/tmp/supd-test-XXXXXX");
	cr_assert(mkdtemp(g->dir));
	cr_assert(!chmod(g->dir, 0755));
	snprintf(g->http, sizeof(g->http), "%s/http.sock", g->dir);
	snprintf(g->control, sizeof(g->control), "%s/run/control.sock", g->dir);
	packages = memory_format("%s/packages", g->dir);
	cr_assert(!mkdir(packages, 0755));
	free(packages);
	g->defaults = memory_copy_text("probation: 300ms");
	g->extra = memory_copy_text("");
	g->plugins = memory_copy_text("");
	g->pidfd = -1;
	current = g;
	return g;
}

/* ---- packages and configuration ---- */

void
run_package(struct gateway_run *g, const char *name, const char *as)
{
	char *from = memory_format("%s/plugins/%s", run_build_root(), name);
	char *to = memory_format("%s/packages/%s", g->dir, as);

	if (!files_exist(from)) {
		free(from);
		from = memory_format(
			"%s/tests/plugins/%s", run_build_root(), name);
	}
	files_copy_folder(from, to);
	free(from);
	free(to);
}

void
run_plugin(struct gateway_run *g, const char *id, const char *format, ...)
{
	char *inside, *all;
	va_list list;

	va_start(list, format);
	cr_assert(vasprintf(&inside, format, list) >= 0);
	va_end(list);
	all = memory_format(
		"%s  %s: {required: true, %s}\n", g->plugins, id, inside);
	free(g->plugins);
	free(inside);
	g->plugins = all;
}

void
run_no_plugins(struct gateway_run *g)
{
	g->plugins[0] = 0;
}

char *
run_package_file(struct gateway_run *g, const char *package, const char *file)
{
	return memory_format("%s/packages/%s/%s", g->dir, package, file);
}

void
run_fault(struct gateway_run *g, const char *package, const char *mode,
	const char *settings)
{
	char *path = run_package_file(g, package, "plugin.yaml");

	files_write(path,
		"name: fault\nversion: 1.0.0\nrun: fault.so\n"
		"health: {call: true}\n"
		"settings: {mode: %s%s%s}\n",
		mode, *settings ? ", " : "", settings);
	free(path);
}

void
run_version(struct gateway_run *g, const char *text)
{
	char *path = memory_format("%s/version", g->dir);

	files_write(path, "%s\n", text);
	free(path);
}

void
run_add_bench(struct gateway_run *g)
{
	run_package(g, "bench", "bench");
	run_version(g, "1");
	run_plugin(
		g, "bench", "settings: {version_file: \"%s/version\"}", g->dir);
}

void
run_add_fault(struct gateway_run *g)
{
	run_package(g, "fault", "fault");
	run_fault(g, "fault", "", "");
	run_plugin(g, "fault", "use: fault");
}

void
run_add_hello(struct gateway_run *g)
{
	run_package(g, "hello", "hello");
	run_plugin(g, "hello", "enabled: true");
}

void
run_defaults(struct gateway_run *g, const char *text)
{
	free(g->defaults);
	g->defaults = memory_copy_text(text);
}

void
run_write_config(struct gateway_run *g)
{
	char *path = memory_format("%s/supd.yaml", g->dir);
	const char *link = getenv("TEST_LINK");

	files_write(path,
		"log: {level: debug}\n"
		"listen: [{http: \"%s%s\"}]\n"
		"plugin_dirs: [packages]\n"
		"defaults: {link: %s, %s}\n%s%s%s",
		*g->http == '/' ? "unix:" : "", g->http, link ? link : "nng",
		g->defaults, g->extra,
		*g->plugins ? "plugins:\n" : "plugins: {}\n", g->plugins);
	free(path);
}

/* ---- the process ---- */

/* Between fork and exec: only what is safe in a threaded process. */
static void
become_supd(int log_fd, char *const *argv)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(log_fd, STDERR_FILENO);
	dup2(log_fd, STDOUT_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

/* Debian's programs come first: the shims of a version manager take seconds to
 * start one on a busy machine, which no start_timeout of a test allows for. */
static void
use_programs_of_system(void)
{
	static const char first[] = "/usr/bin:";
	const char *path = getenv("PATH");
	char *with;

	if (path && !strncmp(path, first, strlen(first)))
		return;
	with = memory_format("%s%s", first, path ? path : "/bin");
	setenv("PATH", with, 1);
	free(with);
}

/* A sanitizer keeps up to 256 MiB of what was freed, which would hide what
 * supd keeps; 16 MiB still find a use after free. */
static void
limit_quarantine(void)
{
	static const char key[] = "quarantine_size_mb";
	const char *options = getenv("ASAN_OPTIONS");
	char *with;

	if (options && strstr(options, key))
		return;
	with = memory_format(
		"%s%s%s=16", options ? options : "", options ? ":" : "", key);
	setenv("ASAN_OPTIONS", with, 1);
	free(with);
}

static void
set_environment(struct gateway_run *g)
{
	use_programs_of_system();
	limit_quarantine();
	unsetenv("JOURNAL_STREAM");
	unsetenv("SUPD_CONFIG");
	unsetenv("SUPCTL_SOCKET");
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("STATE_DIRECTORY");
	if (g->notify)
		setenv("NOTIFY_SOCKET", g->notify, 1);
	else
		unsetenv("NOTIFY_SOCKET");
}

/* supd itself; what it spawns runs as it is. An error or a leak is its exit
 * status, which the end of every test looks at. */
static const char *const valgrind[] = {"valgrind", "-q", "--leak-check=full",
	"--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
	"--error-exitcode=97", "--child-silent-after-fork=yes", NULL};

void
run_spawn(struct gateway_run *g)
{
	char *program = memory_format("%s/supervisor/supd", run_build_root());
	char *config = memory_format("%s/supd.yaml", g->dir);
	char *runtime = memory_format("%s/run", g->dir);
	char *state = memory_format("%s/state", g->dir);
	const char *own[] = {program, "-c", config, "--runtime-dir", runtime,
		"--state-dir", state, NULL};
	const char *argv[24];
	int fds[2], count = 0;

	run_write_config(g);
	set_environment(g);
	if (getenv("TEST_VALGRIND") && !g->wrapper[0])
		for (int i = 0; valgrind[i]; i++)
			argv[count++] = valgrind[i];
	for (int i = 0; g->wrapper[i]; i++)
		argv[count++] = g->wrapper[i];
	for (int i = 0; i < 8; i++)
		argv[count++] = own[i];
	cr_assert(!pipe2(fds, O_CLOEXEC));
	if (g->has_log)
		capture_finish(&g->log);
	g->pid = fork();
	if (!g->pid)
		become_supd(fds[1], (char *const *)(uintptr_t)argv);
	close(fds[1]);
	g->pidfd = (int)syscall(SYS_pidfd_open, g->pid, 0);
	capture_start(&g->log, fds[0]);
	g->has_log = true;
	free(program);
	free(config);
	free(runtime);
	free(state);
}

void
run_start(struct gateway_run *g)
{
	run_spawn(g);
	run_await_log(g, 0, "ready in "); /* as JSON, too */
	g->fds_at_start = after_count_fds(g->pid);
}

void
run_announce(struct gateway_run *g, const char *text)
{
	cr_assert(g->announced_count < RUN_ANNOUNCED_MAX);
	g->announced[g->announced_count++] = text;
}

static void
show_log(struct gateway_run *g)
{
	char *text = capture_copy(&g->log);
	size_t length = strlen(text);

	fprintf(stderr, "--- supd's log (the end of it), %s\n%s---\n", g->dir,
		text + (length > 8000 ? length - 8000 : 0));
	free(text);
}

bool
run_log_has(struct gateway_run *g, size_t from, const char *text)
{
	return capture_await(&g->log, from, text, 0);
}

void
run_await_log(struct gateway_run *g, size_t from, const char *text)
{
	cr_assert(capture_await(&g->log, from, text, RUN_DEADLINE_MS),
		"supd's log never said '%s'", text);
}

void
run_signal(struct gateway_run *g, int signal)
{
	cr_assert(!kill(g->pid, signal));
}

int
run_wait(struct gateway_run *g)
{
	struct pollfd gone = {.fd = g->pidfd, .events = POLLIN};
	int status;

	cr_assert_eq(poll(&gone, 1, RUN_DEADLINE_MS), 1,
		"supd does not exit within %d ms", RUN_DEADLINE_MS);
	cr_assert_eq(waitpid(g->pid, &status, 0), g->pid);
	close(g->pidfd);
	g->pidfd = -1;
	g->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
destroy(struct gateway_run *g)
{
	cgroups_clean_up(g);
	if (g->has_log)
		capture_finish(&g->log);
	files_remove_tree(g->dir);
	free(g->defaults);
	free(g->extra);
	free(g->plugins);
	free(g->notify);
	free(g);
	current = NULL;
}

void
run_end(struct gateway_run *g)
{
	after_check_running(g);
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0, "supd's exit status");
	cgroups_expect_none(g);
	run_forget(g);
}

void
run_forget(struct gateway_run *g)
{
	after_check_gone(g);
	after_check_log(g);
	destroy(g);
}

void
run_fini(void)
{
	struct gateway_run *g = current;

	if (!g)
		return;
	if (g->pid)
		kill(g->pid, SIGKILL);
	if (g->has_log)
		show_log(g);
	cgroups_clean_up(g);
	if (!getenv("KEEP"))
		files_remove_tree(g->dir);
	current = NULL;
}

bool
run_build_is_open(void)
{
	char *path = memory_copy_text(run_build_root()), *slash;
	struct stat status;
	bool is_open = true;

	while (is_open && *path) {
		is_open = !stat(path, &status) && status.st_mode & S_IXOTH;
		slash = strrchr(path, '/');
		*(slash ? slash : path) = '\0';
	}
	free(path);
	return is_open;
}
