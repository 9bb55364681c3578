/* What waits for a target on disk: through restarts, torn lines and a full
 * queue; when the next attempt is due; and what is given up. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/webhook/dead.h"
#include "plugins/webhook/queue.h"
#include "plugins/webhook/retry.h"
#include "tests/system/harness/files.h"

static char dir[] = "/tmp/webhook-queue-XXXXXX";
static const struct queue_limits limits = {1000000, 1ULL << 40};

static void
begin(void)
{
	cr_assert(mkdtemp(dir));
}

static void
end(void)
{
	files_remove_tree(dir);
}

TestSuite(webhook_queue, .init = begin, .fini = end);

static struct queue *
open_queue(void)
{
	struct queue *q = queue_open(dir, "t");

	cr_assert(q);
	return q;
}

static const char *
id_of(unsigned number)
{
	static char id[QUEUE_ID_BYTES];

	snprintf(id, sizeof(id), "%032x", number);
	return id;
}

static enum queue_result
add(struct queue *q, unsigned number)
{
	char body[60];

	snprintf(body, sizeof(body), "{\"n\":%u}", number);
	return queue_add(q, &limits, id_of(number), 1000 + number, body);
}

static void
expect_first(const struct queue *q, unsigned number)
{
	struct queue_head head;
	char body[60], *is;

	snprintf(body, sizeof(body), "{\"n\":%u}", number);
	cr_assert(queue_first(q, &head), "%u is not there", number);
	cr_expect_str_eq(head.id, id_of(number));
	cr_expect_eq(head.added_ms, 1000 + number);
	is = queue_first_body(q);
	cr_expect_str_eq(is, body);
	free(is);
}

static char *
path_of(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* As a crash leaves it: without a word. */
static struct queue *
again(struct queue *q)
{
	queue_close(q);
	return open_queue();
}

Test(webhook_queue, it_keeps_order_and_place_over_restarts)
{
	struct queue *q = open_queue();

	for (unsigned i = 0; i < 10; i++)
		cr_assert_eq(add(q, i), QUEUE_ADDED);
	for (unsigned i = 0; i < 10; i++) {
		expect_first(q, i);
		q = again(q);
		cr_assert_eq(queue_count(q), 10 - i);
		expect_first(q, i);
		queue_remove_first(q);
		q = again(q);
	}
	cr_expect_eq(queue_count(q), 0);
	queue_close(q);
}

Test(webhook_queue, failures_are_kept_for_the_first)
{
	struct queue *q = open_queue();
	struct queue_head head;

	add(q, 1);
	add(q, 2);
	queue_fail_first(q, 5000);
	queue_fail_first(q, 6000);
	q = again(q);
	cr_assert(queue_first(q, &head));
	cr_expect_eq(head.failures, 2);
	cr_expect_eq(head.next_ms, 6000);
	queue_remove_first(q);
	q = again(q);
	cr_assert(queue_first(q, &head));
	cr_expect_eq(head.failures, 0);
	cr_expect_eq(head.next_ms, 0);
	queue_close(q);
}

Test(webhook_queue, what_was_added_is_known_again)
{
	struct queue *q = open_queue();

	cr_expect_eq(add(q, 1), QUEUE_ADDED);
	cr_expect_eq(add(q, 1), QUEUE_KNOWN);
	queue_remove_first(q);
	cr_expect_eq(add(q, 1), QUEUE_KNOWN);
	q = again(q);
	cr_expect_eq(add(q, 1), QUEUE_KNOWN);
	cr_expect_eq(queue_count(q), 0);
	queue_close(q);
}

Test(webhook_queue, it_is_full_by_number_and_by_bytes)
{
	const struct queue_limits two = {2, 1000}, ten = {1000, 10};
	struct queue *q = open_queue();

	cr_expect_eq(queue_add(q, &two, id_of(1), 1, "a"), QUEUE_ADDED);
	cr_expect_eq(queue_add(q, &two, id_of(2), 1, "b"), QUEUE_ADDED);
	cr_expect_eq(queue_add(q, &two, id_of(3), 1, "c"), QUEUE_FULL);
	queue_remove_first(q);
	cr_expect_eq(queue_add(q, &two, id_of(3), 1, "c"), QUEUE_ADDED);
	cr_expect_eq(queue_add(q, &ten, id_of(4), 1, "123456789"), QUEUE_FULL);
	cr_expect_eq(queue_add(q, &ten, id_of(4), 1, "12345678"), QUEUE_ADDED);
	queue_close(q);
}

/* A line at each length that a crash may leave, and one that has no sense. */
Test(webhook_queue, a_torn_line_costs_only_itself)
{
	char *whole, *path = strdup(path_of("t.queue"));
	struct queue *q = open_queue();
	size_t first, all;

	add(q, 1);
	whole = files_read(path);
	first = strlen(whole);
	free(whole);
	add(q, 2);
	queue_close(q);
	whole = files_read(path);
	all = strlen(whole);
	for (size_t length = first; length < all; length++) {
		files_overwrite(path, whole, length);
		q = open_queue();
		cr_assert_eq(queue_count(q), 1, "%zu", length);
		cr_assert_eq(add(q, 3), QUEUE_ADDED);
		q = again(q);
		cr_assert_eq(queue_count(q), 2, "%zu", length);
		expect_first(q, 1);
		queue_close(q);
	}
	files_write(path, "garbage\n-\n+1 2 3\n!x\n%s", whole);
	q = open_queue();
	cr_expect_eq(queue_count(q), 2);
	queue_close(q);
	free(whole);
	free(path);
}

Test(webhook_queue, the_file_does_not_grow_for_ever)
{
	struct queue *q = open_queue();
	char *body = malloc(10001);
	struct stat file;

	memset(body, 'x', 10000);
	body[10000] = 0;
	add(q, 0);
	for (unsigned i = 1; i < 1000; i++) {
		cr_assert_eq(
			queue_add(q, &limits, id_of(i), 7, body), QUEUE_ADDED);
		queue_remove_first(q);
		cr_assert_eq(queue_count(q), 1);
	}
	cr_assert(!stat(path_of("t.queue"), &file));
	cr_expect_lt(file.st_size, 2 * 1024 * 1024);
	q = again(q);
	cr_expect_eq(queue_count(q), 1);
	free(body);
	body = queue_first_body(q);
	cr_expect_eq(strlen(body), 10000);
	free(body);
	queue_close(q);
}

Test(webhook_queue, a_disk_that_refuses_is_said)
{
	cr_expect_null(queue_open("/no/such/folder", "t"));
}

/* ---- attempts ---- */

Test(webhook_retry, the_status_decides)
{
	static const struct {
		long status;
		enum outcome outcome;
	} rows[] = {
		{0, OUTCOME_RETRY},
		{200, OUTCOME_DELIVERED},
		{204, OUTCOME_DELIVERED},
		{301, OUTCOME_REFUSED},
		{307, OUTCOME_REFUSED},
		{400, OUTCOME_REFUSED},
		{404, OUTCOME_REFUSED},
		{408, OUTCOME_RETRY},
		{410, OUTCOME_REFUSED},
		{429, OUTCOME_RETRY},
		{500, OUTCOME_RETRY},
		{503, OUTCOME_RETRY},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(retry_judge(rows[i].status), rows[i].outcome,
			"%ld", rows[i].status);
}

Test(webhook_retry, pauses_double_up_to_the_most)
{
	static const uint64_t most[] = {
		1000, 1000, 2000, 4000, 8000, 10000, 10000, 10000};

	for (unsigned failures = 0; failures < 8; failures++)
		for (uint32_t random = 0; random < 100000; random += 37) {
			uint64_t pause =
				retry_pause_ms(failures, 1000, 10000, random);

			cr_assert(pause >= most[failures] / 2 &&
					  pause <= most[failures],
				"%u: %lu", failures, (unsigned long)pause);
		}
	cr_expect_leq(retry_pause_ms(4000000000, 1000, 10000, 1), 10000);
	cr_expect_neq(retry_pause_ms(5, 1000, 10000, 1),
		retry_pause_ms(5, 1000, 10000, 4000));
}

Test(webhook_retry, retry_after_is_seconds_or_a_date)
{
	cr_expect_eq(retry_after_ms(NULL, 0), 0);
	cr_expect_eq(retry_after_ms("", 0), 0);
	cr_expect_eq(retry_after_ms("0", 0), 0);
	cr_expect_eq(retry_after_ms("120", 0), 120000);
	cr_expect_eq(retry_after_ms("-5", 0), 0);
	cr_expect_eq(retry_after_ms("soon", 0), 0);
	cr_expect_eq(retry_after_ms("99999999999999999999", 0), 86400000);
	cr_expect_eq(retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", 784111767),
		10000);
	cr_expect_eq(
		retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", 784111787), 0);
}

/* ---- dead letters ---- */

Test(webhook_queue, dead_letters_are_lines_and_bounded)
{
	const struct letter letter = {.target = "t",
		.id = "0123",
		.reason = "it \"answered\" 400",
		.body = "{\"a\":[1,\"\\u0000\"]}",
		.added_ms = 1,
		.given_up_ms = 2,
		.failures = 3,
		.status = 400};
	struct stat file;
	char *text;

	cr_assert(!dead_write(dir, 4000, &letter));
	text = files_read(path_of("dead-letters.jsonl"));
	cr_expect_str_eq(text,
		"{\"target\":\"t\",\"id\":\"0123\",\"reason\":\"it "
		"\\\"answered\\\" 400\",\"status\":400,\"failures\":3,"
		"\"added_ms\":1,\"given_up_ms\":2,"
		"\"body\":{\"a\":[1,\"\\u0000\"]}}\n");
	free(text);
	for (unsigned i = 0; i < 100; i++)
		cr_assert(!dead_write(dir, 4000, &letter));
	cr_assert(!stat(path_of("dead-letters.jsonl"), &file));
	cr_expect_leq(file.st_size, 2000);
	cr_assert(!stat(path_of("dead-letters.1.jsonl"), &file));
	cr_expect_leq(file.st_size, 2000);
	cr_expect_eq(dead_write("/no/such/folder", 4000, &letter), -1);
}

Test(webhook_queue, a_dead_letter_begins_a_line_whatever_was_before)
{
	static const char torn[] = "{\"target\":\"t\",\"id";
	const struct letter letter = {
		.target = "t", .id = "1", .reason = "r", .body = "1"};
	struct rlimit limit = {sizeof(torn) - 1 + 10, RLIM_INFINITY};
	char *text, *line;

	/* as a crash leaves it, and then a full disk */
	files_write(path_of("dead-letters.jsonl"), "%s", torn);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(dead_write(dir, 4000, &letter), -1);
	cr_expect_eq(errno, ENOSPC);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert(!dead_write(dir, 4000, &letter));
	text = files_read(path_of("dead-letters.jsonl"));
	line = strchr(text, '\n');
	cr_assert(line, "%s", text);
	*line++ = '\0';
	cr_expect_str_eq(text, torn);
	cr_expect(!strncmp(line, "{\"target\":\"t\",\"id\":\"1\",", 23), "%s",
		line);
	cr_expect_eq(strchr(line, '\n') - line, (ptrdiff_t)strlen(line) - 1);
	free(text);
}
