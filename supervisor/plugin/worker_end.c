/* worker_end: takes a worker down: after a failure, a stop, or the end of its
 * process or connection, in any order. Only this file calls on_down and
 * on_exit, each once. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/launch.h"
#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"

/* A process that ends closes its socket a moment before its exit status is
 * known, on a busy machine up to a tenth of a second. For a worker that does
 * not serve yet, supd waits this long for the status. */
#define END_GRACE_S 0.2

/* ---- going down ---- */

/* STOPPING has begun: ends everything that listens to the worker. */
static void
go_down(struct worker *w)
{
	struct worker_private *p = w->private;

	ev_timer_stop(p->workers->loop, &p->soon);
	worker_release_place(w);
	proof_end(w);
	task_end(w);
	ping_end(w);
	unread_end(w);
	owed_end(w);
	endpoint_close(&p->endpoint);
	if (p->connected)
		peer_close(&p->peer);
	if (p->child.pid) {
		child_signal(&p->child, SIGTERM);
		worker_set_deadline(
			w, clock_ms() + w->config->limits.stop_timeout_ms);
	} else {
		wheel_clear(p->workers->wheel, &p->deadline);
		ev_timer_set(&p->soon, 0., 0.);
		ev_timer_start(p->workers->loop, &p->soon);
	}
	flight_orphan(w);
	if (w->conn_count && w->ops->on_conns_lost)
		w->ops->on_conns_lost(w);
}

/* Takes the worker down by a fault; w->error must say why. */
static void
fall(struct worker *w)
{
	enum worker_state was = w->state;

	trace_note_requests(w);
	/* read its last output, so that the verdict includes it */
	if (w->private->child.pid)
		child_read_rest(&w->private->child);
	trace_add_hint(w);
	worker_step(w, WORKER_EVENT_FAULT, w->error.text);
	go_down(w);
	w->ops->on_down(w, was);
}

void
worker_fail(struct worker *w, const char *format, ...)
{
	va_list args;

	if (w->state >= WORKER_STOPPING)
		return;
	va_start(args, format);
	text_vformat(w->error.text, sizeof(w->error.text), format, args);
	va_end(args);
	w->error.shortage = false;
	fall(w);
}

void
worker_stop(struct worker *w)
{
	if (worker_step(w, WORKER_EVENT_STOP, NULL))
		go_down(w);
}

void
worker_kill(struct worker *w)
{
	struct worker_private *p = w->private;

	worker_stop(w);
	p->killed_at_once = true;
	if (p->child.pid)
		child_kill_group(&p->child);
}

static bool
never_connected(const struct worker *w)
{
	return !w->manifest->run && w->state == WORKER_STARTING &&
	       !w->private->connected;
}

static const char *
exit_meaning(const struct worker *w, int code)
{
	switch (code) {
	case LAUNCH_EXIT_DONE:
		return never_connected(w)
			       ? "the program ended without calling run()"
			       : NULL;
	case LAUNCH_EXIT_USAGE:
		return "wrong arguments or environment";
	case LAUNCH_EXIT_LOAD:
		return "the plugin cannot be loaded";
	case LAUNCH_EXIT_INIT:
		return "the plugin's init failed";
	case LAUNCH_EXIT_LINK:
		return "it lost its link to supd";
	case LAUNCH_EXIT_REFUSED:
		return "supd refused it";
	case LAUNCH_EXIT_ORPHAN:
		return "its parent was gone";
	case LAUNCH_EXIT_SHORT:
		return "memory, descriptors or processes ran out";
	case LAUNCH_EXIT_NO_PROGRAM:
		return "the program cannot be run";
	default:
		return NULL;
	}
}

/* Checks whether the process has ended, and if so sets exit_text. */
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
	p->ended_short = code == LAUNCH_EXIT_SHORT;
	p->end_signal = code < 0 ? -code : 0;
	length = strlen(w->exit_text);
	if ((meaning = exit_meaning(w, code)))
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
	if (w->state >= WORKER_STOPPING)
		return;
	w->private->end_is_cause = true;
	w->private->when = when[w->state] ? when[w->state] : "";
	error_set(&w->error, "the worker died%s: %s", w->private->when,
		w->exit_text);
	w->error.shortage =
		w->private->ended_short && w->state == WORKER_STARTING;
	fall(w);
}

static void
worker_exit(struct worker *w)
{
	struct worker_private *p = w->private;

	wheel_clear(p->workers->wheel, &p->deadline);
	ev_timer_stop(p->workers->loop, &p->soon);
	if (p->child.pid) {
		child_read_rest(&p->child);
		capture_end(&p->capture);
	} else {
		snprintf(w->exit_text, sizeof(w->exit_text), "never started");
	}
	child_reap(&p->child);
	trace_write(w);
	if (w->pid)
		sweeper_add(&p->workers->sweeper, w->id);
	worker_step(w, WORKER_EVENT_EXIT, w->exit_text);
	w->pid = 0;
	w->ops->on_exit(w);
}

/* The process ended. Messages that the worker sent before are handled first;
 * reading to EOF also reports the lost connection. */
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
	worker_captured(p->worker);
}

void
worker_report_dropped(struct wheel_timer *timer)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, dropped_due);

	capture_report(&p->capture);
	worker_captured(p->worker);
}

void
worker_captured(struct worker *w)
{
	struct worker_private *p = w->private;

	if (p->capture.dropped && !wheel_timer_is_set(&p->dropped_due))
		wheel_set(
			p->workers->wheel, &p->dropped_due, clock_ms() + 1000);
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
	/* the worker broke the protocol, which says more than its exit status
	 */
	if (reason) {
		worker_fail(w, "the worker's connection broke: %s", reason);
		return;
	}
	if (look_for_end(w)) {
		fail_by_end(w);
		return;
	}
	if (w->state > WORKER_READY) {
		p->connection_lost = true;
		worker_fail(w, "the worker's connection is lost");
		return;
	}
	ev_timer_set(&p->soon, END_GRACE_S, 0.);
	ev_timer_start(p->workers->loop, &p->soon);
}

bool
worker_is_closed(const struct worker *w)
{
	return w->state < WORKER_STOPPING && w->private->child.pid &&
	       ev_is_active(&w->private->soon);
}

void
worker_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, soon);
	struct worker *w = p->worker;

	(void)loop;
	(void)events;
	if (!p->child.pid && w->state < WORKER_STOPPING) {
		fall(w);
	} else if (!p->child.pid) {
		worker_exit(w);
	} else if (look_for_end(w)) {
		fail_by_end(w);
	} else {
		p->connection_lost = true;
		worker_fail(w, "the worker closed its connection");
	}
}

/* The worker reads again: more requests may be sent to it. */
static void
worker_on_flushed(struct peer *peer)
{
	struct worker *w = peer->owner;

	if ((w->state == WORKER_SERVING ||
		    (w->state == WORKER_DRAINING && w->conn_count)) &&
		w->ops->on_room)
		w->ops->on_room(w);
}

const struct peer_ops worker_peer_ops = {
	.on_message = worker_on_message,
	.on_close = worker_on_close,
	.on_flushed = worker_on_flushed,
};
