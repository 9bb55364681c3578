/* worker: creates, steps and destroys workers. The work of each state is in
 * worker_*.c: launch, messages, flight, proof, ping, drain. */
#include "supervisor/plugin/worker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/plugin/worker_private.h"

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
	wheel_set(w->private->workers->wheel, &w->private->deadline, due_ms);
}

/* ---- birth ---- */

/* Notes the folder's real path, which is the one that programs see. */
static void
name_package(struct worker_private *p, const struct worker_start *start)
{
	char *real;

	if (!start->package_dir || !(real = realpath(start->stage_dir, NULL)))
		return;
	p->staged_dir = memory_format("%s/", real);
	p->package_dir = memory_format("%s/", start->package_dir);
	free(real);
}

struct worker *
worker_new(struct workers *workers, const struct worker_start *start,
	const struct worker_ops *ops, void *owner)
{
	struct worker *w = memory_alloc(sizeof(*w));
	struct worker_private *p = memory_alloc(sizeof(*p));

	*w = (struct worker){
		.id = ++workers->next_number,
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
	list_init(&w->conns);
	list_init(&w->pinned);
	p->worker = w;
	p->workers = workers;
	p->output = start->output;
	p->data_dir = memory_copy_text(start->data_dir);
	name_package(p, start);
	list_init(&p->waiting);
	p->urgent = start->urgent;
	list_init(&p->left);
	list_init(&p->spare);
	list_init(&p->check.node);
	wheel_timer_init(&p->deadline, worker_due);
	wheel_timer_init(&p->dropped_due, worker_report_dropped);
	wheel_timer_init(&p->check.deadline, NULL);
	task_init(w);
	ping_init(w);
	unread_init(w);
	owed_init(w);
	ev_timer_init(&p->soon, worker_soon, 0., 0.);
	return w;
}

void
worker_adopt(struct worker *w, int fd)
{
	struct worker_private *p = w->private;

	p->connected = true;
	peer_init(&p->peer, p->workers->peers, fd, &worker_peer_ops, w);
	p->peer.bounds = (struct peer_bounds){.objects = WORKER_TURN_MESSAGES,
		.turn_us = WORKER_TURN_US,
		.queued = WORKER_QUEUED_MAX};
}

void
worker_destroy(struct worker *w)
{
	struct worker_private *p;

	if (!w)
		return;
	p = w->private;
	worker_release_place(w);
	ev_timer_stop(p->workers->loop, &p->soon);
	wheel_clear(p->workers->wheel, &p->deadline);
	wheel_clear(p->workers->wheel, &p->dropped_due);
	proof_end(w);
	task_end(w);
	ping_end(w);
	unread_end(w);
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
	free(p->package_dir);
	free(p->staged_dir);
	free(p);
	free(w->plugin_id);
	free(w->stage_dir);
	free(w->digest);
	free(w->version);
	free(w->sdk);
	free(w);
}

/* ---- deadlines ---- */

static void
worker_due(struct wheel_timer *timer)
{
	struct worker_private *p =
		container_of(timer, struct worker_private, deadline);
	struct worker *w = p->worker;
	const struct plugin_limits *limits = &w->config->limits;
	char text[24], awaited[256];

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
		proof_describe_awaited(w, awaited, sizeof(awaited));
		worker_fail(w,
			"the worker did not pass its checks within %s: it has "
			"not answered %s",
			worker_duration(limits->health_timeout_ms, text),
			awaited);
		break;
	case WORKER_DRAINING:
		drain_due(w);
		break;
	case WORKER_STOPPING:
		p->was_killed = true;
		child_kill_group(&p->child);
		break;
	default:
		assert(!"a deadline in a state that has none");
	}
}

/* ---- commands of the floors above ---- */

void
worker_configure(struct worker *w, const struct plugin_config *config)
{
	const struct plugin_config *before = w->config;
	bool limits_differ =
		before->limits.max_in_flight != config->limits.max_in_flight;

	w->config = plugin_config_ref(config);
	plugin_config_unref((struct plugin_config *)(uintptr_t)before);
	if (w->state >= WORKER_READY && w->state < WORKER_STOPPING)
		ping_configure(w);
	if (limits_differ)
		worker_send_limits(w);
}

void
worker_serve(struct worker *w)
{
	if (!worker_step(w, WORKER_EVENT_SWAP, NULL))
		return;
	w->served = true;
	w->serving_ms = clock_ms();
}
