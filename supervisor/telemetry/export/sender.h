/* sender: exports one signal: makes batches of what waits, posts them one at a
 * time, and tries again what the collector may take later. */
#pragma once

#include <curl/curl.h>

#include "proto/util/error.h"
#include "supervisor/telemetry/export/encode.h"

#define SENDER_DELAY_MS 1000 /* for a batch that is not full */
#define SENDER_PAUSE_MIN_MS 500
#define SENDER_PAUSE_MAX_MS 30000
#define SENDER_RETRY_AFTER_MAX_MS 300000
#define SENDER_GIVE_UP_MS 600000 /* a batch that could not be sent */
#define SENDER_GRACE_MS 2000	 /* to an old collector */
#define SENDER_ANSWER_MAX 65536

enum sender_state {
	SENDER_IDLE,
	SENDER_SENDING,
	SENDER_PAUSING, /* until due_ms */
};

/* What all senders share; changed by the exporter. */
struct sender_target {
	CURLM *multi;
	const char *endpoint; /* NULL: not known yet */
	struct curl_slist *headers;
	long timeout_ms;
	struct encode_source source;
	bool is_ending; /* nothing is tried again */
};

struct sender {
	enum record_signal signal;
	const struct sender_target *target;
	enum sender_state state;
	struct record_queue queue;
	uint64_t waiting_since_ms;
	CURL *easy;
	struct buffer body, answer;
	uint32_t body_count; /* records in body; 0: there is none */
	uint64_t first_try_ms, due_ms, pause_ms;
	uint64_t abort_ms; /* when a transfer to an old collector ends; 0 */
	uint64_t exported, overflow, refused, failed;
	bool has_tried;
	char error[256]; /* of the last try; "": it went well */
	/* Why the collector took only a part of the last request; "": it took
	 * all, or does not say why. */
	char refusal[256];
};

void sender_init(struct sender *s, enum record_signal signal,
	const struct sender_target *target);
void sender_finish(struct sender *s);
void sender_take(
	struct sender *s, int64_t offset_us, const uint8_t *at, size_t n);
/* Sends if it is time. Returns when to look again, in clock_ms(); 0: when
 * something happens. */
uint64_t sender_look(struct sender *s, uint64_t now_ms);
/* The transfer is over. */
void sender_done(struct sender *s, CURLcode code);
/* The target has changed: a batch that waits goes to the new one, and a
 * transfer to the old one gets SENDER_GRACE_MS more. One to the target before
 * that ends at once, so at most one older target is in use. Errors so far are
 * forgotten: a signal that is turned off is not tried again. */
void sender_retarget(struct sender *s, uint64_t now_ms);
bool sender_is_empty(const struct sender *s);
