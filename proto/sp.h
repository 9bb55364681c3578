/* sp: nng's SP protocol over ipc as bytes: an 8-byte greeting each way, then
 * frames of 01 + u64 big-endian length + payload. Pure; peer.h moves it over
 * sockets. Source: RFC "SP TCP mapping" and measured against libnng 1.5.2. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/util/error.h"

#define SP_GREETING_BYTES 8
#define SP_HEADER_BYTES 9
#define SP_PAIR0 0x0010

void sp_greeting(uint8_t out[SP_GREETING_BYTES], uint16_t protocol);
int sp_check_greeting(const uint8_t in[SP_GREETING_BYTES], uint16_t protocol,
	struct error *err);
void sp_header(uint8_t out[SP_HEADER_BYTES], uint64_t payload_bytes);
/* Looks at the frame that begins at bytes. 1: whole, payload at bytes +
 * SP_HEADER_BYTES, *payload_out long; 0: *payload_out more or less known, wait
 * for more bytes; -1: not SP, or longer than limit. */
int sp_frame(const uint8_t *bytes, size_t size, size_t limit,
	size_t *payload_out, struct error *err);
