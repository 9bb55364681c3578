/* metrics: one writer for two forms. Text is written directly, without JSON
 * values in between, because scrapers read it every few seconds. */
#include "supervisor/ops/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/util/utf8.h"
#include "proto/value.h"

const uint32_t metrics_bounds_us[METRICS_BUCKETS - 1] = {100, 250, 500, 1000,
	2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
	2500000, 5000000, 10000000};

static const char *const type_texts[] = {[METRICS_COUNTER] = "counter",
	[METRICS_GAUGE] = "gauge",
	[METRICS_HISTOGRAM] = "histogram"};

void
metrics_writer_init(struct metrics_writer *w, bool as_json)
{
	*w = (struct metrics_writer){.as_json = as_json};
	if (as_json)
		w->families = json_array();
}

void
metrics_writer_finish(struct metrics_writer *w)
{
	buffer_finish(&w->text);
	json_decref(w->families);
	*w = (struct metrics_writer){0};
}

/* ---- text ---- */

static void
put_text(struct metrics_writer *w, const char *text)
{
	buffer_append(&w->text, text, strlen(text));
}

/* Escapes backslash, quote and newline; other control characters and invalid
 * UTF-8 become U+FFFD. */
static void
put_escaped(struct metrics_writer *w, const char *value)
{
	const uint8_t *at = (const uint8_t *)value;
	size_t left = strlen(value), length;

	for (; left; at += length, left -= length) {
		length = utf8_length(at, left);
		if (*at == '\\' || *at == '"')
			buffer_append_byte(&w->text, '\\');
		if (*at == '\n')
			put_text(w, "\\n");
		else if (!length || utf8_is_control(at, length))
			put_text(w, "\xef\xbf\xbd");
		else
			buffer_append(&w->text, at, length);
		length = length ? length : 1;
	}
}

/* `le` is one more label of a bucket, or NULL. */
static void
put_labels(struct metrics_writer *w, const struct metrics_label *labels,
	unsigned count, const char *le)
{
	if (!count && !le)
		return;
	buffer_append_byte(&w->text, '{');
	for (unsigned i = 0; i < count; i++) {
		put_text(w, labels[i].name);
		put_text(w, "=\"");
		put_escaped(w, labels[i].value ? labels[i].value : "");
		put_text(w, i + 1 < count || le ? "\"," : "\"");
	}
	if (le) {
		put_text(w, "le=\"");
		put_text(w, le);
		put_text(w, "\"");
	}
	buffer_append_byte(&w->text, '}');
}

static bool
is_whole(double value)
{
	return value >= 0 && value < 1e15 &&
	       !(value - (double)(uint64_t)value > 0);
}

static void
put_value(struct metrics_writer *w, double value)
{
	char text[40];

	if (is_whole(value))
		snprintf(text, sizeof(text), " %" PRIu64 "\n", (uint64_t)value);
	else
		snprintf(text, sizeof(text), " %.12g\n", value);
	put_text(w, text);
}

static void
put_line(struct metrics_writer *w, const char *suffix,
	const struct metrics_label *labels, unsigned count, const char *le,
	double value)
{
	put_text(w, w->name);
	put_text(w, suffix);
	put_labels(w, labels, count, le);
	put_value(w, value);
}

/* ---- JSON ---- */

static json_t *
number_of(double value)
{
	return is_whole(value) ? json_integer((json_int_t)value)
			       : json_real(value);
}

/* Adds a sample with its labels to the family; the result is borrowed. */
static json_t *
add_sample(struct metrics_writer *w, const struct metrics_label *labels,
	unsigned count)
{
	json_t *sample = json_object(), *texts = json_object();

	for (unsigned i = 0; i < count; i++) {
		json_t *text =
			value_text(labels[i].value ? labels[i].value : "");

		json_object_set_new(
			texts, labels[i].name, text ? text : json_null());
	}
	json_object_set_new(sample, "labels", texts);
	json_array_append_new(w->samples, sample);
	return sample;
}

/* ---- both forms ---- */

void
metrics_family(struct metrics_writer *w, const char *name,
	enum metrics_type type, const char *help)
{
	w->name = name;
	if (w->as_json) {
		w->samples = json_array();
		json_array_append_new(w->families,
			json_pack("{s:s,s:s,s:s,s:o}", "name", name, "type",
				type_texts[type], "help", help, "samples",
				w->samples));
		return;
	}
	buffer_format(&w->text, "# HELP %s %s\n# TYPE %s %s\n", name, help,
		name, type_texts[type]);
}

void
metrics_sample(struct metrics_writer *w, const struct metrics_label *labels,
	unsigned count, double value)
{
	if (w->as_json)
		json_object_set_new(add_sample(w, labels, count), "value",
			number_of(value));
	else
		put_line(w, "", labels, count, NULL, value);
}

/* "0.0001" … "+Inf" */
static const char *
bound_text(char out[24], unsigned i)
{
	if (i == METRICS_BUCKETS - 1)
		return "+Inf";
	snprintf(out, 24, "%g", metrics_bounds_us[i] / 1e6);
	return out;
}

void
metrics_sample_histogram(struct metrics_writer *w,
	const struct metrics_label *labels, unsigned count,
	const struct metrics_histogram *h)
{
	json_t *sample = w->as_json ? add_sample(w, labels, count) : NULL;
	json_t *buckets = w->as_json ? json_object() : NULL;
	uint64_t total = 0;
	char bound[24];

	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		const char *le = bound_text(bound, i);

		total += h->buckets[i];
		if (buckets)
			json_object_set_new(
				buckets, le, number_of((double)total));
		else
			put_line(
				w, "_bucket", labels, count, le, (double)total);
	}
	if (sample) {
		json_object_set_new(sample, "buckets", buckets);
		json_object_set_new(
			sample, "sum", number_of((double)h->sum_us / 1e6));
		json_object_set_new(sample, "count", number_of((double)total));
		return;
	}
	put_line(w, "_sum", labels, count, NULL, (double)h->sum_us / 1e6);
	put_line(w, "_count", labels, count, NULL, (double)total);
}

/* ---- supd's process ---- */

static double
seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static uint64_t
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t count = 0;
	struct dirent *entry;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count ? count - 1
		     : 0; /* not counting the folder's own descriptor */
}

void
metrics_read_process(struct metrics_process *p)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	struct rusage usage;
	struct rlimit limit;
	uint64_t total = 0, resident = 0;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	*p = (struct metrics_process){0};
	if (statm &&
		fscanf(statm, "%" SCNu64 " %" SCNu64, &total, &resident) == 2) {
		p->virtual_bytes = total * page;
		p->resident_bytes = resident * page;
	}
	if (statm)
		fclose(statm);
	if (!getrusage(RUSAGE_SELF, &usage))
		p->cpu_seconds =
			seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
	if (!getrlimit(RLIMIT_NOFILE, &limit))
		p->max_fds = limit.rlim_cur;
	p->open_fds = count_fds();
}
