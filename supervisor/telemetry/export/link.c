/* link: the socket to supd: frames of records come in, reports go out. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/codec.h"
#include "proto/util/clock.h"
#include "proto/value.h"
#include "supervisor/telemetry/export/exporter.h"
#include "supervisor/telemetry/export/json.h"
#include "supervisor/telemetry/frame.h"

#define READ_BYTES (256 * 1024) /* a turn */
#define REPORT_MS 200

/* ---- in ---- */

static const enum record_signal signals[RECORD_TYPE_COUNT] = {
	[RECORD_SERVER] = RECORD_SPANS,
	[RECORD_REQUEST] = RECORD_SPANS,
	[RECORD_STEP] = RECORD_SPANS,
	[RECORD_LINE] = RECORD_LOGS,
	[RECORD_PAGE] = RECORD_METRICS,
};

/* Settings come in a frame of their own. */
static bool
take_settings(struct exporter *x, const uint8_t *at, size_t length)
{
	struct error err;
	struct codec *codec = codec_create();
	const msgpack_object *o = codec_decode_value(codec, at, length, &err);
	json_t *all = o ? value_from(o, &err) : NULL;
	bool is_whole =
		json_array_size(all) == 5 &&
		json_integer_value(json_array_get(all, 0)) == RECORD_SETTINGS &&
		json_is_string(json_array_get(all, 1));

	if (is_whole)
		exporter_configure(x, json_string_value(json_array_get(all, 1)),
			json_array_get(all, 2), json_array_get(all, 3),
			(uint64_t)json_integer_value(json_array_get(all, 4)));
	json_decref(all);
	codec_destroy(codec);
	return is_whole;
}

static void
take_frame(struct exporter *x, int64_t offset_us, const uint8_t *at, size_t n)
{
	struct record r;
	size_t length;

	if (n > 1 && at[0] == 0x95 && at[1] == RECORD_SETTINGS) {
		take_settings(x, at, n);
		return;
	}
	while (n && (length = record_begin(&r, at, n))) {
		sender_take(
			&x->senders[signals[r.type]], offset_us, at, length);
		at += length;
		n -= length;
	}
}

static void
end(struct exporter *x)
{
	x->has_ended = x->target.is_ending = true;
	x->end_ms = clock_ms() + EXPORTER_END_MS;
	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		sender_retarget(&x->senders[i], clock_ms());
}

void
link_read(struct exporter *x)
{
	ssize_t n = recv(x->fd, buffer_reserve(&x->in, READ_BYTES), READ_BYTES,
		MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(x);
		return;
	}
	buffer_commit(&x->in, (size_t)n);
	while (buffer_length(&x->in) >= FRAME_HEAD_BYTES) {
		const uint8_t *at = buffer_bytes(&x->in);
		size_t length = (size_t)frame_get(at, 4);

		if (length > FRAME_BYTES_MAX) {
			end(x); /* this is not a frame of supd */
			return;
		}
		if (buffer_length(&x->in) < FRAME_HEAD_BYTES + length)
			return;
		take_frame(x, (int64_t)frame_get(at + 4, 8),
			at + FRAME_HEAD_BYTES, length);
		buffer_consume(&x->in, FRAME_HEAD_BYTES + length);
	}
}

/* ---- out ---- */

static void
write_report(const struct exporter *x, struct buffer *out)
{
	const char *error = NULL, *refusal = NULL;
	bool has_tried = false;

	buffer_append_byte(out, '{');
	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++) {
		const struct sender *s = &x->senders[i];

		has_tried |= s->has_tried;
		if (s->error[0] && !error)
			error = s->error;
		if (s->refusal[0] && !refusal)
			refusal = s->refusal;
		buffer_format(out, "\"%s\":[%llu,%llu,%llu,%llu],",
			record_signal_texts[i], (unsigned long long)s->exported,
			(unsigned long long)s->overflow,
			(unsigned long long)s->refused,
			(unsigned long long)s->failed);
	}
	if (has_tried) {
		json_put(out, "\"error\":");
		json_put_text(out, bytes_of(error ? error : ""));
		json_put(out, ",\"refusal\":");
		json_put_text(out, bytes_of(refusal ? refusal : ""));
	}
	json_end_list(out);
	json_put(out, "}\n");
}

static void
flush(struct exporter *x)
{
	ssize_t n;

	while (buffer_length(&x->out)) {
		n = send(x->fd, buffer_bytes(&x->out), buffer_length(&x->out),
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return;
		buffer_consume(&x->out, (size_t)n);
	}
}

uint64_t
link_report(struct exporter *x, uint64_t now_ms)
{
	struct buffer now = {0};
	bool is_new;

	if (!x->has_ended && now_ms - x->reported_ms < REPORT_MS)
		return x->reported_ms + REPORT_MS;
	write_report(x, &now);
	is_new = buffer_length(&now) != buffer_length(&x->reported) ||
		 memcmp(buffer_bytes(&now), buffer_bytes(&x->reported),
			 buffer_length(&now)) != 0;
	if (is_new && !buffer_length(&x->out)) {
		buffer_clear(&x->reported);
		buffer_append(
			&x->reported, buffer_bytes(&now), buffer_length(&now));
		buffer_append(&x->out, buffer_bytes(&now), buffer_length(&now));
		x->reported_ms = now_ms;
	}
	buffer_finish(&now);
	flush(x);
	return buffer_length(&x->out) ? now_ms + REPORT_MS : 0;
}
