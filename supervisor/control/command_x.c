/* command_x: runs a command line of a plugin for a user. Output goes to the
 * caller and input comes from it, each under credit from end to end: at most
 * one window of either is on its way. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "proto/util/near.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/control/job.h"
#include "supervisor/gateway/dispatch.h"

#define EXIT_STATUS_MAX 125 /* shells use those above for themselves */

struct x_job {
	struct command_job job;
	struct command_call *call;
	struct request request;
	char *name;		   /* as registered */
	struct buffer argv, about; /* packed */
	bool has_input;		   /* and it has not ended */
	bool is_sent;
	uint64_t unread;       /* bytes that the caller has not passed on */
	uint64_t input_credit; /* bytes that the caller may send */
};

static void
job_destroy(struct x_job *j)
{
	if (j->request.id)
		dispatch_cancel(j->call->gateway, &j->request);
	buffer_finish(&j->argv);
	buffer_finish(&j->about);
	free(j->name);
	free(j);
}

static void
job_leave(struct command_job *job)
{
	job_destroy(container_of(job, struct x_job, job));
}

static struct x_job *
job_of_request(struct request *r)
{
	return container_of(r, struct x_job, request);
}

static struct x_job *
job_of_call(struct command_call *call)
{
	return container_of(call->job, struct x_job, job);
}

/* cut: it had begun, and how it would have ended is unknown. */
static void
fail(struct x_job *j, bool cut, const char *text)
{
	struct command_call *call = j->call;
	json_t *result =
		json_pack("{s:o,s:b}", "error", value_text(text), "cut", cut);

	call->stream = NULL;
	job_destroy(j);
	command_finish(call, OUTCOME_FAILED, result);
}

static void
count(const struct x_job *j, bool failed)
{
	struct plugin *p =
		gateway_plugin_by_number(j->call->gateway, j->request.plugin);

	if (p)
		p->counters.calls[REGISTRATION_CLI][failed]++;
}

/* ---- the worker ---- */

static void
encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct x_job *j = job_of_request(r);

	codec_request(p, wire_id, MESSAGE_CLI, 4);
	codec_text(p, j->name);
	codec_raw_buffer(p, &j->argv);
	codec_raw_buffer(p, &j->about);
	msgpack_pack_uint64(p, dispatch_deadline_ms(r));
	j->is_sent = true;
	if (!j->has_input)
		return;
	j->input_credit = WIRE_CREDIT_BYTES;
	j->call->on_input_credit(j->call, WIRE_CREDIT_BYTES);
}

static bool
read_status(const msgpack_object *result, int *status_out)
{
	const msgpack_object *o;

	if (result->type != MSGPACK_OBJECT_ARRAY || !result->via.array.size)
		return false;
	o = &result->via.array.ptr[0];
	*status_out = (int)o->via.u64;
	return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
	       o->via.u64 <= EXIT_STATUS_MAX;
}

static bool
on_answer(struct request *r, const struct message *m)
{
	struct x_job *j = job_of_request(r);
	struct command_call *call = j->call;
	char text[512];
	int status;

	if (m->error) {
		codec_read_error(m->error, text, sizeof(text));
		count(j, true);
		fail(j, false, text);
		return false;
	}
	if (!read_status(m->result, &status)) {
		count(j, true);
		fail(j, false,
			"the plugin's exit status is not a number from 0 to "
			"125");
		return false;
	}
	count(j, false);
	call->stream = NULL;
	job_destroy(j);
	command_finish(
		call, OUTCOME_DONE, json_pack("{s:i}", "exitStatus", status));
	return false;
}

static void
on_output(struct request *r, int fd, struct bytes piece)
{
	struct x_job *j = job_of_request(r);

	j->unread += piece.length;
	if (j->unread > WIRE_CREDIT_BYTES) {
		count(j, true);
		fail(j, true, "the worker sent more than it had credit for");
		return;
	}
	dispatch_note_waiting(
		j->call->gateway, r, j->unread >= WIRE_CREDIT_BYTES / 2);
	j->call->on_output(j->call, fd, piece);
}

static void
on_credit(struct request *r, uint64_t bytes)
{
	struct x_job *j = job_of_request(r);
	uint64_t room = WIRE_CREDIT_BYTES - j->input_credit;

	if (bytes > room)
		bytes = room;
	if (!bytes || !j->has_input)
		return;
	j->input_credit += bytes;
	j->call->on_input_credit(j->call, bytes);
}

static void
on_fail(struct request *r, enum request_failure why, const char *text)
{
	struct x_job *j = job_of_request(r);

	dispatch_note_failure(j->call->gateway, r, why);
	count(j, true);
	fail(j, j->is_sent, text ? text : request_failures[why].text);
}

static void
describe(struct request *r, char *out, size_t size)
{
	text_format(out, size, "the cli %s", job_of_request(r)->name);
}

/* The registration at the worker that serves; NULL: there is none. */
static const struct registration *
find(const struct plugin *p, const char *name)
{
	const struct worker *w = plugin_serving(p);

	return w ? registration_find(&w->registrations, REGISTRATION_CLI, name)
		 : NULL;
}

static struct route_match
match_of(const struct plugin *p, const struct registration *found)
{
	const struct worker *w = plugin_serving(p);

	return (struct route_match){.plugin = p->number,
		.registration =
			found ? (uint32_t)(found - w->registrations.items) : 0};
}

static bool
find_again(struct request *r, struct route_match *match_out)
{
	struct x_job *j = job_of_request(r);
	const struct plugin *p =
		gateway_plugin_by_number(j->call->gateway, r->plugin);
	const struct registration *found = p ? find(p, j->name) : NULL;

	if (found)
		*match_out = match_of(p, found);
	return found;
}

static const struct request_ops x_ops = {
	.encode = encode,
	.route = find_again,
	.answer = on_answer,
	.output = on_output,
	.credit = on_credit,
	.fail = on_fail,
	.describe = describe,
};

/* ---- the caller ---- */

static void
take_input(struct command_call *call, struct bytes piece, bool more)
{
	struct x_job *j = job_of_call(call);

	if (!j->is_sent || !j->has_input || piece.length > j->input_credit) {
		fail(j, j->is_sent,
			"the caller sent more than it had credit for");
		return;
	}
	j->input_credit -= piece.length;
	j->has_input = more;
	dispatch_send_chunk(call->gateway, &j->request, piece, more);
}

static void
take_credit(struct command_call *call, uint64_t bytes)
{
	struct x_job *j = job_of_call(call);

	if (bytes > j->unread)
		bytes = j->unread;
	if (!bytes)
		return;
	j->unread -= bytes;
	dispatch_note_waiting(
		call->gateway, &j->request, j->unread >= WIRE_CREDIT_BYTES / 2);
	dispatch_credit(call->gateway, &j->request, bytes);
}

static const struct command_stream x_stream = {
	.input = take_input,
	.credit = take_credit,
};

/* ---- the call ---- */

static void
refuse_name(struct command_call *call, const struct plugin *p, const char *name)
{
	const struct worker *w = plugin_serving(p);
	struct near near;

	near_init(&near, name);
	for (uint32_t i = 0; i < w->registrations.count; i++)
		if (w->registrations.items[i].kind == REGISTRATION_CLI)
			near_offer(&near, w->registrations.items[i].name);
	command_fail(call, OUTCOME_NOT_FOUND,
		"the plugin '%s' has no command line '%.*s'%s", p->id,
		TEXT_FIT(name, 128), near_hint(&near));
}

static void
pack(struct x_job *j, const json_t *args)
{
	const json_t *argv = json_object_get(args, "argv");
	msgpack_packer p;

	codec_packer(&p, &j->argv);
	msgpack_pack_array(&p, json_array_size(argv));
	for (size_t i = 0; i < json_array_size(argv); i++)
		value_pack(&p, json_array_get(argv, i));
	codec_packer(&p, &j->about);
	msgpack_pack_map(&p, 3);
	codec_text(&p, "door");
	codec_text(&p, j->call->door);
	codec_text(&p, "caller");
	codec_text(&p, j->call->caller);
	codec_text(&p, "stdin");
	if (j->has_input)
		msgpack_pack_true(&p);
	else
		msgpack_pack_false(&p);
}

static void
begin(struct command_call *call, const struct plugin *p,
	const struct registration *found, const json_t *args)
{
	struct x_job *j = memory_alloc(sizeof(*j));
	struct route_match match = match_of(p, found);

	j->job.leave = job_leave;
	j->call = call;
	j->name = memory_copy_text(command_text(args, "verb"));
	j->has_input = command_flag(args, "stdin");
	pack(j, args);
	j->request.ops = &x_ops;
	j->request.is_long = true;
	j->request.held_bytes = sizeof(*j) + buffer_length(&j->argv);
	call->job = &j->job;
	call->stream = &x_stream;
	dispatch_submit(
		call->gateway, &j->request, &match, WIRE_DEADLINE_MAX_MS);
}

static bool
is_argv(const json_t *argv)
{
	for (size_t i = 0; i < json_array_size(argv); i++)
		if (!json_is_string(json_array_get(argv, i)))
			return false;
	return !argv || json_is_null(argv) || json_is_array(argv);
}

void
command_x(struct command_call *call, const json_t *args)
{
	const char *name = command_text(args, "verb");
	struct error err;
	struct plugin *p = command_find_plugin(
		call->gateway, command_text(args, "plugin"), &err);
	const struct registration *found = p ? find(p, name) : NULL;

	if (!call->on_output)
		command_fail(call, OUTCOME_REFUSED,
			"x needs a session of the control socket that runs no "
			"other command line");
	else if (!is_argv(json_object_get(args, "argv")))
		command_fail(call, OUTCOME_BAD_CALL,
			"x: 'argv' must be a list of strings");
	else if (!p)
		command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
	else if (!found && plugin_serving(p))
		refuse_name(call, p, name);
	else if (!found && !plugin_will_be_back(p))
		command_fail(call, OUTCOME_REFUSED,
			"the plugin '%s' does not run", p->id);
	else
		begin(call, p, found, args);
}
