/* metrics: one writer for two forms. Text is written directly, without JSON
 * values in between, because scrapers read it every few seconds. */
#include "supervisor/ops/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/util/utf8.h"
#include "proto/value.h"

#define X(us, text) us,
const uint32_t metrics_bounds_us[] = {METRICS_BOUNDS(X)};
#undef X
static_assert(sizeof(metrics_bounds_us) / sizeof(*metrics_bounds_us) ==
		      METRICS_BUCKETS - 1,
	"a bucket for each, and one more");

#define X(us, text) text,
static const char *const bound_texts[METRICS_BUCKETS] = {
	METRICS_BOUNDS(X) "+Inf"};
#undef X

static const char *const type_texts[] = {[METRICS_COUNTER] = "counter",
	[METRICS_GAUGE] = "gauge",
	[METRICS_HISTOGRAM] = "histogram"};

const char *
metrics_type_text(enum metrics_type type)
{
	return type_texts[type];
}

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
	buffer_finish(&w->labels);
	json_decref(w->families);
	*w = (struct metrics_writer){0};
}

/* ---- text ---- */

/* Whether all of it may stand between quotes as it is. */
static bool
is_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '"' ||
			text[i] == '\\')
			return false;
	return true;
}

/* Escapes backslash, quote and newline; other control characters and invalid
 * UTF-8 become U+FFFD. */
static void
put_escaped(struct buffer *out, const char *value, size_t left)
{
	const uint8_t *at = (const uint8_t *)value;
	size_t length;

	for (; left; at += length, left -= length) {
		length = utf8_length(at, left);
		if (*at == '\\' || *at == '"')
			buffer_append_byte(out, '\\');
		if (*at == '\n')
			buffer_append_text(out, "\\n");
		else if (!length || utf8_is_control(at, length))
			buffer_append_text(out, "\xef\xbf\xbd");
		else
			buffer_append(out, at, length);
		length = length ? length : 1;
	}
}

static void
set_labels(struct metrics_writer *w, const struct metrics_label *labels,
	unsigned count)
{
	struct buffer *out = &w->labels;

	buffer_clear(out);
	for (unsigned i = 0; i < count; i++) {
		const char *value = labels[i].value ? labels[i].value : "";
		size_t length = strlen(value);

		buffer_append_text(out, i ? "," : "");
		buffer_append_text(out, labels[i].name);
		buffer_append_text(out, "=\"");
		if (is_plain(value, length))
			buffer_append(out, value, length);
		else
			put_escaped(out, value, length);
		buffer_append_byte(out, '"');
	}
}

static bool
is_whole(double value)
{
	return value >= 0 && value < 1e15 &&
	       !(value - (double)(uint64_t)value > 0);
}

static void
put_digits(struct buffer *out, uint64_t number)
{
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	buffer_append(out, digits + at, sizeof(digits) - at);
}

/* A line; suffix and bound may be "". */
static void
put_line(struct metrics_writer *w, const char *suffix, const char *bound,
	double value)
{
	struct buffer *out = &w->text;
	size_t labels = buffer_length(&w->labels);

	w->samples_written++;
	buffer_append_text(out, w->name);
	buffer_append_text(out, suffix);
	if (labels || *bound) {
		buffer_append_byte(out, '{');
		buffer_append(out, buffer_bytes(&w->labels), labels);
		if (*bound) {
			buffer_append_text(out, labels ? ",le=\"" : "le=\"");
			buffer_append_text(out, bound);
			buffer_append_byte(out, '"');
		}
		buffer_append_byte(out, '}');
	}
	buffer_append_byte(out, ' ');
	if (is_whole(value))
		put_digits(out, (uint64_t)value);
	else
		buffer_format(out, "%.12g", value);
	buffer_append_byte(out, '\n');
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

	w->samples_written++;
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
	if (w->as_json) {
		json_object_set_new(add_sample(w, labels, count), "value",
			number_of(value));
		return;
	}
	set_labels(w, labels, count);
	put_line(w, "", "", value);
}

static void
put_histogram(struct metrics_writer *w, const struct metrics_histogram *h)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		total += h->buckets[i];
		put_line(w, "_bucket", bound_texts[i], (double)total);
	}
	put_line(w, "_sum", "", (double)h->sum_us / 1e6);
	put_line(w, "_count", "", (double)total);
}

static void
add_histogram(json_t *sample, const struct metrics_histogram *h)
{
	json_t *buckets = json_object();
	uint64_t total = 0;

	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		total += h->buckets[i];
		json_object_set_new(
			buckets, bound_texts[i], number_of((double)total));
	}
	json_object_set_new(sample, "buckets", buckets);
	json_object_set_new(sample, "sum", number_of((double)h->sum_us / 1e6));
	json_object_set_new(sample, "count", number_of((double)total));
}

void
metrics_sample_histogram(struct metrics_writer *w,
	const struct metrics_label *labels, unsigned count,
	const struct metrics_histogram *h)
{
	if (w->as_json) {
		w->samples_written += METRICS_BUCKETS;
		add_histogram(add_sample(w, labels, count), h);
		return;
	}
	set_labels(w, labels, count);
	put_histogram(w, h);
}

/* ---- supd's process ---- */

static double
seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* The size of the kernel's table of descriptors: no number is above. */
static int
read_fd_size(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	int size = 0;

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "FDSize: %d", &size) == 1)
			break;
	if (status)
		fclose(status);
	return size;
}

/* Asks the kernel about a block of numbers at a time: to list /proc/self/fd
 * takes ten times as long. */
static uint64_t
count_fds(uint64_t limit)
{
	int size = read_fd_size();
	struct pollfd block[256];
	int most = limit < 256 ? (int)limit : 256; /* or poll() fails */
	uint64_t count = 0;

	for (int at = 0; at < size && most; at += most) {
		for (int i = 0; i < most; i++)
			block[i] = (struct pollfd){.fd = at + i};
		if (poll(block, (nfds_t)most, 0) < 0)
			break;
		for (int i = 0; i < most; i++)
			count += !(block[i].revents & POLLNVAL);
	}
	return count;
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
	p->open_fds = count_fds(p->max_fds);
}
