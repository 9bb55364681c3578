/* test_output: the ring of lines and the cutting of bytes into lines. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/plugin/capture.h"

static const char *
text_at(json_t *lines, size_t i)
{
	return json_string_value(
		json_object_get(json_array_get(lines, i), "text"));
}

static void
expect_lines(struct output *o, const char *const *texts, size_t count)
{
	json_t *lines = output_last(o, 0, 0);

	cr_expect(json_array_size(lines) == count, "%zu lines, %zu expected",
		json_array_size(lines), count);
	for (size_t i = 0; i < count && i < json_array_size(lines); i++)
		cr_expect_str_eq(text_at(lines, i), texts[i]);
	json_decref(lines);
}

Test(output, keeps_the_last_500_lines_in_order)
{
	struct output *o = output_create("it");
	json_t *lines;
	char text[32];

	for (int i = 1; i <= 1234; i++) {
		snprintf(text, sizeof(text), "line %d", i);
		output_add_at(o, LOG_DEBUG, i > 1000 ? 2 : 1, 9, "stdout",
			bytes_of(text));
		if (i != 20)
			continue;
		lines = output_last(o, 0, 0);
		cr_expect(json_array_size(lines) == 20);
		cr_expect_str_eq(text_at(lines, 0), "line 1");
		json_decref(lines);
	}
	lines = output_last(o, 0, 0);
	cr_expect(json_array_size(lines) == OUTPUT_LINES);
	cr_expect_str_eq(text_at(lines, 0), "line 735");
	cr_expect_str_eq(text_at(lines, 499), "line 1234");
	json_decref(lines);
	lines = output_last(o, 3, 1);
	cr_expect(json_array_size(lines) == 3);
	cr_expect_str_eq(text_at(lines, 0), "line 998");
	cr_expect_str_eq(text_at(lines, 2), "line 1000");
	json_decref(lines);
	lines = output_last(o, 10, 3);
	cr_expect(json_array_size(lines) == 0);
	json_decref(lines);
	output_destroy(o);
}

Test(output, what_is_no_text_is_replaced)
{
	static const struct {
		struct bytes in;
		const char *out;
	} cases[] = {
		{{"plain", 5}, "plain"},
		{{"", 0}, ""},
		{{"gr\xc3\xbc\xc3\x9f", 6}, "gr\xc3\xbc\xc3\x9f"},
		{{"a\xff z", 4}, "a\xef\xbf\xbd z"},
		{{"cut \xe2\x82", 6}, "cut \xef\xbf\xbd\xef\xbf\xbd"},
		{{"nul\0here", 8}, "nul\xef\xbf\xbdhere"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct output *o = output_create("it");

		output_add(o, 1, 1, "stdout", cases[i].in);
		expect_lines(o, &cases[i].out, 1);
		output_destroy(o);
	}
}

struct follower {
	struct output_follower follower;
	uint64_t seen, last;
};

static void
leave_at_two(struct output_follower *f, const struct output_line *line)
{
	struct follower *follower = container_of(f, struct follower, follower);

	follower->last = line->number;
	if (++follower->seen == 2)
		output_unfollow(f);
}

Test(output, a_follower_may_leave_while_it_is_told)
{
	struct output *o = output_create("it");
	struct follower a = {.follower.on_line = leave_at_two}, b = a;

	output_follow(o, &a.follower);
	output_add(o, 1, 1, "log", BYTES("one"));
	output_follow(o, &b.follower);
	for (int i = 0; i < 4; i++)
		output_add(o, 1, 1, "log", BYTES("more"));
	cr_expect(a.seen == 2 && a.last == 2);
	cr_expect(b.seen == 2 && b.last == 3);
	output_destroy(o);
}

Test(output, a_ring_that_ends_lets_its_followers_go)
{
	struct output *o = output_create("it");
	struct follower f = {.follower.on_line = leave_at_two};

	output_follow(o, &f.follower);
	output_destroy(o);
	output_unfollow(&f.follower);
}

/* ---- lines out of bytes ---- */

Test(capture, bytes_become_lines_wherever_they_are_cut)
{
	static const char *const expected[] = {
		"one", "", "two", "three", "last"};
	static const char text[] = "one\n\ntwo\r\nthree\nlast";

	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct output *o = output_create("it");
		struct capture c;

		capture_init(&c, o, 1, 1);
		for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
			size_t left = sizeof(text) - 1 - at;

			capture_feed(&c, CAPTURE_STDOUT,
				(struct bytes){text + at,
					left < piece ? left : piece});
		}
		capture_end(&c);
		expect_lines(o, expected, 5);
		capture_finish(&c);
		output_destroy(o);
	}
}

Test(capture, a_long_line_comes_in_pieces)
{
	struct output *o = output_create("it");
	static char text[2 * OUTPUT_LINE_BYTES + 11];
	struct capture c;
	json_t *lines;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	capture_init(&c, o, 1, 1);
	capture_feed(&c, CAPTURE_STDERR, (struct bytes){text, sizeof(text)});
	capture_end(&c);
	lines = output_last(o, 0, 0);
	cr_expect(json_array_size(lines) == 3);
	cr_expect(strlen(text_at(lines, 0)) == OUTPUT_LINE_BYTES);
	cr_expect_str_eq(text_at(lines, 2), "xxxxxxxxxx");
	json_decref(lines);
	capture_finish(&c);
	output_destroy(o);
}

Test(capture, stdout_and_stderr_do_not_mix)
{
	static const char *const expected[] = {"error", "output"};
	struct output *o = output_create("it");
	struct capture c;

	capture_init(&c, o, 1, 1);
	capture_feed(&c, CAPTURE_STDOUT, BYTES("out"));
	capture_feed(&c, CAPTURE_STDERR, BYTES("error\n"));
	capture_feed(&c, CAPTURE_STDOUT, BYTES("put\n"));
	expect_lines(o, expected, 2);
	capture_finish(&c);
	output_destroy(o);
}

Test(capture, a_message_of_several_lines_is_several_lines)
{
	static const char *const expected[] = {"a", "b"};
	struct output *o = output_create("it");
	struct capture c;

	capture_init(&c, o, 1, 1);
	capture_log(&c, LOG_WARN, BYTES("a\nb"));
	expect_lines(o, expected, 2);
	capture_finish(&c);
	output_destroy(o);
}

Test(capture, a_flood_is_counted_and_told)
{
	struct output *o = output_create("it");
	struct capture c;
	json_t *lines;

	capture_init(&c, o, 1, 1);
	for (int i = 0; i < 10 * CAPTURE_LINES_PER_SECOND; i++)
		capture_feed(&c, CAPTURE_STDOUT, BYTES("flood\n"));
	capture_end(&c);
	lines = output_last(o, 1, 0);
	cr_expect(strstr(text_at(lines, 0), "lines left out"), "%s",
		text_at(lines, 0));
	json_decref(lines);
	capture_finish(&c);
	output_destroy(o);
}
