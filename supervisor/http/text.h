/* text: the small questions that heads and answers ask about bytes. Pure. */
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
/* Whether a comma-separated value has this item, in any case. */
bool text_has_item(struct bytes value, struct bytes item);
/* Digits only, at most 18 of them. False: something else. */
bool text_read_number(struct bytes text, uint64_t *out);
