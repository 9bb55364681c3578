/* worker_end: how a worker goes down: by failure, by a stop, by the end of its
 * process or of its connection, which come in any order. on_down and on_exit
 * are called from here only, each once. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/launch.h"
#include "supervisor/plugin/worker_private.h"

/* A process that ends closes its socket first; how it ended is known only a
 * moment later. A worker that does not serve yet is given that moment. */
#define END_GRACE_S 0.01

/* ---- going down ---- */

/* STOPPING has begun: nothing of it is heard from here on. */
static void
go_down(struct worker *w)
{
	struct worker_private *p = w->private;

	ev_timer_stop(p->room->loop, &p->soon);
	worker_release_place(w);
	proof_end(w);
	ping_end(w);
	endpoint_close(&p->endpoint);
	if (p->connected)
		peer_close(&p->peer);
	if (p->child.pid) {
		child_signal(&p->child, SIGTERM);
		worker_set_deadline(
			w, clock_ms() + w->config->limits.stop_timeout_ms);
	} else {
		wheel_clear(p->room->wheel, &p->deadline);
		ev_timer_set(&p->soon, 0., 0.);
		ev_timer_start(p->room->loop, &p->soon);
	}
	flight_orphan(w);
}

void
worker_fail(struct worker *w, const char *format, ...)
{
	enum worker_state was = w->state;
	va_list args;

	if (was >= WORKER_STOPPING)
		return;
	va_start(args, format);
	vsnprintf(w->error.text, sizeof(w->error.text), format, args);
	va_end(args);
	/* Its last words come before the verdict. */
	if (w->private->child.pid)
		child_read_rest(&w->private->child);
	worker_step(w, WORKER_EVENT_FAULT, w->error.text);
	go_down(w);
	w->ops->on_down(w, was);
}

void
worker_stop(struct worker *w)
{
	if (worker_step(w, WORKER_EVENT_STOP, NULL))
		go_down(w);
}

static const char *
exit_meaning(int code)
{
	switch (code) {
	case LAUNCH_EXIT_USAGE:
		return "wrong arguments or environment";
	case LAUNCH_EXIT_LOAD:
		return "the plugin cannot be loaded";
	case LAUNCH_EXIT_INIT:
		return "the plugin's init failed";
	case LAUNCH_EXIT_LINK:
		return "its link to supd broke";
	case LAUNCH_EXIT_REFUSED:
		return "supd refused it";
	case LAUNCH_EXIT_ORPHAN:
		return "its parent was gone";
	case LAUNCH_EXIT_NO_PROGRAM:
		return "the program cannot be run";
	default:
		return NULL;
	}
}

/* Looks whether the process has ended; exit_text is set then. */
static bool
look_for_end(struct worker *w)
{
	struct worker_private *p = w->private;
	const char *meaning;
	size_t length;
	int code;

	if (p->ended || !child_has_ended(&p->child, w->exit_text,
				sizeof(w->exit_text), &code))
		return p->ended;
	p->ended = true;
	length = strlen(w->exit_text);
	if ((meaning = exit_meaning(code)))
		snprintf(w->exit_text + length, sizeof(w->exit_text) - length,
			" (%s)", meaning);
	return true;
}

static void
fail_by_end(struct worker *w)
{
	static const char *const when[WORKER_STATE_COUNT] = {
		[WORKER_STARTING] = " before it said hello",
		[WORKER_INITIALISING] = " before it was ready",
		[WORKER_CHECKING] = " while it was checked",
	};

	child_read_rest(&w->private->child);
	capture_end(&w->private->capture);
	worker_fail(w, "the worker died%s: %s",
		when[w->state] ? when[w->state] : "", w->exit_text);
}

static void
worker_exit(struct worker *w)
{
	struct worker_private *p = w->private;

	wheel_clear(p->room->wheel, &p->deadline);
	ev_timer_stop(p->room->loop, &p->soon);
	if (p->child.pid) {
		child_read_rest(&p->child);
		capture_end(&p->capture);
	} else {
		snprintf(w->exit_text, sizeof(w->exit_text), "never started");
	}
	child_reap(&p->child);
	worker_step(w, WORKER_EVENT_EXIT, w->exit_text);
	w->pid = 0;
	w->ops->on_exit(w);
}

/* The pidfd. What the worker had sent before it died is used first; reading it
 * to its end tells us the loss of the connection, too. */
static void
child_end(struct child *c)
{
	struct worker_private *p =
		container_of(c, struct worker_private, child);
	struct worker *w = p->worker;

	look_for_end(w);
	if (p->connected && w->state < WORKER_STOPPING)
		peer_read_rest(&p->peer);
	if (w->state < WORKER_STOPPING)
		fail_by_end(w);
	worker_exit(w);
}

static void
child_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	struct worker_private *p =
		container_of(c, struct worker_private, child);

	capture_feed(&p->capture,
		stream == CHILD_STDOUT ? CAPTURE_STDOUT : CAPTURE_STDERR,
		bytes);
}

const struct child_ops worker_child_ops = {
	.on_output = child_output,
	.on_end = child_end,
};

/* ---- its connection ---- */

static void
worker_on_close(struct peer *peer, const char *reason)
{
	struct worker *w = peer->owner;
	struct worker_private *p = w->private;

	if (w->state >= WORKER_STOPPING)
		return;
	/* It broke the protocol: how it ends when it is cut off says less. */
	if (reason) {
		worker_fail(w, "the worker's connection broke: %s", reason);
		return;
	}
	if (look_for_end(w)) {
		fail_by_end(w);
		return;
	}
	if (w->state > WORKER_READY) {
		worker_fail(w, "the worker's connection is lost");
		return;
	}
	ev_timer_set(&p->soon, END_GRACE_S, 0.);
	ev_timer_start(p->room->loop, &p->soon);
}

void
worker_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, soon);
	struct worker *w = p->worker;
	struct error reason = w->error;

	(void)loop;
	(void)events;
	if (!p->child.pid && w->state < WORKER_STOPPING)
		worker_fail(w, "%s", reason.text);
	else if (!p->child.pid)
		worker_exit(w);
	else if (look_for_end(w))
		fail_by_end(w);
	else
		worker_fail(w, "the worker closed its connection");
}

void
worker_connected(struct endpoint *e, int fd)
{
	static const struct peer_ops ops = {
		.on_message = worker_on_message,
		.on_close = worker_on_close,
	};
	struct worker_private *p =
		container_of(e, struct worker_private, endpoint);

	p->connected = true;
	peer_init(&p->peer, p->room->peers, fd, &ops, p->worker);
}
