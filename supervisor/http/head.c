/* head: the request line by hand, then llhttp over the whole head. */
#include "supervisor/http/head.h"

#include <llhttp.h>
#include <string.h>
#include <strings.h>

#include "supervisor/http/head_fields.h"
#include "supervisor/http/text.h"

/* ---- scanning: the end of the head, and forbidden bytes ---- */

enum head_scan
head_scan(const char *bytes, size_t size, struct head_progress *p,
	const char **reason)
{
	while (p->seen < size) {
		const char *line = bytes + p->line, *at = bytes + p->seen;
		size_t left = size - p->seen;
		const char *lf = memchr(at, '\n', left);
		size_t fresh = lf ? (size_t)(lf - at) : left;

		/* The head has no end yet; a last CR may be half of one. */
		if (fresh && at[fresh - 1] == '\r') {
			fresh--;
		} else if (lf) {
			*reason = "a line of the head does not end in CR LF";
			return HEAD_SCAN_BAD;
		}
		if (text_has_control((struct bytes){at, fresh})) {
			*reason = "the head has a control byte";
			return HEAD_SCAN_BAD;
		}
		if (p->line && (*line == ' ' || *line == '\t')) {
			*reason = "the head has a folded line";
			return HEAD_SCAN_BAD;
		}
		p->seen += fresh;
		if (!lf)
			return HEAD_SCAN_MORE;
		p->seen += 2;
		fresh = p->seen - p->line;
		p->line = p->seen;
		if (fresh == 2)
			return HEAD_SCAN_DONE;
	}
	return HEAD_SCAN_MORE;
}

/* ---- llhttp's callbacks: they only note positions ---- */

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

/* not const, because some versions of llhttp_init() take a plain pointer */
static llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
};

/* ---- the request line ---- */

/* Reads "METHOD target HTTP/1.x" with single spaces, more strictly than llhttp
 * does. */
static int
read_request_line(struct head *h, const char *line, size_t length)
{
	const char *space = memchr(line, ' ', length);
	const char *version = line + length - 8;

	if (!space || space == line)
		return head_refuse(h, 400, "the request line is malformed");
	h->method = (struct bytes){line, (size_t)(space - line)};
	if (!text_is_token(h->method))
		return head_refuse(h, 400, "the method is malformed");
	if (length < 14 || version[-1] != ' ' || space + 1 >= version - 1 ||
		memchr(space + 1, ' ', (size_t)(version - space - 2)) ||
		memchr(line, '\t', length) || memcmp(version, "HTTP/", 5))
		return head_refuse(h, 400, "the request line is malformed");
	if (memcmp(version, "HTTP/1.1", 8) && memcmp(version, "HTTP/1.0", 8))
		return head_refuse(
			h, 505, "only HTTP 1.0 and 1.1 are supported");
	h->http_1_0 = version[7] == '0';
	h->is_head = bytes_equal(h->method, BYTES("HEAD"));
	return 0;
}

/* Splits http://authority/path. -1: it names no host. */
static int
take_authority(struct head *h, struct bytes *target)
{
	const char *start, *end = target->at + target->length;
	size_t scheme;

	if (target->length > 7 && !strncasecmp(target->at, "http://", 7))
		scheme = 7;
	else if (target->length > 8 && !strncasecmp(target->at, "https://", 8))
		scheme = 8;
	else
		return 0;
	for (start = target->at + scheme; start < end; start++)
		if (*start == '/' || *start == '?')
			break;
	h->authority = (struct bytes){
		target->at + scheme, (size_t)(start - target->at) - scheme};
	*target = (struct bytes){start, (size_t)(end - start)};
	if (h->authority.length)
		return 0;
	return head_refuse(h, 400, "the request target names no host");
}

static int
read_target(struct head *h)
{
	struct bytes target = h->path;
	const char *mark;

	for (size_t i = 0; i < target.length; i++)
		if ((unsigned char)target.at[i] >= 0x7f || target.at[i] == '#')
			return head_refuse(h, 400,
				"the request target has a byte that must be "
				"percent-encoded");
	if (bytes_equal(h->method, BYTES("CONNECT")))
		return head_refuse(h, 501, "CONNECT is not served");
	if (take_authority(h, &target))
		return -1;
	if (target.length && target.at[0] != '/' && target.at[0] != '?' &&
		!(target.length == 1 && target.at[0] == '*' &&
			bytes_equal(h->method, BYTES("OPTIONS"))))
		return head_refuse(h, 400, "the request target is malformed");
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

/* Replaces tabs at line ends by spaces, because llhttp rejects a TAB after
 * Content-Length. White space there has no meaning. */
static void
blank_last_tabs(char *bytes, size_t length)
{
	char *end = bytes + length, *at = bytes, *stop;

	while ((at = memchr(at, '\t', (size_t)(end - at)))) {
		for (stop = at; *stop == '\t' || *stop == ' '; stop++)
			;
		if (*stop == '\r')
			memset(at, ' ', (size_t)(stop - at));
		at = stop;
	}
}

/* Turns llhttp's error into a status and a reason. */
static int
refuse_grammar(struct head_parser *p, const llhttp_t *l, llhttp_errno_t why)
{
	const char *reason = llhttp_get_error_reason(l);

	if (p->overflow)
		return head_refuse(
			&p->head, 431, "the head has too many fields");
	if (why == HPE_INVALID_METHOD)
		return head_refuse(&p->head, 501, "the method is not known");
	return head_refuse(&p->head, 400,
		reason && *reason ? reason : "the head is malformed");
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
	blank_last_tabs(bytes, length);
	llhttp_init(&l, HTTP_REQUEST, &settings);
	l.data = p;
	result = llhttp_execute(&l, bytes, length);
	if (!p->complete || (result != HPE_PAUSED && result != HPE_OK &&
				    result != HPE_PAUSED_UPGRADE))
		return refuse_grammar(p, &l, result);
	if (read_target(h))
		return -1;
	return head_read_fields(p);
}
