#include "tests/system/botapi.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/http.h"

#define PYTHON "/usr/bin/python3"

static void
become_double(int out, const char *certificate, const char *key)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	dup2(out, STDOUT_FILENO);
	if (certificate)
		execl(PYTHON, "python3", "-B", BOTAPI, "--tls", certificate,
			key, (char *)NULL);
	else
		execl(PYTHON, "python3", "-B", BOTAPI, (char *)NULL);
	_exit(127);
}

/* "port N", its first and only line, or "port N tls M". */
static int
read_port(int fd, int *tls_out)
{
	char line[64] = "";
	size_t length = 0;
	int port = 0;

	while (!strchr(line, '\n')) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t got;

		cr_assert_gt(poll(&ready, 1, RUN_DEADLINE_MS), 0,
			"the double does not start");
		got = read(fd, line + length, sizeof(line) - 1 - length);
		cr_assert_gt(got, 0, "the double has ended");
		length += (size_t)got;
	}
	*tls_out = 0;
	cr_assert_geq(
		sscanf(line, "port %d tls %d", &port, tls_out), 1, "%s", line);
	return port;
}

void
botapi_start(struct botapi *b)
{
	botapi_start_tls(b, NULL, NULL);
}

void
botapi_start_tls(struct botapi *b, const char *certificate, const char *key)
{
	int fds[2];

	cr_assert(!pipe2(fds, O_CLOEXEC));
	b->pid = fork();
	if (!b->pid)
		become_double(fds[1], certificate, key);
	close(fds[1]);
	b->out = fds[0];
	snprintf(b->where, sizeof(b->where), "127.0.0.1:%d",
		read_port(b->out, &b->tls_port));
}

void
botapi_end(struct botapi *b)
{
	kill(b->pid, SIGKILL);
	waitpid(b->pid, NULL, 0);
	close(b->out);
}

static void
control(struct botapi *b, const char *path, const char *format, va_list list)
{
	char text[4096], *body;
	struct answer a;

	vsnprintf(text, sizeof(text), format, list);
	body = memory_format("{%s}", text);
	a = http_post(b->where, path, body);
	cr_assert_eq(a.status, 200, "%s %s: %d", path, body, a.status);
	answer_finish(&a);
	free(body);
}

void
botapi_set(struct botapi *b, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	control(b, "/control/set", format, list);
	va_end(list);
}

void
botapi_say(struct botapi *b, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	control(b, "/control/say", format, list);
	va_end(list);
}

static json_t *
get(struct botapi *b, const char *path)
{
	struct answer a = http_get(b->where, path);
	json_t *value = json_loads(a.body, 0, NULL);

	cr_assert_eq(a.status, 200);
	cr_assert_not_null(value);
	answer_finish(&a);
	return value;
}

long
botapi_count(struct botapi *b, const char *key)
{
	json_t *state = get(b, "/control/state");
	long count = (long)json_integer_value(
		json_object_get(json_object_get(state, "1001"), key));

	json_decref(state);
	return count;
}

void
botapi_await(struct botapi *b, const char *key, long least)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (botapi_count(b, key) < least) {
		cr_assert_lt(clock_ms(), until, "%s is %ld, not %ld", key,
			botapi_count(b, key), least);
		poll(NULL, 0, 10);
	}
}

json_t *
botapi_sent(struct botapi *b)
{
	return get(b, "/control/sent");
}

json_t *
botapi_await_sent(struct botapi *b, size_t count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	json_t *sent = botapi_sent(b);

	while (json_array_size(sent) < count) {
		cr_assert_lt(clock_ms(), until, "%zu sent, not %zu",
			json_array_size(sent), count);
		json_decref(sent);
		poll(NULL, 0, 10);
		sent = botapi_sent(b);
	}
	return sent;
}

void
botapi_add(struct gateway_run *g, struct botapi *b, const char *token,
	const char *settings, const char *entry)
{
	char *folder = memory_format("%s/telegram.d", g->dir);

	if (!mkdir(folder, 0755))
		run_package(g, "telegram", "telegram");
	free(folder);
	g->may_grow = true; /* the socket of the message store is right */
	run_plugin(g, "telegram",
		"mount: /telegram, settings: {token: \"%s\", "
		"api: \"http://%s\"%s%s}%s%s",
		token, b->where, *settings ? ", " : "", settings,
		*entry ? ", " : "", entry);
}

void
botapi_say_some(struct botapi *b, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		botapi_say(b, "\"text\": \"number %%d\"");
}

void
botapi_expect_heard(struct gateway_run *g, unsigned count)
{
	char *all, *at;
	unsigned number = 0;

	chat_await(g, "telegram", "heard", "heard 42 ", count);
	all = at = chat_file(g, "telegram", "heard");
	for (; (at = strstr(at, "heard 42 ")); at++) {
		unsigned found = 0;

		sscanf(at, "heard 42 42:%u", &found);
		cr_assert_eq(
			found, ++number, "%u came as number %u", found, number);
	}
	cr_expect_eq(number, count);
	free(all);
}
