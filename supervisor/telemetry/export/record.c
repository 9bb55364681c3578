/* record: the few forms of MessagePack that records have. */
#include "supervisor/telemetry/export/record.h"

enum form { FORM_NONE, FORM_NUMBER, FORM_TEXT, FORM_NIL };

static const uint8_t value_counts[RECORD_TYPE_COUNT] = {
#define X(name, values) [RECORD_##name] = values,
	RECORD_TYPES(X)
#undef X
};

static bool
read_size(struct record *r, int bytes, uint64_t *out)
{
	uint64_t n = 0;

	if (r->end - r->at < bytes)
		return false;
	while (bytes--)
		n = n << 8 | *r->at++;
	*out = n;
	return true;
}

static enum form
take_text(struct record *r, uint64_t length, struct bytes *text)
{
	if (length > (uint64_t)(r->end - r->at))
		return FORM_NONE;
	*text = (struct bytes){(const char *)r->at, (size_t)length};
	r->at += length;
	return FORM_TEXT;
}

static enum form
read_long(struct record *r, uint8_t tag, uint64_t *number, struct bytes *text)
{
	switch (tag) {
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		return read_size(r, 1 << (tag - 0xcc), number) ? FORM_NUMBER
							       : FORM_NONE;
	case 0xc4:
	case 0xc5:
	case 0xc6:
		tag = (uint8_t)(tag - 0xc4 + 0xd9);
		/* fallthrough */
	case 0xd9:
	case 0xda:
	case 0xdb:
		return read_size(r, 1 << (tag - 0xd9), number)
			       ? take_text(r, *number, text)
			       : FORM_NONE;
	default:
		return FORM_NONE;
	}
}

static enum form
read_value(struct record *r, uint64_t *number, struct bytes *text)
{
	uint8_t tag;

	if (!r->left || r->at >= r->end)
		return FORM_NONE;
	r->left--;
	tag = *r->at++;
	if (tag < 0x80) {
		*number = tag;
		return FORM_NUMBER;
	}
	if (tag >= 0xa0 && tag < 0xc0)
		return take_text(r, tag & 31u, text);
	if (tag == 0xc0)
		return FORM_NIL;
	return read_long(r, tag, number, text);
}

/* The number of values of an array; 0: there is no array. */
static unsigned
read_array(struct record *r)
{
	uint64_t count;
	uint8_t tag;

	if (r->at >= r->end)
		return 0;
	tag = *r->at++;
	if (tag >= 0x90 && tag < 0xa0)
		return tag & 15u;
	return tag == 0xdc && read_size(r, 2, &count) ? (unsigned)count : 0;
}

size_t
record_begin(struct record *r, const uint8_t *at, size_t length)
{
	struct record whole = {.at = at, .end = at + length};
	struct bytes text;
	uint64_t number;

	whole.left = read_array(&whole);
	*r = whole;
	if (read_value(r, &number, &text) != FORM_NUMBER ||
		number >= RECORD_TYPE_COUNT ||
		value_counts[number] != whole.left)
		return 0;
	r->type = (enum record_type)number;
	while (whole.left)
		if (read_value(&whole, &number, &text) == FORM_NONE)
			return 0;
	r->end = whole.at;
	return (size_t)(whole.at - at);
}

uint64_t
record_number(struct record *r)
{
	uint64_t number = 0;
	struct bytes text;

	return read_value(r, &number, &text) == FORM_NUMBER ? number : 0;
}

struct bytes
record_text(struct record *r)
{
	struct bytes text = {"", 0};
	uint64_t number;

	return read_value(r, &number, &text) == FORM_TEXT ? text : BYTES("");
}
