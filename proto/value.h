/* value: JSON documents (jansson) to and from MessagePack, for settings, tool
 * arguments and the control socket; not for the hot path. A value is the same
 * on both sides or an error: no number is rounded, no duplicate key dropped.
 * bin becomes a string if it is UTF-8, else it is an error. */
#pragma once

#include <jansson.h>

#include "proto/codec.h"

/* How deep arrays and objects may be nested in any document that supd accepts:
 * within the wire's WIRE_DEPTH_MAX, with everything that is put around it. */
#define VALUE_DEPTH_MAX 24

void value_pack(msgpack_packer *p, const json_t *value); /* NULL packs nil */
/* A new reference, or NULL with err, which names the path ("$.a[3]: ..."):
 * not UTF-8, NaN or Infinity, an integer beyond signed 64 bits, a key that is
 * not a str, is a duplicate or contains NUL, an extension type. */
json_t *value_from(const msgpack_object *o, struct error *err);
/* Whether the JSON text of a value is certainly longer than `bytes`, so that
 * there is no need to make it. Costs no more than walking that far. */
bool value_is_longer(const msgpack_object *o, size_t bytes);
/* About how many bytes of memory a value takes. */
size_t value_memory(const json_t *value);
/* Whether there is bin anywhere in a value. */
bool value_has_bin(const msgpack_object *o);
/* Whether arrays and objects are nested more than `depth` times: the wire
 * allows WIRE_DEPTH_MAX, including what is around the value. */
bool value_is_deeper(const json_t *value, unsigned depth);
/* A JSON string; bytes that are not UTF-8 become U+FFFD. NULL: null. */
json_t *value_text(const char *text);
