/* test_store: what is written comes back; what is broken is named. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/plugin/store.h"

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
	char path[128];

	snprintf(path, sizeof(path), "%s/plugins/it.json", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/plugins", dir);
	rmdir(path);
	cr_expect(rmdir(dir) == 0, "something is left in %s", dir);
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
		.stopped = true,
		.enabled_by_person = true,
		.file_enabled = true};
	struct store back;
	struct error err;

	cr_assert(store_save(&s, dir, "it", &err) == 0, "%s", err.text);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect(back.generation == UINT32_MAX);
	cr_expect(back.proven_generation == 41 && back.stopped);
	cr_expect(back.enabled_by_person && !back.person_enabled &&
		  back.file_enabled);
	cr_expect_str_eq(back.proven_digest, digest);
	cr_expect_str_eq(back.proven_version, version);
	store_finish(&back);
	s = (struct store){.generation = 1};
	cr_assert(store_save(&s, dir, "it", &err) == 0);
	cr_assert(store_load(&back, dir, "it", &err) == 0);
	cr_expect(back.generation == 1 && !back.proven_digest);
	cr_expect(!back.enabled_by_person && !back.stopped);
	store_finish(&back);
}

static ino_t
inode_of_file(void)
{
	char path[128];
	struct stat now;

	snprintf(path, sizeof(path), "%s/plugins/it.json", dir);
	cr_assert(stat(path, &now) == 0);
	return now.st_ino;
}

Test(store, a_record_is_overwritten_and_a_longer_one_replaced)
{
	char longer[600], digest[] = "sha256:12";
	struct store s = {.generation = 1, .proven_digest = digest}, back;
	struct error err;
	ino_t first;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cr_assert(store_save(&s, dir, "it", &err) == 0);
	first = inode_of_file();
	s = (struct store){.generation = 2};
	cr_assert(store_save(&s, dir, "it", &err) == 0);
	cr_expect(inode_of_file() == first);
	s = (struct store){.generation = 3, .proven_version = longer};
	for (int i = 0; i < 2; i++)
		cr_assert(store_save(&s, dir, "it", &err) == 0);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect(back.generation == 3);
	cr_expect_str_eq(back.proven_version, longer);
	store_finish(&back);
	s = (struct store){.generation = 4};
	cr_assert(store_save(&s, dir, "it", &err) == 0);
	cr_assert(store_load(&back, dir, "it", &err) == 0, "%s", err.text);
	cr_expect(back.generation == 4 && !back.proven_version);
	store_finish(&back);
}

Test(store, a_broken_file_is_an_error_with_its_path)
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
	};
	char path[128];

	snprintf(path, sizeof(path), "%s/plugins", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/plugins/it.json", dir);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		FILE *file = fopen(path, "w");
		struct store s;
		struct error err;

		fputs(broken[i], file);
		fclose(file);
		cr_expect(store_load(&s, dir, "it", &err) < 0, "%s", broken[i]);
		cr_expect(strstr(err.text, path), "%s", err.text);
		cr_expect(!s.generation && !s.proven_digest);
	}
}

Test(store, a_person_is_heard_until_the_file_says_something_else)
{
	struct store s = {0};

	cr_expect(store_is_enabled(&s, true) && !store_is_enabled(&s, false));
	s.enabled_by_person = s.file_enabled = true;
	cr_expect(!store_is_enabled(&s, true) && !store_is_enabled(&s, false));
	s.person_enabled = true;
	s.file_enabled = false;
	cr_expect(store_is_enabled(&s, false) && store_is_enabled(&s, true));
}

Test(store, a_folder_that_cannot_be_written_is_an_error)
{
	struct store s = {.generation = 1};
	struct error err;

	cr_expect(store_save(&s, "/proc/no-such", "it", &err) < 0);
	cr_expect(strstr(err.text, "/proc/no-such"), "%s", err.text);
}
