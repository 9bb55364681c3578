#include "tests/system/collector.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"

#define PYTHON "/usr/bin/python3"

static void
become_double(int out, int port)
{
	char text[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	dup2(out, STDOUT_FILENO);
	snprintf(text, sizeof(text), "%d", port);
	execl(PYTHON, "python3", "-B", COLLECTOR, "--port", text, (char *)NULL);
	_exit(127);
}

/* "port N", its first and only line. */
static int
read_port(int fd)
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
	cr_assert_eq(sscanf(line, "port %d", &port), 1, "%s", line);
	return port;
}

void
collector_restart(struct collector *c)
{
	int fds[2];

	cr_assert(!pipe2(fds, O_CLOEXEC));
	c->pid = fork();
	if (!c->pid)
		become_double(fds[1], c->port);
	close(fds[1]);
	c->out = fds[0];
	c->port = read_port(c->out);
	snprintf(c->where, sizeof(c->where), "127.0.0.1:%d", c->port);
}

void
collector_start(struct collector *c)
{
	c->port = 0;
	collector_restart(c);
}

void
collector_end(struct collector *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->out);
}

static void
post(struct collector *c, const char *path, const char *body)
{
	struct answer a = http_post(c->where, path, body);

	cr_assert_eq(a.status, 200, "%s %s: %d", path, body, a.status);
	answer_finish(&a);
}

void
collector_set(struct collector *c, const char *format, ...)
{
	char text[1024], *body;
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	body = memory_format("{%s}", text);
	post(c, "/control/set", body);
	free(body);
}

void
collector_forget(struct collector *c)
{
	post(c, "/control/forget", "{}");
}

json_t *
collector_get(struct collector *c, const char *what)
{
	char *path = memory_format("/control/%s", what);
	struct answer a = http_get(c->where, path);
	json_t *value = json_loads(a.body, 0, NULL);

	cr_assert_eq(a.status, 200);
	cr_assert_not_null(value, "%s", a.body);
	answer_finish(&a);
	free(path);
	return value;
}

void
collector_check(struct collector *c)
{
	json_t *state = collector_get(c, "state");
	char *text = json_dumps(state, 0);

	cr_expect_eq(json_integer_value(json_object_get(state, "wrongs")), 0,
		"%s", text);
	free(text);
	json_decref(state);
}

long
collector_count(struct collector *c, const char *key)
{
	json_t *state = collector_get(c, "state");
	long count = (long)json_integer_value(json_object_get(state, key));

	json_decref(state);
	return count;
}

void
collector_await(struct collector *c, const char *key, long least)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (collector_count(c, key) < least) {
		if (clock_ms() >= until) {
			json_t *state = collector_get(c, "state");

			cr_assert_fail("%s is %ld, not %ld: %s", key,
				collector_count(c, key), least,
				json_dumps(state, 0));
		}
		poll(NULL, 0, 20);
	}
}

/* ---- spans ---- */

const char *
span_text(const json_t *span, const char *key)
{
	const char *text = json_string_value(json_object_get(span, key));

	return text ? text : "";
}

const char *
span_attribute(const json_t *span, const char *key)
{
	return span_text(json_object_get(span, "attributes"), key);
}

long
span_number(const json_t *span, const char *key)
{
	return (long)json_integer_value(
		json_object_get(json_object_get(span, "attributes"), key));
}

static json_t *
find(struct collector *c, const json_t *parent, const char *name)
{
	json_t *spans = collector_get(c, "spans"), *span, *found = NULL;
	size_t i;

	json_array_foreach(spans, i, span)
	{
		if (name && strcmp(span_text(span, "name"), name) != 0)
			continue;
		if (parent && (strcmp(span_text(span, "parent"),
				       span_text(parent, "span")) != 0 ||
				      strcmp(span_text(span, "trace"),
					      span_text(parent, "trace")) != 0))
			continue;
		found = span;
	}
	json_incref(found);
	json_decref(spans);
	return found;
}

static json_t *
await(struct collector *c, const json_t *parent, const char *name)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	json_t *span;

	while (!(span = find(c, parent, name))) {
		if (clock_ms() >= until) {
			json_t *spans = collector_get(c, "spans");

			cr_assert_fail("no span %s within %s among %s",
				name ? name : "(any)",
				parent ? span_text(parent, "name") : "any",
				json_dumps(spans, JSON_INDENT(1)));
		}
		poll(NULL, 0, 20);
	}
	return span;
}

json_t *
collector_span(struct collector *c, const char *name)
{
	return await(c, NULL, name);
}

json_t *
collector_child(struct collector *c, const json_t *parent, const char *name)
{
	return await(c, parent, name);
}

void
collector_configure(
	struct gateway_run *g, const struct collector *c, const char *more)
{
	char *text = memory_format("telemetry: {endpoint: \"http://%s\"%s%s}\n",
		c->where, *more ? ", " : "", more);

	plan_extra(g, text);
	free(text);
}
