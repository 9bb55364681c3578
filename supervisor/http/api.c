/* api: turns a request into a call of the command table, and its result into an
 * answer. The table decides which arguments and which role a call needs; the
 * role is checked here, too, before a body is read. */
#include "supervisor/http/api.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/control/commands.h"
#include "supervisor/http/api_args.h"
#include "supervisor/http/bearer.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/event_stream.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/http_span.h"
#include "supervisor/http/page_answer.h"
#include "supervisor/http/server.h"

struct api_call {
	struct command_call call;
	struct api_waiter waiter;
	struct exchange *exchange;
	struct api_row row;
	json_t *args; /* of the path and the query, later also of the body */
	enum api_type type;
	struct bearer bearer;
	char caller[80];	     /* "the token 'web'" */
	struct event_stream *stream; /* NULL until it is open */
	bool only_head;		     /* the request for a stream is a HEAD */
};

static void
refuse(struct exchange *x, int status, const char *fields, const char *reason)
{
	json_t *document = json_pack("{s:o}", "error", value_text(reason));

	exchange_answer_json(x, status, fields, document);
	json_decref(document);
}

/* ---- the end of a call ---- */

static void
api_call_destroy(struct api_call *a)
{
	if (a->stream)
		event_stream_destroy(a->stream);
	api_turn_leave(&a->waiter);
	json_decref(a->args);
	free(a);
}

/* A failed call of a plugin brings its own status. */
static int
status_of(const struct api_call *a, enum outcome outcome, const json_t *result)
{
	const json_t *own = json_object_get(result, "status");

	/* can-reload: "not safe" is a valid answer, not an error */
	if (outcome == OUTCOME_REFUSED && json_object_get(result, "safe"))
		return 200;
	if (outcome == OUTCOME_FAILED &&
		a->row.http->answer == VERB_ANSWER_RESULT &&
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

	exchange_let_go(x);
	if (a->row.http->answer == VERB_ANSWER_RESULT &&
		outcome == OUTCOME_DONE)
		answer = json_object_get(result, "result");
	if (outcome == OUTCOME_DENIED)
		exchange_note_refusal(x, status);
	if (a->stream)
		event_stream_end(a->stream);
	else if (a->only_head && outcome == OUTCOME_DONE)
		event_stream_answer_head(x);
	else
		exchange_answer_json(x, status,
			status == 503 ? "Cache-Control: no-store\r\n"
					"Retry-After: 1\r\n"
				      : "Cache-Control: no-store\r\n",
			answer);
	api_call_destroy(a);
}

static void
on_page(struct command_call *call, enum outcome outcome, struct page *page)
{
	struct api_call *a = call->user;
	struct exchange *x = a->exchange;

	exchange_let_go(x);
	page_answer_begin(
		x, status_of(a, outcome, NULL), "application/json", page);
	api_call_destroy(a);
}

/* The client left; transactions that its call began go on. */
static void
on_abandon(struct exchange *x)
{
	struct api_call *a = x->answering;

	if (!a)
		return;
	if (a->call.job)
		command_abandon(&a->call);
	api_call_destroy(a);
}

/* ---- streams ---- */

static void
on_passed(struct exchange *x, uint64_t bytes, size_t backlog)
{
	struct api_call *a = x->answering;

	event_stream_go_on(a->stream);
}

static const struct responder stream_responder = {
	.passed = on_passed,
	.refuse = refuse,
	.abandon = on_abandon,
};

static void
open_stream(struct api_call *a)
{
	if (a->stream)
		return;
	exchange_hand_to(a->exchange, &stream_responder, a);
	a->stream = event_stream_open(a->exchange, &a->call,
		json_string_value(json_object_get(a->args, "plugin")));
}

static void
on_progress(struct command_call *call, json_t *progress)
{
	struct api_call *a = call->user;

	open_stream(a);
	event_stream_tell(a->stream, progress);
}

/* Answers with a stream that follows the call. */
static void
follow(struct api_call *a)
{
	open_stream(a);
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

		if (!admin->http || bearer_role_now(admin, &a->bearer) <
					    (int)api_row_role(&a->row))
			command_end(&a->call);
	}
}

/* Reads the event to continue from. Returns 0, or the status of a refusal. */
static int
read_stream_args(struct api_call *a, const struct head *h)
{
	const json_t *follow;
	uint64_t seq;

	for (unsigned i = 0; i < h->field_count; i++) {
		const struct head_field *f = &h->fields[i];

		if (!bytes_equal(f->name, BYTES("last-event-id")))
			continue;
		if (event_stream_read_id(f->value.at, f->value.length, &seq))
			return 400;
		/* replaces the query's, which a client repeats when it
		 * reconnects */
		json_object_set_new(
			a->args, "after", json_integer((json_int_t)seq));
	}
	follow = json_object_get(a->args, "follow");
	if (follow && !json_is_true(follow))
		return 0;
	a->only_head = h->is_head;
	json_object_set_new(a->args, "follow", json_boolean(!h->is_head));
	if (!h->is_head && !json_object_get(a->args, "lines"))
		json_object_set_new(a->args, "lines", json_integer(0));
	return a->exchange->connection->server->gateway->edge.streams <
			       EVENT_STREAMS_MAX
		       ? 0
		       : 503;
}

/* ---- a call's turn ---- */

static void
run(struct api_call *a)
{
	struct exchange *x = a->exchange;

	command_run(&a->call, verb_rows[a->row.verb].name, a->args);
	if (x->answering == a && a->row.http->answer == VERB_ANSWER_STREAM &&
		json_is_true(json_object_get(a->args, "follow")))
		follow(a);
}

static void
run_waiter(struct api_waiter *w)
{
	run(container_of(w, struct api_call, waiter));
}

/* Queues the call of a complete request for its turn. */
static void
take_turn(struct api_call *a, void (*due)(struct api_waiter *w))
{
	a->exchange->state = EXCHANGE_WAITING;
	a->waiter.run = due;
	api_turn_take(a->exchange->connection->server, &a->waiter);
}

/* ---- bodies ---- */

static void
refuse_json(struct exchange *x, const json_error_t *where, const char *text)
{
	json_t *document = json_pack("{s:s, s:i, s:i}", "error", text, "line",
		where->line, "column", where->column);

	exchange_note_refusal(x, 400);
	exchange_answer_json(x, 400, "", document);
	json_decref(document);
}

static void
run_body(struct api_waiter *w)
{
	struct api_call *a = container_of(w, struct api_call, waiter);
	struct exchange *x = a->exchange;
	json_error_t where;
	struct error err;
	int status = api_args_read_body(
		a->args, &a->row, a->type, exchange_kept_body(x), &where, &err);

	if (where.line)
		refuse_json(x, &where, err.text);
	else if (status)
		exchange_refuse(x, status, "", err.text);
	else
		run(a);
}

static void
on_body_end(struct exchange *x, bool more)
{
	take_turn(x->answering, run_body);
}

static const struct responder responder = {
	.body_end = on_body_end,
	.refuse = refuse,
	.abandon = on_abandon,
};

/* ---- the request ---- */

static struct api_call *
create_call(struct exchange *x, const struct api_row *row,
	const struct bearer *bearer)
{
	struct http_server *s = x->connection->server;
	struct api_call *a = memory_alloc(sizeof(*a));

	a->exchange = x;
	a->row = *row;
	a->args = json_object();
	a->call.gateway = s->gateway;
	a->bearer = *bearer;
	a->call.role = (enum role)bearer_role_now(&s->config->admin, bearer);
	text_format(a->caller, sizeof(a->caller), "the token '%s'",
		bearer_name(&s->config->admin, bearer));
	a->call.caller = a->caller;
	a->call.door = "http";
	a->call.trace = *http_span_context(x);
	a->call.on_done = on_done;
	a->call.on_page = on_page;
	if (row->http->answer == VERB_ANSWER_STREAM)
		a->call.on_progress = on_progress;
	a->call.reads_journal = true;
	list_init(&a->waiter.node);
	a->call.user = a;
	exchange_hand_to(x, &responder, a);
	return a;
}

/* false: it has been refused. */
static bool
read_head(struct api_call *a, const struct head *h, const struct path *path)
{
	struct exchange *x = a->exchange;
	int status;

	if (api_args_read_path(a->args, &a->row, path)) {
		exchange_refuse(x, 400, "", "the name is not UTF-8");
		return false;
	}
	if (api_args_read_query(a->args, h->query)) {
		exchange_refuse(x, 400, "", "the query is malformed");
		return false;
	}
	command_read_texts(verb_rows[a->row.verb].name, a->args);
	status = a->row.http->answer == VERB_ANSWER_STREAM
			 ? read_stream_args(a, h)
			 : 0;
	if (status == 400)
		exchange_refuse(x, 400, "", "Last-Event-ID is not a number");
	else if (status)
		exchange_refuse(x, status, "Retry-After: 5\r\n",
			"too many clients follow the events");
	return !status;
}

/* Asks for the request's body, or refuses the request by its head. */
static void
begin_body(struct api_call *a, const struct head *h)
{
	struct exchange *x = a->exchange;

	a->type = api_args_type(h);
	x->body_limit = a->row.http->kind ? API_CALL_BODY_MAX : API_BODY_MAX;
	if (a->row.http->body == VERB_BODY_NONE) {
		exchange_refuse(x, 400, "", "this call takes no body");
	} else if (a->type == API_TYPE_OTHER ||
		   (a->type == API_TYPE_TEXT &&
			   a->row.http->body != VERB_BODY_TEXT)) {
		exchange_refuse(x, 415, "Accept: application/json\r\n",
			"the body must be JSON in UTF-8: application/json");
	} else if (h->content_length > x->body_limit) {
		exchange_refuse(x, 413, "", "the body is too large");
	} else {
		x->body_at = (uint32_t)buffer_length(&x->packed);
		x->keep_max = UINT64_MAX; /* limited by body_limit only */
		x->sink = SINK_KEEP;
	}
}

static void
begin_call(struct api_call *a, const struct head *h, const struct path *path)
{
	if (!read_head(a, h, path))
		return;
	/* without the role, the body is not read: the table refuses the call */
	if ((int)a->call.role >= (int)api_row_role(&a->row) &&
		head_has_body(h)) {
		begin_body(a, h);
		return;
	}
	take_turn(a, run_waiter);
}

static void
refuse_method(struct exchange *x, const char *allow)
{
	char field[API_ALLOW_BYTES + 16];

	snprintf(field, sizeof(field), "Allow: %s\r\n", allow);
	exchange_refuse(x, 405, field, "the method is not served on this path");
}

/* GET /api */
static void
answer_calls(struct exchange *x, const struct head *h)
{
	json_t *calls;

	if (!h->is_head && !bytes_equal(h->method, BYTES("GET"))) {
		refuse_method(x, "GET, HEAD");
		return;
	}
	calls = api_rows_list();
	exchange_answer_json(x, 200, "", calls);
	json_decref(calls);
}

void
api_begin(struct exchange *x, const struct head *h, const struct path *path)
{
	struct http_server *s = x->connection->server;
	struct api_row row;
	char allow[API_ALLOW_BYTES];
	struct bearer bearer;

	exchange_hand_to(x, &responder, NULL);
	if (!s->config->admin.http) {
		exchange_refuse(x, 404, "", "the API is disabled");
		return;
	}
	if (!bearer_read(&bearer, h) ||
		bearer_role_now(&s->config->admin, &bearer) < 0) {
		exchange_refuse(x, 401, "WWW-Authenticate: Bearer\r\n",
			"a valid token is needed");
		return;
	}
	if (path->count == 1)
		answer_calls(x, h);
	else if (api_row_find(h->is_head ? BYTES("GET") : h->method, path,
			 allow, &row))
		begin_call(create_call(x, &row, &bearer), h, path);
	else if (allow[0])
		refuse_method(x, allow);
	else
		exchange_refuse(
			x, 404, "", "unknown call; GET /api lists all calls");
}
