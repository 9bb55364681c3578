/* encode: the frame of a request, around its records. */
#include "supervisor/telemetry/export/encode.h"

#include "supervisor/telemetry/export/json.h"

static const struct {
	const char *around, *scope, *list;
	size_t bytes_max; /* of records */
	void (*encode)(struct record *r, struct buffer *out);
} forms[RECORD_SIGNAL_COUNT] = {
	[RECORD_SPANS] = {"resourceSpans", "scopeSpans", "spans",
		ENCODE_BATCH_BYTES, encode_span},
	[RECORD_METRICS] = {"resourceMetrics", "scopeMetrics", "metrics",
		ENCODE_PAGES_BYTES, encode_page},
	[RECORD_LOGS] = {"resourceLogs", "scopeLogs", "logRecords",
		ENCODE_BATCH_BYTES, encode_line},
};

static void
put_head(struct buffer *body, enum record_signal signal,
	const struct encode_source *source)
{
	json_put(body, "{\"");
	json_put(body, forms[signal].around);
	json_put(body, "\":[{\"resource\":{\"attributes\":[");
	buffer_append(body, source->resource.at, source->resource.length);
	json_put(body, "]},\"");
	json_put(body, forms[signal].scope);
	json_put(body, "\":[{\"scope\":{\"name\":\"supd\",\"version\":");
	json_put_text(body, bytes_of(source->version));
	json_put(body, "},\"");
	json_put(body, forms[signal].list);
	json_put(body, "\":[");
}

uint32_t
encode_batch(struct record_queue *q, enum record_signal signal,
	const struct encode_source *source, struct buffer *body)
{
	uint32_t count = 0;
	size_t bytes = 0;
	struct record r;

	put_head(body, signal, source);
	while (count < ENCODE_BATCH_RECORDS && record_queue_first(q, &r)) {
		bytes += record_queue_size(q);
		if (count && bytes > forms[signal].bytes_max)
			break;
		forms[signal].encode(&r, body);
		record_queue_drop(q);
		count++;
	}
	json_end_list(body);
	json_put(body, "]}]}]}");
	return count;
}
