/* watch_bed: see the header. */
#include "tests/system/watch_bed.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/plan.h"

/* That of the build folder would run the build. */
void
watch_package(struct gateway_run *g, const char *name)
{
	char *manifest = run_package_file(g, name, "plugin.yaml");

	run_package(g, "hello", name);
	files_write(
		manifest, "name: %s\nversion: 1.0.0\nrun: hello.so\n", name);
	free(manifest);
}

struct gateway_run *
watch_prepare(const char *reload)
{
	struct gateway_run *g = run_create();

	watch_package(g, "a");
	watch_package(g, "b");
	run_defaults(g, "probation: 50ms");
	plan_extra(g, reload);
	run_plugin(g, "a", "mount: /a, namespace: a, watch: true");
	run_plugin(g, "b", "mount: /b, namespace: b, watch: true");
	return g;
}

void
watch_add_token(struct gateway_run *g, const char *file)
{
	run_plugin(g, "c",
		"use: a, mount: /c, namespace: c, settings: {token: "
		"'${file:%s}'}",
		file);
}

json_t *
watch_look(struct gateway_run *g, const char *id)
{
	struct ctl *c = ctl_expect(g, 0, "watch", "status", NULL);
	json_t *found = NULL, *row;
	size_t i;

	json_array_foreach(ctl_at(c, "plugins"), i,
		row) if (!strcmp(json_string_value(json_object_get(row, "id")),
				 id)) found = json_incref(row);
	if (!strcmp(id, WATCH_CONFIG))
		found = json_incref(ctl_at(c, "configuration"));
	cr_assert(found, "%s", c->out);
	ctl_destroy(c);
	return found;
}

char *
watch_said(struct gateway_run *g, const char *id, const char *key)
{
	json_t *row = watch_look(g, id);
	const char *text = json_string_value(json_object_get(row, key));
	char *copy = memory_copy_text(text ? text : "");

	json_decref(row);
	return copy;
}

void
watch_await_said(struct gateway_run *g, const char *id, const char *key,
	const char *text)
{
	struct patience p = patience_for(WATCH_DEADLINE_MS);
	bool is_it = false;

	while (!is_it) {
		char *now = watch_said(g, id, key);

		is_it = !strcmp(now, text);
		cr_assert(is_it || patience_lasts(&p),
			"%s: %s is '%s', not '%s'", id, key, now, text);
		free(now);
	}
}

void
watch_start(struct gateway_run *g)
{
	run_start(g);
	watch_await_said(g, "a", "mode", "inotify");
	watch_await_said(g, "b", "mode", "inotify");
	watch_await_said(g, WATCH_CONFIG, "mode", "inotify");
}

void
watch_put(struct gateway_run *g, const char *id, const char *name,
	const char *text)
{
	char *path = run_package_file(g, id, name);

	files_write(path, "%s", text);
	free(path);
}

long
watch_generation(struct gateway_run *g, const char *id)
{
	return ctl_status_number(g, id, "generation");
}

void
watch_await_generation(struct gateway_run *g, const char *id, long least)
{
	struct patience p = patience_for(WATCH_DEADLINE_MS);
	long now;

	while ((now = watch_generation(g, id)) < least)
		cr_assert(patience_lasts(&p), "%s is at %ld, not %ld", id, now,
			least);
}

/* b is saved after what happened to a, so its reload comes later than any of
 * a would. */
void
watch_expect_no_more(struct gateway_run *g, const char *id, long at)
{
	static unsigned count;
	long before = watch_generation(g, "b");
	char text[32];

	snprintf(text, sizeof(text), "%u", ++count);
	watch_put(g, "b", "sentinel", text);
	ctl_await_number(g, "b", "generation", before + 1);
	cr_expect_eq(watch_generation(g, id), at, "%s is at %ld, not %ld", id,
		watch_generation(g, id), at);
}

void
watch_expect_one(struct gateway_run *g, long *at)
{
	++*at;
	ctl_await_number(g, "a", "generation", *at);
	watch_expect_no_more(g, "a", *at);
}

pid_t
watch_process(struct gateway_run *g)
{
	char path[64], *children;
	pid_t found = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", g->pid,
		g->pid);
	children = files_read(path);
	if (!children)
		cr_skip_test("the kernel has no /proc/PID/task/TID/children");
	for (char *at = strtok(children, " "); at; at = strtok(NULL, " ")) {
		char line[64], *text;

		snprintf(line, sizeof(line), "/proc/%s/cmdline", at);
		text = files_read(line);
		if (text && !strcmp(text + strlen(text) + 1, "watch"))
			found = (pid_t)atoi(at);
		free(text);
	}
	free(children);
	return found;
}

unsigned
watch_count_kernel(pid_t pid)
{
	char path[320];
	struct dirent *entry;
	unsigned count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	folder = opendir(path);
	cr_assert(folder);
	while ((entry = readdir(folder))) {
		char *text;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", pid,
			entry->d_name);
		text = files_read(path);
		for (char *at = text; at && (at = strstr(at, "inotify wd:"));
			at++)
			count++;
		free(text);
	}
	closedir(folder);
	return count;
}

void
watch_confine(struct gateway_run *g, const char *flags, const char *script)
{
	char *path = memory_format("%s/confined", g->dir);
	char *trial = memory_format(
		"unshare %s %s true >/dev/null 2>&1", flags, path);
	static char kept[64];

	files_write(path, "#!/bin/sh\n%s &&\nexec \"$@\"\n", script);
	cr_assert_eq(chmod(path, 0755), 0);
	if (system(trial))
		cr_skip_test("no namespaces of that kind here: %s", flags);
	snprintf(kept, sizeof(kept), "%s", path);
	g->wrapper[0] = "unshare";
	g->wrapper[1] = flags;
	g->wrapper[2] = kept;
	free(trial);
	free(path);
}
