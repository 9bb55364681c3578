/* test_output_hub: the lines of all plugins in one order. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/plugin/output_hub.h"

static void
add_plain(struct output *o, unsigned count)
{
	while (count--)
		output_add_at(o, LOG_DEBUG, 1, 9, "stdout", BYTES("noise"));
}

static void
add_error(struct output *o, const char *text)
{
	output_add_error(o, LOG_DEBUG, 1, 9, "stderr", bytes_of(text));
}

static void
expect_next(const struct output_hub *h, uint64_t *number, const char *id,
	const char *text)
{
	const char *found_id = NULL;
	const struct output_line *line = output_hub_at(h, number, &found_id);

	cr_assert(line, "no line from %lu on", (unsigned long)*number);
	cr_expect_str_eq(line->text, text);
	cr_expect_str_eq(found_id, id);
	++*number;
}

static void
expect_before(const struct output_hub *h, uint64_t *number, const char *text)
{
	const char *id;
	const struct output_line *line = output_hub_until(h, number, &id);

	cr_assert(line, "no line up to %lu", (unsigned long)*number);
	cr_expect_str_eq(line->text, text);
	--*number;
}

/* Whichever plugin pushed it out, forwards and backwards. */
Test(output_hub, an_error_outlives_the_lines_that_push_it_out)
{
	struct output_hub *h = output_hub_create();
	struct output *a = output_create("a"), *b = output_create("b");
	uint64_t number = 1;
	const char *id;

	output_join(a, h);
	output_join(b, h);
	add_plain(a, 1);
	add_error(a, "of a");
	add_error(b, "of b");
	add_plain(b, 3 * OUTPUT_LINES);
	add_plain(a, OUTPUT_LINES);
	expect_next(h, &number, "a", "of a");
	cr_expect_eq(number, 3);
	expect_next(h, &number, "b", "of b");
	expect_next(h, &number, "a", "noise");
	cr_expect_eq(number, 3 * OUTPUT_LINES + 5);

	number -= 2;
	expect_before(h, &number, "of b");
	expect_before(h, &number, "of a");
	cr_expect_null(output_hub_until(h, &number, &id));
	output_destroy(a);
	output_destroy(b);
	output_hub_destroy(h);
}

Test(output_hub, the_errors_of_a_removed_plugin_go_with_it)
{
	struct output_hub *h = output_hub_create();
	struct output *a = output_create("a"), *b = output_create("b");
	uint64_t number = 1;

	output_join(a, h);
	output_join(b, h);
	add_error(a, "of a");
	add_error(b, "of b");
	add_plain(b, OUTPUT_LINES);
	output_destroy(a);
	expect_next(h, &number, "b", "of b");
	expect_next(h, &number, "b", "noise");
	output_destroy(b);
	output_hub_destroy(h);
}

Test(output_hub, the_last_errors_are_kept)
{
	struct output_hub *h = output_hub_create();
	struct output *o[2] = {output_create("a"), output_create("b")};
	uint64_t number = 1;
	char text[16];

	output_join(o[0], h);
	output_join(o[1], h);
	for (unsigned i = 1; i <= OUTPUT_KEPT + 7; i++) {
		snprintf(text, sizeof(text), "bad %u", i);
		add_error(o[i % 2], text);
	}
	add_plain(o[0], OUTPUT_LINES);
	for (unsigned i = 8; i <= OUTPUT_KEPT + 7; i++) {
		snprintf(text, sizeof(text), "bad %u", i);
		expect_next(h, &number, i % 2 ? "b" : "a", text);
	}
	expect_next(h, &number, "a", "noise");
	output_destroy(o[0]);
	output_destroy(o[1]);
	output_hub_destroy(h);
}
