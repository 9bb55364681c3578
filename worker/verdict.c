/* verdict: what a filter answers. */
#include "proto/json_text.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "worker/request.h"

#define VERDICT_DEPTH_MAX 25 /* of data; supd accepts no more */

static void
verdict_expect_hook(const struct sup_req *req)
{
	if (req->message != MESSAGE_HOOK)
		host_abort("only a hook is answered with a verdict");
}

/* {"verdict": verdict, key: value}; key NULL: only the verdict. */
static void
verdict_answer(struct sup_req *req, const char *verdict, const char *key,
	const json_t *value)
{
	msgpack_packer *out;

	if (value_is_deeper(value, VERDICT_DEPTH_MAX)) {
		if (request_is_wanted(req))
			request_answer_error(req, WIRE_FAILED,
				"the data is nested too deeply");
		return;
	}
	if (!request_is_wanted(req))
		return;
	out = link_begin(req->plugin->link);
	codec_result(out, req->id);
	msgpack_pack_map(out, 2);
	codec_text(out, "verdict");
	codec_text(out, verdict);
	codec_text(out, key);
	value_pack(out, value);
	request_answer_end(req);
}

static int
verdict_with_json(struct sup_req *req, const char *verdict, struct bytes json)
{
	json_t *value = json_text_read(json, NULL, &req->plugin->json_error);

	if (!value)
		return -1;
	verdict_answer(req, verdict, "data", value);
	json_decref(value);
	return 0;
}

static void
verdict_format(struct sup_req *req, const char *verdict, const char *format,
	va_list arguments)
{
	struct buffer *text = &req->plugin->scratch;
	struct error *err = &req->plugin->json_error;

	buffer_clear(text);
	if (json_format(text, format, arguments, err) == 0 &&
		verdict_with_json(req, verdict,
			(struct bytes){(const char *)buffer_bytes(text),
				buffer_length(text)}) == 0)
		return;
	host_say("sup_%s: %s", verdict, err->text);
	if (request_is_wanted(req))
		request_answer_error(req, WIRE_FAILED,
			"the data of the verdict is not JSON");
}

void
sup_pass(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	verdict_expect_hook(req);
	sup_ok(req);
}

void
sup_change(struct sup_req *req, const char *format, ...)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(format, "format");

	va_list arguments;

	verdict_expect_hook(req);
	va_start(arguments, format);
	verdict_format(req, "change", format, arguments);
	va_end(arguments);
}

int
sup_change_value(struct sup_req *req, const char *json)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(json, "json");
	verdict_expect_hook(req);
	return verdict_with_json(req, "change", bytes_of(json));
}

void
sup_claim(struct sup_req *req, const char *format, ...)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(format, "format");

	va_list arguments;

	verdict_expect_hook(req);
	va_start(arguments, format);
	verdict_format(req, "claim", format, arguments);
	va_end(arguments);
}

int
sup_claim_value(struct sup_req *req, const char *json)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(json, "json");
	verdict_expect_hook(req);
	return verdict_with_json(req, "claim", bytes_of(json));
}

void
sup_stop(struct sup_req *req, const char *format, ...)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(format, "format");

	char text[512];
	va_list arguments;
	json_t *reason;

	verdict_expect_hook(req);
	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	reason = json_string(text);
	verdict_answer(req, "stop", "reason", reason);
	json_decref(reason);
}
