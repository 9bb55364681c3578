/* session_stream: the input and output of a call that streams (`x`), as
 * notifications beside its request. One such call at a time: then its credit
 * bounds what is queued for the client. */
#include "proto/codec.h"
#include "supervisor/control/session_call.h"

static void
call_output(struct command_call *call, int fd, struct bytes piece)
{
	struct session_call *c = container_of(call, struct session_call, call);
	msgpack_packer *p = peer_begin(&c->session->peer);

	codec_notification(p, MESSAGE_CLI_OUTPUT, 3);
	msgpack_pack_uint32(p, c->id);
	msgpack_pack_int(p, fd);
	codec_bin(p, piece);
	peer_end(&c->session->peer);
}

static void
call_input_credit(struct command_call *call, uint64_t bytes)
{
	struct session_call *c = container_of(call, struct session_call, call);
	msgpack_packer *p = peer_begin(&c->session->peer);

	codec_notification(p, MESSAGE_CREDIT, 2);
	msgpack_pack_uint32(p, c->id);
	msgpack_pack_uint64(p, bytes);
	peer_end(&c->session->peer);
}

void
session_allow_streams(struct session_call *c)
{
	list_for_each (node, &c->session->calls)
		if (container_of(node, struct session_call, node)->call.stream)
			return;
	c->call.on_output = call_output;
	c->call.on_input_credit = call_input_credit;
}

static struct session_call *
find(struct session *s, uint64_t id)
{
	list_for_each (node, &s->calls) {
		struct session_call *c =
			container_of(node, struct session_call, node);

		if (c->id == id && c->call.stream)
			return c;
	}
	return NULL;
}

void
session_take_stream(struct session *s, const struct message *m)
{
	struct session_call *c;

	if (m->kind != MESSAGE_NOTIFICATION ||
		(m->name != MESSAGE_CHUNK && m->name != MESSAGE_CREDIT))
		return; /* unknown notifications are ignored */
	c = find(s, m->params[0].via.u64);
	if (!c)
		return; /* it has ended meanwhile */
	if (m->name == MESSAGE_CREDIT)
		c->call.stream->credit(&c->call, m->params[1].via.u64);
	else
		c->call.stream->input(&c->call, codec_bytes(&m->params[1]),
			m->params[2].via.boolean);
}
