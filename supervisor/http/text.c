/* text: byte classes as bit sets; control bytes are searched eight at a time.
 */
#include "supervisor/http/text.h"

#include <strings.h>

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

/* One bit per byte of RFC 9110's token. */
#define BIT(c) (1ull << ((c)&63))
#define DIGITS (0x3ffull << ('0' & 63))
#define LETTERS(first) (0x3ffffffull << ((first)&63))

static const uint64_t token_bits[4] = {
	BIT('!') | BIT('#') | BIT('$') | BIT('%') | BIT('&') | BIT('\'') |
		BIT('*') | BIT('+') | BIT('-') | BIT('.') | DIGITS,
	BIT('^') | BIT('_') | BIT('`') | BIT('|') | BIT('~') | LETTERS('A') |
		LETTERS('a'),
};

bool
text_is_token_byte(char c)
{
	return token_bits[(unsigned char)c >> 6] >> (c & 63) & 1;
}

bool
text_is_token(struct bytes text)
{
	for (size_t i = 0; i < text.length; i++)
		if (!text_is_token_byte(text.at[i]))
			return false;
	return text.length > 0;
}

/* Whether one of eight bytes may be below 0x20 or equal to 0x7f. False is
 * always right; after true the bytes are checked one by one. */
static inline bool
may_have_control(uint64_t x)
{
	uint64_t low = (x - ONES * 0x20) & ~x;
	uint64_t del = x ^ (ONES * 0x7f);

	return ((low | ((del - ONES) & ~del)) & HIGHS) != 0;
}

static bool
is_control(char byte)
{
	unsigned char c = (unsigned char)byte;

	return (c < 0x20 && c != '\t') || c == 0x7f;
}

bool
text_has_control(struct bytes text)
{
	size_t i = 0;

	while (i + 8 <= text.length) {
		uint64_t x;

		memcpy(&x, text.at + i, 8);
		if (may_have_control(x))
			for (size_t j = i; j < i + 8; j++)
				if (is_control(text.at[j]))
					return true;
		i += 8;
	}
	for (; i < text.length; i++)
		if (is_control(text.at[i]))
			return true;
	return false;
}

bool
text_equals_ignoring_case(struct bytes text, struct bytes lower_case)
{
	return text.length == lower_case.length &&
	       !strncasecmp(text.at, lower_case.at, text.length);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the first item off a comma-separated list that is not empty. */
static struct bytes
take_item(struct bytes *list)
{
	const char *at = list->at, *end = list->at + list->length;
	const char *comma = memchr(at, ',', list->length);
	const char *stop = comma ? comma : end, *next = comma ? comma + 1 : end;

	while (at < stop && is_space(*at))
		at++;
	while (stop > at && is_space(stop[-1]))
		stop--;
	*list = (struct bytes){next, (size_t)(end - next)};
	return (struct bytes){at, (size_t)(stop - at)};
}

bool
text_items_add(struct text_items *items, struct bytes value)
{
	while (value.length) {
		struct bytes item = take_item(&value);

		if (!item.length)
			continue;
		if (items->count == TEXT_ITEMS_MAX)
			return false;
		items->items[items->count++] = item;
	}
	return true;
}

bool
text_items_have(const struct text_items *items, struct bytes name)
{
	for (unsigned i = 0; i < items->count; i++)
		if (text_equals_ignoring_case(name, items->items[i]))
			return true;
	return false;
}

bool
text_read_number(struct bytes text, uint64_t *out)
{
	uint64_t n = 0;

	if (!text.length || text.length > 18)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text.at[i] - '0');
	}
	*out = n;
	return true;
}
