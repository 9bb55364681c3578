/* What `supctl top` makes of two answers, and the lines that it shows of it. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tools/supctl/top_view.h"

#define COLUMNS                                                                \
	"\"columns\":[\"id\",\"state\",\"generation\",\"pid\","                \
	"\"uptimeSeconds\",\"restarts\",\"requests\",\"inFlight\",\"held\","   \
	"\"memoryBytes\",\"cpuMs\",\"usageAtUs\",\"lastReloadAtMs\","          \
	"\"lastReloadSuccess\",\"latency\"]"
#define HEAD                                                                   \
	"\"version\":\"1\",\"pid\":%d,\"ready\":true,\"stopping\":false,"      \
	"\"uptimeSeconds\":5,\"atMs\":100000,\"latencyBoundsUs\":[100,200]"    \
	"," COLUMNS

static int
take(struct top_figures *f, int pid, long at_us, const char *rows)
{
	char *text = memory_format(
		"{" HEAD ",\"atUs\":%ld,\"plugins\":[%s]}", pid, at_us, rows);
	json_t *answer = json_loads(text, 0, NULL);
	struct error err = {.text = ""};
	int result;

	cr_assert(answer, "%s", text);
	result = top_figures_take(f, answer, &err);
	json_decref(answer);
	free(text);
	return result;
}

/* id, pid, requests, cpuMs, usageAtUs, latency */
#define ROW(id, pid, requests, cpu, at, latency)                               \
	"[\"" id "\",\"serving\",1," #pid ",9,0," #requests ",0,0,4096," #cpu  \
	"," #at ",40000,true," latency "]"

Test(top, rates_are_what_two_answers_differ_by)
{
	struct top_figures f;

	top_figures_init(&f);
	cr_assert_eq(
		take(&f, 1, 1000000, ROW("a", 7, 10, 50, 900000, "[4]")), 0);
	cr_expect(isnan(f.rows[0].rate) && isnan(f.rows[0].cpu_percent) &&
		  isnan(f.rows[0].p50_us) && isnan(f.rate));
	cr_assert_eq(
		take(&f, 1, 3000000, ROW("a", 7, 30, 550, 1900000, "[4,20]")),
		0);
	cr_expect_float_eq(f.rows[0].rate, 10, 1e-9);
	cr_expect_float_eq(f.rate, 10, 1e-9);
	cr_expect_float_eq(f.rows[0].cpu_percent, 50, 1e-9);
	cr_expect_float_eq(f.rows[0].p50_us, 150, 1e-9);
	cr_expect_float_eq(f.rows[0].p99_us, 199, 1e-9);
	cr_expect_float_eq(f.rows[0].reload_age_s, 60, 1e-9);
	/* its use was not read again; nothing was asked of it */
	cr_assert_eq(
		take(&f, 1, 5000000, ROW("a", 7, 30, 550, 1900000, "[4,20]")),
		0);
	cr_expect_float_eq(f.rows[0].rate, 0, 1e-9);
	cr_expect_float_eq(f.rows[0].cpu_percent, 50, 1e-9);
	cr_expect(isnan(f.rows[0].p99_us));
	top_figures_finish(&f);
}

Test(top, a_latency_beyond_the_last_bound_is_shown_as_such)
{
	struct top_figures f;
	struct top_view v = {0};
	struct buffer out = {0};

	top_figures_init(&f);
	take(&f, 1, 1000000, ROW("a", 7, 0, 0, 1, "[]"));
	take(&f, 1, 2000000, ROW("a", 7, 9, 0, 1, "[0,0,9]"));
	cr_expect(isinf(f.rows[0].p50_us));
	top_view_fit(&v, 0, &f);
	top_view_row(&v, &f.rows[0], &out);
	buffer_append_byte(&out, 0);
	cr_expect(strstr((char *)buffer_bytes(&out), ">10s"), "%s",
		(char *)buffer_bytes(&out));
	buffer_finish(&out);
	top_figures_finish(&f);
}

Test(top, another_supd_and_another_worker_begin_anew)
{
	struct top_figures f;

	top_figures_init(&f);
	take(&f, 1, 1000000, ROW("a", 7, 100, 500, 900000, "[9]"));
	take(&f, 1, 2000000, ROW("a", 8, 110, 20, 1900000, "[9]"));
	cr_expect_float_eq(f.rows[0].rate, 10, 1e-9);
	cr_expect(isnan(f.rows[0].cpu_percent));
	take(&f, 2, 3000000, ROW("a", 9, 400, 20, 2900000, "[9]"));
	cr_expect(isnan(f.rows[0].rate) && isnan(f.rate));
	top_figures_finish(&f);
}

Test(top, plugins_may_come_and_go)
{
	struct top_figures f;

	top_figures_init(&f);
	take(&f, 1, 1000000,
		ROW("a", 1, 10, 0, 1, "[]") "," ROW("b", 2, 20, 0, 1,
			"[]") "," ROW("c", 3, 30, 0, 1, "[]"));
	take(&f, 1, 2000000,
		ROW("a", 1, 11, 0, 1, "[]") "," ROW("c", 3, 33, 0, 1,
			"[]") "," ROW("d", 4, 40, 0, 1, "[]"));
	cr_assert_eq(f.count, 3);
	cr_expect_float_eq(f.rows[0].rate, 1, 1e-9);
	cr_expect_float_eq(f.rows[1].rate, 3, 1e-9);
	cr_expect(isnan(f.rows[2].rate));
	top_figures_sort(&f, TOP_RATE, false);
	cr_expect_eq(f.order[0], 1);
	cr_expect_eq(f.order[1], 0);
	cr_expect_eq(f.order[2], 2, "what is unknown comes last");
	top_figures_sort(&f, TOP_RATE, true);
	cr_expect_eq(f.order[0], 0);
	cr_expect_eq(f.order[2], 2, "whichever way");
	top_figures_sort(&f, TOP_ID, true);
	cr_expect_eq(f.order[0], 2);
	take(&f, 1, 3000000, "");
	cr_expect_eq(f.count, 0);
	top_figures_finish(&f);
}

Test(top, a_malformed_answer_changes_nothing)
{
	static const char *const answers[] = {"{}", "[]", "null",
		"{\"columns\":[\"id\",5,null]}",
		"{" COLUMNS ",\"latencyBoundsUs\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
		"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}"};
	struct top_figures f;

	top_figures_init(&f);
	take(&f, 1, 1000000, ROW("a", 7, 100, 500, 900000, "[9]"));
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		json_t *answer = json_loads(answers[i], JSON_DECODE_ANY, NULL);
		struct error err = {.text = ""};

		cr_expect_eq(top_figures_take(&f, answer, &err), -1);
		cr_expect(*err.text);
		json_decref(answer);
	}
	cr_expect_eq(f.count, 1);
	/* values of another type are unknown */
	cr_expect_eq(
		take(&f, 1, 2000000, "[5,[],{},\"x\"],7,[\"b\",\"serving\"]"),
		0);
	cr_expect_eq(f.count, 3);
	cr_expect_eq(f.rows[2].memory_bytes, -1);
	top_figures_finish(&f);
}

#define ID64 "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvwxyz"

Test(top, no_line_is_wider_than_the_terminal_or_controls_it)
{
	struct top_figures f;

	top_figures_init(&f);
	take(&f, 1, 1000000,
		ROW(ID64, 4194304, 1000000000, 99999999, 1, "[9]") "," ROW(
			"\\u001b[31m\\u009b\\u202e\\u65e5", 1, 1, 1, 1, "[9]"));
	for (unsigned width = 20; width <= 600; width += 7) {
		struct top_view v = {.sort = TOP_RATE};
		struct buffer out = {0};

		top_view_fit(&v, width, &f);
		top_view_row(&v, &f.rows[0], &out);
		if (width >= 48)
			cr_expect_leq(buffer_length(&out), width, "%u: %.*s",
				width, (int)buffer_length(&out),
				(char *)buffer_bytes(&out));
		buffer_clear(&out);
		top_view_title(&v, &f, &out);
		cr_expect_leq(buffer_length(&out), width);
		buffer_clear(&out);
		top_view_row(&v, &f.rows[1], &out);
		top_view_text(&v, "a\033\n\xff", &out);
		for (size_t i = 0; i < buffer_length(&out); i++)
			cr_assert(buffer_bytes(&out)[i] >= ' ' &&
				  buffer_bytes(&out)[i] <= '~');
		buffer_finish(&out);
	}
	top_figures_finish(&f);
}
