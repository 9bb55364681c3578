/* head_fields: refuses heads that two parsers could understand differently. */
#include "supervisor/http/head_fields.h"

#include <arpa/inet.h>
#include <string.h>

#include "supervisor/http/text.h"

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
	/* the bytes are the caller's writable array */
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

/* -1: a field that may come only once is repeated. */
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
		else if (i == HEAD_TRACEPARENT)
			h->traceparent_is_repeated = true;
		else if (i != HEAD_CONNECTION && i != HEAD_EXPECT &&
			 i != HEAD_X_REQUEST_ID && i != HEAD_ACCEPT)
			return -1;
		return 0;
	}
	return 0;
}

/* The status for transfer codings other than chunked alone: 501 for a single
 * coding, or if chunked is the last and only there; else 400. */
static int
coding_status(struct bytes value)
{
	struct text_items items = {0};
	unsigned count;

	if (!text_items_add(&items, value) || !items.count)
		return 400;
	count = items.count;
	for (unsigned i = 0; i < count; i++)
		if (!text_is_token(items.items[i]))
			return 400;
	if (count == 1)
		return 501;
	items.count--;
	return text_equals_ignoring_case(
		       items.items[count - 1], BYTES("chunked")) &&
			       !text_items_have(&items, BYTES("chunked"))
		       ? 501
		       : 400;
}

/* Reads the length of the body, strictly, because differing readings allow
 * request smuggling. */
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
		return head_refuse(h, coding_status(coding->value),
			"the only supported transfer coding is chunked");
	h->chunked = true;
	return 0;
}

static bool
is_port(struct bytes digits)
{
	uint64_t port = 0;

	return !digits.length ||
	       (text_read_number(digits, &port) && port <= UINT16_MAX);
}

static bool
is_name(struct bytes host)
{
	for (size_t i = 0; i < host.length; i++) {
		unsigned char c = (unsigned char)host.at[i];

		if (c <= ' ' || c >= 0x7f || strchr("/?#@,\\\"<>^`{|}[]:", c))
			return false;
	}
	return host.length > 0;
}

/* Whether text, between brackets, is an IPv6 address. */
static bool
is_ipv6(struct bytes address)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr any;

	if (address.length >= sizeof(text))
		return false;
	memcpy(text, address.at, address.length);
	text[address.length] = '\0';
	return inet_pton(AF_INET6, text, &any) == 1;
}

/* host [":" port] */
static bool
is_authority(struct bytes text)
{
	const char *at = text.at, *end = text.at + text.length, *stop;
	bool is_literal = *at == '[';

	stop = memchr(at, is_literal ? ']' : ':', text.length);
	if (is_literal) {
		if (!stop || !is_ipv6((struct bytes){
				     at + 1, (size_t)(stop - at) - 1}))
			return false;
		stop++;
	} else {
		stop = stop ? stop : end;
		if (!is_name((struct bytes){at, (size_t)(stop - at)}))
			return false;
	}
	return stop == end ||
	       (*stop == ':' && is_port((struct bytes){
					stop + 1, (size_t)(end - stop) - 1}));
}

/* Takes the host of an absolute target, which overrides Host. */
static int
take_authority(struct head_parser *p)
{
	struct head *h = &p->head;
	struct head_field *f;

	if (!is_authority(h->authority))
		return head_refuse(
			h, 400, "the host of the request target is malformed");
	for (unsigned i = 0; i < p->field_count; i++)
		if (&p->fields[i] == h->known[HEAD_HOST]) {
			p->fields[i].value = h->authority;
			return 0;
		}
	if (p->field_count == HEAD_FIELDS_MAX)
		return head_refuse(h, 431, "the head has too many fields");
	f = &p->fields[p->field_count++];
	*f = (struct head_field){
		.name = known_names[HEAD_HOST], .value = h->authority};
	h->known[HEAD_HOST] = f;
	return 0;
}

static int
read_host(struct head_parser *p)
{
	struct head *h = &p->head;
	const struct head_field *host = h->known[HEAD_HOST];

	if (!host && !h->http_1_0)
		return head_refuse(h, 400, "Host is missing");
	if (host && host->value.length && !is_authority(host->value))
		return head_refuse(h, 400, "Host is malformed");
	return h->authority.length ? take_authority(p) : 0;
}

/* Marks fields listed in Connection as hop-by-hop, except those that a client
 * must not be able to remove. */
static void
end_listed_fields(struct head_parser *p, const struct text_items *listed)
{
	const struct head *h = &p->head;

	for (unsigned i = 0; i < p->field_count; i++) {
		struct head_field *f = &p->fields[i];

		if (f != h->known[HEAD_HOST] &&
			f != h->known[HEAD_CONTENT_LENGTH] &&
			f != h->known[HEAD_AUTHORIZATION])
			f->hop |= text_items_have(listed, f->name);
	}
}

static int
read_connection(struct head_parser *p)
{
	struct text_items listed = {0};
	struct head *h = &p->head;

	h->keep_alive = !h->http_1_0;
	if (!h->known[HEAD_CONNECTION])
		return 0;
	for (unsigned i = 0; i < p->field_count; i++)
		if (bytes_equal(p->fields[i].name, BYTES("connection")) &&
			!text_items_add(&listed, p->fields[i].value))
			return head_refuse(
				h, 400, "Connection lists too many names");
	if (text_items_have(&listed, BYTES("close")))
		h->keep_alive = false;
	else if (h->http_1_0)
		h->keep_alive = text_items_have(&listed, BYTES("keep-alive"));
	end_listed_fields(p, &listed);
	return 0;
}

static int
read_expect(struct head *h)
{
	const struct head_field *expect = h->known[HEAD_EXPECT];

	if (!expect || h->http_1_0)
		return 0;
	if (!text_equals_ignoring_case(expect->value, BYTES("100-continue")))
		return head_refuse(h, 417,
			"the only supported expectation is 100-continue");
	h->expect_continue = h->chunked || h->content_length;
	return 0;
}

int
head_read_fields(struct head_parser *p)
{
	struct head *h = &p->head;

	for (unsigned i = 0; i < p->field_count; i++) {
		/* llhttp accepts a line that begins with a colon */
		if (!p->fields[i].name.length)
			return head_refuse(h, 400, "a field has no name");
		if (note_field(h, &p->fields[i]))
			return head_refuse(h, 400,
				"a field that must be unique appears twice");
	}
	if (read_host(p))
		return -1;
	h->fields = p->fields;
	h->field_count = p->field_count;
	if (read_framing(h) || read_expect(h))
		return -1;
	return read_connection(p);
}
