/* command_send: what people want sent through a channel, or done to what is
 * out.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/channel/channel.h"
#include "supervisor/control/job.h"

/* ---- send ---- */

struct send_job {
	struct command_job job;
	struct command_call *call;
	struct channel_send send;
};

static void
send_left(struct command_job *job)
{
	struct send_job *j = container_of(job, struct send_job, job);

	channels_leave_send(&j->send);
	free(j);
}

static enum outcome
outcome_of(enum wire_error code)
{
	switch (code) {
	case WIRE_NOT_FOUND:
		return OUTCOME_NOT_FOUND;
	case WIRE_BAD_MESSAGE:
	case WIRE_TOO_LARGE:
		return OUTCOME_BAD_CALL;
	case WIRE_BUSY:
		return OUTCOME_REFUSED;
	case WIRE_TIMEOUT:
		return OUTCOME_TIMED_OUT;
	default:
		return OUTCOME_FAILED;
	}
}

static void
sent(struct channel_send *s, const struct channel_sent *sent)
{
	struct send_job *j = container_of(s, struct send_job, send);
	struct command_call *call = j->call;
	json_t *result;

	call->job = NULL;
	free(j);
	if (sent->error) {
		command_fail(call, outcome_of(sent->code), "%s", sent->error);
		return;
	}
	result = json_pack("{s:s,s:s,s:O?}", "sendId", sent->send_id, "state",
		sent->state, "receipt", sent->receipt);
	if (strcmp(sent->state, "sent") != 0) {
		const char *why = json_string_value(
			json_object_get(sent->receipt, "text"));

		json_object_set_new(result, "error",
			json_sprintf("%s%s%s",
				strcmp(sent->state, "not_sent")
					? "nobody knows whether it was sent"
					: "it was not sent",
				why ? ": " : "", why ? why : ""));
		command_finish(call, OUTCOME_FAILED, result);
		return;
	}
	command_finish(call, OUTCOME_DONE, result);
}

static json_t *
target_of(const json_t *args)
{
	static const char *const keys[] = {"chat", "thread", "replyTo"};
	static const char *const names[] = {"chat", "thread", "reply_to"};
	json_t *target = json_object();

	for (int i = 0; i < 3; i++)
		if (json_object_get(args, keys[i]))
			json_object_set(target, names[i],
				json_object_get(args, keys[i]));
	return target;
}

static json_t *
content_of(const json_t *args)
{
	const char *format = command_text(args, "format");

	return json_pack("{s:O,s:s}", "text", json_object_get(args, "text"),
		"format", format ? format : "plain");
}

static void
send_text(struct command_call *call, const json_t *args)
{
	struct send_job *j = memory_alloc(sizeof(*j));
	json_t *target = target_of(args), *content = content_of(args);

	j->job.leave = send_left;
	j->call = call;
	j->send.done = sent;
	call->job = &j->job;
	channels_send(call->gateway->channels,
		&(struct channel_order){
			.channel = bytes_of(command_text(args, "channel")),
			.target = target,
			.content = content,
			.key = command_text(args, "key"),
			.deadline_ms = command_number(args, "timeoutMs", 0)},
		&j->send);
	json_decref(target);
	json_decref(content);
}

/* ---- edit, delete, react ---- */

struct act_job {
	struct command_job job;
	struct command_call *call;
	struct channel_act act;
};

static void
act_left(struct command_job *job)
{
	struct act_job *j = container_of(job, struct act_job, job);

	channels_leave_act(&j->act);
	free(j);
}

static void
acted(struct channel_act *a, enum wire_error code, const char *error,
	json_t *receipt)
{
	struct act_job *j = container_of(a, struct act_job, act);
	struct command_call *call = j->call;

	call->job = NULL;
	free(j);
	if (error)
		command_fail(call, outcome_of(code), "%s", error);
	else
		command_finish(call, OUTCOME_DONE,
			json_pack("{s:O}", "receipt", receipt));
}

static void
act_on(struct command_call *call, const json_t *args, const char *action)
{
	json_t *text = json_object_get(args, "text");
	struct act_job *j = memory_alloc(sizeof(*j));
	json_t *name = json_string(action), *target = target_of(args);
	json_t *more = !strcmp(action, "edit") ? content_of(args)
		       : !strcmp(action, "react")
			       ? json_pack("{s:O}", "emoji", text)
			       : json_object();

	json_object_set(target, "id", json_object_get(args, action));
	j->job.leave = act_left;
	j->call = call;
	j->act.done = acted;
	call->job = &j->job;
	channels_act(call->gateway->channels,
		&(struct channel_act_order){
			.channel = bytes_of(command_text(args, "channel")),
			.action = name,
			.target = target,
			.args = more,
			.deadline_ms = command_number(args, "timeoutMs", 0)},
		&j->act);
	json_decref(name);
	json_decref(target);
	json_decref(more);
}

void
command_send(struct command_call *call, const json_t *args)
{
	static const char *const actions[] = {"edit", "delete", "react"};
	const char *action = NULL;
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (json_object_get(args, actions[i])) {
			action = actions[i];
			count++;
		}
	if (count > 1)
		command_fail(call, OUTCOME_BAD_CALL,
			"send: only one of edit, delete and react");
	else if (!json_object_get(args, "text") &&
		 (!action || strcmp(action, "delete") != 0))
		command_fail(call, OUTCOME_BAD_CALL, "send: text is missing");
	else if (action)
		act_on(call, args, action);
	else
		send_text(call, args);
}
