#include "tests/system/chat.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/files.h"

#define PYTHON "exec: [python3, main.py]"

static char *
path_of(struct gateway_run *g, const char *id, const char *file)
{
	return memory_format("%s/%s.d/%s", g->dir, id, file);
}

static void
write_manifest(struct gateway_run *g, const char *id, const char *chat,
	const char *exec, const char *settings)
{
	char *path = run_package_file(g, id, "plugin.yaml");

	files_write(path,
		"name: %s\nversion: 1.0.0\n%s\n"
		"settings: {dir: \"%s/%s.d\"%s%s}\n",
		id, exec, g->dir, chat, *settings ? ", " : "", settings);
	free(path);
}

void
chat_settings(struct gateway_run *g, const char *id, const char *settings)
{
	write_manifest(g, id, id, PYTHON, settings);
}

static void
make_folder(struct gateway_run *g, const char *id)
{
	char *folder = path_of(g, id, "");

	cr_assert_eq(mkdir(folder, 0755), 0);
	g->may_grow = true; /* the socket of the message store is right */
	free(folder);
}

void
chat_add_of(struct gateway_run *g, const char *package, const char *exec,
	const char *id)
{
	make_folder(g, id);
	run_package(g, package, id);
	write_manifest(g, id, id, exec, "");
	run_plugin(g, id, "mount: /%s", id);
}

void
chat_add(struct gateway_run *g, const char *id, const char *settings,
	const char *entry)
{
	make_folder(g, id);
	run_package(g, "chat-python", id);
	chat_settings(g, id, settings);
	run_plugin(g, id, "mount: /%s%s%s", id, *entry ? ", " : "", entry);
}

void
chat_add_talk_with(struct gateway_run *g, const char *id, const char *chat,
	const char *settings, const char *entry)
{
	run_package(g, "talk-python", id);
	write_manifest(g, id, chat, PYTHON, settings);
	run_plugin(g, id, "mount: /%s%s%s", id, *entry ? ", " : "", entry);
}

void
chat_add_talk(struct gateway_run *g, const char *id, const char *chat,
	const char *settings)
{
	chat_add_talk_with(g, id, chat, settings, "");
}

void
chat_set(struct gateway_run *g, const char *id, const char *file,
	const char *text)
{
	char *path = path_of(g, id, file);

	if (text)
		files_write(path, "%s", text);
	else
		cr_assert_eq(unlink(path), 0);
	free(path);
}

void
chat_say(struct gateway_run *g, const char *id, const char *format, ...)
{
	char *path = path_of(g, id, "inbox");
	FILE *file = fopen(path, "a");
	va_list arguments;

	cr_assert_not_null(file);
	va_start(arguments, format);
	fputc('{', file);
	vfprintf(file, format, arguments);
	fputs("}\n", file);
	va_end(arguments);
	fclose(file);
	free(path);
}

void
chat_say_many(
	struct gateway_run *g, const char *id, unsigned lanes, unsigned count)
{
	char *path = path_of(g, id, "inbox");
	FILE *file = fopen(path, "a");

	cr_assert_not_null(file);
	for (unsigned i = 0; i < count; i++)
		fprintf(file,
			"{\"id\": \"n%u\", \"lane\": \"l%u\", \"text\": "
			"\"%s\"}\n",
			i, i % lanes, i < lanes ? "/slow 1" : "x");
	fclose(file);
	free(path);
}

char *
chat_file(struct gateway_run *g, const char *id, const char *file)
{
	char *path = path_of(g, id, file);
	char *text =
		files_exist(path) ? files_read(path) : memory_copy_text("");

	free(path);
	return text;
}

unsigned
chat_count(struct gateway_run *g, const char *id, const char *file,
	const char *text)
{
	char *all = chat_file(g, id, file), *at = all;
	unsigned count = 0;

	for (; (at = strstr(at, text)); at++)
		count++;
	free(all);
	return count;
}

void
chat_await(struct gateway_run *g, const char *id, const char *file,
	const char *text, unsigned count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	char *all;

	while (chat_count(g, id, file, text) < count) {
		if (clock_ms() > until) {
			all = chat_file(g, id, file);
			cr_assert(false, "no %u x \"%s\" in %s: %s", count,
				text, file, all);
		}
		poll(NULL, 0, 5);
	}
}
