/* rpc_call: the calls of a session: its own few methods, those of supd, which
 * are the verbs of proto/verbs.def with the handlers of supctl, and those of
 * plugins, looked up at each call. */
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/control/commands.h"
#include "supervisor/control/page.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/http/rpc_answer.h"
#include "supervisor/http/rpc_method.h"
#include "supervisor/http/server.h"

struct rpc_call {
	struct list node; /* session.calls */
	struct rpc_session *session;
	struct rpc_batch *batch; /* NULL: it is none's */
	json_t *id;		 /* NULL: nobody wants the answer */
	bool is_invoke;		 /* of a plugin: the answer is its result */
	char caller[80];	 /* "the token 'web'" */
	struct command_call call;
};

/* ---- the end of a call ---- */

static struct rpc_place
place_of(const struct rpc_call *c)
{
	return (struct rpc_place){c->session, c->batch, c->id};
}

static void
call_destroy(struct rpc_call *c)
{
	struct rpc_session *s = c->session;

	list_remove(&c->node);
	s->call_count--;
	if (c->batch)
		rpc_batch_leave(s, c->batch);
	json_decref(c->id);
	free(c);
	rpc_note_call_end(s);
}

static bool
has_succeeded(enum outcome outcome, const json_t *result)
{
	/* can-reload: "not safe" is a valid answer, not an error */
	return outcome == OUTCOME_DONE || outcome == OUTCOME_ACCEPTED ||
	       (outcome == OUTCOME_REFUSED && json_object_get(result, "safe"));
}

static void
write_failure(struct buffer *text, const struct rpc_call *c,
	enum outcome outcome, const char *message, const char *code,
	struct bytes document)
{
	if (outcome == OUTCOME_BAD_CALL && !c->call.has_receipts)
		rpc_write_error(
			text, c->id, RPC_BAD_PARAMS, message, NULL, BYTES(""));
	else
		rpc_write_error(text, c->id, RPC_FAILED, message,
			code ? code : outcome_rows[outcome].text,
			c->call.has_receipts ? document : BYTES(""));
}

static void
on_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	struct rpc_call *c = container_of(call, struct rpc_call, call);
	const char *message =
		json_string_value(json_object_get(result, "error"));
	const json_t *shown = c->is_invoke && outcome == OUTCOME_DONE
				      ? json_object_get(result, "result")
				      : result;
	struct buffer document = {0}, text = {0};

	json_text_append(&document, shown, JSON_TEXT_COMPACT);
	if (has_succeeded(outcome, result))
		rpc_write_result(&text, c->id, rpc_text(&document));
	else
		write_failure(&text, c, outcome,
			message ? message : outcome_rows[outcome].text,
			json_string_value(json_object_get(result, "code")),
			rpc_text(&document));
	rpc_answer(place_of(c), &text);
	buffer_finish(&document);
	call_destroy(c);
}

static void
on_page(struct command_call *call, enum outcome outcome, struct page *page)
{
	struct rpc_call *c = container_of(call, struct rpc_call, call);
	struct bytes document = rpc_text(&page->text);
	struct buffer text = {0};

	if (document.length && document.at[document.length - 1] == '\n')
		document.length--;
	if (document.length > RPC_ANSWERS_MAX)
		rpc_write_error(&text, c->id, RPC_FAILED,
			"the answer is larger than 4 MiB; ask /api for it",
			"too_large", BYTES(""));
	else if (has_succeeded(outcome, NULL))
		rpc_write_result(&text, c->id, document);
	else
		write_failure(&text, c, outcome, outcome_rows[outcome].text,
			NULL, document);
	rpc_answer(place_of(c), &text);
	call_destroy(c);
}

/* A phase of a transaction. */
static void
on_progress(struct command_call *call, json_t *progress)
{
	struct rpc_call *c = container_of(call, struct rpc_call, call);
	struct buffer params = {0}, text = {0};
	json_t *shown;

	if (!json_object_get(progress, "phase") || !c->id)
		return;
	shown = json_copy(progress);
	json_object_set(shown, "call", c->id);
	json_text_append(&params, shown, JSON_TEXT_COMPACT);
	rpc_write_notification(&text, "reload.phase", rpc_text(&params));
	rpc_send(c->session, rpc_text(&text), RPC_QUEUE_MAX);
	json_decref(shown);
	buffer_finish(&params);
	buffer_finish(&text);
}

void
rpc_abandon_calls(struct rpc_session *s)
{
	list_for_each_safe (node, &s->calls) {
		struct rpc_call *c = container_of(node, struct rpc_call, node);

		if (c->call.job)
			command_abandon(&c->call);
		call_destroy(c);
	}
}

/* ---- the methods ---- */

static struct rpc_call *
call_create(struct rpc_place at, int role)
{
	struct rpc_session *s = at.session;
	struct rpc_call *c = memory_alloc(sizeof(*c));

	c->session = s;
	c->batch = at.batch;
	if (c->batch)
		rpc_batch_join(c->batch);
	c->id = json_incref(at.id);
	text_format(c->caller, sizeof(c->caller), "the token '%s'",
		bearer_name(&s->server->config->admin, &s->bearer));
	c->call = (struct command_call){.gateway = rpc_gateway(s),
		.role = (enum role)role,
		.caller = c->caller,
		.door = "session",
		.on_done = on_done,
		.on_page = on_page,
		.on_progress = on_progress};
	list_append(&s->calls, &c->node);
	s->call_count++;
	return c;
}

static void
run_verb(struct rpc_place at, int role, const struct verb_row *row,
	const struct verb_session *m, const json_t *params)
{
	struct rpc_call *c;
	struct error err;
	json_t *args = rpc_read_args(row, m, params, &err);

	if (!args) {
		rpc_answer_error(at, RPC_BAD_PARAMS, err.text, NULL);
		return;
	}
	c = call_create(at, role);
	c->is_invoke = !strcmp(row->name, "call");
	command_run(&c->call, row->name, args);
	json_decref(args);
}

/* A method of a plugin. */
static void
run_method(struct rpc_place at, int role, const struct rpc_request *r)
{
	struct rpc_call *c = call_create(at, role);
	json_t *args = json_pack("{s:s, s:s, s:O*}", "kind", "method", "name",
		r->method, "args", r->params);

	c->is_invoke = true;
	command_run(&c->call, "call", args);
	json_decref(args);
}

static void
run_method_or_refuse(struct rpc_place at, int role, const struct rpc_request *r)
{
	struct route_match match;
	char text[200];

	if (dispatch_find_name(rpc_gateway(at.session), REGISTRATION_METHOD,
		    bytes_of(r->method), &match) == ROUTE_FOUND) {
		run_method(at, role, r);
		return;
	}
	text_format(text, sizeof(text), "no method '%.*s'",
		TEXT_FIT(r->method, 128));
	rpc_answer_error(at, RPC_NO_METHOD, text, NULL);
}

static void
run_subscription(struct rpc_place at, const struct rpc_request *r,
	const char *const *names,
	json_t *(*run)(
		struct rpc_session *s, const json_t *args, struct error *err))
{
	struct error err;
	json_t *args = rpc_name_params(r->params, names, &err);
	json_t *result = args ? run(at.session, args, &err) : NULL;

	json_decref(args);
	if (result)
		rpc_answer_value(at, result);
	else
		rpc_answer_error(at, RPC_BAD_PARAMS, err.text, NULL);
	rpc_catch_up(at.session);
}

/* The first call of a client that has shown no token yet. */
static void
run_first(struct rpc_place at, const struct rpc_request *r)
{
	struct rpc_session *s = at.session;
	const json_t *token = json_is_array(r->params)
				      ? json_array_get(r->params, 0)
				      : json_object_get(r->params, "token");
	struct error err = {.text = "permission denied: the first call must "
				    "be session.open with a token"};

	if (!strcmp(r->method, "session.open") && json_is_string(token) &&
		!rpc_open(s,
			(struct bytes){json_string_value(token),
				json_string_length(token)},
			&err)) {
		rpc_answer_value(
			at, json_pack("{s:s}", "role",
				    verb_role_name(
					    (enum verb_role)rpc_role_now(s))));
		return;
	}
	rpc_answer_error(at, RPC_FAILED, err.text, "denied");
	s->is_refused = true;
}

static void
run_own(struct rpc_place at, const struct rpc_request *r, int role)
{
	const struct verb_session *m;
	const struct verb_row *row;

	if (!strcmp(r->method, "ping"))
		rpc_answer_value(at, json_string("pong"));
	else if (!strcmp(r->method, "events.subscribe"))
		run_subscription(at, r, rpc_subscribe_args, rpc_subscribe);
	else if (!strcmp(r->method, "events.unsubscribe"))
		run_subscription(at, r, rpc_unsubscribe_args, rpc_unsubscribe);
	else if (!strcmp(r->method, "session.open"))
		rpc_answer_error(at, RPC_BAD_REQUEST,
			"the session is open already", NULL);
	else if (at.session->call_count >= RPC_CALLS_MAX)
		rpc_answer_error(at, RPC_FAILED,
			"too many calls of this session are in progress",
			"busy");
	else if (rpc_find_verb(r->method, &row, &m))
		run_verb(at, role, row, m, r->params);
	else
		run_method_or_refuse(at, role, r);
}

static void
run_request(
	struct rpc_session *s, struct rpc_batch *batch, const json_t *document)
{
	struct rpc_request r;
	struct rpc_place at;
	int role = rpc_role_now(s);

	if (!s->socket || s->is_refused)
		return;
	rpc_read_request(&r, document);
	at = (struct rpc_place){s, batch, r.id};
	if (!r.method) {
		at.id = r.id ? r.id : json_null();
		rpc_answer_error(at, RPC_BAD_REQUEST, r.wrong, NULL);
	} else if (!s->is_open) {
		run_first(at, &r);
	} else if (s->stops) {
		rpc_answer_error(at, RPC_FAILED, "supd is stopping", "busy");
	} else if (role < 0) {
		rpc_answer_error(at, RPC_FAILED,
			"permission denied: the token is no longer valid",
			"denied");
		s->is_refused = true;
	} else {
		run_own(at, &r, role);
	}
}

static void
run_batch(struct rpc_session *s, const json_t *list)
{
	struct rpc_batch *b = rpc_batch_create();

	for (size_t i = 0; i < json_array_size(list); i++)
		run_request(s, b, json_array_get(list, i));
	rpc_batch_leave(s, b);
}

void
rpc_run(struct rpc_session *s, const json_t *document)
{
	struct rpc_place at = {s, NULL, json_null()};

	if (!json_is_array(document))
		run_request(s, NULL, document);
	else if (!json_array_size(document))
		rpc_answer_error(
			at, RPC_BAD_REQUEST, "the batch is empty", NULL);
	else if (json_array_size(document) > RPC_BATCH_MAX)
		rpc_answer_error(at, RPC_BAD_REQUEST,
			"a batch has at most 64 requests", NULL);
	else
		run_batch(s, document);
	if (s->is_refused)
		rpc_end(s, WEBSOCKET_DENIED, "permission denied");
}
