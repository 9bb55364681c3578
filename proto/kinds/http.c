/* http: a route: a method on a path pattern. */
#include <stdlib.h>
#include <string.h>

#include "proto/registration.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"

#define METHOD_MAX_BYTES 32
#define PATH_MAX_BYTES 1024
#define WEBSOCKET_MESSAGE_MAX (1 << 30)

static const struct field fields[] = {
	{"method", FIELD_TEXT, offsetof(struct registration, http.method)},
	{"path", FIELD_TEXT, offsetof(struct registration, http.path)},
	{"body_limit", FIELD_BYTES,
		offsetof(struct registration, http.body_limit)},
	{"streams_body", FIELD_BOOL,
		offsetof(struct registration, http.streams_body)},
	{"websocket", FIELD_BOOL,
		offsetof(struct registration, http.websocket)},
	{"protocols", FIELD_WORDS,
		offsetof(struct registration, http.protocols)},
	{"message_limit", FIELD_BYTES,
		offsetof(struct registration, http.message_limit)},
	{"pinned", FIELD_BOOL, offsetof(struct registration, http.pinned)},
};

static bool
method_is_valid(struct bytes method)
{
	return kind_consists_of(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-",
		       METHOD_MAX_BYTES) &&
	       method.at[0] != '-';
}

/* A parameter `{name}` whose name no earlier segment of path has. */
static int
path_check_parameter(struct bytes path, struct bytes segment, struct error *err)
{
	struct bytes name = {segment.at + 1, segment.length - 2};
	const char *same;

	if (segment.length < 3 || segment.at[segment.length - 1] != '}' ||
		!kind_consists_of(name, KIND_LETTERS KIND_DIGITS "_",
			REGISTRATION_NAME_BYTES) ||
		strchr(KIND_DIGITS, name.at[0]))
		return error_set(err, "\"%.*s\" is not a {name}",
			(int)segment.length, segment.at);
	same = memmem(path.at, (size_t)(segment.at - path.at), segment.at,
		segment.length);
	if (same)
		return error_set(err, "two parameters are named %.*s",
			(int)segment.length, segment.at);
	return 0;
}

static int
path_check_segment(struct bytes path, struct bytes segment, struct error *err)
{
	bool last = segment.at + segment.length == path.at + path.length;

	if (!segment.length)
		return last ? 0 : error_set(err, "must not contain //");
	if (bytes_equal(segment, BYTES(".")) ||
		bytes_equal(segment, BYTES("..")))
		return error_set(err, "must not contain a dot segment");
	if (segment.at[0] == '{')
		return path_check_parameter(path, segment, err);
	if (bytes_equal(segment, BYTES("*")))
		return last ? 0 : error_set(err, "* must be the last segment");
	for (size_t i = 0; i < segment.length; i++) {
		unsigned char byte = (unsigned char)segment.at[i];

		if (byte <= ' ' || byte == 0x7f || strchr("?#%\\{}*", byte))
			return error_set(err,
				"byte 0x%02x is not allowed in a segment",
				byte);
	}
	return 0;
}

static int
check_path(struct bytes path, struct error *err)
{
	const char *at = path.at, *end = path.at + path.length, *slash;

	if (!path.length || *at != '/')
		return error_set(err, "must begin with /");
	if (path.length > PATH_MAX_BYTES)
		return error_set(err, "must not be longer than %d bytes",
			PATH_MAX_BYTES);
	if (!utf8_is_valid(path.at, path.length))
		return error_set(err, "must be UTF-8");
	for (; at < end; at = slash) {
		at++;
		slash = memchr(at, '/', (size_t)(end - at));
		slash = slash ? slash : end;
		if (path_check_segment(path,
			    (struct bytes){at, (size_t)(slash - at)}, err) < 0)
			return -1;
	}
	return 0;
}

static int
check_websocket(const struct registration *r, struct error *err)
{
	if (!r->http.websocket && (r->http.pinned || r->http.protocols ||
					  r->http.message_limit >= 0))
		return error_set(err,
			"protocols, message_limit and pinned need websocket");
	if (!r->http.websocket)
		return 0;
	if (!bytes_equal(bytes_of(r->http.method), BYTES("GET")))
		return error_set(err, "the method of a websocket must be GET");
	if (r->http.streams_body || r->http.body_limit >= 0)
		return error_set(err,
			"a websocket has no streams_body and no body_limit");
	if (!r->http.message_limit ||
		r->http.message_limit > WEBSOCKET_MESSAGE_MAX)
		return error_set(err,
			"message_limit must be from 1 to %d bytes",
			WEBSOCKET_MESSAGE_MAX);
	return 0;
}

static int
check(struct registration *r, struct error *err)
{
	if (!r->http.method || !method_is_valid(bytes_of(r->http.method)))
		return error_set(err, "method must be an upper case token");
	if (!r->http.path)
		return error_set(err, "path is missing");
	if (check_path(bytes_of(r->http.path), err) < 0)
		return error_prefix(err, "path \"%s\": ", r->http.path);
	if (check_websocket(r, err) < 0)
		return -1;
	free(r->name);
	r->name = memory_format("%s %s%s", r->http.method, r->http.path,
		r->http.websocket ? " websocket" : "");
	return 0;
}

static bool
is_idempotent(struct bytes method)
{
	static const char *const safe[] = {
		"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};

	for (size_t i = 0; i < sizeof(safe) / sizeof(*safe); i++)
		if (bytes_equal(method, bytes_of(safe[i])))
			return true;
	return false;
}

const struct registration_kind_row kind_http = {
	.wire = "http",
	.receipt = "httpRoutes",
	.noun = "route",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.check = check,
	.caller = KIND_CALLER_CLIENT,
	.message = MESSAGE_HTTP,
	.is_idempotent = is_idempotent,
};
