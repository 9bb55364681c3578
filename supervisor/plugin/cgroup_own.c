#include "supervisor/plugin/cgroup_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/ops/cgroup_path.h"

/* ---- finding it ---- */

/* Unescapes in place: mountinfo writes a space as \040. */
static void
unescape(char *text)
{
	char *to = text;
	unsigned code;

	for (; *text; text++) {
		if (sscanf(text, "\\%3o", &code) == 1 && text[0] == '\\') {
			*to++ = (char)code;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* One mount of cgroup2: the part of the tree that it shows, and where. */
struct mount {
	char *root, *point;
};

static bool
read_mount(char *line, struct mount *mount_out)
{
	char *type = strstr(line, " - "), *rest = line, *field[5];

	if (!type || strncmp(type + 3, "cgroup2 ", 8))
		return false;
	for (unsigned i = 0; i < 5; i++)
		if (!(field[i] = strsep(&rest, " ")))
			return false;
	unescape(field[3]);
	unescape(field[4]);
	*mount_out = (struct mount){.root = field[3], .point = field[4]};
	return true;
}

/* The length of the path that a mount's root covers; -1: the mount does not
 * show the path. */
static int
covered(const char *root, const char *path)
{
	size_t length = strcmp(root, "/") ? strlen(root) : 0;

	return !strncmp(path, root, length) &&
			       (path[length] == '/' || !path[length])
		       ? (int)length
		       : -1;
}

/* The first mount that shows the path; *hidden_out is how much of it leads to
 * that mount's root. */
static char *
find_mount(const char *mounts, const char *path, int *hidden_out)
{
	FILE *file = fopen(mounts, "re");
	char *line = NULL, *point = NULL;
	struct mount mount;
	size_t room = 0;

	while (file && !point && getline(&line, &room, file) > 0) {
		if (!read_mount(line, &mount))
			continue;
		*hidden_out = covered(mount.root, path);
		if (*hidden_out >= 0)
			point = memory_copy_text(mount.point);
	}
	free(line);
	if (file)
		fclose(file);
	return point;
}

/* ---- permission ---- */

/* systemd marks the cgroup; one that is not root cannot read all of its marks,
 * but the cgroup of a unit is its user's only by delegation. */
static bool
is_delegated(const char *folder)
{
	static const char *const names[] = {
		"user.delegate", "trusted.delegate"};
	struct stat st;
	char value;

	if (geteuid() != 0 && stat(folder, &st) == 0 && st.st_uid == geteuid())
		return true;

	for (unsigned i = 0; i < 2; i++)
		if (getxattr(folder, names[i], &value, 1) == 1 && value == '1')
			return true;
	return false;
}

/* As systemd names the cgroups of its units. */
static bool
is_unit(const char *name, size_t length)
{
	static const char *const kinds[] = {
		".service", ".scope", ".slice", ".socket", ".mount", ".swap"};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t kind = strlen(kinds[i]);

		if (length > kind &&
			!strncmp(name + length - kind, kinds[i], kind))
			return true;
	}
	return false;
}

/* How much of the path names the nearest unit, with its '/'; 0: there is no
 * unit in it. */
static size_t
unit_length(const char *path)
{
	size_t end = strlen(path), begin;

	for (; end > 1; end = begin) {
		for (begin = end - 1; path[begin] != '/'; begin--)
			;
		if (is_unit(path + begin + 1, end - begin - 1))
			return end;
	}
	return 0;
}

static int
check(const struct cgroup_sources *from, const char *folder, const char *path,
	size_t hidden, struct error *err)
{
	size_t unit = unit_length(path), length = strlen(folder);
	char *unit_folder;
	bool is_fine;

	if (is_delegated(folder))
		return 0;
	if (unit && unit >= hidden) {
		unit_folder = memory_copy_bytes(
			folder, length - (strlen(path) - unit));
		is_fine = is_delegated(unit_folder);
		free(unit_folder);
		if (is_fine)
			return 0;
	}
	if (unit)
		return error_set(
			err, "the unit of %s has no Delegate=yes", path);
	if (from->systemd_is_here)
		return error_set(
			err, "systemd runs and has not delegated %s", path);
	return 0;
}

char *
cgroup_own(const struct cgroup_sources *from, struct error *err)
{
	char *path = cgroup_path(from->self), *point = NULL, *folder = NULL;
	int hidden = 0;

	if (!path)
		error_set(err, "supd is not in a cgroup of version 2");
	else if (!strncmp(path, "/..", 3) && (path[3] == '/' || !path[3]))
		error_set(err, "the cgroup of supd is outside its namespace");
	else if (!(point = find_mount(from->mounts, path, &hidden)))
		error_set(err, "no cgroup2 is mounted that shows %s", path);
	else
		folder = memory_format("%s%s", point,
			strcmp(path + hidden, "/") ? path + hidden : "");
	if (folder && check(from, folder, path, (size_t)hidden, err) < 0) {
		free(folder);
		folder = NULL;
	}
	free(point);
	free(path);
	return folder;
}

struct cgroup_sources
cgroup_sources(void)
{
	return (struct cgroup_sources){
		.mounts = "/proc/self/mountinfo",
		.self = "/proc/self/cgroup",
		.systemd_is_here = access("/run/systemd/system", F_OK) == 0 ||
				   getenv("INVOCATION_ID"),
	};
}
