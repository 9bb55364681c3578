/* What is added while supd runs is like what was there at its start, on the
 * built programs: the worker's process, what the plugin sees, the log, and what
 * supd says about it. Compared are texts in which ids, numbers and sums are
 * replaced. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(discovery, .fini = run_fini, .timeout = 200);

static void
add(struct gateway_run *g, const char *package, const char *id)
{
	run_plugin(g, id,
		"use: %s, namespace: %s, mount: /%s, ping_timeout: 20s, "
		"env: {COLOUR: blue}, settings: {greeting: Moin}",
		package, id, id);
}

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	run_package(g, "scenario-c", "scenario");
	add(g, "scenario", "early");
	run_start(g);
	g->may_grow = true;
	return g;
}

/* ---- what is compared ---- */

static bool
is_hex(const char *at, size_t length)
{
	return length >= 16 && strspn(at, "0123456789abcdef") >= length;
}

/* A copy with ID for the id, N for numbers and H for long hex numbers. */
static char *
normal(const char *text, const char *id)
{
	struct buffer out = {0};
	char *copy;

	while (*text) {
		size_t word = strspn(text, "0123456789abcdef");

		if (!strncmp(text, id, strlen(id))) {
			buffer_append_text(&out, "ID");
			text += strlen(id);
		} else if (is_hex(text, word)) {
			buffer_append_byte(&out, 'H');
			text += word;
		} else if (isdigit((unsigned char)*text)) {
			buffer_append_byte(&out, 'N');
			text += strspn(text, "0123456789.");
		} else {
			buffer_append_byte(&out, (uint8_t)*text++);
		}
	}
	copy = memory_copy_bytes(buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
	return copy;
}

/* Takes both. */
static void
expect_same(char *early, const char *id, char *late, const char *what)
{
	char *a = normal(early, "early"), *b = normal(late, id);

	cr_expect_str_eq(b, a, "%s of %s\n%s\n%s", what, id, b, a);
	free(a);
	free(b);
	free(early);
	free(late);
}

/* NULs become line breaks. */
static char *
of_process(struct gateway_run *g, const char *id, const char *file)
{
	char *path = memory_format(
		"/proc/%ld/%s", ctl_status_number(g, id, "pid"), file);
	char *text = memory_alloc(64 * 1024);
	FILE *stream = fopen(path, "r");
	size_t size;

	cr_assert(stream, "%s", path);
	size = fread(text, 1, 64 * 1024 - 1, stream);
	for (size_t i = 0; i < size; i++)
		if (!text[i])
			text[i] = '\n';
	fclose(stream);
	free(path);
	return text;
}

static char *
link_of_process(struct gateway_run *g, const char *id, const char *file)
{
	char *path = memory_format(
		"/proc/%ld/%s", ctl_status_number(g, id, "pid"), file);
	char *text = memory_alloc(4096);

	cr_assert_gt(readlink(path, text, 4095), 0, "%s", path);
	free(path);
	return text;
}

/* Lines of supd's log about a plugin, with what begins by "done (" up to its
 * verdict, and without those of the disk, which come when they come. */
static char *
log_of(struct gateway_run *g, const char *id)
{
	char *all = capture_copy(&g->log), *rest = all, *line;
	char *key = memory_format(" plugin=%s ", id);
	struct buffer out = {0};
	char *copy;

	while ((line = strsep(&rest, "\n"))) {
		char *trigger = strstr(line, "done (");

		if (!strstr(line, key))
			continue;
		if (trigger)
			memset(trigger + 6, '1', strcspn(trigger + 6, ")"));
		buffer_format(&out, "%s\n", line);
	}
	copy = memory_copy_bytes(buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
	free(all);
	free(key);
	return copy;
}

/* The types and names of a document: {"a":[n],"b":s}. */
static void
write_shape(struct buffer *out, const json_t *value)
{
	static const char *const types[] = {
		"{", "[", "s", "n", "n", "b", "b", "-"};
	const char *key;
	json_t *item;
	size_t i;

	buffer_append_text(out, types[json_typeof(value)]);
	json_object_foreach((json_t *)(uintptr_t)value, key, item)
	{
		buffer_format(out, "%s:", key);
		/* by: null if nobody asked; cause: a scan or an apply has its
		 * own */
		if (strcmp(key, "by") && strcmp(key, "cause"))
			write_shape(out, item);
		buffer_append_byte(out, ' ');
	}
	if (json_is_array(value))
		json_array_foreach(value, i, item) write_shape(out, item);
}

/* What a command says of a plugin, as its shape. */
static char *
shape_of(struct gateway_run *g, const char *verb, const char *id)
{
	struct ctl *c = ctl_expect(g, 0, verb, id, NULL);
	struct buffer out = {0};
	char *copy;

	write_shape(&out, c->json);
	copy = memory_copy_bytes(buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
	ctl_destroy(c);
	return copy;
}

static char *
body_of(struct gateway_run *g, const char *id, const char *path)
{
	char *whole = memory_format("/%s%s", id, path), *body;
	struct answer a = http_get(g->http, whole);

	cr_expect_eq(a.status, 200);
	body = memory_copy_text(a.body);
	answer_finish(&a);
	free(whole);
	return body;
}

/* Names of metrics that have a sample of the plugin. */
static char *
metrics_of(struct gateway_run *g, const char *id)
{
	struct ctl *c = ctl_expect(g, 0, "metrics", NULL);
	json_t *family, *sample;
	struct buffer out = {0};
	size_t i, j;
	char *copy;

	json_array_foreach(ctl_at(c, "metrics"), i, family)
	{
		json_array_foreach(
			json_object_get(family, "samples"), j, sample)
		{
			const char *of = json_string_value(json_object_get(
				json_object_get(sample, "labels"), "plugin"));

			if (of && !strcmp(of, id))
				buffer_format(&out, "%s\n",
					json_string_value(json_object_get(
						family, "name")));
		}
	}
	copy = memory_copy_bytes(buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
	ctl_destroy(c);
	return copy;
}

static void
expect_like_early(struct gateway_run *g, const char *id)
{
	static const char *const files[] = {"environ", "limits", "cgroup",
		"cmdline", "oom_score_adj", "uid_map", "comm"};
	static const char *const links[] = {"cwd", "exe", "root"};
	static const char *const verbs[] = {"status", "show"};

	ctl_await_state(g, id, "serving");
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		expect_same(of_process(g, "early", files[i]), id,
			of_process(g, id, files[i]), files[i]);
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		expect_same(link_of_process(g, "early", links[i]), id,
			link_of_process(g, id, links[i]), links[i]);
	expect_same(body_of(g, "early", "/me"), id, body_of(g, id, "/me"),
		"the settings");
	expect_same(log_of(g, "early"), id, log_of(g, id), "the log");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		expect_same(shape_of(g, verbs[i], "early"), id,
			shape_of(g, verbs[i], id), verbs[i]);
	expect_same(metrics_of(g, "early"), id, metrics_of(g, id), "metrics");
}

Test(discovery, of_a_scan_is_like_a_start)
{
	struct gateway_run *g = start();

	add(g, "scenario", "later");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "scan", NULL));
	expect_like_early(g, "later");
	run_end(g);
}

Test(discovery, of_an_apply_is_like_a_start)
{
	struct gateway_run *g = start();

	add(g, "scenario", "later");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_like_early(g, "later");
	run_end(g);
}

/* The package comes last. */
Test(discovery, of_a_package_is_like_a_start)
{
	struct gateway_run *g = start();

	run_package(g, "scenario-c", "other");
	add(g, "scenario", "later");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "scan", NULL));
	run_no_plugins(g);
	add(g, "scenario", "early");
	add(g, "scenario", "later");
	add(g, "other", "third");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "scan", NULL));
	expect_like_early(g, "later");
	ctl_await_state(g, "third", "serving");
	expect_same(body_of(g, "early", "/me"), "third",
		body_of(g, "third", "/me"), "the settings");
	expect_same(of_process(g, "early", "environ"), "third",
		of_process(g, "third", "environ"), "environ");
	run_end(g);
}
