/* lines: a line of a log as a log record of OTLP. */
#include "proto/util/log.h"
#include "supervisor/telemetry/export/encode.h"
#include "supervisor/telemetry/export/json.h"

/* The numbers are OpenTelemetry's. */
static const struct {
	unsigned number;
	const char *text;
} severities[] = {
	[LOG_ERROR] = {17, "ERROR"},
	[LOG_WARN] = {13, "WARN"},
	[LOG_INFO] = {9, "INFO"},
	[LOG_DEBUG] = {5, "DEBUG"},
};

static void
put_trace(struct buffer *out, uint64_t high, uint64_t low, uint64_t span)
{
	if (!(high | low))
		return;
	json_put(out, ",\"traceId\":\"");
	json_put_id(out, high);
	json_put_id(out, low);
	json_put(out, "\",\"spanId\":\"");
	json_put_id(out, span);
	json_put(out, "\",\"flags\":1");
}

void
encode_line(struct record *r, struct buffer *out)
{
	uint64_t high = record_number(r), low = record_number(r);
	uint64_t span = record_number(r);
	int64_t at_us = (int64_t)record_number(r) + r->offset_us;
	uint64_t level = record_number(r), generation, pid;
	struct bytes plugin = record_text(r), stream;

	if (level > LOG_DEBUG)
		level = LOG_INFO;
	generation = record_number(r);
	pid = record_number(r);
	stream = record_text(r);
	json_put(out, "{\"timeUnixNano\":");
	json_put_nano(out, at_us);
	json_put(out, ",\"observedTimeUnixNano\":");
	json_put_nano(out, at_us);
	buffer_format(out, ",\"severityNumber\":%u,\"severityText\":\"%s\"",
		severities[level].number, severities[level].text);
	put_trace(out, high, low, span);
	json_put(out, ",\"attributes\":[");
	if (plugin.length)
		json_put_attribute(out, "supd.plugin.id", plugin);
	if (generation)
		json_put_attribute_number(
			out, "supd.plugin.generation", generation);
	if (pid)
		json_put_attribute_number(out, "process.pid", pid);
	if (stream.length)
		json_put_attribute(out, "log.iostream", stream);
	json_end_list(out);
	json_put(out, "],\"body\":{\"stringValue\":");
	json_put_text(out, record_text(r));
	json_put(out, "}},");
}
