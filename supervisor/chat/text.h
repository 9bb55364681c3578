/* text: the documents of commands and events as lines for people: short, plain,
 * and without any character that ends a line or hides text. Pure. */
#pragma once

#include <jansson.h>

#include "proto/util/buffer.h"

#define TEXT_LINE_MAX 400 /* bytes of a line */

/* Appends a line, after a line end if it is not the first one. What is longer
 * loses its middle; harmful characters become '?'. */
void text_line(struct buffer *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The lines as a string, which the caller frees. */
char *text_take(struct buffer *lines);

/* A receipt: one line. */
void text_receipt(struct buffer *out, const json_t *receipt);
/* The last lines that a worker wrote, of an array like that of a receipt;
 * stream: only those of that one, or NULL: all but supd's own. */
void text_log(struct buffer *out, const json_t *log, const char *stream);
#define TEXT_LOG_LINES 3
/* A row of `status`: one line, or all that matters. */
void text_plugin(struct buffer *out, const json_t *row);
void text_plugin_whole(struct buffer *out, const json_t *row);
/* `status` without its rows: what supd is. */
void text_gateway(struct buffer *out, const json_t *status);
/* "3d 4h", "4h 5m", "5m 6s", "6s" */
void text_time(char *out, size_t size, uint64_t seconds);
