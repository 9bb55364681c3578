/* metrics: what Prometheus reads, byte for byte, and the same as JSON. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/ops/metrics.h"

static struct metrics_histogram latency;

static void
write_all(struct metrics_writer *w)
{
	struct metrics_label odd[] = {{"plugin", "a\\b\"c\nd"}, {"code", NULL}};
	struct metrics_label one = {"plugin", "p"};

	metrics_family(w, "supd_a_total", METRICS_COUNTER, "An a.");
	metrics_sample(w, NULL, 0, 0);
	metrics_sample(w, odd, 2, 123456789012.0);
	metrics_family(w, "supd_b_seconds", METRICS_GAUGE, "A b.");
	metrics_sample(w, &one, 1, 0.25);
	metrics_sample(w, &one, 1, -1);
	metrics_sample(w, &one, 1, 1e300);
	metrics_family(w, "supd_c_seconds", METRICS_HISTOGRAM, "A c.");
	metrics_sample_histogram(w, &one, 1, &latency);
}

static void
observe_some(void)
{
	static const uint64_t us[] = {
		0, 100, 101, 999, 1000, 10000000, 10000001, 60000000};

	latency = (struct metrics_histogram){0};
	for (size_t i = 0; i < sizeof(us) / sizeof(*us); i++)
		metrics_observe(&latency, us[i]);
}

TestSuite(metrics, .init = observe_some);

Test(metrics, are_text_as_prometheus_reads_it)
{
	struct metrics_writer w;
	char *text;

	metrics_writer_init(&w, false);
	write_all(&w);
	buffer_append(&w.text, "", 1);
	text = (char *)buffer_bytes(&w.text);
	cr_expect_eq(strstr(text, "# HELP supd_a_total An a.\n"
				  "# TYPE supd_a_total counter\n"),
		text, "%s", text);
	cr_expect(strstr(text, "123456789012\n# HELP supd_b_seconds A b.\n"));
	cr_expect(strstr(text, "{plugin=\"a\\\\b\\\"c\\nd\",code=\"\"} "));
	cr_expect(strstr(text, "supd_a_total 0\n"));
	cr_expect(strstr(text, "{plugin=\"p\"} 0.25\n"));
	cr_expect(strstr(text, "{plugin=\"p\"} -1\n"));
	cr_expect(strstr(text, "_bucket{plugin=\"p\",le=\"0.0001\"} 2\n"));
	cr_expect(strstr(text, "_bucket{plugin=\"p\",le=\"0.00025\"} 3\n"));
	cr_expect(strstr(text, "_bucket{plugin=\"p\",le=\"0.001\"} 5\n"));
	cr_expect(strstr(text, "_bucket{plugin=\"p\",le=\"10\"} 6\n"));
	cr_expect(strstr(text, "_bucket{plugin=\"p\",le=\"+Inf\"} 8\n"
			       "supd_c_seconds_sum{plugin=\"p\"} 80.002201\n"
			       "supd_c_seconds_count{plugin=\"p\"} 8\n"),
		"%s", text);
	metrics_writer_finish(&w);
}

Test(metrics, are_the_same_figures_as_json)
{
	struct metrics_writer w;
	json_t *family, *sample;

	metrics_writer_init(&w, true);
	write_all(&w);
	cr_assert_eq(json_array_size(w.families), 3);
	family = json_array_get(w.families, 0);
	cr_expect_str_eq(json_string_value(json_object_get(family, "name")),
		"supd_a_total");
	cr_expect_str_eq(
		json_string_value(json_object_get(family, "type")), "counter");
	cr_expect_str_eq(
		json_string_value(json_object_get(family, "help")), "An a.");
	sample = json_array_get(json_object_get(family, "samples"), 1);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_object_get(sample, "labels"), "plugin")),
		"a\\b\"c\nd");
	cr_expect_eq(json_integer_value(json_object_get(sample, "value")),
		123456789012);
	family = json_array_get(w.families, 2);
	sample = json_array_get(json_object_get(family, "samples"), 0);
	cr_expect_eq(json_integer_value(json_object_get(sample, "count")), 8);
	cr_expect_float_eq(json_real_value(json_object_get(sample, "sum")),
		80.002201, 1e-9);
	cr_expect_eq(json_integer_value(json_object_get(
			     json_object_get(sample, "buckets"), "+Inf")),
		8);
	cr_expect_eq(json_object_size(json_object_get(sample, "buckets")),
		METRICS_BUCKETS);
	metrics_writer_finish(&w);
}

Test(metrics, the_process_has_memory_time_and_descriptors)
{
	struct metrics_process before, after;
	FILE *file;

	metrics_read_process(&before);
	cr_expect_gt(before.resident_bytes, 100 * 1024);
	cr_expect_gt(before.virtual_bytes, before.resident_bytes);
	cr_expect_gt(before.open_fds, 2);
	cr_expect_geq(before.max_fds, before.open_fds);
	file = fopen("/dev/null", "re");
	metrics_read_process(&after);
	cr_expect_eq(after.open_fds, before.open_fds + 1);
	cr_expect_geq(after.cpu_seconds, before.cpu_seconds);
	fclose(file);
}

Test(metrics, a_label_has_no_control_characters)
{
	struct metrics_label label = {"version", "a\x1b]\xc2\x9b\xff\xc3\xa4"};
	struct metrics_writer w;
	char *text;

	metrics_writer_init(&w, false);
	metrics_family(&w, "x", METRICS_GAUGE, "X.");
	metrics_sample(&w, &label, 1, 1);
	buffer_append_byte(&w.text, 0);
	text = (char *)buffer_bytes(&w.text);
	cr_expect(strstr(text, "x{version=\"a\xef\xbf\xbd]\xef\xbf\xbd"
			       "\xef\xbf\xbd\xc3\xa4\"} 1\n"),
		"%s", text);
	metrics_writer_finish(&w);
}
