#include "tests/system/raw.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/util/memory.h"

void
raw_manifest(struct gateway_run *g, const char *id, const char *settings,
	const char *more)
{
	char *path = run_package_file(g, id, "plugin.yaml");

	files_write(path,
		"name: %s\nversion: 1.0.0\nexec: [python3, main.py]\n"
		"health: {call: true}\n%ssettings: {%s}\n",
		id, more, settings);
	free(path);
}

void
raw_add_more(struct gateway_run *g, const char *id, const char *settings,
	const char *entry, const char *manifest)
{
	run_package(g, "raw-python", id);
	raw_manifest(g, id, settings, manifest);
	/* Those with only their own rows say where these are. */
	if (strstr(settings, "only: true"))
		run_plugin(g, id, "use: %s%s%s", id, *entry ? ", " : "", entry);
	else
		run_plugin(g, id, "mount: /%s, namespace: %s%s%s", id, id,
			*entry ? ", " : "", entry);
}

void
raw_add(struct gateway_run *g, const char *id, const char *settings)
{
	raw_add_more(g, id, settings, "", "");
}

void
raw_open_api(struct gateway_run *g)
{
	free(g->extra);
	/* printf raw-test-token | sha256sum */
	g->extra = memory_copy_text("admin: {http: true, tokens: [{name: t, "
				    "role: operator, sha256: "
				    "\"df2bce5c0aea84fcf3c5a5157fac35e188d2b73f"
				    "495a732ae961208fa30a9ac7\"}]}\n");
}

/* ---- what a worker leaves behind ---- */

char *
raw_left_path(struct gateway_run *g)
{
	return memory_format("%s/left", g->dir);
}

int
raw_left(struct gateway_run *g)
{
	char *path = raw_left_path(g);
	FILE *file = fopen(path, "r");
	int pid = 0, fd;

	cr_assert(file);
	cr_assert_eq(fscanf(file, "%d", &pid), 1);
	fclose(file);
	free(path);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	cr_assert_geq(fd, 0, "process %d is gone", pid);
	return fd;
}

bool
raw_left_has_ended(int pidfd, int timeout_ms)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	return poll(&ended, 1, timeout_ms) == 1;
}

void
raw_expect_left_ends(int pidfd)
{
	cr_expect(raw_left_has_ended(pidfd, RUN_DEADLINE_MS));
	close(pidfd);
}
