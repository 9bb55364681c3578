/* test_store: what is written comes back; what is broken is named. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/plugin/store.h"
#include "tests/system/harness/files.h"

static char dir[32];

static void
make_dir(void)
{
	strcpy(dir, "/tmp/supd-store-XXXXXX");
	cr_assert(mkdtemp(dir));
}

static void
remove_dir(void)
{
	files_remove_tree(dir);
}

static const char *
copy_path(unsigned copy)
{
	static char paths[STORE_COPIES][128];

	snprintf(paths[copy], sizeof(paths[copy]), "%s/plugins/it%s.json", dir,
		copy ? ".2" : "");
	return paths[copy];
}

/* Saves `count` states of which each has its number as its generation. */
static void
save_states(struct store *s, uint32_t count)
{
	char digest[] = "sha256:12";
	struct error err;

	*s = (struct store){0};
	for (uint32_t i = 0; i < count; i++) {
		s->generation = i + 1;
		s->proven_digest = digest;
		cr_assert(store_save(s, dir, "it", &err) == 0, "%s", err.text);
	}
	s->proven_digest = NULL;
}

TestSuite(store, .init = make_dir, .fini = remove_dir);

Test(store, a_missing_file_is_an_empty_store)
{
	struct store s;
	struct error err;

	cr_assert(store_load(&s, dir, "it", &err) == 0);
	cr_expect(!s.generation && !s.proven_generation && !s.stopped);
	cr_expect(!s.proven_digest && !s.proven_version);
	store_finish(&s);
}

Test(store, what_is_saved_is_loaded)
{
	char digest[] = "sha256:12", version[] = "1.2 \"x\"";
	struct store s = {.generation = UINT32_MAX,
		.proven_generation = 41,
		.proven_digest = digest,
		.proven_version = version,
		.epoch = 1795957000123,
		.stopped = true,
		.enabled = {.by_person = true, .file = true},
		.watched = {.by_person = true, .person = true}};
	struct store back;
	struct error err;

	cr_assert(store_save(&s, dir, "it", &err) == 0, "%s", err.text);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect(back.generation == UINT32_MAX);
	cr_expect(back.proven_generation == 41 && back.stopped);
	cr_expect(back.epoch == s.epoch);
	cr_expect(back.enabled.by_person && !back.enabled.person &&
		  back.enabled.file);
	cr_expect(back.watched.by_person && back.watched.person &&
		  !back.watched.file);
	cr_expect_str_eq(back.proven_digest, digest);
	cr_expect_str_eq(back.proven_version, version);
	store_finish(&back);
	s = (struct store){.generation = 1};
	cr_assert(store_save(&s, dir, "it", &err) == 0);
	cr_assert(store_load(&back, dir, "it", &err) == 0);
	cr_expect(back.generation == 1 && !back.proven_digest && !back.epoch);
	cr_expect(!back.enabled.by_person && !back.watched.by_person &&
		  !back.stopped);
	store_finish(&back);
}

static void
expect_older(const struct store *s, uint32_t proven, uint32_t older,
	const char *older_version)
{
	cr_expect_eq(s->proven_generation, proven, "%u", s->proven_generation);
	cr_expect_eq(s->older_generation, older, "%u", s->older_generation);
	if (older_version)
		cr_expect_str_eq(s->older_version, older_version);
	else
		cr_expect(!s->older_version && !s->older_digest);
}

Test(store, what_was_proven_before_is_the_older_one)
{
	struct store s = {.generation = 9};

	store_note_proven(&s, 1, "d1", "v1");
	expect_older(&s, 1, 0, NULL);
	store_note_proven(&s, 3, "d3", "v3");
	expect_older(&s, 3, 1, "v1");
	/* A crash restart is from the same stage. */
	store_note_proven(&s, 3, "d3", "v3");
	expect_older(&s, 3, 1, "v1");
	store_note_proven(&s, 4, "d4", "v4");
	expect_older(&s, 4, 3, "v3");
	cr_expect_str_eq(s.older_digest, "d3");
	/* It went down in its probation. */
	store_note_proven(&s, 3, "d3", "v3");
	expect_older(&s, 3, 0, NULL);
	store_note_proven(&s, 5, "d5", "v5");
	/* Of a damaged one nothing is kept. */
	store_forget_proven(&s);
	store_note_proven(&s, 6, "d6", "v6");
	expect_older(&s, 6, 3, "v3");
	store_forget_proven(&s);
	s.older_run = 3;
	store_note_proven(&s, 3, "d3", "v3");
	expect_older(&s, 3, 0, NULL);
	cr_expect_eq(s.older_run, 3);
	/* For as long as it could serve again. */
	store_note_proven(&s, 7, "d7", "v7");
	expect_older(&s, 7, 3, "v3");
	cr_expect_eq(s.older_run, 3);
	store_note_proven(&s, 8, "d8", "v8");
	cr_expect_eq(s.older_run, 0);
	store_finish(&s);
}

Test(store, the_older_one_is_saved_and_loaded)
{
	struct store s = {.generation = 9}, back;
	struct error err;

	store_note_proven(&s, 1, "d1", "v1");
	store_note_proven(&s, 3, "d3", "v3");
	s.older_run = 1;
	cr_assert(store_save(&s, dir, "it", &err) == 0, "%s", err.text);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	expect_older(&back, 3, 1, "v1");
	cr_expect_str_eq(back.older_digest, "d1");
	cr_expect_eq(back.older_run, 1);
	store_finish(&back);
	store_forget_older(&s);
	s.older_run = 0;
	cr_assert(store_save(&s, dir, "it", &err) == 0, "%s", err.text);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	expect_older(&back, 3, 0, NULL);
	store_finish(&back);
	store_finish(&s);
}

static ino_t
inode_of(unsigned copy)
{
	struct stat now;

	cr_assert(stat(copy_path(copy), &now) == 0);
	return now.st_ino;
}

static off_t
size_of(unsigned copy)
{
	struct stat now;

	cr_assert(stat(copy_path(copy), &now) == 0);
	return now.st_size;
}

Test(store, a_record_is_overwritten_and_a_longer_one_replaced)
{
	char longer[600];
	struct store s, back;
	struct error err;
	ino_t first;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	save_states(&s, 2);
	first = inode_of(s.copy);
	cr_expect_eq(size_of(s.copy), 512);
	for (int i = 0; i < 4; i++)
		cr_assert(store_save(&s, dir, "it", &err) == 0);
	cr_expect(inode_of(s.copy) == first);
	s.proven_version = longer;
	s.generation = 3;
	for (int i = 0; i < 3; i++)
		cr_assert(store_save(&s, dir, "it", &err) == 0);
	cr_expect_eq(size_of(s.copy), 1024);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect(back.generation == 3);
	cr_expect_str_eq(back.proven_version, longer);
	store_finish(&back);
	s.proven_version = NULL;
	s.generation = 4;
	cr_assert(store_save(&s, dir, "it", &err) == 0);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect(back.generation == 4 && !back.proven_version);
	store_finish(&back);
}

/* ---- what a crash or a power loss leaves ---- */

/* Whatever became of one copy, the other is read: what was written last if the
 * older copy is the damaged one, else what was written before. */
static void
expect_survives(unsigned newest, unsigned damaged, const char *bytes,
	size_t length, const char *how)
{
	char *before = files_read(copy_path(damaged));
	struct store back;
	struct error err;
	int result;

	files_overwrite(copy_path(damaged), bytes, length);
	result = store_load(&back, dir, "it", &err);
	if (length == 512 && !memcmp(before, bytes, length))
		cr_expect_eq(result, 0, "%s", how);
	else if (result == 1)
		cr_expect(strstr(err.text, copy_path(damaged)), "%s", err.text);
	else
		cr_expect_fail("%s: %d", how, result);
	cr_expect(back.generation >= (damaged == newest ? 4 : 5), "%s: %u", how,
		back.generation);
	store_finish(&back);
	/* The next write mends it. */
	cr_assert(store_load(&back, dir, "it", &err) >= 0);
	back.generation = 6;
	cr_assert(store_save(&back, dir, "it", &err) == 0, "%s", err.text);
	store_finish(&back);
	cr_expect(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect_eq(back.generation, 6);
	store_finish(&back);
}

Test(store, a_copy_that_is_cut_at_any_byte_loses_nothing_but_its_own_write)
{
	for (unsigned damaged = 0; damaged < STORE_COPIES; damaged++)
		for (size_t length = 0; length <= 512; length++) {
			struct store s;
			char *bytes, how[32];

			save_states(&s, 5);
			bytes = files_read(copy_path(damaged));
			snprintf(how, sizeof(how), "copy %u cut at %zu",
				damaged, length);
			expect_survives(s.copy, damaged, bytes, length, how);
			free(bytes);
			files_remove_tree(dir);
			mkdir(dir, 0700);
		}
}

/* A sector is written as a whole or not at all, but a disk may lie. */
Test(store, a_write_that_is_torn_at_any_byte_leaves_the_other_copy)
{
	struct store s, back;
	char *old, *fresh, mixed[512];
	struct error err;

	save_states(&s, 5);
	old = files_read(copy_path(s.copy));
	save_states(&s, 7);
	fresh = files_read(copy_path(s.copy));
	for (size_t at = 0; at <= sizeof(mixed); at++) {
		int result;

		memcpy(mixed, fresh, at);
		memcpy(mixed + at, old + at, sizeof(mixed) - at);
		files_overwrite(copy_path(s.copy), mixed, sizeof(mixed));
		result = store_load(&back, dir, "it", &err);
		cr_expect(result == 0 || result == 1, "cut at %zu", at);
		cr_expect(back.generation == 6 || back.generation == 7,
			"cut at %zu: %u", at, back.generation);
		cr_expect(at < 400 || back.generation == 7);
		store_finish(&back);
	}
	free(fresh);
	free(old);
}

Test(store, a_flipped_bit_anywhere_is_seen)
{
	struct store s, back;
	char *bytes;
	struct error err;

	save_states(&s, 5);
	bytes = files_read(copy_path(s.copy));
	for (size_t i = 0; i < 512; i++) {
		bytes[i] ^= 1;
		files_overwrite(copy_path(s.copy), bytes, 512);
		cr_expect_eq(
			store_load(&back, dir, "it", &err), 1, "at %zu", i);
		cr_expect_eq(back.generation, 4);
		store_finish(&back);
		bytes[i] ^= 1;
	}
	free(bytes);
}

Test(store, records_of_an_older_version_are_read_and_kept_until_the_next_write)
{
	struct store back;
	struct error err;
	char *text;

	save_states(&back, 1);
	unlink(copy_path(0));
	unlink(copy_path(1));
	files_write(copy_path(0),
		"{\n \"generation\": 7,\n \"stopped\": true\n}   \n");
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect(back.generation == 7 && back.stopped);
	back.generation = 8;
	cr_assert(store_save(&back, dir, "it", &err) == 0, "%s", err.text);
	text = files_read(copy_path(0));
	cr_expect(strstr(text, "\"generation\": 7"), "%s", text);
	free(text);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect(back.generation == 8 && back.stopped);
}

/* ---- both copies of no use ---- */

Test(store, two_broken_copies_are_an_error_and_can_be_put_aside)
{
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{\"generation\": \"1\"}",
		"{\"generation\": -1}",
		"{\"generation\": 4294967296}",
		"{\"generation\": 1, \"generation\": 2}",
		"{\"generation\": 1, \"provenGeneration\": 2}",
		"{\"stopped\": 1}",
		"{\"personEnabled\": 1, \"fileEnabled\": true}",
		"{\"provenDigest\": 5}",
		"{\"checksum\":\"0000000000000000\",\"sequence\":1}",
		"{\"checksum\":\"",
	};
	char path[128];

	snprintf(path, sizeof(path), "%s/plugins", dir);
	mkdir(path, 0700);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct store s;
		struct error err;

		for (unsigned copy = 0; copy < STORE_COPIES; copy++)
			files_write(copy_path(copy), "%s", broken[i]);
		cr_expect_eq(
			store_load(&s, dir, "it", &err), -1, "%s", broken[i]);
		cr_expect(strstr(err.text, copy_path(1)), "%s", err.text);
		cr_expect(!s.generation && !s.proven_digest);
		cr_expect(store_put_aside(dir, "it", &err) == 0);
		cr_expect_eq(store_load(&s, dir, "it", &err), 0);
	}
	/* What was put aside stays within its bound. */
	cr_expect_eq(files_count(path), 2 * 9);
}

Test(store, a_person_is_heard_until_the_file_says_something_else)
{
	struct store s = {0};

	cr_expect(store_is_enabled(&s, true) && !store_is_enabled(&s, false));
	s.enabled = (struct store_decision){.by_person = true, .file = true};
	cr_expect(!store_is_enabled(&s, true) && !store_is_enabled(&s, false));
	s.enabled.person = true;
	s.enabled.file = false;
	cr_expect(store_is_enabled(&s, false) && store_is_enabled(&s, true));
}

Test(store, a_folder_that_cannot_be_written_is_an_error)
{
	struct store s = {.generation = 1};
	struct error err;

	cr_expect(store_save(&s, "/proc/no-such", "it", &err) < 0);
	cr_expect(strstr(err.text, "/proc/no-such"), "%s", err.text);
}
