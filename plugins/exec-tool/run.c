#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sup/shebang.h>
#include <sys/wait.h>
#include <unistd.h>

#include "result.h"

#define READ_BYTES 16384
#define EXIT_NOT_FOUND 127 /* as env says it */
#define NOTES_TOLD 400	   /* of those in an error */
#define GRACE_SECONDS 2.0  /* from TERM to KILL */

static struct ev_loop *
loop_of(const struct run *r)
{
	return sup_loop(r->plugin);
}

/* ---- output ---- */

static void
run_stop(struct run *r, enum verdict verdict)
{
	if (r->verdict != RUN_RAN)
		return;
	r->verdict = verdict;
	kill(-r->pid, SIGTERM);
	ev_timer_stop(loop_of(r), &r->limit);
	ev_timer_set(&r->limit, GRACE_SECONDS, 0);
	ev_timer_start(loop_of(r), &r->limit);
}

static void
run_add_text(struct run *r, const char *bytes, size_t size)
{
	char *more;

	if (r->verdict != RUN_RAN)
		return;
	if (r->text_bytes + size > r->tool->output_bytes) {
		run_stop(r, RUN_TALKED);
		return;
	}
	more = realloc(r->text, r->text_bytes + size + 1);
	if (!more) {
		run_stop(r, RUN_TALKED);
		return;
	}
	memcpy(more + r->text_bytes, bytes, size);
	r->text = more;
	r->text_bytes += size;
	r->text[r->text_bytes] = 0;
}

static void
run_add_notes(struct run *r, const char *bytes, size_t size)
{
	size_t drop;

	if (size > NOTES_BYTES) {
		bytes += size - NOTES_BYTES;
		size = NOTES_BYTES;
	}
	drop = r->notes_bytes + size > NOTES_BYTES
		       ? r->notes_bytes + size - NOTES_BYTES
		       : 0;
	memmove(r->notes, r->notes + drop, r->notes_bytes - drop);
	r->notes_bytes -= drop;
	memcpy(r->notes + r->notes_bytes, bytes, size);
	r->notes_bytes += size;
	r->notes[r->notes_bytes] = 0;
}

/* One read; false if nothing is there now, or never will be again. */
static bool
run_read(struct run *r, ev_io *w)
{
	char bytes[READ_BYTES];
	ssize_t got;

	if (w->fd < 0)
		return false;
	do
		got = read(w->fd, bytes, sizeof(bytes));
	while (got < 0 && errno == EINTR);
	if (got > 0 && w == &r->out)
		run_add_text(r, bytes, (size_t)got);
	else if (got > 0)
		run_add_notes(r, bytes, (size_t)got);
	if (got > 0 || errno == EAGAIN)
		return got > 0;
	ev_io_stop(loop_of(r), w);
	close(w->fd);
	ev_io_set(w, -1, EV_READ);
	return false;
}

static void
run_on_output(struct ev_loop *loop, ev_io *w, int events)
{
	run_read(w->data, w);
}

/* ---- the end ---- */

/* The last lines of what it said, short enough for an error. */
static const char *
run_notes(struct run *r)
{
	char *from = r->notes, *line;

	while (r->notes_bytes && r->notes[r->notes_bytes - 1] == '\n')
		r->notes[--r->notes_bytes] = 0;
	if (r->notes_bytes <= NOTES_TOLD)
		return from;
	from += r->notes_bytes - NOTES_TOLD;
	line = strchr(from, '\n');
	return line ? line + 1 : from;
}

static void
run_answer_result(struct run *r)
{
	const char *text = r->text ? r->text : "";

	if (!sup_reply_value(r->req, 200, text, r->text_bytes))
		return;
	if (result_is_defective(text, r->text_bytes))
		sup_fail(r->req, SUP_FAILED, "%s wrote %s", r->tool->name,
			sup_json_error(r->plugin));
	else
		sup_reply(r->req, 200, "text/plain; charset=utf-8", text,
			r->text_bytes);
}

static void
run_answer_ended(struct run *r, int status)
{
	char defect[400];
	const char *notes = run_notes(r), *name = r->tool->name;
	const char *colon = *notes ? ": " : "";

	if (WIFSIGNALED(status)) {
		sup_fail(r->req, SUP_FAILED, "%s was killed by signal %d%s%s",
			name, WTERMSIG(status), colon, notes);
	} else if (WEXITSTATUS(status) == EXIT_NOT_FOUND &&
		   shebang_defect(
			   r->tool->command[0], defect, sizeof(defect))) {
		sup_fail(r->req, SUP_FAILED, "%s exited with %d: %s", name,
			EXIT_NOT_FOUND, defect);
	} else if (WEXITSTATUS(status)) {
		sup_fail(r->req, SUP_FAILED, "%s exited with %d%s%s", name,
			WEXITSTATUS(status), colon, notes);
	} else {
		if (*notes)
			sup_log(r->plugin, SUP_INFO, "%s: %s", name, notes);
		run_answer_result(r);
	}
}

static void
run_answer(struct run *r, int status)
{
	switch (r->verdict) {
	case RUN_RAN:
		run_answer_ended(r, status);
		return;
	case RUN_TIMED_OUT:
		sup_fail(r->req, SUP_TIMEOUT, "%s took longer than %lu ms",
			r->tool->name, (unsigned long)r->tool->timeout_ms);
		return;
	case RUN_TALKED:
		sup_fail(r->req, SUP_FAILED, "%s wrote more than %lu bytes",
			r->tool->name, (unsigned long)r->tool->output_bytes);
		return;
	case RUN_CANCELLED:
		sup_fail(r->req, SUP_CANCELLED, "cancelled");
		return;
	}
}

static void
run_close(struct run *r, ev_io *w)
{
	ev_io_stop(loop_of(r), w);
	if (w->fd >= 0)
		close(w->fd);
}

static void
run_destroy(struct run *r)
{
	run_close(r, &r->out);
	run_close(r, &r->err);
	run_close(r, &r->exit);
	ev_timer_stop(loop_of(r), &r->limit);
	r->tool->running--;
	r->tools->running--;
	free(r->text);
	free(r);
}

/* What it left running goes with it, so nobody holds its output open. */
static void
run_on_exit(struct ev_loop *loop, ev_io *w, int events)
{
	struct run *r = w->data;
	siginfo_t info;
	int status;

	/* the group's number is taken until its leader is waited for */
	if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
		!info.si_pid)
		return;
	kill(-r->pid, SIGKILL);
	while (run_read(r, &r->out))
		;
	while (run_read(r, &r->err))
		;
	if (waitpid(r->pid, &status, 0) != r->pid)
		status = -1;
	run_answer(r, status);
	run_destroy(r);
}

static void
run_on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	struct run *r = w->data;

	if (r->verdict == RUN_RAN)
		run_stop(r, RUN_TIMED_OUT);
	else
		kill(-r->pid, SIGKILL);
}

static void
run_on_cancel(struct sup_req *req, void *user)
{
	run_stop(user, RUN_CANCELLED);
}

/* ---- watching ---- */

static void
run_watch_one(struct run *r, ev_io *w, int fd,
	void (*callback)(struct ev_loop *loop, ev_io *w, int events))
{
	ev_io_init(w, callback, fd, EV_READ);
	w->data = r;
	ev_io_start(loop_of(r), w);
}

void
run_watch(struct run *r, int out, int err, int pidfd)
{
	run_watch_one(r, &r->out, out, run_on_output);
	run_watch_one(r, &r->err, err, run_on_output);
	run_watch_one(r, &r->exit, pidfd, run_on_exit);
	ev_timer_init(
		&r->limit, run_on_limit, (double)r->tool->timeout_ms / 1000, 0);
	r->limit.data = r;
	ev_timer_start(loop_of(r), &r->limit);
	r->tool->running++;
	r->tools->running++;
	sup_on_cancel(r->req, run_on_cancel, r);
}
