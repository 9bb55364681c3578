/* codec: messages to and from MessagePack-RPC bytes. Total: any bytes give a
 * message or an error, never a crash. Counts are checked against the bytes
 * left, and depth against WIRE_DEPTH_MAX, before msgpack-c sees them, because
 * it allocates as much as the input claims (256 GiB for 17 bytes, measured). */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"
#include "proto/util/buffer.h"
#include "proto/util/bytes.h"
#include "proto/util/error.h"

/* One decoded object. Everything points into the decoder's zone and the
 * caller's bytes: valid until the next codec_decode() or as long as the bytes.
 */
struct message {
	enum message_kind kind;
	uint32_t id;		      /* requests and responses */
	enum message_name name;	      /* requests and notifications */
	struct bytes method;	      /* its name, also when unknown */
	const msgpack_object *params; /* param_count of them; they have the
					 types of message_rows[name].params
					 if name is known */
	uint32_t param_count;
	const msgpack_object *error;  /* responses: NULL if none */
	const msgpack_object *result; /* responses: never NULL */
	/* It has more values than codec_bound_values() allows: its params or
	 * its result were not read. A request or notification has no name
	 * then, but `method`; a response has an error that says so. */
	bool oversized;
};

struct codec; /* a decoder: reuses one zone, so decoding does not malloc */
struct codec *codec_create(void);
void codec_destroy(struct codec *c);
/* From now on a known message with wrong params is delivered as an unknown
 * one instead of being malformed: for a worker, which refuses it and goes
 * on. */
void codec_forgive(struct codec *c);
/* How many values an object may have, counting each element and key; 0, the
 * default: as many as fit. */
void codec_bound_values(struct codec *c, uint32_t most);
/* A decoder with the settings of c. */
struct codec *codec_create_like(const struct codec *c);

/* Decodes the object at bytes[*offset] and moves *offset past it. 1: one
 * message; 0: no bytes left; -1: malformed (err says what, with the offset).
 * A known message with wrong params is malformed; an unknown name is not. */
int codec_decode(struct codec *c, const uint8_t *bytes, size_t size,
	size_t *offset, struct message *message_out, struct error *err);

/* Whether chunks follow this response to a request of that form. */
bool codec_answer_goes_on(const struct message *m, enum wire_answer_form form);

/* Size in bytes of the one MessagePack value at bytes; 0 if it is cut short,
 * nested deeper than WIRE_DEPTH_MAX or claims more than there is. */
size_t codec_value_size(const uint8_t *bytes, size_t size);

/* Decodes one bare value (settings, state) under the same checks. The result
 * is valid like a message. NULL on error. */
const msgpack_object *codec_decode_value(
	struct codec *c, const uint8_t *bytes, size_t size, struct error *err);

/* ---- encoding: appends to a buffer; the caller packs what follows ---- */

/* A packer that appends to b. Use msgpack_pack_*() on the result. */
void codec_packer(msgpack_packer *packer_out, struct buffer *b);

/* [0, id, name, [param_count ...]]: pack exactly param_count values next. */
void codec_request(msgpack_packer *p, uint32_t id, enum message_name name,
	uint32_t param_count);
/* [2, name, [param_count ...]] */
void codec_notification(
	msgpack_packer *p, enum message_name name, uint32_t param_count);
/* [1, id, nil, ...]: pack exactly one value next, the result. */
void codec_result(msgpack_packer *p, uint32_t id);
/* [1, id, [code, text], nil], complete. */
void codec_error(
	msgpack_packer *p, uint32_t id, enum wire_error code, const char *text);

void codec_str(msgpack_packer *p, struct bytes text);
/* Values that are packed already. */
void codec_raw(msgpack_packer *p, struct bytes packed);
void codec_raw_buffer(msgpack_packer *p, const struct buffer *packed);
void codec_text(msgpack_packer *p, const char *text); /* NULL packs nil */
void codec_bin(msgpack_packer *p, struct bytes bytes);

/* ---- reading values ---- */
struct bytes codec_bytes(const msgpack_object *o); /* str or bin, else empty */
/* The value of a str key in a map, NULL if absent or o is not a map. */
const msgpack_object *codec_field(const msgpack_object *o, const char *key);
/* Fills code and text from a response's error, whatever its shape. text_out
 * is cut to its size and cleaned of control bytes. */
enum wire_error codec_read_error(
	const msgpack_object *error, char *text_out, size_t text_size);
