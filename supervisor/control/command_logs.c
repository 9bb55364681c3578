/* command_logs: the last lines of a plugin's workers, and following them. The
 * ring is the plugin's; this only reads it. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/control/job.h"

#define LINES_DEFAULT 50

struct follow {
	struct command_job job;
	struct command_call *call;
	struct output_follower follower;
};

static void
follow_leave(struct command_job *job)
{
	struct follow *f = container_of(job, struct follow, job);

	output_unfollow(&f->follower);
	free(f);
}

static void
follow_end(struct command_job *job)
{
	struct follow *f = container_of(job, struct follow, job);
	struct command_call *call = f->call;

	follow_leave(job);
	command_finish(call, OUTCOME_DONE, json_pack("{s:b}", "ended", 1));
}

static void
follow_line(struct output_follower *follower, const struct output_line *line)
{
	struct follow *f = container_of(follower, struct follow, follower);

	command_tell(
		f->call, json_pack("{s:o}", "line", output_line_json(line)));
}

static void
follow_begin(struct command_call *call, struct plugin *p, json_t *lines)
{
	struct follow *f = memory_alloc(sizeof(*f));

	f->job.leave = follow_leave;
	f->job.end = follow_end;
	f->call = call;
	f->follower.on_line = follow_line;
	call->job = &f->job;
	output_follow(p->output, &f->follower);
	for (size_t i = 0; i < json_array_size(lines); i++)
		command_tell(call,
			json_pack("{s:O}", "line", json_array_get(lines, i)));
	json_decref(lines);
}

void
command_logs(struct command_call *call, const json_t *args)
{
	struct error err;
	struct plugin *p = command_find_plugin(
		call->gateway, command_text(args, "id"), &err);
	uint64_t count = command_number(args, "lines", LINES_DEFAULT);
	json_t *lines;

	if (!p) {
		command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
		return;
	}
	if (count > OUTPUT_LINES)
		count = OUTPUT_LINES;
	/* 0 lines are none, though the ring takes 0 for all. */
	lines = count ? output_last(p->output, (unsigned)count, 0)
		      : json_array();
	if (command_flag(args, "follow"))
		follow_begin(call, p, lines);
	else
		command_finish(call, OUTCOME_DONE,
			json_pack("{s:s,s:o}", "pluginId", p->id, "lines",
				lines));
}
