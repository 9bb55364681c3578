#include "supervisor/http/head.h"

#include <llhttp.h>
#include <string.h>
#include <strings.h>

#include "supervisor/http/text.h"

/* ---- scanning: where the head ends, and what may never be in one ---- */

enum head_scan
head_scan(const char *bytes, size_t size, size_t *line, const char **reason)
{
	while (*line < size) {
		const char *at = bytes + *line;
		size_t left = size - *line;
		const char *lf = memchr(at, '\n', left);
		size_t length = lf ? (size_t)(lf - at) : left;

		/* Without its end yet: a last CR may be half of it. */
		if (length && at[length - 1] == '\r')
			length--;
		else if (lf) {
			*reason = "a line of the head does not end in CR LF";
			return HEAD_SCAN_BAD;
		}
		if (text_has_control((struct bytes){at, length})) {
			*reason = "the head has a control byte";
			return HEAD_SCAN_BAD;
		}
		if (*line && length && (*at == ' ' || *at == '\t')) {
			*reason = "the head has a folded line";
			return HEAD_SCAN_BAD;
		}
		if (!lf)
			return HEAD_SCAN_MORE;
		*line += length + 2;
		if (!length)
			return HEAD_SCAN_DONE;
	}
	return HEAD_SCAN_MORE;
}

/* ---- llhttp's callbacks: they only note where things are ---- */

static struct head_parser *
parser_of(llhttp_t *l)
{
	return l->data;
}

static int
on_url(llhttp_t *l, const char *at, size_t length)
{
	struct bytes *path = &parser_of(l)->head.path;

	if (!path->length)
		path->at = at;
	path->length += length;
	return 0;
}

static int
on_header_field(llhttp_t *l, const char *at, size_t length)
{
	struct head_parser *p = parser_of(l);
	struct head_field *f;

	if (p->field_count == p->fields_max) {
		p->overflow = true;
		return HPE_USER;
	}
	f = &p->fields[p->field_count++];
	f->name = (struct bytes){at, length};
	f->value = (struct bytes){at + length, 0};
	f->hop = false;
	return 0;
}

static int
on_header_value(llhttp_t *l, const char *at, size_t length)
{
	struct head_parser *p = parser_of(l);
	struct bytes *value;

	if (!p->field_count)
		return HPE_USER;
	value = &p->fields[p->field_count - 1].value;
	if (!value->length)
		value->at = at;
	value->length += length;
	return 0;
}

static int
on_headers_complete(llhttp_t *l)
{
	parser_of(l)->complete = true;
	return HPE_PAUSED;
}

/* Not const: llhttp_init() asks for a plain pointer in some versions. */
static llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
};

/* ---- what a head says ---- */

static int
refuse(struct head *h, int status, const char *reason)
{
	h->status = status;
	h->reason = reason;
	h->keep_alive = false;
	return -1;
}

/* "METHOD target HTTP/1.x", one space each: what llhttp takes more freely. */
static int
read_request_line(struct head *h, const char *line, size_t length)
{
	const char *space = memchr(line, ' ', length);
	const char *version = line + length - 8;

	if (!space || space == line)
		return refuse(h, 400, "the request line is malformed");
	h->method = (struct bytes){line, (size_t)(space - line)};
	if (!text_is_token(h->method))
		return refuse(h, 400, "the method is malformed");
	if (length < 14 || version[-1] != ' ' || space + 1 >= version - 1 ||
		memchr(space + 1, ' ', (size_t)(version - space - 2)) ||
		memchr(line, '\t', length) || memcmp(version, "HTTP/", 5))
		return refuse(h, 400, "the request line is malformed");
	if (memcmp(version, "HTTP/1.1", 8) && memcmp(version, "HTTP/1.0", 8))
		return refuse(h, 505, "only HTTP 1.0 and 1.1 are spoken");
	h->http_1_0 = version[7] == '0';
	h->is_head = bytes_equal(h->method, BYTES("HEAD"));
	return 0;
}

/* http://authority/path: the authority is not looked at. */
static void
strip_authority(struct bytes *target)
{
	const char *start, *end = target->at + target->length;
	size_t scheme;

	if (target->length > 7 && !strncasecmp(target->at, "http://", 7))
		scheme = 7;
	else if (target->length > 8 && !strncasecmp(target->at, "https://", 8))
		scheme = 8;
	else
		return;
	for (start = target->at + scheme; start < end; start++)
		if (*start == '/' || *start == '?')
			break;
	*target = (struct bytes){start, (size_t)(end - start)};
}

static int
read_target(struct head *h)
{
	struct bytes target = h->path;
	const char *mark;

	for (size_t i = 0; i < target.length; i++)
		if ((unsigned char)target.at[i] >= 0x7f || target.at[i] == '#')
			return refuse(h, 400,
				"the request target has a byte that must be "
				"percent-encoded");
	if (bytes_equal(h->method, BYTES("CONNECT")))
		return refuse(h, 501, "CONNECT is not served");
	strip_authority(&target);
	if (target.length && target.at[0] != '/' && target.at[0] != '?' &&
		!(target.length == 1 && target.at[0] == '*' &&
			bytes_equal(h->method, BYTES("OPTIONS"))))
		return refuse(h, 400, "the request target is malformed");
	mark = target.length ? memchr(target.at, '?', target.length) : NULL;
	h->path = target;
	h->query = (struct bytes){"", 0};
	if (mark) {
		h->path.length = (size_t)(mark - target.at);
		h->query = (struct bytes){
			mark + 1, target.length - h->path.length - 1};
	}
	if (!h->path.length)
		h->path = BYTES("/");
	return 0;
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
		return refuse(h, 400,
			"Content-Length and Transfer-Encoding together");
	h->has_length = length != NULL;
	if (length && !text_read_number(length->value, &h->content_length))
		return refuse(h, 400, "Content-Length is malformed");
	if (!coding)
		return 0;
	if (h->http_1_0)
		return refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
	if (!text_equals_ignoring_case(coding->value, BYTES("chunked")))
		return refuse(h,
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
		return h->http_1_0 ? 0 : refuse(h, 400, "Host is missing");
	for (size_t i = 0; i < host->value.length; i++) {
		unsigned char c = (unsigned char)host->value.at[i];

		if (c <= ' ' || c >= 0x7f || strchr("/?#@,\\\"<>^`{|}", c))
			return refuse(h, 400, "Host is malformed");
	}
	return 0;
}

/* Names listed in Connection end here too, but for those that carry meaning
 * which no hop may take away. */
static void
read_connection(struct head_parser *p)
{
	struct head *h = &p->head;

	h->keep_alive = !h->http_1_0;
	if (!h->known[HEAD_CONNECTION])
		return;
	for (unsigned i = 0; i < p->field_count; i++) {
		struct bytes value = p->fields[i].value;

		if (!bytes_equal(p->fields[i].name, BYTES("connection")))
			continue;
		if (text_has_item(value, BYTES("close")))
			h->keep_alive = false;
		else if (h->http_1_0 &&
			 text_has_item(value, BYTES("keep-alive")))
			h->keep_alive = true;
		if (text_equals_ignoring_case(value, BYTES("keep-alive")) ||
			text_equals_ignoring_case(value, BYTES("close")))
			continue;
		for (unsigned j = 0; j < p->field_count; j++)
			if (&p->fields[j] != h->known[HEAD_HOST] &&
				&p->fields[j] !=
					h->known[HEAD_CONTENT_LENGTH] &&
				&p->fields[j] != h->known[HEAD_AUTHORIZATION])
				p->fields[j].hop |=
					text_has_item(value, p->fields[j].name);
	}
}

static int
read_expect(struct head *h)
{
	const struct head_field *expect = h->known[HEAD_EXPECT];

	if (!expect || h->http_1_0)
		return 0;
	if (!text_equals_ignoring_case(expect->value, BYTES("100-continue")))
		return refuse(h, 417, "the only expectation is 100-continue");
	h->expect_continue = h->chunked || h->content_length;
	return 0;
}

/* What llhttp did not like, as an answer. */
static int
refuse_grammar(struct head_parser *p, const llhttp_t *l, llhttp_errno_t why)
{
	const char *reason = llhttp_get_error_reason(l);

	if (p->overflow)
		return refuse(&p->head, 431, "the head has too many fields");
	if (why == HPE_INVALID_METHOD)
		return refuse(&p->head, 501, "the method is not known");
	return refuse(&p->head, 400,
		reason && *reason ? reason : "the head is malformed");
}

static int
read_fields(struct head_parser *p)
{
	struct head *h = &p->head;

	for (unsigned i = 0; i < p->field_count; i++) {
		/* llhttp takes a line that begins with the colon. */
		if (!p->fields[i].name.length)
			return refuse(h, 400, "a field has no name");
		if (note_field(h, &p->fields[i]))
			return refuse(h, 400,
				"a field that may come once is there twice");
	}
	h->fields = p->fields;
	h->field_count = p->field_count;
	if (read_host(h) || read_framing(h) || read_expect(h))
		return -1;
	read_connection(p);
	return 0;
}

int
head_parse(struct head_parser *p, char *bytes, size_t length,
	unsigned fields_max, struct head **head_out)
{
	struct head *h = &p->head;
	llhttp_errno_t result;
	llhttp_t l;

	*head_out = h;
	memset(h, 0, sizeof(*h));
	p->field_count = 0;
	p->fields_max =
		fields_max < HEAD_FIELDS_MAX ? fields_max : HEAD_FIELDS_MAX;
	p->overflow = p->complete = false;
	if (read_request_line(h, bytes,
		    (size_t)((char *)memchr(bytes, '\n', length) - bytes - 1)))
		return -1;
	llhttp_init(&l, HTTP_REQUEST, &settings);
	l.data = p;
	result = llhttp_execute(&l, bytes, length);
	if (!p->complete || (result != HPE_PAUSED && result != HPE_OK &&
				    result != HPE_PAUSED_UPGRADE))
		return refuse_grammar(p, &l, result);
	if (read_target(h))
		return -1;
	return read_fields(p);
}
