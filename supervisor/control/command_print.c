/* command_print: ends a call with a long answer: waits for the page and passes
 * it to the call's door. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/page.h"

struct print_job {
	struct command_job job;
	struct command_call *call;
	struct page_reader reader;
	enum outcome outcome;
	json_t *brief; /* or NULL */
};

static void
leave(struct command_job *job)
{
	struct print_job *j = container_of(job, struct print_job, job);

	page_forget(&j->reader);
	json_decref(j->brief);
	free(j);
}

static void
ready(struct page_reader *r, struct page *page)
{
	struct print_job *j = container_of(r, struct print_job, reader);
	struct command_call *call = j->call;
	enum outcome outcome = j->outcome;
	json_t *brief = json_incref(j->brief);

	leave(&j->job);
	call->job = NULL;
	if (page)
		call->on_page(call, outcome, page);
	else if (brief)
		command_finish(call, outcome, json_incref(brief));
	else
		command_fail(call, OUTCOME_REFUSED,
			"too many long answers are unread or awaited");
	json_decref(brief);
}

void
command_print(struct command_call *call, enum outcome outcome, const char *key,
	struct page_recipe *recipe, json_t *brief)
{
	struct print_job *j = memory_alloc(sizeof(*j));

	j->job.leave = leave;
	j->call = call;
	j->outcome = outcome;
	j->brief = brief;
	j->reader.ready = ready;
	j->reader.wants_packed = call->wants_packed;
	call->job = &j->job;
	page_ask(
		call->gateway->pages, &j->reader, (int)call->role, key, recipe);
}
