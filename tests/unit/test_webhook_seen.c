/* Which deliveries are remembered, for how long, and as what. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/webhook/seen.h"

static struct seen_key
key(size_t number)
{
	char id[32];

	snprintf(id, sizeof(id), "id-%zu", number);
	return seen_key_of("hook", id);
}

static bool
add(struct seen *s, size_t number, uint64_t at)
{
	struct seen_key k = key(number);

	return seen_add(s, &k, at);
}

static bool
has(const struct seen *s, size_t number)
{
	struct seen_key k = key(number);

	return seen_has(s, &k);
}

Test(webhook_seen, each_is_added_once)
{
	struct seen *s = seen_create(100);

	cr_expect(!has(s, 1));
	cr_expect(add(s, 1, 10));
	cr_expect(has(s, 1));
	cr_expect(!add(s, 1, 11));
	cr_expect_eq(seen_count(s), 1);
	seen_destroy(s);
}

Test(webhook_seen, endpoints_and_ids_do_not_run_together)
{
	struct seen_key a = seen_key_of("ab", "c"), b = seen_key_of("a", "bc");

	cr_expect(memcmp(&a, &b, sizeof(a)) != 0);
}

Test(webhook_seen, the_oldest_goes_when_it_is_full)
{
	struct seen *s = seen_create(1000);

	for (size_t i = 0; i < 5000; i++)
		cr_assert(add(s, i, i));
	cr_expect_eq(seen_count(s), 1000);
	for (size_t i = 0; i < 5000; i++)
		cr_assert_eq(has(s, i), i >= 4000, "%zu", i);
	seen_destroy(s);
}

Test(webhook_seen, they_are_forgotten_in_time)
{
	struct seen *s = seen_create(10);

	for (size_t i = 0; i < 10; i++)
		add(s, i, 100 + i);
	seen_expire(s, 105);
	for (size_t i = 0; i < 10; i++)
		cr_expect_eq(has(s, i), i >= 5);
	seen_expire(s, UINT64_MAX);
	cr_expect_eq(seen_count(s), 0);
	cr_expect(add(s, 3, 200));
	seen_destroy(s);
}

Test(webhook_seen, a_clock_that_goes_back_keeps_the_order)
{
	struct seen *s = seen_create(10);

	add(s, 1, 1000);
	add(s, 2, 10);
	seen_expire(s, 500);
	cr_expect(has(s, 1) && has(s, 2));
	seen_destroy(s);
}

Test(webhook_seen, lines_bring_all_of_it_back)
{
	struct seen *s = seen_create(10), *t = seen_create(10);
	char text[10 * SEEN_LINE_BYTES + 1] = "";
	struct seen_key k;
	uint64_t at;

	for (size_t i = 0; i < 3; i++)
		add(s, i, 1790000000000 + i);
	for (size_t i = 0; seen_at(s, i, &k, &at); i++)
		seen_write_line(text + i * SEEN_LINE_BYTES, &k, at);
	cr_expect_eq(strlen(text), 3 * SEEN_LINE_BYTES);
	cr_expect_eq(seen_read_lines(t, text, strlen(text)), strlen(text));
	cr_expect_eq(seen_count(t), 3);
	cr_expect(seen_at(t, 2, &k, &at) && at == 1790000000002);
	cr_expect(has(t, 0) && has(t, 1) && has(t, 2));
	cr_expect(!seen_at(t, 3, &k, &at));
	seen_destroy(s);
	seen_destroy(t);
}

/* As a full disk or a crash leave them. */
Test(webhook_seen, torn_lines_are_skipped)
{
	struct seen *s = seen_create(10);
	struct seen_key k = key(1);
	char line[SEEN_LINE_BYTES + 1], text[400];
	int bytes;

	seen_write_line(line, &k, 5);
	bytes = snprintf(text, sizeof(text), "%.20s\n%.13s-%s\n\nx\n%s%.30s",
		line, line, line + 14, line, line);
	cr_expect_eq(
		seen_read_lines(s, text, (size_t)bytes), (size_t)bytes - 30);
	cr_expect_eq(seen_count(s), 1);
	cr_expect(has(s, 1));
	seen_destroy(s);
}
