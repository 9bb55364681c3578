/* tick: a due time of a schedule, as the plugin sees it. */
#include "worker/request.h"

void
tick_take(struct sup_req *req, const struct message *m)
{
	struct bytes id = codec_bytes(&m->params[1]);
	const struct offer *offer = host_offer(
		req->plugin, REGISTRATION_SCHEDULE, codec_bytes(&m->params[0]));

	req->left_ms = m->params[4].via.u64;
	if (!offer) {
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin has no schedule of this name");
		return;
	}
	req->tick_id = arena_text(&req->arena, id.at, id.length);
	req->tick_due_ms = (int64_t)m->params[2].via.u64;
	req->tick_missed = m->params[3].via.u64;
	req->handler = offer->said.handler;
	req->user = offer->said.user;
	request_start(req);
}

const char *
sup_req_tick_id(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return req->tick_id ? req->tick_id : "";
}

int64_t
sup_req_due_ms(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return req->tick_due_ms;
}

uint64_t
sup_req_missed(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return req->tick_missed;
}
