/* history: receipts over restarts, bounded, whatever is in the file. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/ops/history.h"
#include "tests/unit/files.h"

static struct folder dir;
static struct history *h;

static void
make(void)
{
	dir = folder_make();
	h = history_open(dir.path);
}

static void
unmake(void)
{
	history_close(h);
	folder_remove(&dir);
}

TestSuite(history, .init = make, .fini = unmake);

static void
reopen(void)
{
	history_close(h);
	h = history_open(dir.path);
}

static void
note(const char *id, const char *plugin_id, const char *state)
{
	json_t *receipt = json_pack("{s:s,s:s,s:s,s:f}", "id", id, "pluginId",
		plugin_id, "state", state, "durationMs", 3.1);

	history_note(h, receipt);
	json_decref(receipt);
}

/* "r-1 done, r-2 settled" */
static void
expect(const char *plugin_id, uint64_t count, const char *expected)
{
	json_t *receipts = history_last(h, plugin_id, count), *r;
	char text[4096] = "";
	size_t i;

	json_array_foreach(receipts, i, r)
	{
		size_t used = strlen(text);

		cr_expect(json_is_string(json_object_get(r, "at")));
		snprintf(text + used, sizeof(text) - used, "%s%s %s",
			used ? ", " : "",
			json_string_value(json_object_get(r, "id")),
			json_string_value(json_object_get(r, "state")));
	}
	cr_expect_str_eq(text, expected, "%s", text);
	json_decref(receipts);
}

Test(history, is_the_same_after_a_restart)
{
	note("r-1", "a", "done");
	note("r-2", "b", "rolled_back");
	note("r-1", "a", "settled");
	note("r-3", "a", "done");
	for (int i = 0; i < 2; i++) {
		expect(NULL, 50, "r-1 settled, r-2 rolled_back, r-3 done");
		expect("a", 50, "r-1 settled, r-3 done");
		expect("a", 1, "r-3 done");
		expect(NULL, 2, "r-2 rolled_back, r-3 done");
		expect(NULL, 0, "");
		expect("c", 50, "");
		cr_expect_eq(history_last_number(h), 3);
		reopen();
	}
}

Test(history, the_time_is_that_of_the_verdict)
{
	json_t *before, *after;

	note("r-1", "a", "done");
	before = history_last(h, NULL, 1);
	note("r-1", "a", "settled");
	after = history_last(h, NULL, 1);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(before, 0), "at")),
		json_string_value(
			json_object_get(json_array_get(after, 0), "at")));
	json_decref(before);
	json_decref(after);
}

static off_t
size_of(const char *name)
{
	char *path = folder_path(&dir, name);
	struct stat now = {0};

	stat(path, &now);
	free(path);
	return now.st_size;
}

#define LINE(id)                                                               \
	"{\"at\":\"t\",\"id\":\"" id "\",\"pluginId\":\"a\",\"state\":"        \
	"\"done\"}"

Test(history, leaves_out_what_is_torn_or_no_receipt)
{
	folder_write(&dir, "history.jsonl",
		LINE("r-7") "\n"
			    "{\"at\":\"t\",\"id\":\"r-8\n"
			    "\n\xff\xfe\n[1]\nnull\n{}\n{\"id\":1}\n" LINE(
				    "r-9") "\n" LINE("r-10"));
	reopen();
	expect(NULL, 50, "r-7 done, r-9 done, r-10 done");
	cr_expect_eq(history_last_number(h), 10);
	/* What is torn at the end takes no later line with it. */
	note("r-11", "a", "done");
	expect(NULL, 50, "r-7 done, r-9 done, r-10 done, r-11 done");
	reopen();
	expect(NULL, 50, "r-7 done, r-9 done, r-10 done, r-11 done");
	/* The damaged lines are aside, in one file. */
	cr_expect_gt(size_of("history.jsonl.bad-1"), 20);
	cr_expect_lt(size_of("history.jsonl.bad-1"), 70);
	cr_expect_eq(size_of("history.jsonl.bad-2"), 0);
}

static void
write_bytes(const char *bytes, size_t length)
{
	char *path = folder_path(&dir, "history.jsonl");
	FILE *file = fopen(path, "we");

	cr_assert(file && fwrite(bytes, 1, length, file) == length);
	cr_assert_eq(fclose(file), 0);
	free(path);
}

/* What is behind the whole lines, if there is something, is put aside, and
 * nothing else. */
static void
expect_aside(const char *all, size_t length, size_t whole)
{
	char *path = folder_path(&dir, "history.jsonl.bad-1");
	char text[sizeof(LINE("r-1")) + 1] = "";
	FILE *file = fopen(path, "re");

	if (length <= whole) {
		cr_expect(!file, "at %zu", length);
	} else {
		cr_assert(file, "at %zu", length);
		cr_expect(fgets(text, sizeof(text), file));
		cr_expect_eq(strlen(text), length - whole + 1);
		cr_expect(!strncmp(text, all + whole, length - whole));
		fclose(file);
		unlink(path);
	}
	free(path);
}

Test(history, a_file_cut_at_any_byte_keeps_what_was_whole_and_goes_on)
{
	static const char all[] = LINE("r-1") "\n" LINE("r-2") "\n";
	size_t line = (sizeof(all) - 1) / 2;

	for (size_t length = 0; length < sizeof(all); length++) {
		bool first = length + 1 >= line,
		     second = length + 1 >= 2 * line;

		write_bytes(all, length);
		reopen();
		note("r-3", "a", "done");
		reopen();
		expect(NULL, 50,
			second	? "r-1 done, r-2 done, r-3 done"
			: first ? "r-1 done, r-3 done"
				: "r-3 done");
		expect_aside(all, length, second ? 2 * line : first ? line : 0);
	}
}

Test(history, nuls_or_garbage_at_any_byte_cost_the_lines_that_they_hit)
{
	static const char *const rubbish[] = {"\0\0\0\0", "\xff\xfe{\"\n"};

	for (size_t kind = 0; kind < 2; kind++)
		for (size_t at = 0; at + 4 < sizeof(LINE("r-1")); at++) {
			char all[] = LINE("r-1") "\n" LINE("r-2") "\n";

			memcpy(all + at, rubbish[kind], 4);
			write_bytes(all, sizeof(all) - 1);
			reopen();
			expect("a", 1, "r-2 done");
		}
}

Test(history, a_huge_line_takes_no_later_one_with_it)
{
	size_t huge = 3 * HISTORY_FILE_BYTES_MAX;
	const char last[] = "\n" LINE("r-5") "\n";
	char *all = memory_alloc(huge + sizeof(last));

	memset(all, 'x', huge);
	memcpy(all + huge, last, sizeof(last) - 1);
	write_bytes(all, huge + sizeof(last) - 1);
	reopen();
	expect(NULL, 50, "r-5 done");
	note("r-6", "a", "done"); /* too large to go on with: a new file */
	cr_expect_lt(size_of("history.jsonl"), 1000);
	reopen();
	expect(NULL, 50, "r-5 done, r-6 done");
	free(all);
}

Test(history, is_bounded_on_disk_and_in_memory)
{
	char *big = memory_alloc(10000);
	json_t *receipts;

	memset(big, 'x', 9999);
	for (int i = 1; i <= 500; i++) {
		json_t *receipt = json_pack("{s:o,s:s,s:s,s:s}", "id",
			json_sprintf("r-%d", i), "pluginId", "a", "state",
			"done", "error", big);

		history_note(h, receipt);
		json_decref(receipt);
	}
	free(big);
	cr_expect_leq(size_of("history.jsonl"), HISTORY_FILE_BYTES_MAX);
	cr_expect_leq(size_of("history.jsonl.1"), HISTORY_FILE_BYTES_MAX);
	cr_expect_gt(size_of("history.jsonl.1"), HISTORY_FILE_BYTES_MAX / 2);
	receipts = history_last(h, NULL, 10000);
	cr_expect_gt(json_array_size(receipts), 100);
	cr_expect_leq(json_array_size(receipts), 210);
	json_decref(receipts);
	expect(NULL, 1, "r-500 done");
	reopen();
	expect(NULL, 1, "r-500 done");
	cr_expect_eq(history_last_number(h), 500);
	for (int i = 501; i <= 3500; i++) {
		char id[24];

		snprintf(id, sizeof(id), "r-%d", i);
		note(id, "a", "done");
	}
	receipts = history_last(h, NULL, 10000);
	cr_expect_eq(json_array_size(receipts), HISTORY_RECEIPTS_MAX);
	json_decref(receipts);
}

Test(history, what_cannot_be_written_is_still_remembered)
{
	char *path = folder_path(&dir, "history.jsonl");

	cr_assert_eq(symlink("/dev/full", path), 0);
	note("r-1", "a", "done");
	note("r-2", "a", "done");
	expect(NULL, 50, "r-1 done, r-2 done");
	cr_expect_eq(history_lost(h), 2);
	unlink(path);
	note("r-3", "a", "done");
	cr_expect_eq(history_lost(h), 2);
	reopen();
	expect(NULL, 50, "r-3 done");
	unlink(path);
	cr_assert_eq(mkdir(path, 0700), 0);
	reopen();
	note("r-4", "a", "done");
	expect(NULL, 50, "r-4 done");
	free(path);
}
