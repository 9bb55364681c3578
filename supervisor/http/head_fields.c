/* Refuses what two readers of one head could understand differently. */
#include "supervisor/http/head_fields.h"

#include <string.h>

#include "supervisor/http/text.h"

#define CONNECTION_VALUE_MAX 512

int
head_refuse(struct head *h, int status, const char *reason)
{
	h->status = status;
	h->reason = reason;
	h->keep_alive = false;
	return -1;
}

static void
lower(struct bytes name)
{
	/* The bytes are the caller's char array, made const by us. */
	char *at = (char *)(uintptr_t)name.at;

	for (size_t i = 0; i < name.length; i++)
		at[i] += (at[i] >= 'A' && at[i] <= 'Z') ? 'a' - 'A' : 0;
}

static const struct bytes known_names[HEAD_KNOWN_COUNT] = {
#define X(name, text) [HEAD_##name] = {text, sizeof(text) - 1},
	HEAD_KNOWN_FIELDS(X)
#undef X
};

static const struct bytes hop_names[] = {
	{"connection", 10},
	{"keep-alive", 10},
	{"te", 2},
	{"trailer", 7},
	{"transfer-encoding", 17},
	{"upgrade", 7},
	{"expect", 6},
	{"proxy-connection", 16},
	{"proxy-authorization", 19},
	{"proxy-authenticate", 18},
};

static bool
is_hop_name(struct bytes name)
{
	if (!memchr("cketup", name.at[0], 6))
		return false;
	for (size_t i = 0; i < sizeof(hop_names) / sizeof(*hop_names); i++)
		if (bytes_equal(name, hop_names[i]))
			return true;
	return false;
}

/* -1: a field that may come only once is there twice. */
static int
note_field(struct head *h, struct head_field *f)
{
	while (f->value.length &&
		strchr(" \t", f->value.at[f->value.length - 1]))
		f->value.length--;
	lower(f->name);
	f->hop = is_hop_name(f->name);
	if (!memchr("hcteax", f->name.at[0], 6))
		return 0;
	for (unsigned i = 0; i < HEAD_KNOWN_COUNT; i++) {
		if (!bytes_equal(f->name, known_names[i]))
			continue;
		if (!h->known[i])
			h->known[i] = f;
		else if (i != HEAD_CONNECTION && i != HEAD_EXPECT &&
			 i != HEAD_X_REQUEST_ID)
			return -1;
		return 0;
	}
	return 0;
}

/* How long the body is: the field of play of request smuggling. */
static int
read_framing(struct head *h)
{
	const struct head_field *length = h->known[HEAD_CONTENT_LENGTH];
	const struct head_field *coding = h->known[HEAD_TRANSFER_ENCODING];

	if (length && coding)
		return head_refuse(h, 400,
			"Content-Length and Transfer-Encoding together");
	h->has_length = length != NULL;
	if (length && !text_read_number(length->value, &h->content_length))
		return head_refuse(h, 400, "Content-Length is malformed");
	if (!coding)
		return 0;
	if (h->http_1_0)
		return head_refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
	if (!text_equals_ignoring_case(coding->value, BYTES("chunked")))
		return head_refuse(h,
			memchr(coding->value.at, ',', coding->value.length) ||
					!coding->value.length
				? 400
				: 501,
			"the only transfer coding is chunked");
	h->chunked = true;
	return 0;
}

static int
read_host(struct head *h)
{
	const struct head_field *host = h->known[HEAD_HOST];

	if (!host)
		return h->http_1_0 ? 0 : head_refuse(h, 400, "Host is missing");
	for (size_t i = 0; i < host->value.length; i++) {
		unsigned char c = (unsigned char)host->value.at[i];

		if (c <= ' ' || c >= 0x7f || strchr("/?#@,\\\"<>^`{|}", c))
			return head_refuse(h, 400, "Host is malformed");
	}
	return 0;
}

/* Names listed in Connection end here too, but for those that carry meaning
 * which no hop may take away. */
static void
end_listed_fields(struct head_parser *p, struct bytes listed)
{
	const struct head *h = &p->head;

	for (unsigned i = 0; i < p->field_count; i++) {
		struct head_field *f = &p->fields[i];

		if (f != h->known[HEAD_HOST] &&
			f != h->known[HEAD_CONTENT_LENGTH] &&
			f != h->known[HEAD_AUTHORIZATION])
			f->hop |= text_has_item(listed, f->name);
	}
}

static int
read_connection(struct head_parser *p)
{
	struct head *h = &p->head;
	size_t listed_bytes = 0;

	h->keep_alive = !h->http_1_0;
	if (!h->known[HEAD_CONNECTION])
		return 0;
	for (unsigned i = 0; i < p->field_count; i++) {
		struct bytes value = p->fields[i].value;

		if (!bytes_equal(p->fields[i].name, BYTES("connection")))
			continue;
		/* Each name is compared with each field. */
		listed_bytes += value.length;
		if (listed_bytes > CONNECTION_VALUE_MAX)
			return head_refuse(
				h, 400, "Connection lists too many names");
		if (text_has_item(value, BYTES("close")))
			h->keep_alive = false;
		else if (h->http_1_0 &&
			 text_has_item(value, BYTES("keep-alive")))
			h->keep_alive = true;
		if (!text_equals_ignoring_case(value, BYTES("keep-alive")) &&
			!text_equals_ignoring_case(value, BYTES("close")))
			end_listed_fields(p, value);
	}
	return 0;
}

static int
read_expect(struct head *h)
{
	const struct head_field *expect = h->known[HEAD_EXPECT];

	if (!expect || h->http_1_0)
		return 0;
	if (!text_equals_ignoring_case(expect->value, BYTES("100-continue")))
		return head_refuse(
			h, 417, "the only expectation is 100-continue");
	h->expect_continue = h->chunked || h->content_length;
	return 0;
}

int
head_read_fields(struct head_parser *p)
{
	struct head *h = &p->head;

	for (unsigned i = 0; i < p->field_count; i++) {
		/* llhttp takes a line that begins with the colon. */
		if (!p->fields[i].name.length)
			return head_refuse(h, 400, "a field has no name");
		if (note_field(h, &p->fields[i]))
			return head_refuse(h, 400,
				"a field that may come once is there twice");
	}
	h->fields = p->fields;
	h->field_count = p->field_count;
	if (read_host(h) || read_framing(h) || read_expect(h))
		return -1;
	return read_connection(p);
}
