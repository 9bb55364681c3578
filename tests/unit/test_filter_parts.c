/* Three parts of filter: searches in long texts, the limit of work, and how
 * often something may happen. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "plugins/filter/limit.h"
#include "plugins/filter/pattern.h"

/* A long text is searched in pieces, and nothing is missed between them. */
Test(filter_pattern, finds_what_begins_anywhere_in_a_long_text)
{
	enum { BYTES = 3000 };
	struct pattern *p = pattern_compile("needle", 6, (char[200]){0}, 200);
	struct work work = {.until_ms = UINT64_MAX};
	char text[BYTES + 1];
	struct span span;

	cr_assert(p);
	for (size_t at = 0; at + 6 <= BYTES; at++) {
		memset(text, 'x', BYTES);
		memcpy(text + at, "needle", 6);
		cr_assert_eq(pattern_find(p, text, BYTES, 0, &span, &work), 1,
			"at %zu", at);
		cr_assert_eq(span.begin, at);
		cr_assert_eq(span.end, at + 6);
	}
	memset(text, 'x', BYTES);
	cr_expect_eq(pattern_find(p, text, BYTES, 0, &span, &work), 0);
	pattern_destroy(p);
}

/* A busy machine makes nothing late. */
Test(filter_work, is_limited_in_time_of_its_own_thread)
{
	struct work work = {.until_ms = work_clock_ms() + 20};

	poll(NULL, 0, 100); /* others use the processor */
	cr_expect(!work_is_late(&work));
	while (!work_is_late(&work))
		continue;
	cr_expect_str_eq(work.why, "the rules take too long");
}

static bool
allows(struct limit *l, const char *key, uint64_t now_ms)
{
	return limit_allows(l, key, strlen(key), now_ms);
}

Test(filter_limit, refills_with_time)
{
	struct limit *l = limit_create((struct limit_rate){2, 1000}, 10);

	cr_expect(allows(l, "a", 5000));
	cr_expect(allows(l, "a", 5000));
	cr_expect(!allows(l, "a", 5499));
	cr_expect(allows(l, "a", 5500));
	cr_expect(!allows(l, "a", 5501));
	cr_expect(!allows(l, "a", 4000), "the clock went back");
	cr_expect(allows(l, "b", 5501));
	limit_destroy(l);
}

Test(filter_limit, gives_no_more_to_those_that_invent_keys)
{
	struct limit *l = limit_create((struct limit_rate){1, 1000}, 100);
	unsigned allowed = 0;
	char key[300];

	for (int i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		allowed += allows(l, key, 1);
	}
	cr_expect_eq(allowed, 101, "%u", allowed);
	cr_expect_eq(limit_keys(l), 100);
	cr_expect(!allows(l, "0", 2), "a known key is still known");
	/* Full buckets make room. */
	cr_expect(allows(l, "new", 1001));
	cr_expect(!allows(l, "new", 1001));
	cr_expect_eq(limit_keys(l), 100);
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = 0;
	cr_expect(allows(l, key, 1002));
	key[290] = 'x';
	cr_expect(!allows(l, key, 1002), "the end of a long key counts");
	limit_destroy(l);
}
