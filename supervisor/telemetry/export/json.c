/* json: strings are copied in runs between the characters that need an escape.
 */
#include "supervisor/telemetry/export/json.h"

#include "proto/util/utf8.h"

void
json_put(struct buffer *b, const char *raw)
{
	buffer_append(b, raw, strlen(raw));
}

static void
put_escape(struct buffer *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	if (c == '"' || c == '\\') {
		text[1] = (char)c;
		buffer_append(b, text, 2);
	} else {
		buffer_append(b, text, 6);
	}
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7f;
}

/* One character that is not plain; returns its length. */
static size_t
put_other(struct buffer *b, struct bytes text)
{
	unsigned char c = (unsigned char)*text.at;
	size_t length = 0;

	if (c < 0x80) {
		put_escape(b, c);
		return 1;
	}
	length = utf8_length((const uint8_t *)text.at, text.length);
	if (length) {
		buffer_append(b, text.at, length);
		return length;
	}
	json_put(b, "\xef\xbf\xbd");
	return 1;
}

void
json_put_text(struct buffer *b, struct bytes text)
{
	size_t run;

	buffer_append_byte(b, '"');
	while (text.length) {
		for (run = 0; run < text.length; run++)
			if (!is_plain((unsigned char)text.at[run]))
				break;
		buffer_append(b, text.at, run);
		text.at += run;
		text.length -= run;
		if (!text.length)
			break;
		run = put_other(b, text);
		text.at += run;
		text.length -= run;
	}
	buffer_append_byte(b, '"');
}

void
json_put_number(struct buffer *b, uint64_t n)
{
	char text[24];
	size_t at = sizeof(text);

	text[--at] = '"';
	do
		text[--at] = (char)('0' + n % 10);
	while (n /= 10);
	text[--at] = '"';
	buffer_append(b, text + at, sizeof(text) - at);
}

void
json_put_nano(struct buffer *b, int64_t us)
{
	json_put_number(b, us > 0 ? (uint64_t)us * 1000 : 0);
}

void
json_put_id(struct buffer *b, uint64_t n)
{
	static const char hex[] = "0123456789abcdef";
	char text[16];

	for (int i = 15; i >= 0; i--, n >>= 4)
		text[i] = hex[n & 15];
	buffer_append(b, text, sizeof(text));
}

static void
begin_attribute(struct buffer *b, const char *name, const char *type)
{
	json_put(b, "{\"key\":");
	json_put_text(b, bytes_of(name));
	json_put(b, ",\"value\":{\"");
	json_put(b, type);
	json_put(b, "\":");
}

void
json_put_attribute(struct buffer *b, const char *name, struct bytes text)
{
	begin_attribute(b, name, "stringValue");
	json_put_text(b, text);
	json_put(b, "}},");
}

void
json_put_attribute_number(struct buffer *b, const char *name, uint64_t number)
{
	begin_attribute(b, name, "intValue");
	json_put_number(b, number);
	json_put(b, "}},");
}

void
json_end_list(struct buffer *b)
{
	if (buffer_length(b) && b->memory[b->end - 1] == ',')
		b->end--;
}
