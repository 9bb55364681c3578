/* frames: a client's side of a WebSocket for tests: writes frames from a short
 * notation, right and wrong ones, and describes what the server sends. */
#pragma once

#include "proto/util/buffer.h"

#define FRAMES_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define FRAMES_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Appends the frames that the words of `notation` stand for, with spaces
 * between them:
 *   81:hello    first byte 0x81, masked payload "hello"; %20 is a byte
 *   82*300      300 payload bytes 'a'
 *   81u:hello   not masked
 *   81+9:hello  9 payload bytes are announced, 5 follow
 *   =88fe       these bytes as they are */
void frames_write(struct buffer *out, const char *notation);

/* Takes complete frames off the front and appends their description:
 * "T(hello)" text, "B(..)" binary, "C(..)" continuation, with "+" after the
 * letter if the message goes on, "ping(..)", "pong(..)", "close(1000 reason)".
 * A payload longer than 100 bytes is its length in brackets. */
void frames_describe(struct buffer *text, struct buffer *in);
