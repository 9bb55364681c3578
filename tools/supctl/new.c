/* new: a package to begin with. It writes into a folder that it makes, and
 * never over anything. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "tools/supctl/supctl.h"
#include "tools/supctl/templates.h"

#define MARK "@NAME@"

/* What the configuration takes as a plugin's id. */
static bool
is_name(const char *name)
{
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t length = strlen(name);

	return length && length <= 64 && *name != '_' && *name != '-' &&
	       strspn(name, rest) == length;
}

static bool
is_kind(const char *kind)
{
	for (const struct template *t = templates; t->kind; t++)
		if (!strcmp(t->kind, kind))
			return true;
	return false;
}

/* The caller frees. */
static char *
filled(const char *text, const char *name)
{
	struct buffer out = {0};
	const char *mark;

	while ((mark = strstr(text, MARK)) != NULL) {
		buffer_append(&out, text, (size_t)(mark - text));
		buffer_append_text(&out, name);
		text = mark + strlen(MARK);
	}
	buffer_append(&out, text, strlen(text) + 1);
	return (char *)out.memory;
}

static void
make_folders(const char *path)
{
	char *copy = memory_copy_text(path);

	for (char *c = copy + 1; *c; c++)
		if (*c == '/') {
			*c = 0;
			mkdir(copy, 0777); /* that it failed shows at once */
			*c = '/';
		}
	free(copy);
}

static int
write_file(const char *path, const char *text, bool runs)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		runs ? 0777 : 0666);
	size_t size = strlen(text);
	bool good = fd >= 0 && write(fd, text, size) == (ssize_t)size;

	if (fd >= 0 && close(fd))
		good = false;
	return good ? 0 : -1;
}

static int
write_template(const struct template *t, const char *folder, const char *name)
{
	char *file = filled(t->path, name), *text = filled(t->text, name);
	char *path = memory_format("%s/%s", folder, file);
	int result;

	make_folders(path);
	result = write_file(path, text, t->runs);
	free(path);
	free(text);
	free(file);
	return result;
}

static void
report(const struct options *o, const char *kind, const char *name,
	const char *folder)
{
	json_t *files = json_array(), *document;

	for (const struct template *t = templates; t->kind; t++)
		if (!strcmp(t->kind, kind)) {
			char *file = filled(t->path, name);

			json_array_append_new(files, json_string(file));
			free(file);
		}
	document = json_pack("{s:s,s:s,s:s,s:o}", "name", name, "kind", kind,
		"folder", folder, "files", files);
	if (o->json) {
		supctl_print_json(document);
	} else {
		printf("%s:", folder);
		for (size_t i = 0; i < json_array_size(files); i++)
			printf(" %s",
				json_string_value(json_array_get(files, i)));
		printf("\nIts README.md says how to build, load, change and "
		       "test it.\n");
	}
	json_decref(document);
}

int
verb_new(const struct options *o)
{
	const char *kind = o->words[0], *name = o->words[1];
	char *folder = memory_format("%s/%s", o->dir ? o->dir : ".", name);
	int exit_code = 0;

	if (!is_kind(kind))
		exit_code = supctl_fail(o, EXIT_USAGE,
			"a package must be c, python or node, not '%s'", kind);
	else if (!is_name(name))
		exit_code = supctl_fail(o, EXIT_USAGE,
			"a name must be at most 64 lower-case letters, digits, "
			"- and _, and begin with a letter or digit; not '%s'",
			name);
	else if (mkdir(folder, 0777))
		exit_code = supctl_fail(
			o, EXIT_FAILURE, "%s: %s", folder, strerror(errno));
	for (const struct template *t = templates; !exit_code && t->kind; t++)
		if (!strcmp(t->kind, kind) && write_template(t, folder, name))
			exit_code = supctl_fail(o, EXIT_FAILURE, "%s/%s: %s",
				folder, t->path, strerror(errno));
	if (!exit_code)
		report(o, kind, name, folder);
	free(folder);
	return exit_code;
}
