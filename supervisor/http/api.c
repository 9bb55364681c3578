/* A table of calls. What a call needs (role, arguments, receipts) is decided by
 * the command table behind it. */
#include "supervisor/http/api.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "proto/util/memory.h"
#include "supervisor/control/commands.h"
#include "supervisor/http/api_args.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/server.h"

struct api_call {
	struct command_call call;
	struct exchange *exchange;
	const char *verb;
	json_t *args; /* of the path and the query; a body adds to them */
};

static void
answer_json(struct exchange *x, int status, const char *fields,
	const json_t *document)
{
	char *text = json_dumps(document,
		JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(10));
	char *line = memory_format("%s\n", text ? text : "null");

	exchange_answer(x, status, "application/json", fields, bytes_of(line));
	free(line);
	free(text);
}

void
api_refuse(
	struct exchange *x, int status, const char *fields, const char *reason)
{
	json_t *document = json_pack("{s:s}", "error", reason);

	if (!document)
		document = json_pack("{s:s}", "error", "not text");
	answer_json(x, status, fields, document);
	json_decref(document);
}

/* ---- who asks ---- */

/* Compares with every token, each in constant time, so that the time taken
 * tells nothing. -1: no such token. */
static int
role_of_token(const struct config_admin *admin, struct bytes token)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	int role = -1;

	SHA256((const unsigned char *)token.at, token.length, digest);
	for (uint32_t i = 0; i < admin->tokens.count; i++)
		if (!CRYPTO_memcmp(digest, admin->tokens.items[i].sha256,
			    sizeof(digest)))
			role = admin->tokens.items[i].role;
	return role;
}

static int
role_of(const struct http_server *s, const struct head *h)
{
	const struct head_field *f = h->known[HEAD_AUTHORIZATION];
	struct bytes token;

	if (!f || f->value.length < 8 || strncasecmp(f->value.at, "Bearer ", 7))
		return -1;
	token = (struct bytes){f->value.at + 7, f->value.length - 7};
	while (token.length && *token.at == ' ') {
		token.at++;
		token.length--;
	}
	return role_of_token(&s->config->admin, token);
}

/* ---- what is asked ---- */

/* Segments after /api; "*" is a plugin's id. */
struct api_row {
	const char *method;
	const char *segments[4];
	const char *verb; /* NULL: comes later */
	bool has_body;
};

static const struct api_row rows[] = {
	{"POST", {"plugins", "reload"}, "reload", true},
	{"POST", {"plugins", "scan"}, "scan", true},
	{"GET", {"plugins"}, "list", false},
	{"GET", {"plugins", "*"}, "show", false},
	{"GET", {"plugins", "*", "can-reload"}, "can-reload", false},
	{"POST", {"plugins", "*", "start"}, "start", true},
	{"POST", {"plugins", "*", "stop"}, "stop", true},
	{"POST", {"plugins", "*", "restart"}, "restart", true},
	{"POST", {"plugins", "*", "enable"}, "enable", true},
	{"POST", {"plugins", "*", "disable"}, "disable", true},
	{"GET", {"routes"}, "routes", false},
	{"GET", {"events"}, NULL, false},
	{"GET", {"config", "plan"}, "plan", false},
	{"POST", {"config", "apply"}, "apply", true},
	{"POST", {"tools", "*"}, NULL, false},
	{"POST", {"commands", "*"}, NULL, false},
	{"POST", {"events", "*"}, NULL, false},
};
#define ROW_COUNT (sizeof(rows) / sizeof(*rows))

static bool
row_has_path(const struct api_row *row, const struct path *path)
{
	unsigned i;

	for (i = 0; i < 4 && row->segments[i]; i++) {
		if (i + 1 >= path->count || !path->segments[i + 1].length)
			return false;
		if (row->segments[i][0] != '*' &&
			!bytes_equal(bytes_of(row->segments[i]),
				path->segments[i + 1]))
			return false;
	}
	return i + 1 == path->count;
}

/* NULL: answered already, nobody serves it. */
static const struct api_row *
find_row(struct exchange *x, const struct head *h, const struct path *path)
{
	struct bytes method = h->is_head ? BYTES("GET") : h->method;
	const struct api_row *other = NULL;
	char fields[40];

	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (!row_has_path(&rows[i], path))
			continue;
		if (bytes_equal(bytes_of(rows[i].method), method))
			return &rows[i];
		other = &rows[i];
	}
	if (!other) {
		exchange_refuse(x, 404, "", "there is no such call");
		return NULL;
	}
	snprintf(fields, sizeof(fields), "Allow: %s\r\n",
		other->method[0] == 'G' ? "GET, HEAD" : other->method);
	exchange_refuse(
		x, 405, fields, "the method is not served on this path");
	return NULL;
}

/* ---- calls ---- */

static void
api_call_destroy(struct api_call *a)
{
	json_decref(a->args);
	free(a);
}

static void
on_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	struct api_call *a = call->user;
	struct exchange *x = a->exchange;
	int status = outcome_rows[outcome].http_status;

	/* Asking is no refusal: the answer says whether it is safe. */
	if (outcome == OUTCOME_REFUSED && json_object_get(result, "safe"))
		status = 200;
	x->api = NULL;
	answer_json(x, status, "Cache-Control: no-store\r\n", result);
	api_call_destroy(a);
}

void
api_abandon(struct api_call *a)
{
	if (a->call.job)
		command_abandon(&a->call);
	api_call_destroy(a);
}

static void
run(struct exchange *x)
{
	x->state = EXCHANGE_WAITING;
	command_run(&x->api->call, x->api->verb, x->api->args);
}

static void
create_call(struct exchange *x, const char *verb, int role)
{
	struct http_server *s = x->connection->server;
	struct api_call *a = memory_alloc(sizeof(*a));

	a->exchange = x;
	a->verb = verb;
	a->args = json_object();
	a->call.gateway = s->gateway;
	a->call.role = (enum role)role;
	a->call.door = "http";
	a->call.on_done = on_done;
	a->call.user = a;
	x->api = a;
}

void
api_begin(struct exchange *x, const struct head *h, const struct path *path)
{
	struct http_server *s = x->connection->server;
	const struct api_row *row;
	int role;

	x->for_api = true;
	if (!s->config->admin.http) {
		exchange_refuse(x, 404, "", "the API is switched off");
		return;
	}
	role = role_of(s, h);
	if (role < 0) {
		exchange_refuse(x, 401, "WWW-Authenticate: Bearer\r\n",
			"a valid token is needed");
		return;
	}
	row = find_row(x, h, path);
	if (!row)
		return;
	if (!row->verb) {
		exchange_refuse(x, 404, "", "not supported yet");
		return;
	}
	create_call(x, row->verb, role);
	if (row->segments[1] && row->segments[1][0] == '*')
		json_object_set_new(x->api->args, "id",
			json_stringn(path->segments[2].at,
				path->segments[2].length));
	if (api_args_read_query(x->api->args, h->query)) {
		exchange_refuse(x, 400, "", "the query is malformed");
	} else if (row->has_body && head_has_body(h)) {
		x->body_limit = API_BODY_MAX;
		x->body_at = (uint32_t)buffer_length(&x->packed);
		x->sink = SINK_KEEP;
	} else {
		run(x);
	}
}

static void
refuse_json(struct exchange *x, const json_error_t *error)
{
	json_t *document;
	char text[sizeof(error->text) + 80];

	snprintf(text, sizeof(text), "malformed JSON at line %d, column %d: %s",
		error->line, error->column, error->text);
	document = json_pack("{s:s, s:i, s:i}", "error", text, "line",
		error->line, "column", error->column);
	if (document)
		answer_json(x, 400, "", document);
	else
		exchange_refuse(x, 400, "", "malformed JSON");
	json_decref(document);
}

void
api_body_end(struct exchange *x)
{
	json_error_t error;
	json_t *body =
		json_loadb((const char *)buffer_bytes(&x->packed) + x->body_at,
			buffer_length(&x->packed) - x->body_at,
			JSON_REJECT_DUPLICATES, &error);

	if (!body)
		refuse_json(x, &error);
	else if (!json_is_object(body))
		exchange_refuse(x, 400, "", "the body is no JSON object");
	else if (api_args_add(x->api->args, body))
		exchange_refuse(x, 400, "", "an argument is there twice");
	else
		run(x);
	json_decref(body);
}
