/* spans: encodes a record as a span of OTLP. Names follow OpenTelemetry's
 * semantic conventions where there is one; supd's own begin with "supd.". */
#include "proto/kinds/kinds.h"
#include "proto/util/text.h"
#include "supervisor/telemetry/export/encode.h"
#include "supervisor/telemetry/export/json.h"
#include "supervisor/trace/tracer.h"

#define NAME_BYTES 512

static void
put_member(struct buffer *out, const char *name)
{
	json_put(out, ",\"");
	json_put(out, name);
	json_put(out, "\":");
}

struct head {
	uint64_t high, low, span, parent;
	int64_t began_us, ended_us;
};

static struct head
read_head(struct record *r)
{
	struct head h;

	h.high = record_number(r);
	h.low = record_number(r);
	h.span = record_number(r);
	h.parent = record_number(r);
	h.began_us = (int64_t)record_number(r) + r->offset_us;
	h.ended_us = (int64_t)record_number(r) + r->offset_us;
	return h;
}

static void
put_head(struct buffer *out, const struct head *h, enum span_kind kind,
	struct bytes name)
{
	json_put(out, "{\"traceId\":\"");
	json_put_id(out, h->high);
	json_put_id(out, h->low);
	json_put(out, "\",\"spanId\":\"");
	json_put_id(out, h->span);
	if (h->parent) {
		json_put(out, "\",\"parentSpanId\":\"");
		json_put_id(out, h->parent);
	}
	json_put(out, "\",\"flags\":1,\"name\":");
	json_put_text(out, name);
	put_member(out, "kind");
	buffer_append_byte(out, (uint8_t)('0' + kind));
	put_member(out, "startTimeUnixNano");
	json_put_nano(out, h->began_us);
	put_member(out, "endTimeUnixNano");
	json_put_nano(
		out, h->ended_us < h->began_us ? h->began_us : h->ended_us);
	put_member(out, "attributes");
	buffer_append_byte(out, '[');
}

static void
put_text_if(struct buffer *out, const char *name, struct bytes text)
{
	if (text.length)
		json_put_attribute(out, name, text);
}

/* Closes the attributes and the span. */
static void
put_end(struct buffer *out, struct bytes error, struct bytes text)
{
	put_text_if(out, "error.type", error);
	json_end_list(out);
	buffer_append_byte(out, ']');
	if (error.length) {
		json_put(out, ",\"status\":{\"code\":2");
		if (text.length) {
			put_member(out, "message");
			json_put_text(out, text);
		}
		buffer_append_byte(out, '}');
	}
	json_put(out, "},");
}

/* "192.0.2.1:80" or "[::1]:80" without the port. */
static struct bytes
host_of(struct bytes client)
{
	size_t length = client.length;

	while (length && client.at[length - 1] != ':')
		length--;
	if (!length)
		return client;
	if (client.at[0] == '[' && length > 3)
		return (struct bytes){client.at + 1, length - 3};
	return (struct bytes){client.at, length - 1};
}

static void
put_plugin(struct buffer *out, struct bytes plugin, uint64_t generation)
{
	put_text_if(out, "supd.plugin.id", plugin);
	if (generation)
		json_put_attribute_number(
			out, "supd.plugin.generation", generation);
}

/* ---- a client's request ---- */

static bool
is_known_method(struct bytes method)
{
	static const char *const known[] = {"GET", "HEAD", "POST", "PUT",
		"DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (bytes_equal(method, bytes_of(known[i])))
			return true;
	return false;
}

static void
encode_server(struct record *r, struct buffer *out)
{
	struct head head = read_head(r);
	struct bytes method = record_text(r), path = record_text(r);
	struct bytes route = record_text(r), plugin, client, error;
	bool known = is_known_method(method);
	uint64_t status = record_number(r), generation;
	char name[NAME_BYTES];

	text_format(name, sizeof(name), "%.*s%s%.*s",
		known ? (int)method.length : 4, known ? method.at : "HTTP",
		route.length ? " " : "", (int)route.length, route.at);
	put_head(out, &head, SPAN_SERVER, bytes_of(name));
	json_put_attribute(
		out, "http.request.method", known ? method : BYTES("_OTHER"));
	if (!known)
		put_text_if(out, "http.request.method_original", method);
	json_put_attribute(out, "url.path", path);
	put_text_if(out, "http.route", route);
	if (status)
		json_put_attribute_number(
			out, "http.response.status_code", status);
	plugin = record_text(r);
	generation = record_number(r);
	put_plugin(out, plugin, generation);
	client = record_text(r);
	put_text_if(out, "client.address", host_of(client));
	json_put_attribute(out, "url.scheme",
		record_number(r) ? BYTES("https") : BYTES("http"));
	error = record_text(r);
	put_end(out, error, BYTES(""));
}

/* ---- a request of supd to a worker ---- */

/* The first word of the name of a span, by the kind of its registration. */
static const char *const verbs[REGISTRATION_KIND_COUNT] = {
	[REGISTRATION_CHANNEL] = "channel",
	[REGISTRATION_TOOL] = "tool",
	[REGISTRATION_COMMAND] = "command",
	[REGISTRATION_HTTP] = "worker",
	[REGISTRATION_METHOD] = "method",
	[REGISTRATION_SERVICE] = "service",
	[REGISTRATION_HOOK] = "hook",
	[REGISTRATION_SCHEDULE] = "tick",
	[REGISTRATION_CLI] = "cli",
};

static void
encode_request(struct record *r, struct buffer *out)
{
	struct head head = read_head(r);
	uint64_t kind = record_number(r), generation, sends;
	struct bytes name = record_text(r), plugin = record_text(r), error;
	bool known = kind && kind <= REGISTRATION_KIND_COUNT;
	char whole[NAME_BYTES];

	text_format(whole, sizeof(whole), "%s%s%.*s",
		known	      ? verbs[kind - 1]
		: name.length ? ""
			      : "worker",
		known && name.length ? " " : "", (int)name.length, name.at);
	put_head(out, &head, SPAN_CLIENT, bytes_of(whole));
	if (known)
		json_put_attribute(out, "supd.kind",
			bytes_of(registration_kinds[kind - 1]->wire));
	put_text_if(out, "supd.name", name);
	generation = record_number(r);
	sends = record_number(r);
	put_plugin(out, plugin, generation);
	if (sends > 1)
		json_put_attribute_number(out, "supd.sends", sends);
	error = record_text(r);
	put_end(out, error, record_text(r));
}

/* ---- any other piece of work ---- */

static void
encode_step(struct record *r, struct buffer *out)
{
	struct head head = read_head(r);
	uint64_t kind = record_number(r), generation;
	struct bytes name = record_text(r), plugin = record_text(r), error;

	put_head(out, &head,
		kind >= SPAN_INTERNAL && kind <= SPAN_CONSUMER
			? (enum span_kind)kind
			: SPAN_INTERNAL,
		name);
	generation = record_number(r);
	put_plugin(out, plugin, generation);
	put_text_if(out, "supd.id", record_text(r));
	error = record_text(r);
	put_end(out, error, record_text(r));
}

void
encode_span(struct record *r, struct buffer *out)
{
	switch (r->type) {
	case RECORD_SERVER:
		encode_server(r, out);
		break;
	case RECORD_REQUEST:
		encode_request(r, out);
		break;
	case RECORD_STEP:
		encode_step(r, out);
		break;
	default:
		break;
	}
}
