/* api: from a request to a call of the command table and back. What a call
 * needs (arguments, receipts) is decided by the table behind it; who may make
 * it too, but before a body is read. */
#include "supervisor/http/api.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/control/commands.h"
#include "supervisor/http/api_args.h"
#include "supervisor/http/bearer.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/event_stream.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/server.h"

struct api_call {
	struct command_call call;
	struct exchange *exchange;
	const struct api_row *row;
	json_t *args; /* of the path and the query; a body adds to them */
	enum api_type type;
	struct bearer bearer;
	struct event_stream *stream; /* once it is open */
};

static void
answer_json(struct exchange *x, int status, const char *fields,
	const json_t *document)
{
	char *text = json_dumps(document, JSON_COMPACT | JSON_PRESERVE_ORDER |
						  JSON_ENCODE_ANY |
						  JSON_REAL_PRECISION(12));
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

/* ---- the end of a call ---- */

static void
api_call_destroy(struct api_call *a)
{
	if (a->stream)
		event_stream_destroy(a->stream);
	json_decref(a->args);
	free(a);
}

/* A call of a plugin says itself which status fits its failure. */
static int
status_of(const struct api_call *a, enum outcome outcome, const json_t *result)
{
	const json_t *own = json_object_get(result, "status");

	/* Asking is no refusal: the answer says whether it is safe. */
	if (outcome == OUTCOME_REFUSED && json_object_get(result, "safe"))
		return 200;
	if (outcome == OUTCOME_FAILED && a->row->answer == API_ANSWER_RESULT &&
		json_is_integer(own))
		return (int)json_integer_value(own);
	return outcome_rows[outcome].http_status;
}

static void
on_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	struct api_call *a = call->user;
	struct exchange *x = a->exchange;
	int status = status_of(a, outcome, result);
	const json_t *answer = result;

	x->api = NULL;
	if (a->row->answer == API_ANSWER_RESULT && outcome == OUTCOME_DONE)
		answer = json_object_get(result, "result");
	if (outcome == OUTCOME_DENIED)
		exchange_note_refusal(x, status);
	if (a->stream)
		event_stream_end(a->stream);
	else
		answer_json(x, status,
			status == 503 ? "Cache-Control: no-store\r\n"
					"Retry-After: 1\r\n"
				      : "Cache-Control: no-store\r\n",
			answer);
	api_call_destroy(a);
}

void
api_abandon(struct api_call *a)
{
	if (a->call.job)
		command_abandon(&a->call);
	api_call_destroy(a);
}

/* ---- streams ---- */

static void
on_progress(struct command_call *call, json_t *progress)
{
	struct api_call *a = call->user;

	if (!a->stream)
		a->stream = event_stream_open(a->exchange, call);
	event_stream_tell(a->stream, progress);
}

/* The call goes on. */
static void
follow(struct api_call *a)
{
	if (!a->stream)
		a->stream = event_stream_open(a->exchange, &a->call);
	event_stream_go_on(a->stream);
}

void
api_passed(struct api_call *a)
{
	if (a->stream)
		event_stream_go_on(a->stream);
}

void
api_end_streams(struct http_server *s)
{
	list_for_each_safe (node, &s->streams)
		command_end(
			container_of(node, struct event_stream, node)->call);
}

void
api_end_denied_streams(struct http_server *s)
{
	const struct config_admin *admin = &s->config->admin;

	list_for_each_safe (node, &s->streams) {
		struct api_call *a = container_of(
			container_of(node, struct event_stream, node)->call,
			struct api_call, call);
		enum verb verb = verb_by_name(a->row->verb);

		if (!admin->http || bearer_role_now(admin, &a->bearer) <
					    (int)verb_rows[verb].role)
			command_end(&a->call);
	}
}

/* Where the client wants to go on; 0, or the refusal's status. */
static int
read_stream_args(struct api_call *a, const struct head *h)
{
	uint64_t seq;

	for (unsigned i = 0; i < h->field_count; i++) {
		const struct head_field *f = &h->fields[i];

		if (!bytes_equal(f->name, BYTES("last-event-id")))
			continue;
		if (event_stream_read_id(f->value.at, f->value.length, &seq))
			return 400;
		/* A client that comes back says the same query again. */
		json_object_set_new(
			a->args, "after", json_integer((json_int_t)seq));
	}
	if (!json_object_get(a->args, "follow"))
		json_object_set_new(
			a->args, "follow", json_boolean(!h->is_head));
	if (!json_is_true(json_object_get(a->args, "follow")))
		return 0;
	if (!json_object_get(a->args, "lines"))
		json_object_set_new(a->args, "lines", json_integer(0));
	return a->exchange->connection->server->gateway->edge.streams <
			       EVENT_STREAMS_MAX
		       ? 0
		       : 503;
}

/* ---- the begin of a call ---- */

static void
run(struct exchange *x)
{
	struct api_call *a = x->api;

	x->state = EXCHANGE_WAITING;
	command_run(&a->call, a->row->verb, a->args);
	if (x->api == a && a->row->answer == API_ANSWER_STREAM)
		follow(a);
}

static struct api_call *
create_call(struct exchange *x, const struct api_row *row,
	const struct bearer *bearer)
{
	struct http_server *s = x->connection->server;
	struct api_call *a = memory_alloc(sizeof(*a));

	a->exchange = x;
	a->row = row;
	a->args = json_object();
	a->call.gateway = s->gateway;
	a->bearer = *bearer;
	a->call.role = (enum role)bearer_role_now(&s->config->admin, bearer);
	a->call.door = "http";
	a->call.on_done = on_done;
	if (row->answer == API_ANSWER_STREAM)
		a->call.on_progress = on_progress;
	a->call.user = a;
	x->api = a;
	return a;
}

/* false: it has been refused. */
static bool
read_head(struct api_call *a, const struct head *h, const struct path *path)
{
	struct exchange *x = a->exchange;
	int status;

	if (api_args_read_path(a->args, a->row, path)) {
		exchange_refuse(x, 400, "", "the name is not UTF-8");
		return false;
	}
	if (api_args_read_query(a->args, h->query)) {
		exchange_refuse(x, 400, "", "the query is malformed");
		return false;
	}
	command_read_texts(a->row->verb, a->args);
	status = a->row->answer == API_ANSWER_STREAM ? read_stream_args(a, h)
						     : 0;
	if (status == 400)
		exchange_refuse(x, 400, "", "Last-Event-ID is no number");
	else if (status)
		exchange_refuse(x, status, "Retry-After: 5\r\n",
			"too many clients follow the events");
	return !status;
}

/* Its body is wanted, or it is refused for what is said of it. */
static void
begin_body(struct api_call *a, const struct head *h)
{
	struct exchange *x = a->exchange;

	a->type = api_args_type(h);
	x->body_limit = a->row->kind ? API_CALL_BODY_MAX : API_BODY_MAX;
	if (a->row->body == API_BODY_NONE) {
		exchange_refuse(x, 400, "", "this call takes no body");
	} else if (a->type == API_TYPE_OTHER ||
		   (a->type == API_TYPE_TEXT &&
			   a->row->body != API_BODY_TEXT)) {
		exchange_refuse(x, 415, "Accept: application/json\r\n",
			"the body must be JSON in UTF-8: application/json");
	} else if (h->content_length > x->body_limit) {
		exchange_refuse(x, 413, "", "the body is too large");
	} else {
		x->body_at = (uint32_t)buffer_length(&x->packed);
		x->sink = SINK_KEEP;
	}
}

static void
begin_call(struct api_call *a, const struct head *h, const struct path *path)
{
	enum verb verb = verb_by_name(a->row->verb);

	if (!read_head(a, h, path))
		return;
	/* Who may not is told so by the table, whatever the body says. */
	if ((int)a->call.role >= (int)verb_rows[verb].role &&
		head_has_body(h)) {
		begin_body(a, h);
		return;
	}
	/* A tool without arguments gets none, not nothing. */
	if (a->row->kind && a->row->body == API_BODY_VALUE &&
		!json_object_get(a->args, "args"))
		json_object_set_new(a->args, "args", json_object());
	run(a->exchange);
}

void
api_begin(struct exchange *x, const struct head *h, const struct path *path)
{
	struct http_server *s = x->connection->server;
	const struct api_row *row;
	char allow[API_ALLOW_BYTES], field[API_ALLOW_BYTES + 16];
	struct bearer bearer;

	x->for_api = true;
	if (!s->config->admin.http) {
		exchange_refuse(x, 404, "", "the API is switched off");
		return;
	}
	if (!bearer_read(&bearer, h) ||
		bearer_role_now(&s->config->admin, &bearer) < 0) {
		exchange_refuse(x, 401, "WWW-Authenticate: Bearer\r\n",
			"a valid token is needed");
		return;
	}
	row = api_row_find(h->is_head ? BYTES("GET") : h->method, path, allow);
	if (row) {
		begin_call(create_call(x, row, &bearer), h, path);
	} else if (allow[0]) {
		snprintf(field, sizeof(field), "Allow: %s\r\n", allow);
		exchange_refuse(
			x, 405, field, "the method is not served on this path");
	} else {
		exchange_refuse(x, 404, "", "there is no such call");
	}
}

/* ---- bodies ---- */

static void
refuse_json(struct exchange *x, const json_error_t *error)
{
	json_t *document;
	char text[sizeof(error->text) + 80];

	snprintf(text, sizeof(text), "malformed JSON at line %d, column %d: %s",
		error->line, error->column, error->text);
	document = json_pack("{s:s, s:i, s:i}", "error", text, "line",
		error->line, "column", error->column);
	if (!document) {
		exchange_refuse(x, 400, "", "malformed JSON");
		return;
	}
	exchange_note_refusal(x, 400);
	answer_json(x, 400, "", document);
	json_decref(document);
}

void
api_body_end(struct exchange *x)
{
	struct api_call *a = x->api;
	struct bytes body = {
		(const char *)buffer_bytes(&x->packed) + x->body_at,
		buffer_length(&x->packed) - x->body_at};
	json_error_t where;
	struct error err;
	int status = api_args_read_body(
		a->args, a->row, a->type, body, &where, &err);

	if (where.line)
		refuse_json(x, &where);
	else if (status)
		exchange_refuse(x, status, "", err.text);
	else
		run(x);
}
