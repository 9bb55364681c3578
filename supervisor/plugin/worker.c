/* worker: its birth, its steps from state to state, its end. What happens in
 * a state is in worker_*.c: launch, messages, flight, proof, ping, drain. */
#include "supervisor/plugin/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/worker_private.h"

/* A process that ends closes its socket first; how it ended is known only a
 * moment later. A worker that does not serve yet is given that moment. */
#define END_GRACE_S 0.01

static void worker_soon(struct ev_loop *loop, ev_timer *timer, int events);
static void worker_due(struct wheel_timer *timer);

static enum log_level
step_level(enum worker_event event)
{
	switch (event) {
	case WORKER_EVENT_FAULT:
		return LOG_WARN;
	case WORKER_EVENT_SWAP:
	case WORKER_EVENT_REVERT:
	case WORKER_EVENT_EXIT:
		return LOG_INFO;
	default:
		return LOG_DEBUG;
	}
}

bool
worker_step(struct worker *w, enum worker_event event, const char *reason)
{
	enum worker_state from = w->state;
	struct log_subject subject = {
		.plugin = w->plugin_id,
		.generation = w->generation,
		.pid = (int)w->pid,
	};

	w->state = worker_state_next(from, event);
	if (w->state == from)
		return false;
	log_write(step_level(event), &subject, "worker %s->%s %s",
		worker_state_text(from), worker_state_text(w->state),
		reason ? reason : worker_event_text(event));
	return true;
}

const char *
worker_duration(uint64_t ms, char text[24])
{
	if (ms % 1000)
		snprintf(text, 24, "%llums", (unsigned long long)ms);
	else
		snprintf(text, 24, "%llus", (unsigned long long)ms / 1000);
	return text;
}

void
worker_set_deadline(struct worker *w, uint64_t due_ms)
{
	wheel_set(w->private->room->wheel, &w->private->deadline, due_ms);
}

/* ---- birth ---- */

static struct worker *
worker_new(struct worker_room *room, const struct worker_start *start,
	const struct worker_ops *ops, void *owner)
{
	struct worker *w = memory_alloc(sizeof(*w));
	struct worker_private *p = memory_alloc(sizeof(*p));

	*w = (struct worker){
		.id = ++room->next_number,
		.plugin = start->plugin,
		.generation = start->generation,
		.state = WORKER_STARTING,
		.ops = ops,
		.owner = owner,
		.plugin_id = memory_copy_text(start->plugin_id),
		.stage_dir = memory_copy_text(start->stage_dir),
		.digest = memory_copy_text(start->digest),
		.manifest = manifest_ref(start->manifest),
		.config = plugin_config_ref(start->config),
		.settings = json_incref(start->settings),
		.private = p,
	};
	list_init(&w->node);
	list_init(&w->in_flight);
	p->worker = w;
	p->room = room;
	p->output = start->output;
	p->data_dir = memory_copy_text(start->data_dir);
	list_init(&p->waiting);
	list_init(&p->left);
	list_init(&p->spare);
	list_init(&p->check.node);
	wheel_timer_init(&p->deadline, worker_due);
	wheel_timer_init(&p->check.deadline, NULL);
	ping_init(w);
	ev_timer_init(&p->soon, worker_soon, 0., 0.);
	return w;
}

struct worker *
worker_create(struct worker_room *room, const struct worker_start *start,
	const struct worker_ops *ops, void *owner, struct error *err)
{
	struct worker *w = worker_new(room, start, ops, owner);

	if (worker_launch(w, err) < 0) {
		worker_destroy(w);
		return NULL;
	}
	return w;
}

void
worker_destroy(struct worker *w)
{
	struct worker_private *p;

	if (!w)
		return;
	p = w->private;
	worker_release_place(w);
	ev_timer_stop(p->room->loop, &p->soon);
	wheel_clear(p->room->wheel, &p->deadline);
	proof_end(w);
	ping_end(w);
	flight_finish(w);
	endpoint_close(&p->endpoint);
	if (p->connected)
		peer_finish(&p->peer);
	child_reap(&p->child);
	capture_finish(&p->capture);
	registration_set_finish(&w->registrations);
	manifest_unref(w->manifest);
	plugin_config_unref((struct plugin_config *)(uintptr_t)w->config);
	json_decref(w->settings);
	free(p->data_dir);
	free(p);
	free(w->plugin_id);
	free(w->stage_dir);
	free(w->digest);
	free(w->version);
	free(w->sdk);
	free(w);
}

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
	struct worker_private *p = container_of(c, struct worker_private, child);
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
	struct worker_private *p = container_of(c, struct worker_private, child);

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
	if (look_for_end(w)) {
		fail_by_end(w);
		return;
	}
	if (w->state > WORKER_READY) {
		worker_fail(w, "the worker's connection is lost%s%s",
			reason ? ": " : "", reason ? reason : "");
		return;
	}
	if (reason)
		error_set(&w->error, "%s", reason);
	ev_timer_set(&p->soon, END_GRACE_S, 0.);
	ev_timer_start(p->room->loop, &p->soon);
}

static void
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
	else if (reason.text[0])
		worker_fail(w, "the worker's connection broke: %s",
			reason.text);
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

/* ---- deadlines ---- */

static void
worker_due(struct wheel_timer *timer)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, deadline);
	struct worker *w = p->worker;
	const struct plugin_limits *limits = &w->config->limits;
	char text[24];

	switch (w->state) {
	case WORKER_STARTING:
		worker_fail(w, "the worker did not say hello within %s",
			worker_duration(limits->start_timeout_ms, text));
		break;
	case WORKER_INITIALISING:
		worker_fail(w, "the worker was not ready within %s",
			worker_duration(limits->start_timeout_ms, text));
		break;
	case WORKER_CHECKING:
		worker_fail(w, "the worker did not pass its checks within %s",
			worker_duration(limits->health_timeout_ms, text));
		break;
	case WORKER_DRAINING:
		drain_due(w);
		break;
	case WORKER_STOPPING:
		child_kill_group(&p->child);
		break;
	default:
		assert(!"a deadline in a state that has none");
	}
}

/* ---- the gateway's words ---- */

void
worker_serve(struct worker *w)
{
	if (!worker_step(w, WORKER_EVENT_SWAP, NULL))
		return;
	w->served = true;
	w->serving_ms = clock_ms();
}
