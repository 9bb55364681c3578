/* act: what is done to messages that are out already: edit, delete, react, and
 * typing. It is not kept: it is done by the worker that has the channel, or it
 * fails. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/channel/outbound.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"

#define ACTS_MAX 1024 /* of a channel, in progress */
#define DEFAULT_MS 30000

struct acting {
	struct request request;
	struct list node; /* in channel.acts */
	struct channel *channel;
	struct channel_act *waits;
	struct buffer action, target, args; /* packed */
};

/* ---- the end ---- */

static void
destroy(struct acting *x)
{
	if (x->request.id)
		dispatch_cancel(x->channel->all->gateway, &x->request);
	list_remove(&x->node);
	x->channel->act_count--;
	x->waits->acting = NULL;
	buffer_finish(&x->action);
	buffer_finish(&x->target);
	buffer_finish(&x->args);
	free(x);
}

void
channels_leave_act(struct channel_act *a)
{
	if (a->acting)
		destroy(a->acting);
}

static void
refuse(struct channel_act *a, enum wire_error code, const char *text)
{
	a->done(a, code, text, NULL);
}

static void
end(struct acting *x, enum wire_error code, const char *text, json_t *receipt)
{
	struct channel_act *waits = x->waits;

	destroy(x);
	waits->done(waits, code, text, receipt);
}

void
act_destroy_all(struct channel *c)
{
	list_for_each_safe (node, &c->acts)
		end(container_of(node, struct acting, node), WIRE_FAILED,
			"supd is stopping", NULL);
}

/* ---- the request ---- */

static struct acting *
acting_of(struct request *r)
{
	return container_of(r, struct acting, request);
}

static struct bytes
bytes_in(const struct buffer *b)
{
	return (struct bytes){(const char *)buffer_bytes(b), buffer_length(b)};
}

static void
encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct acting *x = acting_of(r);

	codec_request(p, wire_id, MESSAGE_CHANNEL_ACT, 5);
	codec_text(p, x->channel->own_name);
	codec_raw(p, bytes_in(&x->action));
	codec_raw(p, bytes_in(&x->target));
	codec_raw(p, bytes_in(&x->args));
	msgpack_pack_uint64(p, dispatch_deadline_ms(r));
}

static bool
route(struct request *r, struct route_match *match_out)
{
	const struct channel *c = acting_of(r)->channel;

	return dispatch_find_name(c->all->gateway, REGISTRATION_CHANNEL,
		       bytes_of(c->name), match_out) == ROUTE_FOUND;
}

static bool
answer(struct request *r, const struct message *m)
{
	char text[512];
	enum wire_error code;
	struct error err;
	json_t *receipt;

	if (m->error) {
		code = codec_read_error(m->error, text, sizeof(text));
		end(acting_of(r), code, text, NULL);
		return false;
	}
	receipt = value_from(m->result, &err);
	if (receipt && value_is_deeper(receipt, VALUE_DEPTH_MAX - 2)) {
		json_decref(receipt);
		receipt = NULL;
		error_set(&err, "it is nested too deeply");
	}
	if (!receipt) {
		text_format(text, sizeof(text),
			"the channel's answer is malformed: %s", err.text);
		end(acting_of(r), WIRE_FAILED, text, NULL);
		return false;
	}
	end(acting_of(r), WIRE_FAILED, NULL, receipt);
	json_decref(receipt);
	return false;
}

static void
fail(struct request *r, enum request_failure why, const char *text)
{
	enum wire_error code = WIRE_FAILED;

	if (why == REQUEST_OVERFLOW || why == REQUEST_HELD_TOO_LONG)
		code = WIRE_BUSY;
	else if (why == REQUEST_LATE)
		code = WIRE_TIMEOUT;
	end(acting_of(r), code, text ? text : request_failures[why].text, NULL);
}

static void
describe(struct request *r, char *out, size_t size)
{
	text_format(out, size, "an action of channel %s",
		acting_of(r)->channel->own_name);
}

static const struct request_ops ops = {
	.name = "channel.act",
	.encode = encode,
	.route = route,
	.answer = answer,
	.fail = fail,
	.describe = describe,
};

/* ---- begin ---- */

static const char *const actions[] = {"edit", "delete", "react", "typing"};

/* NULL: there is no such action. */
static const char *
read_action(const json_t *value)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < sizeof(actions) / sizeof(*actions); i++)
		if (!strcmp(text, actions[i]))
			return actions[i];
	return NULL;
}

static int
check_args(const struct channel *c, const char *action, const json_t *args,
	struct error *err)
{
	if (args && !json_is_null(args) && !json_is_object(args))
		return error_set(err, "args must be an object");
	if (args && value_is_deeper(args, VALUE_DEPTH_MAX - 2))
		return error_set(err, "args are nested too deeply");
	if (!strcmp(action, "edit"))
		return outbound_check_content(c, args, err);
	if (!strcmp(action, "react") &&
		!json_string_length(json_object_get(args, "emoji")))
		return error_set(err, "to react needs args.emoji");
	return 0;
}

static int
check(const struct channel *c, const struct channel_act_order *order,
	struct error *err)
{
	const char *action = read_action(order->action);
	const struct registration *r = outbound_declared(c);
	bool is_typing;

	if (!action)
		return error_set(err, "the action must be edit, delete, react "
				      "or typing");
	if (!r || !registration_can(r, action))
		return error_set(err, "the channel '%s' has no %s in `can`",
			c->name, action);
	is_typing = !strcmp(action, "typing");
	if (!json_is_object(order->target))
		return error_set(err, "the target must be an object");
	if (outbound_check_name(order->target, "chat", true, err) < 0 ||
		outbound_check_name(order->target, "thread", false, err) < 0 ||
		outbound_check_name(order->target, "id", !is_typing, err) < 0)
		return -1;
	if (value_is_deeper(order->target, VALUE_DEPTH_MAX - 2))
		return error_set(err, "the target is nested too deeply");
	return check_args(c, action, order->args, err);
}

static void
pack(struct buffer *b, const json_t *value)
{
	msgpack_packer p;

	codec_packer(&p, b);
	value_pack(&p, value);
}

static struct acting *
create(struct channel *c, const struct channel_act_order *order,
	struct channel_act *a)
{
	struct acting *x = memory_alloc(sizeof(*x));
	json_t *none = json_object();

	x->channel = c;
	x->waits = a;
	a->acting = x;
	pack(&x->action, order->action);
	pack(&x->target, order->target);
	pack(&x->args, json_is_object(order->args) ? order->args : none);
	json_decref(none);
	list_append(&c->acts, &x->node);
	c->act_count++;
	x->request.ops = &ops;
	x->request.caller = order->caller;
	x->request.due_limit_ms = order->limit_ms;
	x->request.held_bytes = sizeof(*x) + buffer_length(&x->target) +
				buffer_length(&x->args);
	return x;
}

/* NULL: it may be submitted. */
static const char *
obstacle(const struct channel *c, const struct route_match *match)
{
	const struct plugin *p =
		gateway_plugin_by_number(c->all->gateway, match->plugin);
	const struct worker *w = plugin_serving(p);

	if (c->act_count >= ACTS_MAX)
		return "too many actions of the channel are in progress";
	if (!p->is_held &&
		!(w && services_channel_is_up(w, match->row->declared)))
		return "the channel is not connected";
	return NULL;
}

void
channels_act(struct channels *all, const struct channel_act_order *order,
	struct channel_act *a)
{
	uint64_t ms = order->deadline_ms ? order->deadline_ms : DEFAULT_MS;
	struct route_match match;
	struct request *r;
	struct channel *c;
	const char *text;
	struct error err;

	a->acting = NULL;
	if (dispatch_find_name(all->gateway, REGISTRATION_CHANNEL,
		    order->channel, &match) != ROUTE_FOUND) {
		refuse(a, WIRE_NOT_FOUND, "no plugin has this channel");
		return;
	}
	c = channels_claim(all, order->channel);
	if (check(c, order, &err) < 0) {
		refuse(a, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	text = obstacle(c, &match);
	if (text || !c->own_name) {
		refuse(a, WIRE_BUSY,
			text ? text : "the channel is not connected");
		return;
	}
	r = &create(c, order, a)->request;
	if (order->trace.sampling)
		tracer_begin(
			&all->gateway->workers.tracer, &order->trace, &r->span);
	dispatch_submit(all->gateway, r, &match, ms);
}
