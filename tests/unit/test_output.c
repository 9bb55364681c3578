/* test_output: the ring of lines and the cutting of bytes into lines. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
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

/* Whatever else is written, and in order. */
Test(output, an_error_outlives_the_lines_that_push_it_out)
{
	struct output *o = output_create("it");
	const struct output_line *line;
	uint64_t number = 1;

	output_add(o, 1, 9, "stdout", BYTES("first"));
	output_add_error(o, LOG_DEBUG, 1, 9, "stderr", BYTES("bad"));
	for (int i = 0; i < 2 * OUTPUT_LINES; i++)
		output_add_at(o, LOG_DEBUG, 1, 9, "stdout", BYTES("noise"));
	line = output_at(o, &number);
	cr_assert(line);
	cr_expect_str_eq(line->text, "bad");
	cr_expect_eq(number, 2);
	number++;
	line = output_at(o, &number);
	cr_expect_str_eq(line->text, "noise");
	cr_expect_eq(number, OUTPUT_LINES + 3);
	number--;
	line = output_until(o, &number);
	cr_expect_str_eq(line->text, "bad");
	number = 1;
	cr_expect_null(output_until(o, &number));
	for (int i = 0; i < OUTPUT_KEPT; i++)
		output_add_error(o, LOG_DEBUG, 1, 9, "stderr", BYTES("new"));
	for (int i = 0; i < OUTPUT_LINES; i++)
		output_add_at(o, LOG_DEBUG, 1, 9, "stdout", BYTES("noise"));
	number = 1;
	cr_expect_str_eq(output_at(o, &number)->text, "new");
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

/* However the bytes arrive. */
Test(capture, a_line_of_whole_pieces_is_followed_by_no_empty_one)
{
	static char text[2 * OUTPUT_LINE_BYTES + 7];
	const size_t sizes[] = {sizeof(text), 1, OUTPUT_LINE_BYTES, 1000};

	memset(text, 'x', sizeof(text));
	memcpy(text + 2 * OUTPUT_LINE_BYTES, "\n\nnext\n", 7);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct output *o = output_create("it");
		struct capture c;
		json_t *lines;
		size_t n;

		capture_init(&c, o, 1, 1);
		for (size_t at = 0; at < sizeof(text); at += n) {
			n = sizeof(text) - at < sizes[i] ? sizeof(text) - at
							 : sizes[i];
			capture_feed(&c, CAPTURE_STDOUT,
				(struct bytes){text + at, n});
		}
		capture_end(&c);
		lines = output_last(o, 0, 0);
		cr_expect_eq(
			json_array_size(lines), 4, "pieces of %zu", sizes[i]);
		cr_expect_str_eq(text_at(lines, 2), "");
		cr_expect_str_eq(text_at(lines, 3), "next");
		json_decref(lines);
		capture_finish(&c);
		output_destroy(o);
	}
}

/* In the ring and in a message alike, wherever the bytes are cut on the way. */
Test(capture, a_long_line_is_cut_between_two_characters)
{
	static const char *const characters[] = {
		"\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	const size_t sizes[] = {0, 1, 7, OUTPUT_LINE_BYTES, 1000};

	for (size_t i = 0; i < 3 * sizeof(sizes) / sizeof(*sizes); i++) {
		const char *character = characters[i % 3];
		size_t width = strlen(character), piece = sizes[i / 3];
		struct output *o = output_create("it");
		struct buffer text = {0}, joined = {0};
		struct capture c;
		json_t *lines;

		buffer_append_byte(&text, 'x');
		while (buffer_length(&text) < 3 * OUTPUT_LINE_BYTES)
			buffer_append(&text, character, width);
		capture_init(&c, o, 1, 1);
		if (!piece)
			capture_log(&c, LOG_INFO,
				(struct bytes){(char *)buffer_bytes(&text),
					buffer_length(&text)});
		for (size_t at = 0; piece && at < buffer_length(&text);
			at += piece) {
			size_t left = buffer_length(&text) - at;

			capture_feed(&c, CAPTURE_STDOUT,
				(struct bytes){(char *)buffer_bytes(&text) + at,
					left < piece ? left : piece});
		}
		capture_end(&c);
		lines = output_last(o, 0, 0);
		for (size_t n = 0; n < json_array_size(lines); n++) {
			cr_expect_leq(
				strlen(text_at(lines, n)), OUTPUT_LINE_BYTES);
			buffer_append_text(&joined, text_at(lines, n));
		}
		cr_expect(buffer_length(&joined) == buffer_length(&text) &&
				  !memcmp(buffer_bytes(&joined),
					  buffer_bytes(&text),
					  buffer_length(&text)),
			"characters of %zu bytes in pieces of %zu", width,
			piece);
		json_decref(lines);
		buffer_finish(&joined);
		buffer_finish(&text);
		capture_finish(&c);
		output_destroy(o);
	}
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

/* Once the portion of a second has passed, the rest of a message is skipped,
 * even if that second ends meanwhile. */
Test(capture, a_message_of_a_million_lines_costs_what_passes)
{
	enum { LINES = 1000000 };
	struct output *o = output_create("it");
	struct capture c;
	char *text = malloc(LINES);
	json_t *lines;
	unsigned long left_out = 0;

	cr_assert(text);
	memset(text, '\n', LINES);
	capture_init(&c, o, 1, 9);
	capture_log(&c, LOG_DEBUG, (struct bytes){text, LINES});
	cr_expect_eq(c.passed, CAPTURE_LINES_PER_SECOND);
	capture_end(&c);
	lines = output_last(o, 1, 0);
	sscanf(text_at(lines, 0), "%lu lines left out", &left_out);
	cr_expect_eq(left_out, LINES - CAPTURE_LINES_PER_SECOND);
	json_decref(lines);
	capture_finish(&c);
	output_destroy(o);
	free(text);
}

static bool
has_line(const struct output *o, const char *text)
{
	const struct output_line *line;

	for (uint64_t n = 1; (line = output_at(o, &n)); n++)
		if (!strcmp(line->text, text))
			return true;
	return false;
}

static void
expect_kept_in_noise(enum capture_stream stream)
{
	static const char traceback[] = "Traceback (most recent call last):\n"
					"  File \"main.py\", line 7, in f\n"
					"    return 1 / 0\n"
					"ZeroDivisionError: division by zero\n";
	static const char noise[] = "{\"a\": 1, \"text\": \"nothing new\"}\n";
	enum { COUNT = 10 * 1024 * 1024 / (sizeof(noise) - 1) };
	struct output *o = output_create("it");
	struct buffer text = {0};
	struct capture c;

	for (int i = 0; i < COUNT; i++) {
		if (i == COUNT / 2)
			buffer_append_text(&text, traceback);
		buffer_append_text(&text, noise);
	}
	capture_init(&c, o, 1, 9);
	for (size_t at = 0; at < buffer_length(&text);) {
		size_t left = buffer_length(&text) - at;
		size_t size = left < 65536 ? left : 65536;

		capture_feed(&c, stream,
			(struct bytes){(char *)buffer_bytes(&text) + at, size});
		at += size;
	}
	capture_end(&c);
	cr_expect(has_line(o, "Traceback (most recent call last):"));
	cr_expect(has_line(o, "    return 1 / 0"));
	cr_expect(has_line(o, "ZeroDivisionError: division by zero"));
	capture_finish(&c);
	buffer_finish(&text);
	output_destroy(o);
}

/* On the stream that is flooded, too. */
Test(capture, a_traceback_is_not_lost_in_ten_megabytes_of_noise)
{
	expect_kept_in_noise(CAPTURE_STDERR);
	expect_kept_in_noise(CAPTURE_STDOUT);
}

/* However much follows, and however often the timer asks. */
Test(capture, left_out_lines_are_reported_once_a_second)
{
	struct output *o = output_create("it");
	struct capture c;
	const struct output_line *line;
	uint64_t begin_ms = clock_ms(), seconds;
	unsigned reports = 0;

	capture_init(&c, o, 1, 9);
	for (int i = 0; i < 10 * CAPTURE_LINES_PER_SECOND; i++) {
		capture_feed(&c, CAPTURE_STDOUT, BYTES("flood\n"));
		if (i % 100 == 0)
			capture_report(&c);
	}
	seconds = clock_ms() / 1000 - begin_ms / 1000;
	for (uint64_t n = 1; (line = output_at(o, &n)); n++)
		reports += strstr(line->text, "lines left out") != NULL;
	cr_expect_leq(reports, seconds, "%u in %lu s", reports,
		(unsigned long)seconds);
	capture_finish(&c);
	output_destroy(o);
}

/* What looks like errors without end is a flood as well. */
Test(capture, errors_have_a_limit_too)
{
	struct output *o = output_create("it");
	struct buffer text = {0};
	struct capture c;

	for (int i = 0; i < 100000; i++)
		buffer_append_text(&text, "ValueError: again\n");
	capture_init(&c, o, 1, 9);
	capture_feed(&c, CAPTURE_STDERR,
		(struct bytes){
			(char *)buffer_bytes(&text), buffer_length(&text)});
	cr_expect_eq(c.passed, CAPTURE_LINES_PER_SECOND);
	cr_expect_leq(c.errors, CAPTURE_ERRORS_PER_SECOND);
	capture_end(&c);
	capture_finish(&c);
	buffer_finish(&text);
	output_destroy(o);
}

Test(capture, lines_that_tell_of_an_error_are_known_by_their_look)
{
	static const struct {
		const char *text;
		bool is_error;
	} rows[] = {{"plain", false}, {"TypeError: x is not a function", true},
		{"    at f (main.js:3:7)", true}, {"plain", false},
		{"  indented", false},
		{"Traceback (most recent call last):", true},
		{"  File \"x\"", true}, {"KeyError", true}, {"plain", false},
		{"no Error: here", false}, {"java.lang.Exception: x", true},
		{"Errors: none", false}};
	struct error_lines e = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(error_line_take(&e, bytes_of(rows[i].text)),
			rows[i].is_error, "%s", rows[i].text);
}

static void
take(struct error_lines *e, const char *text, bool is_error)
{
	cr_expect_eq(error_line_take(e, bytes_of(text)), is_error, "%s", text);
}

/* Go prints each goroutine's calls without indenting them. */
Test(capture, the_goroutines_of_a_panic_belong_to_it)
{
	struct error_lines e = {0};

	take(&e, "goroutine 7 [running]:", false);
	take(&e, "panic: it", true);
	take(&e, "[signal SIGSEGV: segmentation violation code=0x1]", true);
	take(&e, "", true);
	take(&e, "goroutine 1 [running]:", true);
	take(&e, "main.(*T).f(...)", true);
	take(&e, "\t/srv/main.go:9 +0x1d", true);
	take(&e, "main.main()", true);
	take(&e, "\t/srv/main.go:3 +0x1d", true);
	take(&e, "created by main.g in goroutine 1", true);
	take(&e, "\t/srv/main.go:5 +0x1d", true);
	take(&e, "plain", false);
	take(&e, "main.main()", false);

	take(&e, "panic: it", true);
	take(&e, "plain", false);
	take(&e, "goroutine 1 [running]:", false);

	take(&e, "panic: it", true);
	take(&e, "goroutine 1 [running]:", true);
	for (unsigned i = 1; i < ERROR_DUMP_LINES; i++)
		take(&e, "main.f()", true);
	take(&e, "main.f()", false);
}

Test(output, paths_in_the_staged_copy_are_those_of_the_package)
{
	static const struct {
		const char *wrote, *kept;
	} rows[] = {
		{"File \"/run/a/7/main.py\", line 3",
			"File \"/srv/a/main.py\", line 3"},
		{"/run/a/7/x: /run/a/7/y", "/srv/a/x: /srv/a/y"},
		{"in /run/a/7, in /run/a/71/x", "in /run/a/7, in /run/a/71/x"},
		{"nothing", "nothing"},
		/* no more than four of a line */
		{"/run/a/7/1/run/a/7/2/run/a/7/3/run/a/7/4/run/a/7/5",
			"/srv/a/1/srv/a/2/srv/a/3/srv/a/4/run/a/7/5"},
	};
	struct output *o = output_create("a");
	struct capture c;
	char line[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		capture_init(&c, o, 1, 1);
		capture_name_package(&c, "/run/a/7/", "/srv/a/");
		snprintf(line, sizeof(line), "%s\n", rows[i].wrote);
		capture_feed(&c, CAPTURE_STDERR, bytes_of(line));
		capture_log(&c, LOG_INFO, bytes_of(line));
		capture_finish(&c);
		for (uint64_t n = 2 * i + 1; n <= 2 * i + 2; n++)
			cr_expect_str_eq(output_at(o, &n)->text, rows[i].kept);
	}
	output_destroy(o);
}
