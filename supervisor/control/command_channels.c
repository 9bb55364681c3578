/* command_channels: channels and their messages, for people. */
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/channel/channel.h"
#include "supervisor/channel/messages.h"
#include "supervisor/control/job.h"
#include "supervisor/control/rows.h"

/* ---- channels ---- */

static bool
channels_next(struct rows *r, struct buffer *text)
{
	size_t at = r->at;
	json_t *row = channels_view_next(r->gateway->channels, &at);

	r->at = at;
	if (!row)
		return false;
	json_text_append(text, row, JSON_TEXT_COMPACT);
	json_decref(row);
	return true;
}

static json_t *
channels_end(struct rows *r)
{
	return json_pack(
		"{s:o}", "store", channels_store_view(r->gateway->channels));
}

static bool
are_few(const struct gateway *g)
{
	unsigned count = 0;
	json_t *row;

	for (size_t at = 0; (row = channels_view_next(g->channels, &at));) {
		json_decref(row);
		if (++count > ROWS_AT_ONCE_MAX)
			return false;
	}
	return true;
}

void
command_channels(struct command_call *call, const json_t *args)
{
	struct rows *r = rows_create(call->gateway, "channels", NULL);

	(void)args;
	r->next = channels_next;
	r->finish = channels_end;
	rows_finish(call, r, "channels", are_few(call->gateway));
}

/* ---- messages ---- */

#define LIST_DEFAULT 50

struct messages_job {
	struct command_job job;
	struct command_call *call;
	struct messages_ask ask;
};

static void
messages_left(struct command_job *job)
{
	struct messages_job *j = container_of(job, struct messages_job, job);

	messages_leave(&j->ask);
	free(j);
}

static void
messages_done(struct messages_ask *a, enum wire_error code, const char *error,
	json_t *result)
{
	struct messages_job *j = container_of(a, struct messages_job, ask);
	struct command_call *call = j->call;

	free(j);
	if (!error)
		command_finish_long(call, OUTCOME_DONE, json_incref(result));
	else
		command_fail(call,
			code == WIRE_NOT_FOUND ? OUTCOME_NOT_FOUND
					       : OUTCOME_REFUSED,
			"%s", error);
}

/* "pending", or NULL: those that need somebody, or are in progress. */
static int
read_states(const char *text, unsigned *states_out)
{
	enum stored_state state;

	*states_out = STORED_STATE_BIT(STORED_PENDING) |
		      STORED_STATE_BIT(STORED_ACTIVE) |
		      STORED_STATE_BIT(STORED_DEAD) |
		      STORED_STATE_BIT(STORED_UNKNOWN);
	if (!text)
		return 0;
	*states_out = 0;
	if (!strcmp(text, "all"))
		return 0;
	state = stored_state_by_name(bytes_of(text));
	if (state == STORED_STATE_COUNT)
		return -1;
	*states_out = STORED_STATE_BIT(state);
	return 0;
}

static bool
is_operator(struct command_call *call)
{
	if (call->role >= ROLE_OPERATOR)
		return true;
	command_fail(call, OUTCOME_DENIED,
		"permission denied: to show, retry or drop a message needs "
		"the role operator");
	return false;
}

static void
act(struct command_call *call, const json_t *args, struct messages_job *j)
{
	static const char *const keys[] = {"show", "retry", "drop"};
	struct channels *all = call->gateway->channels;

	for (int what = MESSAGES_SHOW; what <= MESSAGES_DROP; what++) {
		uint64_t seq = command_number(args, keys[what], UINT64_MAX);

		if (seq == UINT64_MAX)
			continue;
		if (!is_operator(call))
			free(j);
		else if (messages_do(
				 all, &j->ask, (enum messages_what)what, seq))
			call->job = &j->job;
		else {
			free(j);
			command_fail(call, OUTCOME_NOT_FOUND,
				"no channel has been started");
		}
		return;
	}
	free(j);
	command_fail(call, OUTCOME_BAD_CALL, "messages: nothing is asked");
}

/* As many as a page may have, at most. */
static bool
list(struct command_call *call, const json_t *args, unsigned states,
	struct messages_job *j)
{
	uint64_t limit = command_number(args, "lines", LIST_DEFAULT);

	return messages_list(call->gateway->channels, &j->ask,
		&(struct messages_page){
			.channel = command_text(args, "channel"),
			.states = states,
			.before = command_number(args, "before", 0),
			.limit = limit && limit < UINT32_MAX ? (uint32_t)limit
							     : 1});
}

static bool
is_list(const json_t *args)
{
	return !json_object_get(args, "show") &&
	       !json_object_get(args, "retry") &&
	       !json_object_get(args, "drop");
}

void
command_messages(struct command_call *call, const json_t *args)
{
	struct messages_job *j;
	unsigned states;

	if (read_states(command_text(args, "state"), &states) < 0) {
		command_fail(call, OUTCOME_BAD_CALL,
			"messages: state must be all, pending, active, done, "
			"dead, unknown or dropped");
		return;
	}
	j = memory_alloc(sizeof(*j));
	j->job.leave = messages_left;
	j->call = call;
	j->ask.done = messages_done;
	if (!is_list(args)) {
		act(call, args, j);
	} else if (list(call, args, states, j)) {
		call->job = &j->job;
	} else {
		free(j);
		command_finish(call, OUTCOME_DONE,
			json_pack("{s:[],s:b,s:n}", "messages", "more", 0,
				"before"));
	}
}
