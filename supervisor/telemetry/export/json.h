/* json: writes JSON for OTLP: 64-bit numbers as strings, ids in hex. */
#pragma once

#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/bytes.h"

void json_put(struct buffer *b, const char *raw);
/* A string; bytes that are not UTF-8 become U+FFFD. */
void json_put_text(struct buffer *b, struct bytes text);
void json_put_number(struct buffer *b, uint64_t n); /* "7" */
void json_put_nano(struct buffer *b, int64_t us);   /* "7000" */
void json_put_id(struct buffer *b, uint64_t n);	    /* 16 digits, no quotes */
/* {"key":"name","value":{"stringValue":"text"}}, and a comma after it. */
void json_put_attribute(struct buffer *b, const char *name, struct bytes text);
void json_put_attribute_number(
	struct buffer *b, const char *name, uint64_t number);
/* Removes a comma from the end. */
void json_end_list(struct buffer *b);
