/* fuzz_codec: any bytes through the decoder and what reads its results. */
#include <assert.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "proto/registration.h"
#include "proto/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
try_registrations(const msgpack_object *o)
{
	struct registration_set set, copy;
	struct error err;

	if (registration_set_read(&set, o, &err) < 0)
		return;
	registration_set_copy(&copy, &set);
	for (uint32_t i = 0; i < set.count; i++)
		assert(registration_equal(&set.items[i], &copy.items[i]));
	registration_set_finish(&set);
	registration_set_finish(&copy);
}

static void
try_value(const msgpack_object *o)
{
	struct error err = {.text = ""};
	json_t *value = value_from(o, &err);

	assert(value || err.text[0]);
	json_decref(value);
}

static void
try_message(const struct message *m)
{
	char text[40];

	for (uint32_t i = 0; i < m->param_count; i++)
		try_value(&m->params[i]);
	if (m->kind == MESSAGE_RESPONSE) {
		try_value(m->result);
		codec_read_error(m->error, text, sizeof(text));
	}
	if (m->name == MESSAGE_READY)
		try_registrations(&m->params[1]);
	codec_field(m->params, "kind");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct codec *c = codec_create();
	const msgpack_object *o;
	struct message m;
	struct error err;
	size_t offset = 0, before = 0;

	while (codec_decode(c, bytes, size, &offset, &m, &err) > 0) {
		assert(codec_value_size(bytes + before, size - before) ==
			offset - before);
		before = offset;
		try_message(&m);
	}
	/* What the scan lets through msgpack-c takes. */
	o = codec_decode_value(c, bytes, size, &err);
	assert(!o == (codec_value_size(bytes, size) != size || !size));
	if (o) {
		try_value(o);
		try_registrations(o);
	}
	codec_destroy(c);
	return 0;
}
