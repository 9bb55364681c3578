/* The index of hooks by pattern. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/event/topics.h"

static const char *const patterns[] = {
	"a", "a.b", "a.b.c", "a.*", "a.b.*", "b.*", "*"};
#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static struct topics topics;
static struct list members[PATTERNS];

static void
open_topics(void)
{
	for (size_t i = 0; i < PATTERNS; i++)
		list_append(&topics_claim(&topics, patterns[i])->observers,
			&members[i]);
}

static void
close_topics(void)
{
	for (size_t i = 0; i < PATTERNS; i++) {
		list_remove(&members[i]);
		topics_release(
			&topics, topics_find(&topics, bytes_of(patterns[i])));
	}
	topics_finish(&topics);
}

TestSuite(topics, .init = open_topics, .fini = close_topics);

static void
expect(const char *name, const char *found)
{
	struct topic_walk walk;
	struct topic *topic;
	char text[256] = "";

	topic_walk_begin(&walk, &topics, bytes_of(name));
	while ((topic = topic_walk_next(&walk)))
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			" %s", topic->pattern);
	cr_expect_str_eq(text, found, "%s:%s", name, text);
}

Test(topics, are_found_from_the_closest_to_the_widest)
{
	expect("a", " a *");
	expect("a.b", " a.b a.* *");
	expect("a.b.c", " a.b.c a.b.* a.* *");
	expect("a.b.c.d", " a.b.* a.* *");
	expect("b.x", " b.* *");
	expect("b", " *");
	expect("ab.c", " *");
	expect("", "");
}

Test(topics, are_the_same_for_the_same_pattern)
{
	cr_expect_eq(topics_claim(&topics, "a.b"),
		topics_find(&topics, BYTES("a.b")));
	cr_expect_null(topics_find(&topics, BYTES("c")));
}

/* However many others there are. */
Test(topics, cost_a_lookup_for_each_word)
{
	enum { MANY = 20000 };
	static struct list many[MANY];
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many.%d", i);
		list_append(&topics_claim(&topics, name)->observers, &many[i]);
	}
	for (int i = 0; i < MANY; i++)
		expect("a.b.c", " a.b.c a.b.* a.* *");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many.%d", i);
		list_remove(&many[i]);
		topics_release(&topics, topics_find(&topics, bytes_of(name)));
	}
}
