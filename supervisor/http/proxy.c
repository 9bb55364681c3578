/* proxy: strict: a malformed claim is ignored, and a malformed PROXY header
 * ends the connection. */
#include "supervisor/http/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/http/text.h"

/* ---- trusted peers ---- */

void
proxies_init(struct proxies *p, const struct text_list *texts)
{
	struct error err;

	p->count = 0;
	p->items = texts->count ? memory_alloc(texts->count * sizeof(*p->items))
				: NULL;
	for (uint32_t i = 0; i < texts->count; i++)
		if (!network_read(&p->items[p->count], texts->items[i], &err))
			p->count++;
}

void
proxies_finish(struct proxies *p)
{
	free(p->items);
	*p = (struct proxies){0};
}

bool
proxies_trust(const struct proxies *p, const struct address *peer)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (peer->is_known ? network_has(&p->items[i], peer->bytes)
				   : p->items[i].is_sockets)
			return true;
	return false;
}

/* ---- X-Forwarded-For ---- */

static const struct bytes forwarded_for = {"x-forwarded-for", 15};
static const struct bytes forwarded_proto = {"x-forwarded-proto", 17};

static struct bytes
trim(struct bytes text)
{
	while (text.length && strchr(" \t", text.at[0])) {
		text.at++;
		text.length--;
	}
	while (text.length && strchr(" \t", text.at[text.length - 1]))
		text.length--;
	return text;
}

/* Takes the last item off the list. */
static struct bytes
take_last(struct bytes *list)
{
	size_t start = list->length;
	struct bytes item;

	while (start && list->at[start - 1] != ',')
		start--;
	item = (struct bytes){list->at + start, list->length - start};
	list->length = start ? start - 1 : 0;
	return trim(item);
}

/* Goes through the list from right to left; false: *client is final. */
static bool
go_on(const struct proxies *p, struct bytes list, struct address *client)
{
	struct address next;

	while (list.length) {
		if (!address_read(&next, take_last(&list)))
			return false;
		*client = next;
		if (!proxies_trust(p, client))
			return false;
	}
	return true;
}

struct address
proxy_client(const struct proxies *p, const struct address *peer,
	const struct head *h)
{
	struct address client = *peer;

	for (unsigned i = h->field_count; i-- > 0;)
		if (bytes_equal(h->fields[i].name, forwarded_for) &&
			!go_on(p, h->fields[i].value, &client))
			break;
	return client;
}

bool
proxy_field_is_rewritten(struct bytes name)
{
	return bytes_equal(name, forwarded_for) ||
	       bytes_equal(name, forwarded_proto);
}

bool
proxy_field_is_claim(struct bytes name)
{
	return (name.length > 12 && !memcmp(name.at, "x-forwarded-", 12)) ||
	       bytes_equal(name, BYTES("forwarded")) ||
	       bytes_equal(name, BYTES("x-real-ip"));
}

struct bytes
proxy_scheme(const struct head *h)
{
	for (unsigned i = 0; i < h->field_count; i++)
		if (bytes_equal(h->fields[i].name, forwarded_proto) &&
			text_equals_ignoring_case(
				h->fields[i].value, BYTES("https")))
			return BYTES("https");
	return BYTES("http");
}

/* ---- the PROXY protocol ---- */

#define V1_BYTES_MAX 107
#define V2_HEAD_BYTES 16
#define V2_BYTES_MAX 2048 /* addresses and everything that may follow */

static const char v1_begin[] = "PROXY ";
static const char v2_begin[] = "\r\n\r\n\0\r\nQUIT\n";

/* Takes a word up to the next space, which only the last word may lack. */
static bool
take_word(struct bytes *line, struct bytes *word, bool last)
{
	const char *space =
		line->length ? memchr(line->at, ' ', line->length) : NULL;

	if (!space != last)
		return false;
	word->at = line->at;
	word->length = space ? (size_t)(space - line->at) : line->length;
	line->at += word->length + !last;
	line->length -= word->length + !last;
	return word->length > 0;
}

/* Reads "SOURCE DESTINATION PORT PORT" of one family. */
static enum proxy_scan
read_v1_addresses(struct bytes line, bool is_v6, struct address *source)
{
	struct address from, to;
	struct bytes words[4];
	uint64_t ports[2];

	for (int i = 0; i < 4; i++)
		if (!take_word(&line, &words[i], i == 3))
			return PROXY_BAD;
	for (int i = 0; i < 2; i++)
		if ((memchr(words[i].at, ':', words[i].length) != NULL) !=
				is_v6 ||
			!text_read_number(words[2 + i], &ports[i]) ||
			ports[i] > 65535)
			return PROXY_BAD;
	if (!address_read(&from, words[0]) || !address_read(&to, words[1]))
		return PROXY_BAD;
	from.port = (uint16_t)ports[0];
	*source = from;
	return PROXY_DONE;
}

static enum proxy_scan
read_v1(const char *bytes, size_t size, size_t *used_out,
	struct address *source)
{
	size_t begin = sizeof(v1_begin) - 1;
	const char *lf = memchr(bytes, '\n', size);
	struct bytes line, family;

	if (!lf)
		return size < V1_BYTES_MAX ? PROXY_MORE : PROXY_BAD;
	*used_out = (size_t)(lf - bytes) + 1;
	if (*used_out > V1_BYTES_MAX || *used_out < begin + 2 || lf[-1] != '\r')
		return PROXY_BAD;
	line = (struct bytes){bytes + begin, *used_out - begin - 2};
	/* the specification says to ignore what follows UNKNOWN */
	if (line.length >= 7 && !memcmp(line.at, "UNKNOWN", 7) &&
		(line.length == 7 || line.at[7] == ' '))
		return PROXY_DONE;
	if (!take_word(&line, &family, false))
		return PROXY_BAD;
	if (bytes_equal(family, BYTES("TCP4")))
		return read_v1_addresses(line, false, source);
	if (bytes_equal(family, BYTES("TCP6")))
		return read_v1_addresses(line, true, source);
	return PROXY_BAD;
}

static enum proxy_scan
read_v2(const char *bytes, size_t size, size_t *used_out,
	struct address *source)
{
	const uint8_t *at = (const uint8_t *)bytes;
	size_t length;

	if (size < V2_HEAD_BYTES)
		return PROXY_MORE;
	length = (size_t)(at[14] << 8 | at[15]);
	if (at[12] >> 4 != 2 || (at[12] & 15) > 1 ||
		length > V2_BYTES_MAX - V2_HEAD_BYTES)
		return PROXY_BAD;
	if (size < V2_HEAD_BYTES + length)
		return PROXY_MORE;
	*used_out = V2_HEAD_BYTES + length;
	if (!(at[12] & 15)) /* LOCAL: a connection of the proxy itself */
		return PROXY_DONE;
	if (at[13] == 0x11 && length >= 12) {
		address_set_v4(
			source, at + 16, (uint16_t)(at[24] << 8 | at[25]));
		return PROXY_DONE;
	}
	if (at[13] == 0x21 && length >= 36) {
		source->is_known = true;
		memcpy(source->bytes, at + 16, 16);
		source->port = (uint16_t)(at[48] << 8 | at[49]);
		return PROXY_DONE;
	}
	/* unspecified, or a unix socket at the proxy: no address */
	return at[13] == 0x00 || (at[13] == 0x31 && length >= 216) ? PROXY_DONE
								   : PROXY_BAD;
}

static bool
begins(const char *bytes, size_t size, const char *what, size_t length)
{
	return !memcmp(bytes, what, size < length ? size : length);
}

enum proxy_scan
proxy_scan(const char *bytes, size_t size, size_t *used_out,
	struct address *source)
{
	size_t v1 = sizeof(v1_begin) - 1, v2 = sizeof(v2_begin) - 1;

	*used_out = 0;
	if (!size)
		return PROXY_MORE;
	if (begins(bytes, size, v1_begin, v1))
		return size < v1 ? PROXY_MORE
				 : read_v1(bytes, size, used_out, source);
	if (begins(bytes, size, v2_begin, v2))
		return size < v2 ? PROXY_MORE
				 : read_v2(bytes, size, used_out, source);
	return PROXY_NONE;
}
