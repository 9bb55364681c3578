/* double: see double.h. It ends with the test's process. */
#include "tests/system/harness/double.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

#define PYTHON "/usr/bin/python3"
#define ARGUMENTS_MAX 8

static void
become_double(int out, const char *const *program)
{
	const char *argv[ARGUMENTS_MAX] = {"python3", "-B"};

	for (int i = 2; *program && i < ARGUMENTS_MAX - 1; i++)
		argv[i] = *program++;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	dup2(out, STDOUT_FILENO);
	execv(PYTHON, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Its first and only line. */
static void
read_ports(struct double_server *d)
{
	char line[64] = "";
	size_t length = 0;

	while (!strchr(line, '\n')) {
		struct pollfd ready = {.fd = d->out, .events = POLLIN};
		ssize_t got;

		cr_assert_gt(poll(&ready, 1, RUN_DEADLINE_MS), 0,
			"the double does not start");
		got = read(d->out, line + length, sizeof(line) - 1 - length);
		cr_assert_gt(got, 0, "the double has ended");
		length += (size_t)got;
	}
	cr_assert_geq(sscanf(line, "port %d tls %d", &d->port, &d->tls_port), 1,
		"%s", line);
}

void
double_start(struct double_server *d, const char *const *program)
{
	int fds[2];

	*d = (struct double_server){0};
	cr_assert(!pipe2(fds, O_CLOEXEC));
	d->pid = fork();
	if (!d->pid)
		become_double(fds[1], program);
	close(fds[1]);
	d->out = fds[0];
	read_ports(d);
	snprintf(d->where, sizeof(d->where), "127.0.0.1:%d", d->port);
}

void
double_end(struct double_server *d)
{
	kill(d->pid, SIGKILL);
	waitpid(d->pid, NULL, 0);
	close(d->out);
}

void
double_post(struct double_server *d, const char *path, const char *body)
{
	char *whole = memory_format("/control/%s", path);
	struct answer a = http_post(d->where, whole, body);

	cr_assert_eq(a.status, 200, "%s %s: %d", path, body, a.status);
	answer_finish(&a);
	free(whole);
}

json_t *
double_get(struct double_server *d, const char *path)
{
	char *whole = memory_format("/control/%s", path);
	struct answer a = http_get(d->where, whole);
	json_t *value = json_loads(a.body, 0, NULL);

	cr_assert_eq(a.status, 200, "%s: %d", path, a.status);
	cr_assert_not_null(value, "%s", a.body);
	answer_finish(&a);
	free(whole);
	return value;
}
