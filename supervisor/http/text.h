/* text: small tests on bytes, for heads and answers. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"

/* RFC 9110's token: names of fields, methods. Not empty. */
bool text_is_token(struct bytes text);
bool text_is_token_byte(char c);
/* A control byte other than HTAB. */
bool text_has_control(struct bytes text);
bool text_equals_ignoring_case(struct bytes a, struct bytes b);

/* The items of one or more comma-separated values. The limit bounds the cost of
 * comparing every field with a peer's list. */
#define TEXT_ITEMS_MAX 16

struct text_items {
	unsigned count;
	struct bytes items[TEXT_ITEMS_MAX];
};

/* Adds the items of value, which must outlive the list; false if they do not
 * fit. Empty items are left out. */
bool text_items_add(struct text_items *items, struct bytes value);
/* Ignores case. */
bool text_items_have(const struct text_items *items, struct bytes name);
/* Reads a number of 1 to 18 digits. False: something else. */
bool text_read_number(struct bytes text, uint64_t *out);
