/* value: JSON documents (jansson) to and from MessagePack, for settings, tool
 * arguments and the control socket; not for the hot path. bin becomes a JSON
 * string if it is UTF-8, else an error. */
#pragma once

#include <jansson.h>

#include "proto/codec.h"

void value_pack(msgpack_packer *p, const json_t *value); /* NULL packs nil */
/* A new reference, or NULL with err (not text, NaN, a map key that is not
 * str, a number out of JSON's range). */
json_t *value_from(const msgpack_object *o, struct error *err);
/* Whether arrays and objects stand in each other more than `depth` times: the
 * wire takes WIRE_DEPTH_MAX, with what is around the value. */
bool value_is_deeper(const json_t *value, unsigned depth);
