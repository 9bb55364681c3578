/* worker_task: starts and stops what a worker runs on its own, besides
 * requests: services, channels, and what `quiesce` and `take` stand for. One
 * task at a time; the order of tasks is decided in event/. */
#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"

static struct worker_private *
private_of(struct request *r)
{
	return container_of(r, struct worker_private, task.request);
}

static const struct {
	enum message_name message;
	const char *text;
} tasks[] = {
	[WORKER_TASK_START] = {MESSAGE_SERVICE_START, "the start of service"},
	[WORKER_TASK_STOP] = {MESSAGE_SERVICE_STOP, "the stop of service"},
	[WORKER_TASK_CHANNEL_START] = {MESSAGE_CHANNEL_START,
		"the start of channel"},
	[WORKER_TASK_CHANNEL_STOP] = {MESSAGE_CHANNEL_STOP,
		"the stop of channel"},
	[WORKER_TASK_TAKE] = {MESSAGE_TAKE, "take"},
	[WORKER_TASK_QUIESCE] = {MESSAGE_QUIESCE, "quiesce"},
};

static void
task_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	struct worker_private *p = private_of(r);
	enum worker_task what = p->task.what;
	bool starts_channel = what == WORKER_TASK_CHANNEL_START;

	codec_request(packer, wire_id, tasks[what].message,
		what == WORKER_TASK_QUIESCE ? 1
		: starts_channel	    ? 4
					    : 2);
	if (what != WORKER_TASK_TAKE && what != WORKER_TASK_QUIESCE)
		codec_text(packer, p->task.name);
	if (what == WORKER_TASK_TAKE || starts_channel)
		msgpack_pack_uint64(packer, p->task.epoch);
	if (starts_channel && p->task.cursor.at)
		codec_bin(packer, p->task.cursor);
	else if (starts_channel)
		msgpack_pack_nil(packer);
	msgpack_pack_uint64(packer, p->task.ms);
}

static void
report(struct worker *w, enum worker_task_end end, const char *text,
	const msgpack_object *result)
{
	struct error err;

	error_set(&err, "%s", text ? text : "");
	w->ops->on_task(w, end, end == WORKER_TASK_DONE ? NULL : &err, result);
}

static bool
task_answer(struct request *r, const struct message *m)
{
	struct worker *w = private_of(r)->worker;
	char text[256];

	if (!m->error) {
		report(w, WORKER_TASK_DONE, NULL, m->result);
		return false;
	}
	report(w,
		codec_read_error(m->error, text, sizeof(text)) == WIRE_NOT_FOUND
			? WORKER_TASK_UNKNOWN
			: WORKER_TASK_REFUSED,
		text, NULL);
	return false;
}

static void
task_fail(struct request *r, enum request_failure why, const char *text)
{
	struct worker_private *p = private_of(r);

	if (!p->task.is_sending) /* else worker_task_begin() returns it */
		report(p->worker, WORKER_TASK_LATE,
			text ? text : request_failures[why].text, NULL);
}

static void
task_describe(struct request *r, char *out, size_t size)
{
	struct worker_private *p = private_of(r);

	text_format(out, size, "%s%s%s", tasks[p->task.what].text,
		p->task.name ? " " : "", p->task.name ? p->task.name : "");
}

static const struct request_ops task_ops = {
	.encode = task_encode,
	.answer = task_answer,
	.fail = task_fail,
	.describe = task_describe,
};

static void
task_due(struct wheel_timer *timer)
{
	struct request *r = container_of(timer, struct request, deadline);
	struct worker_private *p = private_of(r);
	char text[64], time[24];

	text_format(text, sizeof(text), "no answer within %s",
		worker_duration(p->task.ms, time));
	worker_cancel(p->worker, r);
	report(p->worker, WORKER_TASK_LATE, text, NULL);
}

void
task_init(struct worker *w)
{
	list_init(&w->private->task.request.node);
	wheel_timer_init(&w->private->task.request.deadline, task_due);
}

int
worker_task_begin(struct worker *w, const struct worker_task_order *order,
	struct error *err)
{
	struct worker_private *p = w->private;
	struct request *r = &p->task.request;

	if (r->id || w->state < WORKER_READY || w->state >= WORKER_STOPPING)
		return error_set(err, "the worker is busy or going down");
	r->ops = &task_ops;
	r->plugin = w->plugin;
	r->answered = r->cancelled = false;
	r->sends = 0;
	r->is_task = true;
	p->task.what = order->what;
	p->task.name = order->name;
	p->task.epoch = order->epoch;
	p->task.cursor = order->cursor;
	p->task.ms = order->ms ? order->ms : 1; /* 0 would be no deadline */
	if (!request_table_add(p->workers->requests, r))
		return error_set(err, "too many requests are in progress");
	p->task.is_sending = true;
	worker_send(w, r);
	p->task.is_sending = false;
	p->task.cursor = (struct bytes){0};
	if (!r->id)
		return error_set(err, "the message could not be sent");
	wheel_set(p->workers->wheel, &r->deadline, clock_ms() + p->task.ms);
	return 0;
}

void
worker_task_cancel(struct worker *w)
{
	if (w->private->task.request.id && w->state < WORKER_STOPPING)
		worker_cancel(w, &w->private->task.request);
}

void
task_end(struct worker *w)
{
	struct worker_private *p = w->private;
	struct request *r = &p->task.request;

	wheel_clear(p->workers->wheel, &r->deadline);
	if (!r->id)
		return;
	request_table_remove(p->workers->requests, r);
	list_remove(&r->node);
	w->in_flight_count--;
}
