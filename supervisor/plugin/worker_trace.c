/* worker_trace: describes a bad end of a worker in one sentence: how it ended
 * and what it was answering, for the plugin's output and for `show`. It decides
 * nothing. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"

#define NAMED_MAX 3 /* requests that a trace names */
#define NAME_BYTES 128

/* Writes what a request asks for; a cut name ends with "…". */
static void
write_name(struct request *r, char out[NAME_BYTES + 1])
{
	static const char ellipsis[] = "\xe2\x80\xa6";
	/* more than fits, which shows whether it was cut */
	char name[2 * NAME_BYTES];
	size_t length;

	r->ops->describe(r, name, sizeof(name));
	length = strlen(name);
	if (length <= NAME_BYTES)
		text_format(out, NAME_BYTES + 1, "%s", name);
	else
		text_format(out, NAME_BYTES + 1, "%.*s%s",
			TEXT_FIT(name, NAME_BYTES - strlen(ellipsis)),
			ellipsis);
}

/* Names the most recent requests, because one of them is the likely culprit.
 * Skips requests without a name, such as pings. */
void
trace_note_requests(struct worker *w)
{
	struct worker_private *p = w->private;
	unsigned count = 0;
	char name[NAME_BYTES + 1], *out = p->answering;
	size_t length = 0, size = sizeof(p->answering);

	list_for_each_back (node, &w->in_flight) {
		struct request *r = container_of(node, struct request, node);

		if (!r->ops->describe || ++count > NAMED_MAX)
			continue;
		write_name(r, name);
		length += text_format(out + length, size - length, "%s%s",
			count > 1 ? ", " : " while answering ", name);
	}
	if (count > 1)
		length += text_format(
			out + length, size - length, " (most recent first)");
	if (count > NAMED_MAX)
		text_format(out + length, size - length, " and %u more",
			count - NAMED_MAX);
}

void
trace_add_hint(struct worker *w)
{
	size_t length = strlen(w->error.text);

	if (w->state < WORKER_READY && w->private->capture.address_in_use)
		text_format(w->error.text + length,
			sizeof(w->error.text) - length,
			"; \"Address already in use\": by the old worker or "
			"another program; set SO_REUSEPORT before bind, or use "
			"`supctl restart`, which stops the old worker first");
}

/* Whether supd itself killed it, which says nothing about the worker. */
static bool
ended_by_supd(const struct worker *w)
{
	const struct worker_private *p = w->private;

	return p->end_signal == SIGTERM ||
	       ((p->was_killed || p->killed_at_once) &&
		       p->end_signal == SIGKILL);
}

/* Adds the exit status to the error, because a lost connection alone does not
 * say what happened. */
static void
complete_error(struct worker *w)
{
	size_t length = strlen(w->error.text);

	if (w->private->connection_lost && !ended_by_supd(w))
		text_format(w->error.text + length,
			sizeof(w->error.text) - length, ": %s", w->exit_text);
}

/* Removes the subject, which the trace already names. */
static const char *
without_subject(const char *text)
{
	static const char *const subjects[] = {"the worker's ", "the worker "};

	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++)
		if (!strncmp(text, subjects[i], strlen(subjects[i])))
			return text + strlen(subjects[i]);
	return text;
}

/* Writes the reason; nothing for a worker that supd stopped. */
static void
write_reason(struct worker *w)
{
	struct worker_private *p = w->private;
	char *out = w->trace.text, text[24];
	size_t size = sizeof(w->trace.text);
	bool by_itself =
		p->end_is_cause || (p->connection_lost && !ended_by_supd(w));

	if (by_itself)
		text_format(out, size, "%s%s%s", w->exit_text,
			p->end_is_cause ? p->when : "", p->answering);
	else if (w->error.text[0])
		text_format(out, size, "%s%s", without_subject(w->error.text),
			p->answering);
	else if (p->was_killed)
		text_format(out, size, "did not stop within %s; killed",
			worker_duration(
				w->config->limits.stop_timeout_ms, text));
	else if (p->end_signal && !ended_by_supd(w))
		text_format(out, size, "%s while stopping", w->exit_text);
}

void
trace_write(struct worker *w)
{
	struct worker_private *p = w->private;
	char line[sizeof(w->trace.text) + 64];
	size_t length;

	complete_error(w);
	write_reason(w);
	if (!w->trace.text[0])
		return;
	w->trace.pid = (int)w->pid;
	w->trace.wall_ms = clock_wall_ms();
	if (w->pid)
		length = text_format(line, sizeof(line),
			"worker %d of generation %u: %s", w->trace.pid,
			w->generation, w->trace.text);
	else
		length = text_format(line, sizeof(line),
			"worker of generation %u: %s", w->generation,
			w->trace.text);
	output_add_error(p->output, LOG_INFO, w->generation, w->trace.pid,
		"supd", (struct bytes){line, length});
}
