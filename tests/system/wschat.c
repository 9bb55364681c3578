#include "tests/system/wschat.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"

#define SKIPPED                                                                \
	"no WebSocket library of Node: install Debian's nodejs and node-ws"

static bool
has_library(void)
{
	return system("node -e \"try { require('ws') } catch { "
		      "require('/usr/share/nodejs/ws') }\" "
		      ">/dev/null 2>&1") == 0;
}

/* ---- the double ---- */

static void
start_double(struct wschat *w, const char *pem)
{
	char *dir = memory_format("%s/double", w->run->dir);
	char *port_path = memory_format("%s/port", dir), *port;
	char *script = memory_format(
		"%s/tests/plugins/wschat-double/server.js", run_build_root());
	char *name = strdup(w->profile), *key = pem ? strdup(pem) : NULL;
	char node[] = "node",
	     *arguments[] = {node, script, dir, name, key, NULL};
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	posix_spawn_file_actions_t actions;
	int in[2];

	cr_assert(!mkdir(dir, 0755));
	cr_assert(!pipe2(in, O_CLOEXEC));
	cr_assert(!posix_spawn_file_actions_init(&actions));
	cr_assert(!posix_spawn_file_actions_adddup2(&actions, in[0], 0));
	cr_assert(!posix_spawnp(
		&w->pid, "node", &actions, NULL, arguments, environ));
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	w->in = in[1];
	while (!(port = files_read(port_path))) {
		cr_assert_lt(clock_ms(), until, "the double does not start");
		poll(NULL, 0, 5);
	}
	cr_assert_eq(sscanf(port, "%d %d", &w->port, &w->test_port), 2);
	free(port);
	free(port_path);
	free(script);
	free(name);
	free(key);
	free(dir);
}

void
wschat_ask(struct wschat *w, const char *what, const char *format, ...)
{
	char *path = memory_format("/%s", what), *args = NULL, *body;
	char where[32];
	struct answer a;
	va_list list;

	va_start(list, format);
	cr_assert_geq(vasprintf(&args, format, list), 0);
	va_end(list);
	body = memory_format("{%s}", args);
	snprintf(where, sizeof(where), "127.0.0.1:%d", w->test_port);
	a = http_post(where, path, body);
	cr_assert_eq(a.status, 200, "%s: %s", what, a.body);
	answer_finish(&a);
	free(args);
	free(body);
	free(path);
}

json_t *
wschat_state(struct wschat *w, const char *path)
{
	char where[32], *rest = strdup(path), *at = rest, *word;
	struct answer a;
	json_t *all, *value;

	snprintf(where, sizeof(where), "127.0.0.1:%d", w->test_port);
	a = http_get(where, "/state");
	all = json_loads(a.body, 0, NULL);
	cr_assert(all, "%s", a.body);
	value = all;
	while ((word = strsep(&at, ".")))
		value = json_object_get(value, word);
	json_incref(value);
	json_decref(all);
	answer_finish(&a);
	free(rest);
	return value;
}

long
wschat_number(struct wschat *w, const char *path)
{
	json_t *value = wschat_state(w, path);
	long number = (long)json_integer_value(value);

	json_decref(value);
	return number;
}

void
wschat_await(struct wschat *w, const char *path, long least)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (wschat_number(w, path) < least) {
		cr_assert_lt(clock_ms(), until, "%s is %ld, not %ld", path,
			wschat_number(w, path), least);
		poll(NULL, 0, 10);
	}
}

void
wschat_await_sent(struct wschat *w, unsigned count, const char *text)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	json_t *sent;
	const char *last;

	while (json_array_size((sent = wschat_state(w, "sent"))) < count) {
		cr_assert_lt(clock_ms(), until, "only %zu of %u were sent",
			json_array_size(sent), count);
		json_decref(sent);
		poll(NULL, 0, 10);
	}
	cr_expect_eq(json_array_size(sent), count);
	last = json_string_value(
		json_object_get(json_array_get(sent, count - 1), "text"));
	cr_expect(last && !strcmp(last, text), "%s, not %s", last, text);
	json_decref(sent);
}

void
wschat_many(struct wschat *w, unsigned count)
{
	wschat_ask(w, "many", "\"first\": %u, \"count\": %u", w->said, count);
	w->said += count;
}

/* ---- what is heard ---- */

void
wschat_await_heard(struct wschat *w, const char *text, unsigned count)
{
	chat_await(w->run, "w", "heard", text, count);
}

void
wschat_expect_all(struct wschat *w)
{
	char *heard, *at, *text;

	for (unsigned i = 0; i < w->said; i += 100) { /* a deadline for each */
		unsigned last = i + 99 < w->said ? i + 99 : w->said - 1;

		text = memory_format(" n%u;", last);
		wschat_await_heard(w, text, 1);
		free(text);
	}
	heard = at = chat_file(w->run, "w", "heard");
	for (unsigned i = 0; i < w->said; i++) {
		text = memory_format(" n%u;", i);
		at = strstr(at, text);
		cr_assert(at, "no%s in its place in %s", text, heard);
		at += strlen(text);
		cr_expect(!strstr(at, text), "%s is doubled", text);
		free(text);
	}
	free(heard);
}

void
wschat_await_channel(struct wschat *w, const char *state)
{
	ctl_await_shown(w->run, "w", "channels.0.state", state);
}

void
wschat_await_text(struct wschat *w, const char *text)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	bool found = false;

	while (!found) {
		struct ctl *c = ctl_expect(w->run, 0, "show", "w", NULL);
		const char *shown = ctl_text(c, "channels.0.text");

		found = strstr(shown, text);
		cr_assert(found || clock_ms() < until, "\"%s\", not \"%s\"",
			shown, text);
		ctl_destroy(c);
		if (!found)
			poll(NULL, 0, 10);
	}
}

/* ---- supd ---- */

void
wschat_settings(struct wschat *w, const char *token, const char *more)
{
	static const char *const apis[][2] = {{"mattermost", "/api/v4"},
		{"slack", "/api"}, {"discord", "/api/v10"}};
	struct gateway_run *g = w->run;
	const char *api = "", *app = strstr(more, "app_token:")
					     ? ""
					     : "app_token: good-app-token, ";

	for (size_t i = 0; i < sizeof(apis) / sizeof(*apis); i++)
		if (!strcmp(w->profile, apis[i][0]))
			api = apis[i][1];
	run_no_plugins(g);
	run_plugin(g, "t", "mount: /t");
	run_plugin(g, "w",
		"use: wschat, settings: {profile: %s, name: chat, token: %s, "
		"%sapi: \"%s://127.0.0.1:%d%s\"%s%s}",
		w->profile, token, app, strstr(more, "ca:") ? "https" : "http",
		w->port, api, *more ? ", " : "", more);
	run_write_config(g);
}

struct wschat *
wschat_create(const char *profile, const char *pem)
{
	struct wschat *w;
	char *folder;

	if (!has_library())
		cr_skip_test(SKIPPED);
	w = memory_alloc(sizeof(*w));
	*w = (struct wschat){.profile = profile, .run = run_create()};
	w->run->may_grow = true; /* the socket of the message store is right */
	folder = memory_format("%s/w.d", w->run->dir);
	cr_assert_eq(mkdir(folder, 0755), 0);
	free(folder);
	start_double(w, pem);
	run_package(w->run, "wschat", "wschat");
	chat_add_talk(w->run, "t", "w", "has: \"command,observer\"");
	return w;
}

struct wschat *
wschat_start(const char *profile, const char *more)
{
	struct wschat *w = wschat_create(profile, NULL);

	wschat_settings(w, "good-token", more);
	run_start(w->run);
	wschat_await_channel(w, "up");
	return w;
}

void
wschat_end(struct wschat *w)
{
	close(w->in);
	cr_assert_eq(waitpid(w->pid, NULL, 0), w->pid);
	run_end(w->run);
	free(w);
}
