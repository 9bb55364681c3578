/* websocket_handshake: every field of the request is checked before anything
 * is answered. */
#include "supervisor/http/websocket_handshake.h"

#include <string.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "supervisor/http/body.h"

#define KEY_BYTES 24 /* base64 of 16 bytes */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const struct websocket_refusal websocket_needed = {426,
	"Upgrade: websocket\r\nConnection: Upgrade\r\n"
	"Sec-WebSocket-Version: 13\r\n",
	"this path is a WebSocket"};

/* How many fields of the name there are; *out is the first. */
static unsigned
find(const struct head *h, const char *name, struct bytes *out)
{
	unsigned count = 0;

	*out = (struct bytes){"", 0};
	for (unsigned i = 0; i < h->field_count; i++)
		if (bytes_equal(h->fields[i].name, bytes_of(name)) && !count++)
			*out = h->fields[i].value;
	return count;
}

/* Splits the lists of all fields of the name. false: too many items. */
static bool
split(const struct head *h, const char *name, struct text_items *out)
{
	out->count = 0;
	for (unsigned i = 0; i < h->field_count; i++)
		if (bytes_equal(h->fields[i].name, bytes_of(name)) &&
			!text_items_add(out, h->fields[i].value))
			return false;
	return true;
}

/* Whether the fields of the name list the item, in any case. */
static bool
lists(const struct head *h, const char *name, const char *item)
{
	struct text_items items;

	return split(h, name, &items) &&
	       text_items_have(&items, bytes_of(item));
}

bool
websocket_is_asked(const struct head *h)
{
	return bytes_equal(h->method, BYTES("GET")) &&
	       lists(h, "upgrade", "websocket");
}

/* The last of the 22 digits has four bits that must be zero. */
static bool
is_key(struct bytes key)
{
	const char *last;

	if (key.length != KEY_BYTES || key.at[22] != '=' || key.at[23] != '=')
		return false;
	for (int i = 0; i < 22; i++)
		if (!key.at[i] || !strchr(alphabet, key.at[i]))
			return false;
	last = strchr(alphabet, key.at[21]);
	return (last - alphabet) % 16 == 0;
}

/* 20 bytes as 28 characters. */
static void
write_base64(const unsigned char sum[SHA_DIGEST_LENGTH],
	char out[WEBSOCKET_ACCEPT_BYTES])
{
	for (int i = 0; i < 21; i += 3) {
		unsigned bits = (unsigned)sum[i] << 16 |
				(unsigned)sum[i + 1] << 8 |
				(i < 18 ? sum[i + 2] : 0);

		for (int shift = 18; shift >= 0; shift -= 6)
			*out++ = alphabet[bits >> shift & 63];
	}
	out[-1] = '=';
	*out = '\0';
}

static void
accept_key(struct bytes key, char out[WEBSOCKET_ACCEPT_BYTES])
{
	unsigned char sum[SHA_DIGEST_LENGTH];
	SHA_CTX context;

	SHA1_Init(&context);
	SHA1_Update(&context, key.at, key.length);
	SHA1_Update(&context, GUID, strlen(GUID));
	SHA1_Final(sum, &context);
	write_base64(sum, out);
}

void
websocket_offered(const struct head *h, struct text_items *out)
{
	split(h, "sec-websocket-protocol", out);
}

/* What is wrong with the subprotocols; NULL: nothing. It does not show them, as
 * one may be a token. */
static const char *
protocols_wrong(const struct head *h)
{
	struct text_items items;

	if (!split(h, "sec-websocket-protocol", &items))
		return "Sec-WebSocket-Protocol lists more than 16 "
		       "subprotocols";
	for (unsigned i = 0; i < items.count; i++) {
		if (!text_is_token(items.items[i]))
			return "Sec-WebSocket-Protocol lists something that is "
			       "not a token";
		for (unsigned j = 0; j < i; j++)
			if (bytes_equal(items.items[i], items.items[j]))
				return "Sec-WebSocket-Protocol lists a "
				       "subprotocol twice";
	}
	return NULL;
}

static int
refuse(struct websocket_refusal *out, const char *reason)
{
	*out = (struct websocket_refusal){400, "", reason};
	return -1;
}

int
websocket_handshake_read(struct websocket_handshake *hs, const struct head *h,
	struct websocket_refusal *out)
{
	struct bytes version, key;
	const char *wrong;

	if (h->http_1_0)
		return refuse(out, "a WebSocket needs HTTP/1.1");
	if (!lists(h, "connection", "upgrade") || !h->keep_alive)
		return refuse(out, "Connection must be Upgrade");
	if (head_has_body(h))
		return refuse(out, "the request for a WebSocket has a body");
	if (find(h, "sec-websocket-version", &version) != 1 ||
		!bytes_equal(version, BYTES("13"))) {
		*out = websocket_needed;
		out->reason = "Sec-WebSocket-Version must be 13";
		return -1;
	}
	if (find(h, "sec-websocket-key", &key) != 1 || !is_key(key))
		return refuse(out, "Sec-WebSocket-Key must be 16 bytes in "
				   "base64");
	wrong = protocols_wrong(h);
	if (wrong)
		return refuse(out, wrong);
	accept_key(key, hs->accept);
	return 0;
}

void
websocket_write_answer(struct buffer *out, const struct answer_frame *frame,
	const char *accept, struct bytes protocol, const char *fields)
{
	buffer_format(out,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
		accept);
	if (protocol.length)
		buffer_format(out, "Sec-WebSocket-Protocol: %.*s\r\n",
			(int)protocol.length, protocol.at);
	buffer_append_text(out, fields ? fields : "");
	buffer_format(out,
		"Date: %.29s\r\nServer: supd\r\nX-Request-Id: %.*s\r\n\r\n",
		frame->date, (int)frame->request_id.length,
		frame->request_id.at);
}
