/* rpc_message: the forms of JSON-RPC 2.0, checked strictly. */
#include "supervisor/http/rpc_message.h"

#include <string.h>

#include "proto/json_text.h"

static bool
is_id(const json_t *id)
{
	return json_is_string(id) || json_is_number(id) || json_is_null(id);
}

static const char *
what_is_wrong(const struct rpc_request *r, const json_t *document)
{
	const json_t *version = json_object_get(document, "jsonrpc");
	const json_t *method = json_object_get(document, "method");

	if (!json_is_object(document))
		return "a request must be an object";
	if (!json_is_string(version) ||
		strcmp(json_string_value(version), "2.0"))
		return "'jsonrpc' must be \"2.0\"";
	if (r->id && !is_id(r->id))
		return "'id' must be a string, a number or null";
	if (!json_is_string(method))
		return "'method' must be a string";
	if (strlen(json_string_value(method)) != json_string_length(method))
		return "'method' must not contain NUL";
	if (r->params && !json_is_object(r->params) &&
		!json_is_array(r->params))
		return "'params' must be an object or an array";
	return NULL;
}

void
rpc_read_request(struct rpc_request *r, const json_t *document)
{
	r->id = json_object_get(document, "id");
	r->params = json_object_get(document, "params");
	r->method = NULL;
	r->wrong = what_is_wrong(r, document);
	if (!r->wrong)
		r->method =
			json_string_value(json_object_get(document, "method"));
	else if (r->id && !is_id(r->id))
		r->id = NULL;
}

static void
write_begin(struct buffer *out, const json_t *id)
{
	buffer_append_text(out, "{\"jsonrpc\":\"2.0\",\"id\":");
	json_text_append(out, id, JSON_TEXT_COMPACT);
}

void
rpc_write_result(struct buffer *out, const json_t *id, struct bytes result)
{
	write_begin(out, id);
	buffer_append_text(out, ",\"result\":");
	buffer_append(out, result.at, result.length);
	buffer_append_byte(out, '}');
}

void
rpc_write_error(struct buffer *out, const json_t *id, enum rpc_error error,
	const char *message, const char *code, struct bytes receipt)
{
	write_begin(out, id);
	buffer_format(out, ",\"error\":{\"code\":%d,\"message\":", error);
	json_text_append_string(out, bytes_of(message));
	if (code) {
		buffer_append_text(out, ",\"data\":{\"code\":");
		json_text_append_string(out, bytes_of(code));
		if (receipt.length) {
			buffer_append_text(out, ",\"receipt\":");
			buffer_append(out, receipt.at, receipt.length);
		}
		buffer_append_byte(out, '}');
	}
	buffer_append_text(out, "}}");
}

void
rpc_write_notification(
	struct buffer *out, const char *method, struct bytes params)
{
	buffer_format(out,
		"{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":", method);
	buffer_append(out, params.at, params.length);
	buffer_append_byte(out, '}');
}
