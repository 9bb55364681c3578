/* store: one small JSON file per plugin, replaced as a whole. A reload writes
 * it twice on the loop, so that is made cheap: see overwrite(). */
#include "supervisor/plugin/store.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"

#define STORE_BYTES_MAX (64 * 1024)
#define STORE_RECORD_BYTES 512 /* a sector */

static char *
store_path(const char *state_dir, const char *plugin_id)
{
	return memory_format("%s/plugins/%s.json", state_dir, plugin_id);
}

void
store_finish(struct store *s)
{
	free(s->proven_digest);
	free(s->proven_version);
	*s = (struct store){0};
}

/* ---- reading ---- */

static int
read_number(
	const json_t *root, const char *key, uint32_t *out, struct error *err)
{
	const json_t *value = json_object_get(root, key);
	json_int_t number = json_integer_value(value);

	if (!value)
		return 0;
	if (!json_is_integer(value) || number < 0 || number > UINT32_MAX)
		return error_set(err, "`%s` is not a generation", key);
	*out = (uint32_t)number;
	return 0;
}

static int
read_text(const json_t *root, const char *key, char **out, struct error *err)
{
	const json_t *value = json_object_get(root, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return error_set(err, "`%s` is not a text", key);
	*out = memory_copy_text(json_string_value(value));
	return 0;
}

/* 1: read, 0: it is not there */
static int
read_flag(const json_t *root, const char *key, bool *out, struct error *err)
{
	const json_t *value = json_object_get(root, key);

	*out = json_is_true(value);
	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return error_set(err, "`%s` is neither true nor false", key);
	return 1;
}

/* Both or neither: what the person said, and what over. */
static int
read_enabled(struct store *s, const json_t *root, struct error *err)
{
	int person = read_flag(root, "personEnabled", &s->person_enabled, err);
	int file = person < 0 ? -1
			      : read_flag(root, "fileEnabled", &s->file_enabled,
					err);

	if (file < 0)
		return -1;
	s->enabled_by_person = person > 0 && file > 0;
	return 0;
}

static int
read_root(struct store *s, const json_t *root, struct error *err)
{
	if (!json_is_object(root))
		return error_set(err, "it is not an object");
	if (read_flag(root, "stopped", &s->stopped, err) < 0 ||
		read_enabled(s, root, err) < 0)
		return -1;
	if (read_number(root, "generation", &s->generation, err) < 0 ||
		read_number(root, "provenGeneration", &s->proven_generation,
			err) < 0 ||
		read_text(root, "provenDigest", &s->proven_digest, err) < 0 ||
		read_text(root, "provenVersion", &s->proven_version, err) < 0)
		return -1;
	if (s->proven_generation > s->generation)
		return error_set(err, "`provenGeneration` is greater than "
				      "`generation`");
	return 0;
}

/* 1: read, 0: no such file */
static int
read_file(const char *path, char text[STORE_BYTES_MAX], size_t *length_out,
	struct error *err)
{
	FILE *file = fopen(path, "re");
	bool failed;

	if (!file && errno == ENOENT)
		return 0;
	if (!file)
		return error_set(err, "%s", strerror(errno));
	*length_out = fread(text, 1, STORE_BYTES_MAX, file);
	failed = ferror(file) != 0;
	fclose(file);
	if (failed)
		return error_set(err, "it cannot be read");
	if (*length_out == STORE_BYTES_MAX)
		return error_set(err, "it is too large");
	return 1;
}

static int
load(struct store *s, const char *path, struct error *err)
{
	static char text[STORE_BYTES_MAX];
	json_error_t where;
	size_t length = 0;
	json_t *root;
	int result = read_file(path, text, &length, err);

	if (result <= 0)
		return result;
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return error_set(err, "line %d: %s", where.line, where.text);
	result = read_root(s, root, err);
	json_decref(root);
	return result;
}

int
store_load(struct store *s, const char *state_dir, const char *plugin_id,
	struct error *err)
{
	char *path = store_path(state_dir, plugin_id);
	int result;

	*s = (struct store){0};
	result = load(s, path, err);
	if (result < 0) {
		store_finish(s);
		error_prefix(err, "%s is broken: ", path);
	}
	free(path);
	return result;
}

/* ---- writing ---- */

/* A record of STORE_RECORD_BYTES, filled up with blanks; longer if need be. */
static char *
store_text(const struct store *s, size_t *length_out)
{
	json_t *root = json_pack("{s:I, s:I, s:s?, s:s?, s:b}", "generation",
		(json_int_t)s->generation, "provenGeneration",
		(json_int_t)s->proven_generation, "provenDigest",
		s->proven_digest, "provenVersion", s->proven_version, "stopped",
		s->stopped);
	char *json, *text;

	if (s->enabled_by_person) {
		json_object_set_new(
			root, "personEnabled", json_boolean(s->person_enabled));
		json_object_set_new(
			root, "fileEnabled", json_boolean(s->file_enabled));
	}
	json = json_dumps(root, JSON_INDENT(1));
	text = memory_format("%-*s\n", STORE_RECORD_BYTES - 1, json);
	json_decref(root);
	free(json);
	*length_out = strlen(text);
	return text;
}

/* A record replaces a record of the same size in place: one write within one
 * sector is there as a whole or not at all, and makes no new file. False: the
 * file is not there or has another size. */
static bool
overwrite(const char *path, const char *text, size_t length)
{
	int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat now;
	bool written;

	if (fd < 0)
		return false;
	written = length == STORE_RECORD_BYTES && !fstat(fd, &now) &&
		  now.st_size == STORE_RECORD_BYTES &&
		  pwrite(fd, text, length, 0) == STORE_RECORD_BYTES;
	close(fd);
	return written;
}

static int
write_file(const char *path, const char *text, struct error *err)
{
	FILE *file = fopen(path, "we");
	bool failed;

	if (!file)
		return error_set(
			err, "cannot write %s: %s", path, strerror(errno));
	failed = fputs(text, file) == EOF;
	failed = fclose(file) == EOF || failed;
	if (failed)
		return error_set(
			err, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static int
replace(const char *path, const char *text, const char *state_dir,
	struct error *err)
{
	char *folder = memory_format("%s/plugins", state_dir);
	char *fresh = memory_format("%s.new", path);
	int result = 0;

	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		result = error_set(
			err, "cannot make %s: %s", folder, strerror(errno));
	if (!result)
		result = write_file(fresh, text, err);
	if (!result && rename(fresh, path) < 0) {
		result = error_set(
			err, "cannot replace %s: %s", path, strerror(errno));
		unlink(fresh);
	}
	free(fresh);
	free(folder);
	return result;
}

int
store_save(const struct store *s, const char *state_dir, const char *plugin_id,
	struct error *err)
{
	char *path = store_path(state_dir, plugin_id);
	size_t length;
	char *text = store_text(s, &length);
	int result = 0;

	if (!overwrite(path, text, length))
		result = replace(path, text, state_dir, err);
	free(text);
	free(path);
	return result;
}
