/* pages: encodes a part of the page of metrics as metrics of OTLP: counters as
 * sums since supd's start, gauges, and histograms with their bounds. Names and
 * labels stay as they are. A malformed line is left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/telemetry/export/encode.h"
#include "supervisor/telemetry/export/json.h"

#define BOUNDS_MAX 64
#define NUMBER_BYTES_MAX 31

enum form { FORM_NONE, FORM_COUNTER, FORM_GAUGE, FORM_HISTOGRAM, FORM_COUNT };

static const struct {
	const char *type, *begin;
} forms[FORM_COUNT] = {
	[FORM_COUNTER] = {"counter",
		",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,"
		"\"dataPoints\":["},
	[FORM_GAUGE] = {"gauge", ",\"gauge\":{\"dataPoints\":["},
	[FORM_HISTOGRAM] = {"histogram",
		",\"histogram\":{\"aggregationTemporality\":2,"
		"\"dataPoints\":["},
};

struct part {
	struct buffer *out, scratch;
	int64_t at_us, since_us;
	/* the family */
	struct bytes name, help;
	enum form form;
	bool has_points;
	/* of a histogram, until its count is read */
	unsigned bound_count; /* without +Inf */
	struct bytes bounds[BOUNDS_MAX], sum;
	uint64_t totals[BOUNDS_MAX]; /* up to the bound */
};

/* ---- text ---- */

static void
skip(struct bytes *text, size_t n)
{
	n = n < text->length ? n : text->length;
	text->at += n;
	text->length -= n;
}

/* Takes the text before `c` off the front, and `c`; all of it without a `c`. */
static struct bytes
take_until(struct bytes *text, char c)
{
	const char *end =
		text->length ? memchr(text->at, c, text->length) : NULL;
	struct bytes taken = {
		text->at, end ? (size_t)(end - text->at) : text->length};

	skip(text, taken.length + 1);
	return taken;
}

static size_t
digits_at(struct bytes text, size_t at)
{
	size_t end = at;

	while (end < text.length && text.at[end] >= '0' && text.at[end] <= '9')
		end++;
	return end - at;
}

/* Whether it is a number of JSON (RFC 8259), at most NUMBER_BYTES_MAX long. */
static bool
is_number(struct bytes text)
{
	size_t at = text.length && text.at[0] == '-';
	size_t whole_digits = digits_at(text, at), more;

	if (text.length > NUMBER_BYTES_MAX || !whole_digits ||
		(whole_digits > 1 && text.at[at] == '0'))
		return false;
	at += whole_digits;
	if (at < text.length && text.at[at] == '.') {
		more = digits_at(text, ++at);
		if (!more)
			return false;
		at += more;
	}
	if (at < text.length && (text.at[at] == 'e' || text.at[at] == 'E')) {
		at++;
		if (at < text.length &&
			(text.at[at] == '+' || text.at[at] == '-'))
			at++;
		more = digits_at(text, at);
		if (!more)
			return false;
		at += more;
	}
	return at == text.length;
}

/* The value of a number. */
static double
value_of(struct bytes text)
{
	char digits[NUMBER_BYTES_MAX + 1] = "";

	memcpy(digits, text.at, text.length);
	return strtod(digits, NULL);
}

/* Whether it may be written as JSON: readers refuse a number that overflows. */
static bool
is_finite(struct bytes text)
{
	return is_number(text) && isfinite(value_of(text));
}

static uint64_t
whole(struct bytes text)
{
	double value = is_number(text) ? value_of(text) : 0;

	return value > 0 && value < 1e19 ? (uint64_t)value : 0;
}

/* ---- labels: name="value",… ---- */

/* `value` still has its escapes. False: there are no more labels. */
static bool
next_label(struct bytes *rest, struct bytes *name, struct bytes *value)
{
	size_t length = 0;

	*name = take_until(rest, '=');
	if (!name->length || !rest->length || rest->at[0] != '"')
		return false;
	skip(rest, 1);
	while (length < rest->length && rest->at[length] != '"')
		length += rest->at[length] == '\\' ? 2 : 1;
	if (length >= rest->length)
		return false;
	*value = (struct bytes){rest->at, length};
	skip(rest, length + 1);
	if (rest->length && rest->at[0] == ',')
		skip(rest, 1);
	return true;
}

static void
put_label(struct part *p, struct bytes name, struct bytes value)
{
	struct buffer *plain = &p->scratch;

	buffer_clear(plain);
	for (size_t i = 0; i < value.length; i++) {
		char c = value.at[i];

		if (c == '\\' && i + 1 < value.length)
			c = value.at[++i] == 'n' ? '\n' : value.at[i];
		buffer_append_byte(plain, (uint8_t)c);
	}
	json_put(p->out, "{\"key\":");
	json_put_text(p->out, name);
	json_put(p->out, ",\"value\":{\"stringValue\":");
	json_put_text(p->out, (struct bytes){(const char *)buffer_bytes(plain),
				      buffer_length(plain)});
	json_put(p->out, "}},");
}

/* ---- points ---- */

static void
begin_point(struct part *p, struct bytes labels)
{
	struct bytes name, value;

	if (!p->has_points) {
		p->has_points = true;
		json_put(p->out, "{\"name\":");
		json_put_text(p->out, p->name);
		json_put(p->out, ",\"description\":");
		json_put_text(p->out, p->help);
		json_put(p->out, forms[p->form].begin);
	}
	json_put(p->out, "{\"attributes\":[");
	while (next_label(&labels, &name, &value))
		put_label(p, name, value);
	json_end_list(p->out);
	json_put(p->out, "],\"timeUnixNano\":");
	json_put_nano(p->out, p->at_us);
	if (p->form != FORM_GAUGE) {
		json_put(p->out, ",\"startTimeUnixNano\":");
		json_put_nano(p->out, p->since_us);
	}
}

static void
put_value(struct part *p, struct bytes labels, struct bytes value)
{
	begin_point(p, labels);
	json_put(p->out, ",\"asDouble\":");
	buffer_append(p->out, value.at, value.length);
	json_put(p->out, "},");
}

/* A bucket of OTLP does not count what is in those below it. */
static void
put_histogram(struct part *p, struct bytes labels, uint64_t count)
{
	uint64_t before = 0;

	begin_point(p, labels);
	json_put(p->out, ",\"count\":");
	json_put_number(p->out, count);
	json_put(p->out, ",\"sum\":");
	buffer_append(p->out, p->sum.at, p->sum.length);
	json_put(p->out, ",\"bucketCounts\":[");
	for (unsigned i = 0; i <= p->bound_count; i++) {
		uint64_t total = i < p->bound_count ? p->totals[i] : count;

		json_put_number(p->out, total > before ? total - before : 0);
		json_put(p->out, i < p->bound_count ? "," : "]");
		before = total;
	}
	json_put(p->out, ",\"explicitBounds\":[");
	for (unsigned i = 0; i < p->bound_count; i++) {
		buffer_append(p->out, p->bounds[i].at, p->bounds[i].length);
		json_put(p->out, i + 1 < p->bound_count ? "," : "");
	}
	json_put(p->out, "]},");
}

static void
take_bucket(struct part *p, struct bytes labels, struct bytes value)
{
	struct bytes name, bound;

	while (next_label(&labels, &name, &bound))
		if (bytes_equal(name, BYTES("le")) && is_finite(bound) &&
			p->bound_count < BOUNDS_MAX) {
			p->bounds[p->bound_count] = bound;
			p->totals[p->bound_count++] = whole(value);
		}
}

static void
take_of_histogram(struct part *p, struct bytes suffix, struct bytes labels,
	struct bytes value)
{
	if (bytes_equal(suffix, BYTES("_bucket"))) {
		take_bucket(p, labels, value);
	} else if (bytes_equal(suffix, BYTES("_sum"))) {
		p->sum = value;
	} else if (bytes_equal(suffix, BYTES("_count"))) {
		if (p->sum.length)
			put_histogram(p, labels, whole(value));
		p->bound_count = 0;
		p->sum.length = 0;
	}
}

/* ---- lines ---- */

/* name{labels} value, or name value */
static void
take_sample(struct part *p, struct bytes line)
{
	const char *brace = memchr(line.at, '{', line.length);
	const char *end = brace ? memrchr(line.at, '}', line.length) : NULL;
	struct bytes name, labels = {"", 0};

	if (end && end > brace) {
		name = (struct bytes){line.at, (size_t)(brace - line.at)};
		labels = (struct bytes){brace + 1, (size_t)(end - brace) - 1};
		skip(&line, (size_t)(end - line.at) + 2);
	} else {
		name = take_until(&line, ' ');
	}
	if (!is_finite(line) || name.length < p->name.length ||
		memcmp(name.at, p->name.at, p->name.length) != 0)
		return;
	skip(&name, p->name.length);
	if (p->form == FORM_HISTOGRAM)
		take_of_histogram(p, name, labels, line);
	else if (p->form && !name.length)
		put_value(p, labels, line);
}

static void
end_family(struct part *p)
{
	if (p->has_points) {
		json_end_list(p->out);
		json_put(p->out, "]}},");
	}
	p->has_points = false;
	p->form = FORM_NONE;
	p->bound_count = 0;
	p->sum.length = 0;
}

/* HELP name text, or TYPE name type */
static void
take_comment(struct part *p, struct bytes line)
{
	struct bytes word = take_until(&line, ' ');
	struct bytes name = take_until(&line, ' ');

	if (bytes_equal(word, BYTES("HELP"))) {
		end_family(p);
		p->name = name;
		p->help = line;
	}
	if (!bytes_equal(word, BYTES("TYPE")) || !bytes_equal(name, p->name))
		return;
	for (int i = FORM_COUNTER; i < FORM_COUNT; i++)
		if (bytes_equal(line, bytes_of(forms[i].type)))
			p->form = (enum form)i;
}

void
encode_page(struct record *r, struct buffer *out)
{
	struct part p = {.out = out, .name = {"", 0}, .help = {"", 0}};
	struct bytes text, line;

	p.at_us = (int64_t)record_number(r) + r->offset_us;
	p.since_us = (int64_t)record_number(r) + r->offset_us;
	text = record_text(r);
	while (text.length) {
		line = take_until(&text, '\n');
		if (line.length > 2 && line.at[0] == '#') {
			skip(&line, 2);
			take_comment(&p, line);
		} else if (line.length) {
			take_sample(&p, line);
		}
	}
	end_family(&p);
	buffer_finish(&p.scratch);
}
