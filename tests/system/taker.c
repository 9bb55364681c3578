#include "tests/system/taker.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/files.h"

void
taker_manifest(struct gateway_run *g, const char *id, const char *settings,
	const char *manifest)
{
	char *path = run_package_file(g, id, "plugin.yaml");

	files_write(path,
		"name: %s\nversion: 1.0.0\nrun: taker.so\n%s"
		"settings: {journal: \"%s/%s.journal\", locks: "
		"\"%s/%s\"%s%s}\n",
		id, manifest, g->dir, id, g->dir, id, *settings ? ", " : "",
		settings);
	free(path);
}

void
taker_add(struct gateway_run *g, const char *id, const char *settings,
	const char *manifest, const char *entry)
{
	run_package(g, "taker", id);
	taker_manifest(g, id, settings, manifest);
	run_plugin(g, id, "mount: /%s%s%s", id, *entry ? ", " : "", entry);
}

char *
taker_journal(struct gateway_run *g, const char *id)
{
	char *path = memory_format("%s/%s.journal", g->dir, id);
	char *text =
		files_exist(path) ? files_read(path) : memory_copy_text("");

	free(path);
	return text;
}

unsigned
taker_count(struct gateway_run *g, const char *id, const char *text)
{
	char *journal = taker_journal(g, id), *at = journal;
	unsigned count = 0;

	for (; (at = strstr(at, text)); at++)
		count++;
	free(journal);
	return count;
}

void
taker_await(
	struct gateway_run *g, const char *id, const char *text, unsigned count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	char *journal;

	while (taker_count(g, id, text) < count) {
		if (clock_ms() > until) {
			journal = taker_journal(g, id);
			cr_assert(false, "no %u x \"%s\" in: %s", count, text,
				journal);
		}
		poll(NULL, 0, 5);
	}
}

unsigned long long
taker_expect_order(struct gateway_run *g, const char *id)
{
	char *journal = taker_journal(g, id);
	unsigned long long last = 0, epoch;

	cr_expect(!strstr(journal, "two-holders"), "%s", journal);
	for (char *at = journal; (at = strstr(at, " epoch ")); at++) {
		epoch = strtoull(at + strlen(" epoch "), NULL, 10);
		cr_expect_gt(epoch, last, "%s", journal);
		last = epoch;
	}
	free(journal);
	return last;
}

void
taker_open_gate(struct gateway_run *g, const char *id)
{
	char *path = memory_format("%s/%s.gate", g->dir, id);

	files_write(path, "open\n");
	free(path);
}
