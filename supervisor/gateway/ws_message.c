/* ws_message: passes messages of open connections under credit, and what a
 * worker says about them. */
#include "supervisor/gateway/ws_conn.h"

#include <assert.h>

#include "proto/util/text.h"
#include "proto/util/utf8.h"

static struct plugin *
plugin_of(const struct ws_conn *c)
{
	return gateway_plugin_by_number(c->gateway, c->plugin);
}

static uint64_t
cost_of(struct bytes piece)
{
	return piece.length ? piece.length : 1;
}

uint64_t
ws_conn_room(struct ws_conn *c)
{
	struct worker *w = c->state == WS_OPEN ? ws_conn_worker(c) : NULL;

	if (!w)
		return 0;
	if (worker_backlog(w) <= WS_BACKLOG_MAX)
		return c->credit;
	if (list_is_empty(&c->congested_node))
		list_append(&c->gateway->ws_congested, &c->congested_node);
	return 0;
}

void
ws_conn_send(struct ws_conn *c, unsigned opcode, struct bytes piece, bool more)
{
	assert(c->state == WS_OPEN && c->credit >= cost_of(piece));
	c->credit -= cost_of(piece);
	c->in_half = more;
	c->unconfirmed += !more;
	plugin_of(c)->conns.messages_in += !more;
	worker_send_ws_message(
		ws_conn_worker(c), c->place.id, opcode, piece, more);
}

/* Those that are still congested return to the list. */
void
ws_conns_uncongested(struct gateway *g)
{
	struct list due;

	list_take_all(&due, &g->ws_congested);
	while (!list_is_empty(&due)) {
		struct ws_conn *c =
			container_of(due.next, struct ws_conn, congested_node);

		list_remove(&c->congested_node);
		c->ops->room(c);
	}
}

void
ws_conn_taken(struct ws_conn *c)
{
	struct worker *w =
		c->uncredited >= WS_CREDIT_STEP ? ws_conn_worker(c) : NULL;

	if (!w)
		return;
	worker_send_ws_credit(w, c->place.id, c->uncredited);
	c->uncredited = 0;
}

/* A worker that sends what it may not harms its own connection. */
static void
on_excess(struct ws_conn *c, unsigned code, const char *reason)
{
	plugin_of(c)->conns.excesses++;
	ws_conn_end(c, code, reason);
}

static void
on_message(struct ws_conn *c, const struct message *m)
{
	struct plugin *p = plugin_of(c);
	uint64_t opcode = m->params[1].via.u64;
	struct bytes piece = codec_bytes(&m->params[2]);
	bool more = m->params[3].via.boolean;

	if (opcode > 2 || (!opcode && !c->out_half)) {
		p->conns.strays++;
		return;
	}
	c->uncredited += cost_of(piece);
	c->out_bytes = (c->out_half ? c->out_bytes : 0) + piece.length;
	if (c->uncredited > WIRE_CREDIT_BYTES) {
		on_excess(c, WS_CODE_FAULT,
			"the plugin sent more than it had credit");
		return;
	}
	if (c->out_bytes > c->message_limit) {
		on_excess(c, WS_CODE_TOO_LARGE,
			"the plugin's message is too large");
		return;
	}
	p->conns.messages_out += !more;
	c->out_half = more;
	c->ops->message(c, (unsigned)opcode, piece, more);
}

static void
on_credit(struct ws_conn *c, uint64_t bytes)
{
	c->credit = bytes < WIRE_CREDIT_MAX - c->credit ? c->credit + bytes
							: WIRE_CREDIT_MAX;
	if (c->credit >= WIRE_CREDIT_BYTES)
		c->unconfirmed = 0;
	c->ops->room(c);
}

static void
on_close(struct ws_conn *c, uint64_t code, struct bytes reason)
{
	if (!utf8_is_valid(reason.at, reason.length))
		reason.length = 0;
	reason.length = text_fit(reason.at, reason.length, WS_REASON_MAX);
	if (c->state == WS_LEAVING)
		worker_cancel(ws_conn_worker(c), &c->ask);
	ws_conn_forget(c);
	c->ops->close(c, code < UINT16_MAX ? (unsigned)code : 0, reason);
}

void
ws_conn_message(struct gateway *g, struct worker *w, const struct message *m)
{
	struct request *place = NULL;
	struct ws_conn *c;

	if (m->params[0].via.u64 <= UINT32_MAX)
		place = request_table_find_open(
			g->requests, (uint32_t)m->params[0].via.u64, w->id);
	if (!place) {
		((struct plugin *)w->owner)->conns.strays++;
		return;
	}
	c = container_of(place, struct ws_conn, place);
	if (m->name == MESSAGE_WS_MESSAGE)
		on_message(c, m);
	else if (m->name == MESSAGE_WS_CLOSE)
		on_close(c, m->params[1].via.u64, codec_bytes(&m->params[2]));
	else if (m->name == MESSAGE_CREDIT)
		on_credit(c, m->params[1].via.u64);
}
