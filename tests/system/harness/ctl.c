/* ctl: see ctl.h. It writes to memory files, so supctl never waits for the
 * test to read. */
#include "tests/system/harness/ctl.h"

#include <fcntl.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"

#define ARGS_MAX 24

/* The program is opened before the user is another one, who may not be let into
 * the build folder. */
static void
become_supctl(struct ctl *c, uid_t uid, char *const *argv)
{
	int program = open(argv[0], O_PATH | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(c->out_fd, STDOUT_FILENO);
	dup2(c->err_fd, STDERR_FILENO);
	if (uid && (setgid(uid) || setuid(uid)))
		_exit(126);
	execveat(program, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

struct ctl *
ctl_begin(struct gateway_run *g, uid_t uid, const char *const *args)
{
	struct ctl *c = memory_alloc(sizeof(*c));
	char *program =
		memory_format("%s/tools/supctl/supctl", run_build_root());
	const char *argv[ARGS_MAX] = {program, "-s", g->control, "--json"};
	int count = 4;

	while (*args && count < ARGS_MAX - 1)
		argv[count++] = *args++;
	c->out_fd = memfd_create("out", MFD_CLOEXEC);
	c->err_fd = memfd_create("err", MFD_CLOEXEC);
	cr_assert(c->out_fd >= 0 && c->err_fd >= 0);
	c->began_ms = clock_ms();
	c->pid = fork();
	if (!c->pid)
		become_supctl(c, uid, (char *const *)(uintptr_t)argv);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	free(program);
	return c;
}

static char *
content_of(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = memory_alloc((size_t)size + 1);

	cr_assert_eq(pread(fd, text, (size_t)size, 0), size);
	close(fd);
	return text;
}

void
ctl_wait(struct ctl *c)
{
	struct pollfd gone = {.fd = c->pidfd, .events = POLLIN};
	int status;

	if (poll(&gone, 1, CTL_DEADLINE_MS) != 1)
		kill(c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	close(c->pidfd);
	c->took_ms = (unsigned)(clock_ms() - c->began_ms);
	c->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	c->out = content_of(c->out_fd);
	c->err = content_of(c->err_fd);
	c->json = json_loads(c->out, 0, NULL);
}

void
ctl_destroy(struct ctl *c)
{
	json_decref(c->json);
	free(c->out);
	free(c->err);
	free(c);
}

static void
collect(const char **args, va_list list)
{
	int count = 0;

	do
		args[count] = va_arg(list, const char *);
	while (args[count++] && count < ARGS_MAX);
}

struct ctl *
ctl_run(struct gateway_run *g, ...)
{
	const char *args[ARGS_MAX];
	struct ctl *c;
	va_list list;

	va_start(list, g);
	collect(args, list);
	va_end(list);
	c = ctl_begin(g, 0, args);
	ctl_wait(c);
	return c;
}

struct ctl *
ctl_expect(struct gateway_run *g, int exit_code, ...)
{
	const char *args[ARGS_MAX];
	struct ctl *c;
	va_list list;

	va_start(list, exit_code);
	collect(args, list);
	va_end(list);
	c = ctl_begin(g, 0, args);
	ctl_wait(c);
	cr_assert_eq(c->exit_code, exit_code,
		"supctl %s %s: exit %d, not %d; it said: %s%s", args[0],
		args[1] ? args[1] : "", c->exit_code, exit_code, c->out,
		c->err);
	return c;
}

json_t *
ctl_at(const struct ctl *c, const char *path)
{
	json_t *value = c->json;

	while (value && *path) {
		char key[64];
		size_t length = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)length, path);
		value = json_is_array(value)
				? json_array_get(value, (size_t)atoi(key))
				: json_object_get(value, key);
		path += length + (path[length] == '.');
	}
	return value;
}

const char *
ctl_text(const struct ctl *c, const char *path)
{
	const char *text = json_string_value(ctl_at(c, path));

	return text ? text : "";
}

long
ctl_number(const struct ctl *c, const char *path)
{
	json_t *value = ctl_at(c, path);

	return json_is_number(value) ? (long)json_number_value(value) : -1;
}

long
ctl_status_number(struct gateway_run *g, const char *id, const char *key)
{
	struct ctl *c = ctl_expect(g, 0, "status", id, NULL);
	char *path = memory_format("plugins.0.%s", key);
	long number = ctl_number(c, path);

	free(path);
	ctl_destroy(c);
	return number;
}

char *
ctl_status_text(struct gateway_run *g, const char *id, const char *key)
{
	struct ctl *c = ctl_expect(g, 0, "status", id, NULL);
	char *path = memory_format("plugins.0.%s", key);
	char *text = memory_copy_text(ctl_text(c, path));

	free(path);
	ctl_destroy(c);
	return text;
}

void
ctl_await_state(struct gateway_run *g, const char *id, const char *state)
{
	struct patience p = patience_for(CTL_DEADLINE_MS);
	bool is_there = false;

	while (!is_there) {
		char *now = ctl_status_text(g, id, "state");

		is_there = !strcmp(now, state);
		cr_assert(is_there || patience_lasts(&p),
			"%s stays %s and does not become %s", id, now, state);
		free(now);
	}
}

void
ctl_await_number(
	struct gateway_run *g, const char *id, const char *key, long number)
{
	struct patience p = patience_for(CTL_DEADLINE_MS);
	long now;

	while ((now = ctl_status_number(g, id, key)) != number)
		cr_assert(patience_lasts(&p),
			"%s of %s stays %ld and does not become %ld", key, id,
			now, number);
}

void
ctl_await_shown(struct gateway_run *g, const char *id, const char *path,
	const char *text)
{
	struct patience p = patience_for(CTL_DEADLINE_MS);
	bool is_there = false;

	while (!is_there) {
		struct ctl *c = ctl_expect(g, 0, "show", id, NULL);

		is_there = !strcmp(ctl_text(c, path), text);
		cr_assert(is_there || patience_lasts(&p), "%s of %s: %s", path,
			id, c->out);
		ctl_destroy(c);
	}
}
