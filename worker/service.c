/* service: services, and what stands for the take-over: quiesce and take. A
 * stop waits until the start before it has been answered or cancelled. */
#include <stdarg.h>
#include <string.h>

#include "proto/util/text.h"
#include "worker/request.h"

int
sup_service(struct sup *p, const char *name, sup_handler *start,
	sup_handler *stop, void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register(p, &(struct sup_offer){.kind = SUP_SERVICE,
				       .name = name,
				       .handler = start,
				       .stop = stop,
				       .user = user});
}

void
sup_on_quiesce(struct sup *p, sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	p->quiesce = handler;
	p->quiesce_user = user;
}

void
sup_on_take(struct sup *p, sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	p->take = handler;
	p->take_user = user;
}

uint64_t
sup_req_epoch(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return req->epoch;
}

void
sup_service_status(struct sup *p, const char *name,
	enum sup_service_state state, const char *format, ...)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(name, "name");
	HOST_NEEDS(format, "format");

	static const char *const states[] = {"running", "waiting", "failed"};
	char text[SERVICE_TEXT_MAX + 1];
	msgpack_packer *out;
	va_list arguments;

	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	out = link_begin(p->link);
	codec_notification(out, MESSAGE_SERVICE_STATUS, 3);
	codec_text(out, name);
	codec_text(
		out, states[state <= SUP_SERVICE_FAILED ? state
							: SUP_SERVICE_FAILED]);
	codec_text(out, text);
	link_end(p->link);
}

/* ---- requests ---- */

static struct offer *
find_offer(struct sup *p, struct bytes name)
{
	const struct offer *found = host_offer(p, REGISTRATION_SERVICE, name);

	return found ? &p->offers[found - p->offers] : NULL;
}

void
service_take(struct sup_req *req, const struct message *m)
{
	struct offer *offer =
		find_offer(req->plugin, codec_bytes(&m->params[0]));
	bool stops = m->name == MESSAGE_SERVICE_STOP;

	req->left_ms = m->params[1].via.u64;
	if (!offer) {
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin has no service of this name");
		return;
	}
	req->offer = offer;
	req->offer_set = req->plugin->set;
	req->offer_set->references++;
	req->handler = stops ? offer->said.stop : offer->said.handler;
	req->user = offer->said.user;
	if (stops && offer->start && !offer->stop) {
		offer->stop = req;
		req->state = REQUEST_COLLECTING; /* until service_ended() */
		request_remember(req);
		return;
	}
	if (!stops)
		offer->start = req;
	request_start(req);
}

static void
carry_request(struct sup_req *req, struct offer_set *to, struct offer *offer)
{
	if (!req)
		return;
	offer_set_unref(req->offer_set);
	req->offer = offer;
	req->offer_set = to;
	to->references++;
}

void
service_carry(const struct offer_set *from, struct offer_set *to)
{
	for (uint32_t i = 0; i < from->count; i++) {
		const struct offer *old = &from->items[i];

		for (uint32_t k = 0; old->start && k < to->count; k++) {
			struct offer *new = &to->items[k];

			if (new->declared.kind != old->declared.kind ||
				strcmp(new->declared.name, old->declared.name))
				continue;
			new->start = old->start;
			new->stop = old->stop;
			carry_request(new->start, to, new);
			carry_request(new->stop, to, new);
		}
	}
}

void
service_take_over(struct sup_req *req, const struct message *m)
{
	struct sup *p = req->plugin;
	bool takes = m->name == MESSAGE_TAKE;

	req->epoch = takes ? m->params[0].via.u64 : 0;
	req->left_ms = m->params[takes ? 1 : 0].via.u64;
	req->handler = takes ? p->take : p->quiesce;
	req->user = takes ? p->take_user : p->quiesce_user;
	if (req->handler)
		request_start(req);
	else
		request_answer_error(req, WIRE_NOT_FOUND,
			takes ? "the plugin has no handler of take"
			      : "the plugin has no handler of quiesce");
}

void
service_ended(struct sup_req *req)
{
	struct offer *offer =
		&req->offer_set->items[req->offer - req->offer_set->items];
	struct sup_req *stop = offer->stop;

	if (req == stop) {
		offer->stop = NULL; /* it was cancelled */
	} else if (req == offer->start) {
		offer->start = offer->stop = NULL;
		if (stop)
			request_start(stop);
	}
}
