/* sender: the transfers. Which answers allow another try is OTLP's rule: 429,
 * 502, 503, 504, and no answer at all. */
#include "supervisor/telemetry/export/sender.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"

#define CONNECT_MS_MAX 5000L

static const char *const paths[RECORD_SIGNAL_COUNT] = {
	[RECORD_SPANS] = "/v1/traces",
	[RECORD_METRICS] = "/v1/metrics",
	[RECORD_LOGS] = "/v1/logs",
};

static const struct {
	uint32_t count;
	size_t bytes;
} limits[RECORD_SIGNAL_COUNT] = {
	[RECORD_SPANS] = {131072, (size_t)32 << 20},
	[RECORD_METRICS] = {2048, (size_t)32 << 20},
	[RECORD_LOGS] = {65536, (size_t)16 << 20},
};

static size_t
on_answer(char *at, size_t size, size_t count, void *user)
{
	struct sender *s = user;

	if (buffer_length(&s->answer) + size * count > SENDER_ANSWER_MAX)
		return 0; /* ends the transfer with an error */
	buffer_append(&s->answer, at, size * count);
	return size * count;
}

void
sender_init(struct sender *s, enum record_signal signal,
	const struct sender_target *target)
{
	*s = (struct sender){.signal = signal, .target = target};
	s->queue.count_max = limits[signal].count;
	s->queue.bytes_max = limits[signal].bytes;
	s->pause_ms = SENDER_PAUSE_MIN_MS;
	s->easy = curl_easy_init();
}

static void
end_transfer(struct sender *s)
{
	if (s->state == SENDER_SENDING)
		curl_multi_remove_handle(s->target->multi, s->easy);
	s->state = SENDER_IDLE;
	s->abort_ms = 0;
}

void
sender_finish(struct sender *s)
{
	end_transfer(s);
	curl_easy_cleanup(s->easy);
	buffer_finish(&s->body);
	buffer_finish(&s->answer);
	record_queue_finish(&s->queue);
}

void
sender_take(struct sender *s, int64_t offset_us, const uint8_t *at, size_t n)
{
	if (!s->queue.count)
		s->waiting_since_ms = clock_ms();
	if (!record_queue_push(&s->queue, offset_us, at, n))
		s->overflow++;
}

bool
sender_is_empty(const struct sender *s)
{
	return !s->queue.count && !s->body_count;
}

/* ---- the end of a try ---- */

static void
drop_body(struct sender *s)
{
	buffer_clear(&s->body);
	s->body_count = 0;
}

static void
pause_for(struct sender *s, uint64_t now_ms, uint64_t least_ms)
{
	uint64_t ms = s->pause_ms + (uint64_t)rand() % (s->pause_ms / 4);

	s->state = SENDER_PAUSING;
	s->due_ms = now_ms + (ms > least_ms ? ms : least_ms);
	s->pause_ms = s->pause_ms * 2 > SENDER_PAUSE_MAX_MS
			      ? SENDER_PAUSE_MAX_MS
			      : s->pause_ms * 2;
}

/* Records that the collector rejected, though it accepted the request; and why,
 * if the answer says so. */
static uint64_t
take_rejected(struct sender *s)
{
	static const char *const members[] = {
		"rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"};
	json_t *answer = json_loadb((const char *)buffer_bytes(&s->answer),
		buffer_length(&s->answer), 0, NULL);
	const json_t *part = json_object_get(answer, "partialSuccess"), *value;
	const char *why =
		json_string_value(json_object_get(part, "errorMessage"));
	uint64_t count = 0;

	for (size_t i = 0; i < 3; i++) {
		value = json_object_get(part, members[i]);
		if (json_is_integer(value) && json_integer_value(value) > 0)
			count = (uint64_t)json_integer_value(value);
		else if (json_is_string(value))
			count = strtoull(json_string_value(value), NULL, 10);
	}
	text_format(
		s->refusal, sizeof(s->refusal), "%s", count && why ? why : "");
	json_decref(answer);
	return count < s->body_count ? count : s->body_count;
}

static void
succeed(struct sender *s)
{
	uint64_t lost = take_rejected(s);

	s->exported += s->body_count - lost;
	s->refused += lost;
	s->pause_ms = SENDER_PAUSE_MIN_MS;
	s->error[0] = '\0';
	drop_body(s);
}

static void
fail(struct sender *s, bool may_try_again, uint64_t least_ms)
{
	uint64_t now_ms = clock_ms();

	if (!may_try_again) {
		s->refused += s->body_count;
		drop_body(s);
	} else if (s->target->is_ending ||
		   now_ms - s->first_try_ms > SENDER_GIVE_UP_MS) {
		s->failed += s->body_count;
		drop_body(s);
	}
	pause_for(s, now_ms, least_ms);
	if (s->target->is_ending)
		s->due_ms = now_ms;
}

void
sender_done(struct sender *s, CURLcode code)
{
	curl_off_t after_s = 0;
	long status = 0;

	end_transfer(s);
	s->has_tried = true;
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &after_s);
	if (after_s < 0 || after_s > SENDER_RETRY_AFTER_MAX_MS / 1000)
		after_s = after_s < 0 ? 0 : SENDER_RETRY_AFTER_MAX_MS / 1000;
	if (code != CURLE_OK) {
		text_format(s->error, sizeof(s->error), "%s",
			curl_easy_strerror(code));
		fail(s, true, 0);
	} else if (status >= 200 && status < 300) {
		succeed(s);
	} else {
		text_format(s->error, sizeof(s->error), "status %ld", status);
		fail(s, status == 429 || (status >= 502 && status <= 504),
			(uint64_t)after_s * 1000);
	}
}

/* ---- a try ---- */

static void
begin_transfer(struct sender *s, uint64_t now_ms)
{
	const struct sender_target *t = s->target;
	long connect_ms =
		t->timeout_ms < CONNECT_MS_MAX ? t->timeout_ms : CONNECT_MS_MAX;
	char url[4096];

	text_format(url, sizeof(url), "%s%s", t->endpoint, paths[s->signal]);
	buffer_clear(&s->answer);
	curl_easy_setopt(s->easy, CURLOPT_URL, url);
	curl_easy_setopt(s->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(s->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, t->timeout_ms);
	curl_easy_setopt(s->easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE,
		(curl_off_t)buffer_length(&s->body));
	curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, buffer_bytes(&s->body));
	curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
	curl_easy_setopt(
		s->easy, CURLOPT_USERAGENT, "supd-export/" SUPD_VERSION);
	if (!s->first_try_ms)
		s->first_try_ms = now_ms;
	if (curl_multi_add_handle(t->multi, s->easy) == CURLM_OK) {
		s->state = SENDER_SENDING;
		return;
	}
	s->has_tried = true;
	text_format(s->error, sizeof(s->error), "not enough memory");
	fail(s, true, 0);
}

static void
make_body(struct sender *s, uint64_t now_ms)
{
	s->body_count = encode_batch(
		&s->queue, s->signal, &s->target->source, &s->body);
	s->first_try_ms = 0;
	s->waiting_since_ms = now_ms;
}

/* When what waits is to be sent; 0: nothing waits. */
static uint64_t
batch_due(const struct sender *s, uint64_t now_ms)
{
	if (s->body_count || s->queue.count >= ENCODE_BATCH_RECORDS / 4)
		return now_ms;
	if (!s->queue.count)
		return 0;
	return s->target->is_ending ? now_ms
				    : s->waiting_since_ms + SENDER_DELAY_MS;
}

uint64_t
sender_look(struct sender *s, uint64_t now_ms)
{
	uint64_t due_ms;

	if (!s->target->endpoint)
		return 0;
	if (s->state == SENDER_SENDING) {
		if (!s->abort_ms || now_ms < s->abort_ms)
			return s->abort_ms;
		end_transfer(s);
	}
	if (s->state == SENDER_PAUSING && now_ms < s->due_ms)
		return s->due_ms;
	s->state = SENDER_IDLE;
	due_ms = batch_due(s, now_ms);
	if (!due_ms || due_ms > now_ms)
		return due_ms;
	if (!s->body_count)
		make_body(s, now_ms);
	begin_transfer(s, now_ms);
	return s->state == SENDER_PAUSING ? s->due_ms : 0;
}

void
sender_retarget(struct sender *s, uint64_t now_ms)
{
	s->pause_ms = SENDER_PAUSE_MIN_MS;
	s->first_try_ms = 0;
	s->due_ms = now_ms;
	s->error[0] = s->refusal[0] = '\0';
	s->has_tried = false;
	if (s->abort_ms)
		end_transfer(s);
	else if (s->state == SENDER_SENDING)
		s->abort_ms = now_ms + SENDER_GRACE_MS;
}
