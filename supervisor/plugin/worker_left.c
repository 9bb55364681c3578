/* worker_left: placeholders for requests whose owners left before the worker's
 * final answer: the id stays taken until then. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/plugin/worker_private.h"

/* The form of the answer is still needed. */
static const struct request_ops left_ops[] = {
	[WIRE_ANSWER_SINGLE] = {.answer_form = WIRE_ANSWER_SINGLE},
	[WIRE_ANSWER_HTTP] = {.answer_form = WIRE_ANSWER_HTTP},
	[WIRE_ANSWER_STATE] = {.answer_form = WIRE_ANSWER_STATE},
};

static struct request *
request_of(struct list *node)
{
	return container_of(node, struct request, node);
}

bool
left_is_placeholder(const struct request *r)
{
	return r->ops >= left_ops &&
	       r->ops < left_ops + sizeof(left_ops) / sizeof(*left_ops);
}

static void
send_cancel(struct worker *w, uint32_t id)
{
	struct peer *peer = &w->private->peer;
	msgpack_packer *packer = peer_begin(peer);

	codec_notification(packer, MESSAGE_CANCEL, 1);
	msgpack_pack_uint32(packer, id);
	worker_end_message(w);
}

void
left_put(struct worker *w, uint32_t id, const struct request *was)
{
	struct worker_private *p = w->private;
	struct request *placeholder;

	if (list_is_empty(&p->spare)) {
		placeholder = memory_alloc(sizeof(*placeholder));
		list_init(&placeholder->node);
	} else {
		placeholder = request_of(p->spare.next);
		list_remove(&placeholder->node);
	}
	*placeholder = (struct request){
		.ops = &left_ops[was->ops->answer_form],
		.plugin = w->plugin,
		.worker = w->id,
		.registration = was->ops->name ? UINT32_MAX : was->registration,
		.where = REQUEST_SENT,
		.answered = was->answered,
		.due_ms = was->due_ms,
		.is_task = was->is_task,
		.is_long = was->is_long,
		.cancelled = true,
	};
	request_table_replace(p->workers->requests, id, placeholder);
	list_append(&p->left, &placeholder->node);
	w->left_count++;
	p->left_tasks += was->is_task;
	send_cancel(w, id);
	owed_more(w);
}

void
left_end(struct worker *w, struct request *placeholder)
{
	struct worker_private *p = w->private;

	p->ended_ids[p->ended_count++ % ENDED_IDS] = placeholder->id;
	request_table_remove(p->workers->requests, placeholder);
	list_remove(&placeholder->node);
	list_append(&p->spare, &placeholder->node);
	w->left_count--;
	p->left_tasks -= placeholder->is_task;
	w->in_flight_count--;
	owed_less(w);
}

bool
left_has_ended(const struct worker *w, uint32_t id)
{
	for (unsigned i = 0; i < ENDED_IDS; i++)
		if (w->private->ended_ids[i] == id)
			return true;
	return false;
}

void
left_end_all(struct worker *w)
{
	struct worker_private *p = w->private;

	while (!list_is_empty(&p->left))
		left_end(w, request_of(p->left.next));
}

void
left_finish(struct worker *w)
{
	struct worker_private *p = w->private;

	left_end_all(w);
	list_for_each_safe (node, &p->spare)
		free(request_of(node));
}
