#include "tests/system/mqtt.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/shell.h"

/* The plugin m with the channel chat, and t, which notes what it hears in the
 * folder m.d. */
void
mqtt_set_up(struct broker *b, const char *settings)
{
	run_no_plugins(b->run);
	run_plugin(b->run, "m",
		"use: mqtt, settings: {server: \"127.0.0.1:%d\", name: chat, "
		"%s}",
		b->port, settings);
	run_plugin(b->run, "t", "use: t");
	run_write_config(b->run);
}

struct broker *
mqtt_create(const char *settings)
{
	struct gateway_run *g = run_create();
	struct broker *b = broker_create(g);
	char *folder = memory_format("%s/m.d", g->dir);
	char *manifest = memory_format("%s/packages/t/plugin.yaml", g->dir);

	cr_assert_eq(mkdir(folder, 0755), 0);
	g->may_grow = true;
	run_package(g, "mqtt", "mqtt");
	run_package(g, "talk-python", "t");
	files_write(manifest,
		"name: t\nversion: 1.0.0\nexec: [python3, main.py]\n"
		"settings: {dir: \"%s\", has: \"observer,command\", raw: "
		"true}\n",
		folder);
	mqtt_set_up(b, settings);
	free(manifest);
	free(folder);
	return b;
}

struct broker *
mqtt_start(const char *settings)
{
	struct broker *b = mqtt_create(settings);

	broker_start(b);
	run_start(b->run);
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	return b;
}

void
mqtt_end(struct broker *b)
{
	struct gateway_run *g = b->run;

	broker_end(b);
	run_end(g);
}

void
mqtt_await_heard(struct broker *b, const char *text, unsigned count)
{
	chat_await(b->run, "m", "heard", text, count);
}

void
mqtt_await_taken(struct broker *b, long count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long taken;

	do {
		struct ctl *c = ctl_expect(b->run, 0, "channels", NULL);

		cr_assert_lt(clock_ms(), until, "%ld are not taken", count);
		taken = ctl_number(c, "channels.0.answers.new");
		ctl_destroy(c);
	} while (taken < count);
}

void
mqtt_await_file(struct broker *b, const char *name, const char *text)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	char *path = memory_format("%s/%s", b->run->dir, name), *all;

	for (;;) {
		all = files_read(path);
		if (all && strstr(all, text))
			break;
		free(all);
		cr_assert_lt(clock_ms(), until, "no \"%s\" in %s", text, name);
		poll(NULL, 0, 5);
	}
	free(all);
	free(path);
}

/* "x1" to "xN" were heard, once each and in order. */
void
mqtt_expect_in_order(struct broker *b, unsigned count)
{
	char *all = chat_file(b->run, "m", "heard"), *line, *rest = all, *text;
	unsigned next = 1;

	while ((line = strsep(&rest, "\n"))) {
		if (!strstr(line, " heard ") || !(text = strstr(line, " x")))
			continue;
		cr_assert_eq((unsigned)atoi(text + 2), next, "%s, not x%u",
			line, next);
		next++;
	}
	cr_expect_eq(next, count + 1, "%u were heard", next - 1);
	free(all);
}

static char *
lines_of(unsigned first, unsigned last)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (unsigned i = first; i <= last; i++)
		fprintf(out, "%sx%u", i == first ? "" : "\n", i);
	fclose(out);
	return text;
}

void
mqtt_publish_numbers(struct broker *b, unsigned first, unsigned last)
{
	char *lines = lines_of(first, last);

	broker_publish(b, "in/n", "-q 1", lines);
	free(lines);
}

void
mqtt_send(struct broker *b, int exit_code, const char *topic, const char *text,
	const char *state)
{
	struct ctl *c = ctl_expect(
		b->run, exit_code, "send", "chat", topic, text, NULL);

	cr_expect_str_eq(ctl_text(c, "state"), state);
	ctl_destroy(c);
}

void
mqtt_kill_worker(struct broker *b)
{
	pid_t pid = (pid_t)ctl_status_number(b->run, "m", "pid");

	cr_assert_gt(pid, 1);
	kill(pid, SIGKILL);
}

/* The process that writes the messages of this run. */
pid_t
mqtt_store(struct broker *b)
{
	char *text = shell_expect(
		b->run, 0, "pgrep -P %d -f supd-store", (int)b->run->pid);
	pid_t pid = atoi(text);

	free(text);
	cr_assert_gt(pid, 1);
	return pid;
}
