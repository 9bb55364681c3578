/* balance: adds the reports of supd-export to supd's totals. Reports count
 * since the start of that process, totals since that of supd. */
#include <jansson.h>
#include <string.h>

#include "proto/util/clean.h"
#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/telemetry/parts.h"

static uint64_t
number(const json_t *list, size_t at)
{
	json_int_t n = json_integer_value(json_array_get(list, at));

	return n > 0 ? (uint64_t)n : 0;
}

/* Adds the increase since the last report. */
static void
take(uint64_t *total, uint64_t *reported, uint64_t now)
{
	if (now > *reported) {
		*total += now - *reported;
		*reported = now;
	}
}

/* [exported, did not fit, refused, given up] */
static void
take_counts(struct record_counts *total, struct record_counts *reported,
	const json_t *list)
{
	take(&total->exported, &reported->exported, number(list, 0));
	for (int i = 0; i < RECORD_DROP_LOST; i++)
		take(&total->dropped[i], &reported->dropped[i],
			number(list, (size_t)i + 1));
}

static uint64_t
dropped(const struct record_counts *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < RECORD_DROP_COUNT; i++)
		sum += c->dropped[i];
	return sum;
}

static uint64_t
all_dropped(const struct records *r)
{
	uint64_t sum = 0;

	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		sum += dropped(&r->totals[i]);
	return sum;
}

/* Logs a line when exports begin to fail, and one when they work again. */
static void
note_state(struct telemetry *t, const char *error)
{
	struct records *r = &t->gateway->workers.tracer.records;
	char text[TELEMETRY_ERROR_BYTES];

	text_format(text, sizeof(text), "%s", error ? error : "");
	clean_text(text, "");
	if (*text && !r->is_failing) {
		t->dropped_before = all_dropped(r);
		telemetry_log(LOG_WARN,
			"cannot export to %s: %s; keeping records up to a "
			"limit and dropping the rest",
			t->config->telemetry.endpoint, text);
	} else if (!*text && r->is_failing) {
		telemetry_log(LOG_INFO,
			"exporting again; %llu record%s dropped",
			(unsigned long long)(all_dropped(r) -
					     t->dropped_before),
			all_dropped(r) - t->dropped_before == 1 ? " was"
								: "s were");
	}
	r->is_failing = *text;
	text_format(t->error, sizeof(t->error), "%s", text);
}

/* Of requests that the collector took; those that it refused whole are reported
 * by note_state(). */
static void
note_refused(struct telemetry *t, const char *why)
{
	struct records *r = &t->gateway->workers.tracer.records;
	uint64_t refused = 0, now_ms = clock_ms();
	char text[TELEMETRY_ERROR_BYTES];

	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		refused += r->totals[i].dropped[RECORD_DROP_REFUSED];
	if (r->is_failing) {
		t->refused_logged = refused;
		return;
	}
	if (refused == t->refused_logged ||
		(t->refused_logged_ms &&
			now_ms < t->refused_logged_ms + TELEMETRY_REFUSED_MS))
		return;
	text_format(text, sizeof(text), "%s", why ? why : "");
	clean_text(text, "");
	telemetry_log(LOG_WARN, "the collector refused %llu record%s%s%s",
		(unsigned long long)(refused - t->refused_logged),
		refused - t->refused_logged == 1 ? "" : "s", *text ? ": " : "",
		text);
	t->refused_logged = refused;
	t->refused_logged_ms = now_ms;
}

void
balance_read(struct telemetry *t, const char *line, size_t length)
{
	struct records *r = &t->gateway->workers.tracer.records;
	json_t *report = json_loadb(line, length, 0, NULL);

	if (!json_is_object(report)) {
		json_decref(report);
		return;
	}
	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		take_counts(&r->totals[i], &t->reported[i],
			json_object_get(report, record_signal_texts[i]));
	if (json_object_get(report, "error") && t->config &&
		t->config->telemetry.endpoint)
		note_state(
			t, json_string_value(json_object_get(report, "error")));
	note_refused(t, json_string_value(json_object_get(report, "refusal")));
	json_decref(report);
}

void
balance_lost(struct telemetry *t)
{
	struct records *r = &t->gateway->workers.tracer.records;

	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++) {
		struct record_counts *total = &r->totals[i];
		struct record_counts *reported = &t->reported[i];
		uint64_t known = reported->exported + dropped(reported), had;

		total->handed += t->frame_counts[i];
		had = total->handed - t->handed_before[i];
		if (had > known)
			total->dropped[RECORD_DROP_LOST] += had - known;
		t->handed_before[i] = total->handed;
		t->frame_counts[i] = 0;
		*reported = (struct record_counts){0};
	}
	buffer_clear(&t->frame);
}
