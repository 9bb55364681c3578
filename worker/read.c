/* read: what a plugin may ask of its request. Every string is copied when it
 * is first asked for, or when the request outlives its message. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/json_text.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "worker/request.h"

/* Indices of the params of `http`; the others are short enough to name where
 * they are read. */
enum {
	HTTP_METHOD = 1,
	HTTP_PATH = 2,
	HTTP_PATH_PARAMS = 3,
	HTTP_QUERY = 4,
	HTTP_HEADERS = 5,
	HTTP_BODY = 6,
	HTTP_PEER = 8,
	WS_PEER = 6, /* of `ws.open`, which has the others at the same places */
	WS_MOVED = 7,
};

bool
request_is_of_client(const struct sup_req *req)
{
	return req->message == MESSAGE_HTTP || req->message == MESSAGE_WS_OPEN;
}

static const char *
request_text(struct sup_req *req, enum message_name message, int param)
{
	struct bytes bytes;

	if (req->message != message &&
		!(message == MESSAGE_HTTP && req->message == MESSAGE_WS_OPEN))
		return "";
	if (!req->texts[param]) {
		bytes = codec_bytes(&req->params[param]);
		req->texts[param] =
			arena_text(&req->arena, bytes.at, bytes.length);
	}
	return req->texts[param];
}

static const char *
request_copy(struct sup_req *req, const msgpack_object *o)
{
	struct bytes bytes = codec_bytes(o);

	return arena_text(&req->arena, bytes.at, bytes.length);
}

static void
request_copy_headers(struct sup_req *req)
{
	const msgpack_object_array *list;

	if (req->headers || !req->params || !request_is_of_client(req))
		return;
	list = &req->params[HTTP_HEADERS].via.array;
	req->headers = arena_take(
		&req->arena, (list->size + (size_t)1) * sizeof(*req->headers));
	for (uint32_t i = 0; i < list->size; i++) {
		const msgpack_object_array *pair = &list->ptr[i].via.array;

		if (list->ptr[i].type != MSGPACK_OBJECT_ARRAY ||
			pair->size != 2)
			continue;
		req->headers[req->header_count++] = (struct request_pair){
			.name = request_copy(req, &pair->ptr[0]),
			.value = request_copy(req, &pair->ptr[1])};
	}
}

static void
request_copy_path_params(struct sup_req *req)
{
	const msgpack_object_map *map;

	if (req->path_params || !req->params || !request_is_of_client(req))
		return;
	map = &req->params[HTTP_PATH_PARAMS].via.map;
	req->path_params = arena_take(&req->arena,
		(map->size + (size_t)1) * sizeof(*req->path_params));
	for (uint32_t i = 0; i < map->size; i++)
		req->path_params[req->path_param_count++] =
			(struct request_pair){
				.name = request_copy(req, &map->ptr[i].key),
				.value = request_copy(req, &map->ptr[i].val)};
}

/* texts[WS_MOVED] becomes "move", "crash", or "" for neither; the blob is the
 * body. */
static void
request_copy_moved(struct sup_req *req)
{
	const msgpack_object *moved, *blob;
	struct bytes bytes;

	if (req->texts[WS_MOVED] || !req->params ||
		req->message != MESSAGE_WS_OPEN)
		return;
	moved = &req->params[WS_MOVED];
	bytes = codec_bytes(codec_field(moved, "how"));
	req->texts[WS_MOVED] = arena_text(&req->arena, bytes.at, bytes.length);
	blob = codec_field(moved, "blob");
	if (!blob || blob->type != MSGPACK_OBJECT_BIN)
		return;
	bytes = codec_bytes(blob);
	req->body_at = arena_text(&req->arena, bytes.at, bytes.length);
	req->body_bytes = bytes.length;
}

static void
request_copy_body(struct sup_req *req)
{
	struct bytes bytes;

	if (req->body_at || !req->params || req->message != MESSAGE_HTTP)
		return;
	bytes = codec_bytes(&req->params[HTTP_BODY]);
	req->body_at = arena_text(&req->arena, bytes.at, bytes.length);
	req->body_bytes = bytes.length;
}

/* Where the arguments are among the params, -1: there are none. */
static int
request_args_param(const struct sup_req *req)
{
	switch (req->message) {
	case MESSAGE_TOOL:
	case MESSAGE_METHOD:
		return 1;
	case MESSAGE_COMMAND:
	case MESSAGE_HOOK:
	case MESSAGE_CLI:
		return 2;
	case MESSAGE_CONFIGURE:
		return 0;
	default:
		return -1;
	}
}

static bool
request_is_named(const struct sup_req *req)
{
	return request_args_param(req) > 0 || req->message == MESSAGE_TICK ||
	       req->message == MESSAGE_SERVICE_START ||
	       req->message == MESSAGE_SERVICE_STOP || req->channel;
}

/* Arguments that JSON cannot hold count as none. */
static void
request_copy_args(struct sup_req *req)
{
	int param = request_args_param(req);

	if (req->args || !req->params || param < 0)
		return;
	req->args = value_from(&req->params[param], NULL);
	if (!req->args)
		req->args = json_null();
	if (param == 1 || req->message == MESSAGE_HOOK)
		req->caller = value_from(&req->params[3], NULL);
}

json_t *
request_args(struct sup_req *req)
{
	request_copy_args(req);
	return req->args;
}

static void
request_set_deadline(struct sup_req *req)
{
	uint64_t now_ms = clock_ms();

	if (!req->left_ms || req->deadline_ms)
		return;
	/* sup_req_time_left_ms() is signed */
	req->deadline_ms = req->left_ms < INT64_MAX - now_ms
				   ? now_ms + req->left_ms
				   : INT64_MAX;
}

void
request_keep(struct sup_req *req)
{
	static const int http[] = {
		HTTP_METHOD, HTTP_PATH, HTTP_QUERY, HTTP_PEER};

	if (!req->params)
		return;
	if (req->message == MESSAGE_WS_OPEN) {
		request_text(req, MESSAGE_WS_OPEN, HTTP_PATH);
		request_text(req, MESSAGE_WS_OPEN, HTTP_QUERY);
		request_text(req, MESSAGE_WS_OPEN, WS_PEER);
		request_copy_moved(req);
	} else if (req->message == MESSAGE_HTTP) {
		for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++)
			request_text(req, MESSAGE_HTTP, http[i]);
	} else if (request_is_named(req)) {
		request_text(req, req->message, 0);
		if (req->message == MESSAGE_COMMAND ||
			req->message == MESSAGE_HOOK)
			request_text(req, req->message, 1);
	}
	request_copy_path_params(req);
	request_copy_headers(req);
	request_copy_body(req);
	request_copy_args(req);
	request_set_deadline(req);
	req->params = NULL;
}

/* ---- the ABI ---- */

struct sup *
sup_req_plugin(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return req->plugin;
}

const char *
sup_req_method(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	if (req->message == MESSAGE_WS_OPEN)
		return "GET";
	return request_text(req, MESSAGE_HTTP, HTTP_METHOD);
}

const char *
sup_req_path(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return request_text(req, MESSAGE_HTTP, HTTP_PATH);
}

const char *
sup_req_query(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return request_text(req, MESSAGE_HTTP, HTTP_QUERY);
}

const char *
sup_req_peer(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	if (req->message == MESSAGE_WS_OPEN)
		return request_text(req, MESSAGE_WS_OPEN, WS_PEER);
	return request_text(req, MESSAGE_HTTP, HTTP_PEER);
}

const char *
sup_req_traceparent(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	if (req->traceparent)
		return req->traceparent;
	return request_is_of_client(req) ? sup_req_header(req, "traceparent")
					 : NULL;
}

const char *
sup_req_param(struct sup_req *req, const char *name)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(name, "name");
	request_copy_path_params(req);
	for (size_t i = 0; i < req->path_param_count; i++)
		if (!strcmp(req->path_params[i].name, name))
			return req->path_params[i].value;
	return NULL;
}

const char *
sup_req_header(struct sup_req *req, const char *name)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(name, "name");
	request_copy_headers(req);
	for (size_t i = 0; i < req->header_count; i++)
		if (!strcasecmp(req->headers[i].name, name))
			return req->headers[i].value;
	return NULL;
}

bool
sup_req_header_at(struct sup_req *req, size_t index, const char **name_out,
	const char **value_out)
{
	HOST_NEEDS(req, "req");
	request_copy_headers(req);
	if (index >= req->header_count)
		return false;
	if (name_out)
		*name_out = req->headers[index].name;
	if (value_out)
		*value_out = req->headers[index].value;
	return true;
}

const char *
sup_req_moved(struct sup_req *req, const void **blob_out, size_t *bytes_out)
{
	HOST_NEEDS(req, "req");
	if (req->message != MESSAGE_WS_OPEN)
		host_abort("sup_req_moved() may be called only for a "
			   "request to `open` of a WebSocket");
	request_copy_moved(req);
	if (blob_out)
		*blob_out = req->body_at;
	if (bytes_out)
		*bytes_out = req->body_bytes;
	return *req->texts[WS_MOVED] ? req->texts[WS_MOVED] : NULL;
}

const void *
sup_req_body(struct sup_req *req, size_t *bytes_out)
{
	HOST_NEEDS(req, "req");
	request_copy_body(req);
	if (bytes_out)
		*bytes_out = req->body_bytes;
	return req->body_at ? req->body_at : "";
}

int64_t
sup_req_time_left_ms(struct sup_req *req)
{
	HOST_NEEDS(req, "req");

	uint64_t now_ms;

	request_set_deadline(req);
	if (!req->deadline_ms)
		return INT64_MAX;
	now_ms = clock_ms();
	return req->deadline_ms > now_ms ? (int64_t)(req->deadline_ms - now_ms)
					 : 0;
}

const char *
sup_req_name(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return request_is_named(req) ? request_text(req, req->message, 0) : "";
}

const char *
sup_req_text(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return request_text(req, MESSAGE_COMMAND, 1);
}

const char *
sup_req_event(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return request_text(req, MESSAGE_HOOK, 1);
}

static const char *
request_json_text(struct sup_req *req, const json_t *value)
{
	char *text = json_text(value, JSON_TEXT_SORTED);
	const char *copy = arena_text(&req->arena, text, strlen(text));

	free(text);
	return copy;
}

const char *
sup_req_args_json(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	request_copy_args(req);
	return request_json_text(req, req->args);
}

const char *
sup_req_caller_json(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	request_copy_args(req);
	return request_json_text(req, req->caller);
}

const char *
sup_req_arg_string(struct sup_req *req, const char *path, const char *fallback)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(path, "path");

	const char *text;

	request_copy_args(req);
	text = json_text_value(json_at_path(req->args, path));
	return text ? text : fallback;
}

int64_t
sup_req_arg_int(struct sup_req *req, const char *path, int64_t fallback)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(path, "path");

	const json_t *value;

	request_copy_args(req);
	value = json_at_path(req->args, path);
	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool
sup_req_arg_bool(struct sup_req *req, const char *path, bool fallback)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(path, "path");

	const json_t *value;

	request_copy_args(req);
	value = json_at_path(req->args, path);
	return json_is_boolean(value) ? json_is_true(value) : fallback;
}
