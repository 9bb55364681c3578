/* verdict: reads nil or {verdict, data?, reason?}. */
#include "supervisor/event/verdict.h"

#include "proto/util/text.h"
#include "proto/value.h"

/* Of an event: what is in it may be as deep as VALUE_DEPTH_MAX. */
#define DATA_DEPTH_MAX (VALUE_DEPTH_MAX + 1)

static int
kind_of(const msgpack_object *result, enum hook_verdict *out, struct error *err)
{
	struct bytes text = codec_bytes(codec_field(result, "verdict"));

	for (int i = 0; i < HOOK_VERDICT_COUNT; i++) {
		if (!bytes_equal(text, bytes_of(hook_verdict_texts[i])))
			continue;
		*out = (enum hook_verdict)i;
		return 0;
	}
	return error_set(err, "its answer is no verdict");
}

static int
read_data(struct verdict *v, const msgpack_object *o, struct error *err)
{
	if (!o)
		return error_set(err, "its verdict has no data");
	v->data = value_from(o, err);
	if (!v->data)
		return error_prefix(err, "its data: ");
	if (!value_is_deeper(v->data, DATA_DEPTH_MAX))
		return 0;
	json_decref(v->data);
	v->data = NULL;
	return error_set(err, "its data is nested too deeply");
}

int
verdict_read(struct verdict *v, const msgpack_object *result, struct error *err)
{
	struct bytes reason;

	*v = (struct verdict){.kind = HOOK_VERDICT_PASS};
	if (result->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (kind_of(result, &v->kind, err) < 0)
		return -1;
	reason = codec_bytes(codec_field(result, "reason"));
	text_format(v->reason, sizeof(v->reason), "%.*s",
		(int)(reason.length < sizeof(v->reason)
				? reason.length
				: sizeof(v->reason) - 1),
		reason.length ? reason.at : "");
	if (v->kind == HOOK_VERDICT_CHANGE || v->kind == HOOK_VERDICT_CLAIM)
		return read_data(v, codec_field(result, "data"), err);
	return 0;
}
