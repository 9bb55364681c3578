/* access_line: writes one request as a line: the combined format that log tools
 * read, with the gateway's fields at the end, or a JSON object. Nothing that a
 * client sends can end the line or a field. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/util/log_line.h"
#include "supervisor/http/access.h"

/* Writes a quoted field of the text format. */
static void
put_quoted(struct buffer *out, struct bytes text)
{
	buffer_append_byte(out, '"');
	for (size_t i = 0; i < text.length; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			buffer_format(out, "\\x%02x", c);
		else
			buffer_append_byte(out, c);
	}
	buffer_append_byte(out, '"');
}

static void
put_json(struct buffer *out, const char *key, bool is_there, struct bytes text)
{
	buffer_format(out, ",\"%s\":", key);
	if (!is_there) {
		buffer_append_text(out, "null");
		return;
	}
	buffer_append_byte(out, '"');
	log_escape(out, text.at, text.length, true);
	buffer_append_byte(out, '"');
}

/* The parts of a note, in their order. */
struct parts {
	struct bytes method, path, query, referer, agent;
};

static struct bytes
take(const char **at, size_t length)
{
	struct bytes part = {*at, length};

	*at += length;
	return part;
}

static struct parts
parts_of(const struct access_note *n)
{
	const char *at = n->text;
	struct parts p;

	p.method = take(&at, n->method);
	p.path = take(&at, n->path);
	p.query = take(&at, n->query);
	p.referer = take(&at, n->referer);
	p.agent = take(&at, n->agent);
	return p;
}

/* The host of "192.0.2.1:42" or "[::1]:42". */
static struct bytes
host_of(struct bytes client)
{
	const char *colon = memrchr(client.at, ':', client.length);

	if (client.length && client.at[0] == '[') {
		client.at++;
		client.length = (size_t)(colon - client.at) - 1;
	} else if (colon && memchr(client.at, ':', client.length) == colon) {
		client.length = (size_t)(colon - client.at);
	}
	return client;
}

static void
put_text(struct buffer *out, const struct access_note *n, const struct parts *p,
	const struct access_end *end, const struct tm *tm, double took_ms)
{
	const char *protocol = n->http_1_0 ? "HTTP/1.0" : "HTTP/1.1";
	struct bytes host = host_of(end->client);
	struct buffer line = {0};
	char when[40];

	strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S +0000", tm);
	buffer_format(out, "%.*s - - [%s] ", (int)host.length, host.at, when);
	if (n->is_malformed)
		buffer_append_text(&line, "-");
	else
		buffer_format(&line, "%.*s %.*s%s%.*s %s",
			(int)p->method.length, p->method.at,
			(int)p->path.length, p->path.at,
			n->has_query ? "?" : "", (int)p->query.length,
			p->query.at, protocol);
	put_quoted(out, (struct bytes){(char *)buffer_bytes(&line),
				buffer_length(&line)});
	buffer_format(out, " %d %llu ", end->status,
		(unsigned long long)end->body_bytes);
	put_quoted(out, n->has_referer ? p->referer : BYTES("-"));
	buffer_append_byte(out, ' ');
	put_quoted(out, n->has_agent ? p->agent : BYTES("-"));
	buffer_format(out, " %.3f %s/%u %.*s", took_ms,
		*n->plugin ? n->plugin : "-", n->generation,
		(int)end->request_id.length, end->request_id.at);
	buffer_finish(&line);
}

static void
put_object(struct buffer *out, const struct access_note *n,
	const struct parts *p, const struct access_end *end,
	const struct tm *tm, unsigned ms, double took_ms)
{
	bool well = !n->is_malformed;
	char when[40];

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", tm);
	buffer_format(
		out, "{\"time\":\"%s.%03uZ\",\"type\":\"access\"", when, ms);
	put_json(out, "peer", true, end->client);
	put_json(out, "method", well, p->method);
	put_json(out, "path", well, p->path);
	put_json(out, "query", well && n->has_query, p->query);
	put_json(out, "protocol", well,
		n->http_1_0 ? BYTES("HTTP/1.0") : BYTES("HTTP/1.1"));
	buffer_format(out, ",\"status\":%d,\"bytes\":%llu,\"durationMs\":%.3f",
		end->status, (unsigned long long)end->body_bytes, took_ms);
	put_json(out, "plugin", *n->plugin, bytes_of(n->plugin));
	if (n->generation)
		buffer_format(out, ",\"generation\":%u", n->generation);
	else
		buffer_append_text(out, ",\"generation\":null");
	put_json(out, "requestId", true, end->request_id);
	put_json(out, "referer", n->has_referer, p->referer);
	put_json(out, "userAgent", n->has_agent, p->agent);
	buffer_append_byte(out, '}');
}

void
access_line(struct buffer *out, int format, uint64_t wall_ms, uint64_t took_us,
	const struct access_note *note, const struct access_end *end)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct parts parts = parts_of(note);
	double took_ms = (double)took_us / 1000;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	if (format == ACCESS_JSON)
		put_object(out, note, &parts, end, &tm,
			(unsigned)(wall_ms % 1000), took_ms);
	else
		put_text(out, note, &parts, end, &tm, took_ms);
}
