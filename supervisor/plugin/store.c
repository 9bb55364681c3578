/* store: a record is one line of JSON, padded with blanks to whole sectors,
 * that begins with the checksum of the rest. A reload writes two records on the
 * loop, so writing is made cheap: see overwrite(). */
#include "supervisor/plugin/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"

#define STORE_BYTES_MAX (64 * 1024)
#define STORE_SECTOR 512
#define STORE_TEXT_MAX 1024 /* longer strings are left out of a record */
#define STORE_BEGIN "{\"checksum\":\""
#define STORE_HEAD_BYTES (sizeof(STORE_BEGIN) - 1 + 16)

/* Ids have no dot, so the name of a second copy cannot be another id's. */
static char *
store_path(const char *state_dir, const char *plugin_id, unsigned copy)
{
	return memory_format(
		"%s/plugins/%s%s.json", state_dir, plugin_id, copy ? ".2" : "");
}

/* FNV-1a: enough to find torn and stray writes; forgery is no concern. */
static uint64_t
checksum(const char *text, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (unsigned char)text[i]) * 0x100000001b3u;
	return sum;
}

void
store_finish(struct store *s)
{
	free(s->proven_digest);
	free(s->proven_version);
	free(s->older_digest);
	free(s->older_version);
	*s = (struct store){0};
}

void
store_forget_older(struct store *s)
{
	free(s->older_digest);
	free(s->older_version);
	s->older_digest = s->older_version = NULL;
	s->older_generation = 0;
}

/* Keeps the version and digest that are shown of a stopped plugin. */
void
store_forget_proven(struct store *s)
{
	s->proven_generation = 0;
}

static void
make_older(struct store *s)
{
	store_forget_older(s);
	s->older_generation = s->proven_generation;
	s->older_digest = s->proven_digest;
	s->older_version = s->proven_version;
	s->proven_digest = s->proven_version = NULL;
}

void
store_note_proven(struct store *s, uint32_t generation, const char *digest,
	const char *version)
{
	char *digest_now = memory_copy_text(digest);
	char *version_now = memory_copy_text(version);

	if (generation == s->older_generation)
		store_forget_older(s);
	else if (s->proven_generation && generation != s->proven_generation)
		make_older(s);
	free(s->proven_digest);
	free(s->proven_version);
	s->proven_generation = generation;
	s->proven_digest = digest_now;
	s->proven_version = version_now;
	if (s->older_run != generation && s->older_run != s->older_generation)
		s->older_run = 0;
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
read_epoch(const json_t *root, uint64_t *out, struct error *err)
{
	const json_t *value = json_object_get(root, "epoch");

	if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
		return error_set(err, "`epoch` is not an epoch");
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

static int
read_text(const json_t *root, const char *key, char **out, struct error *err)
{
	const json_t *value = json_object_get(root, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return error_set(err, "`%s` must be a string", key);
	*out = memory_copy_text(json_string_value(value));
	return 0;
}

/* 1: read, 0: absent */
static int
read_flag(const json_t *root, const char *key, bool *out, struct error *err)
{
	const json_t *value = json_object_get(root, key);

	*out = json_is_true(value);
	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return error_set(err, "`%s` must be true or false", key);
	return 1;
}

/* Reads a user's decision and the file's value that it overrides: both or
 * neither. */
static int
read_decision(struct store_decision *d, const json_t *root,
	const char *person_key, const char *file_key, struct error *err)
{
	int person = read_flag(root, person_key, &d->person, err);
	int file = person < 0 ? -1 : read_flag(root, file_key, &d->file, err);

	if (file < 0)
		return -1;
	d->by_person = person > 0 && file > 0;
	return 0;
}

static int
read_older(struct store *s, const json_t *root, struct error *err)
{
	if (read_number(root, "olderGeneration", &s->older_generation, err) <
			0 ||
		read_text(root, "olderDigest", &s->older_digest, err) < 0 ||
		read_text(root, "olderVersion", &s->older_version, err) < 0 ||
		read_number(root, "olderRun", &s->older_run, err) < 0)
		return -1;
	if (s->older_generation > s->generation)
		return error_set(err, "`olderGeneration` is greater than "
				      "`generation`");
	if (s->older_generation == s->proven_generation)
		store_forget_older(s);
	return 0;
}

static int
read_root(struct store *s, const json_t *root, struct error *err)
{
	if (!json_is_object(root))
		return error_set(err, "it is not an object");
	if (read_flag(root, "stopped", &s->stopped, err) < 0 ||
		read_epoch(root, &s->epoch, err) < 0 ||
		read_decision(&s->enabled, root, "personEnabled", "fileEnabled",
			err) < 0 ||
		read_decision(&s->watched, root, "personWatched", "fileWatched",
			err) < 0)
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
	return read_older(s, root, err);
}

/* A record of an old version has no sequence; one with a sequence and no
 * checksum is damaged. */
static int
read_sequence(
	struct store *s, const json_t *root, bool is_old, struct error *err)
{
	const json_t *value = json_object_get(root, "sequence");

	if (is_old)
		return value ? error_set(err, "it has no checksum") : 0;
	if (json_integer_value(value) <= 0)
		return error_set(err, "`sequence` must be a positive integer");
	s->sequence = (uint64_t)json_integer_value(value);
	return 0;
}

/* Records of older versions have neither a checksum nor a sequence number. */
static int
check_sum(const char *text, size_t length, bool *is_old_out, struct error *err)
{
	char expected[17];

	*is_old_out = length < STORE_HEAD_BYTES ||
		      memcmp(text, STORE_BEGIN, sizeof(STORE_BEGIN) - 1) != 0;
	if (*is_old_out)
		return 0;
	snprintf(expected, sizeof(expected), "%016" PRIx64,
		checksum(text + STORE_HEAD_BYTES, length - STORE_HEAD_BYTES));
	if (memcmp(text + sizeof(STORE_BEGIN) - 1, expected, 16) != 0)
		return error_set(err, "its checksum is wrong");
	return 0;
}

static int
read_record(struct store *s, const char *text, size_t length, struct error *err)
{
	json_error_t where;
	bool is_old;
	json_t *root;
	int result;

	if (check_sum(text, length, &is_old, err) < 0)
		return -1;
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return error_set(err, "line %d: %s", where.line, where.text);
	result = read_root(s, root, err);
	if (!result)
		result = read_sequence(s, root, is_old, err);
	json_decref(root);
	return result;
}

/* 1: read, 0: no such file */
static int
read_file(const char *path, char text[STORE_BYTES_MAX], size_t *length_out,
	struct error *err)
{
	int fd = own_file_open(path, O_RDONLY, 0, err);
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	got = read(fd, text, STORE_BYTES_MAX);
	if (got < 0)
		error_set(err, "cannot read %s: %s", path, strerror(errno));
	else if (got == STORE_BYTES_MAX)
		got = error_set(err, "%s is too large", path);
	close(fd);
	*length_out = got < 0 ? 0 : (size_t)got;
	return got < 0 ? -1 : 1;
}

/* 1: read, 0: no such file */
static int
load_copy(struct store *s, const char *path, struct error *err)
{
	static char text[STORE_BYTES_MAX];
	size_t length = 0;
	int result = read_file(path, text, &length, err);

	if (result <= 0)
		return result;
	if (read_record(s, text, length, err) == 0)
		return 1;
	store_finish(s);
	return error_prefix(err, "%s is damaged: ", path);
}

int
store_load(struct store *s, const char *state_dir, const char *plugin_id,
	struct error *err)
{
	bool is_read = false, is_damaged = false, is_missing = false;

	*s = (struct store){
		.copy = STORE_COPIES -
			1}; /* so that the first copy is written next */
	for (unsigned i = 0; i < STORE_COPIES; i++) {
		char *path = store_path(state_dir, plugin_id, i);
		struct store copy = {.copy = i};
		int result = load_copy(&copy, path, err);

		if (!result && !is_damaged)
			error_set(err, "%s is missing", path);
		free(path);
		is_missing = is_missing || !result;
		is_damaged = is_damaged || result < 0;
		if (result <= 0)
			continue;
		if (is_read && copy.sequence < s->sequence) {
			store_finish(&copy);
			continue;
		}
		store_finish(s);
		*s = copy;
		is_read = true;
	}
	/* after the second save both copies must exist */
	if (is_read && s->sequence > 1 && is_missing)
		return 1;
	return !is_damaged ? 0 : is_read ? 1 : -1;
}

int
store_put_aside(const char *state_dir, const char *plugin_id, struct error *err)
{
	int result = 0;

	for (unsigned i = 0; i < STORE_COPIES; i++) {
		char *path = store_path(state_dir, plugin_id, i);
		struct stat there;

		if (!lstat(path, &there) &&
			own_file_put_aside(path, NULL, err) < 0)
			result = -1;
		free(path);
	}
	return result;
}

/* ---- writing ---- */

/* Leaves out strings that are not UTF-8 or too long. */
static json_t *
text_or_null(const char *text)
{
	bool fits = text && strlen(text) <= STORE_TEXT_MAX;
	json_t *value = fits ? json_string(text) : NULL;

	return value ? value : json_null();
}

static void
put_decision(json_t *root, const struct store_decision *d,
	const char *person_key, const char *file_key)
{
	if (!d->by_person)
		return;
	json_object_set_new(root, person_key, json_boolean(d->person));
	json_object_set_new(root, file_key, json_boolean(d->file));
}

static char *
store_json(const struct store *s, uint64_t sequence)
{
	json_t *root = json_pack("{s:I, s:I, s:I, s:o, s:o, s:b}", "sequence",
		(json_int_t)sequence, "generation", (json_int_t)s->generation,
		"provenGeneration", (json_int_t)s->proven_generation,
		"provenDigest", text_or_null(s->proven_digest), "provenVersion",
		text_or_null(s->proven_version), "stopped", s->stopped);
	char *json;

	if (s->older_generation) {
		json_object_set_new(root, "olderGeneration",
			json_integer((json_int_t)s->older_generation));
		json_object_set_new(
			root, "olderDigest", text_or_null(s->older_digest));
		json_object_set_new(
			root, "olderVersion", text_or_null(s->older_version));
	}
	if (s->epoch)
		json_object_set_new(
			root, "epoch", json_integer((json_int_t)s->epoch));
	if (s->older_run)
		json_object_set_new(root, "olderRun",
			json_integer((json_int_t)s->older_run));
	put_decision(root, &s->enabled, "personEnabled", "fileEnabled");
	put_decision(root, &s->watched, "personWatched", "fileWatched");
	json = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(root);
	return json;
}

/* {"checksum":"<16 hex digits>","sequence":… blanks and the end of the line */
static char *
store_record(const struct store *s, uint64_t sequence, size_t *length_out)
{
	char *json = store_json(s, sequence), *rest, *record;
	size_t used = STORE_HEAD_BYTES + strlen(json) + 3;
	size_t length = (used + STORE_SECTOR - 1) / STORE_SECTOR * STORE_SECTOR;
	int width = (int)(length - STORE_HEAD_BYTES - 3);

	rest = memory_format("\",%-*s\n", width, json + 1);
	*length_out = STORE_HEAD_BYTES + strlen(rest);
	record = memory_format(STORE_BEGIN "%016" PRIx64 "%s",
		checksum(rest, strlen(rest)), rest);
	free(rest);
	free(json);
	return record;
}

/* Overwrites a record of the same size in place. That needs no new file and no
 * new block, so a full disk cannot stop it, and a power failure cannot leave
 * the file empty. False: the file is missing or has another size. */
static bool
overwrite(const char *path, const char *record, size_t length)
{
	int fd = own_file_open(path, O_WRONLY, 0, NULL);
	struct stat now;
	bool written;

	if (fd < 0)
		return false;
	written = !fstat(fd, &now) && now.st_size == (off_t)length &&
		  pwrite(fd, record, length, 0) == (ssize_t)length;
	close(fd);
	return written;
}

static int
write_copy(const char *state_dir, const char *path, const char *record,
	size_t length, bool *made_file_out, struct error *err)
{
	char *folder;
	int result;

	*made_file_out = !overwrite(path, record, length);
	if (!*made_file_out)
		return 0;
	folder = memory_format("%s/plugins", state_dir);
	result = own_folder_make_or_link(folder, 0700, err);
	free(folder);
	return result ? result : own_file_replace(path, record, length, err);
}

int
store_save(struct store *s, const char *state_dir, const char *plugin_id,
	struct error *err)
{
	unsigned copy = (s->copy + 1) % STORE_COPIES;
	char *path = store_path(state_dir, plugin_id, copy);
	size_t length;
	char *record = store_record(s, s->sequence + 1, &length);
	int result =
		write_copy(state_dir, path, record, length, &s->made_file, err);

	if (!result) {
		s->sequence++;
		s->copy = copy;
	}
	free(record);
	free(path);
	return result;
}
