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
