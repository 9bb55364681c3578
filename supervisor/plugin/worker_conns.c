/* worker_conns: the messages about a worker's open WebSocket connections, and
 * the lists of them. What a connection is, gateway/ws_conn.h knows. */
#include "supervisor/plugin/worker_private.h"

void
worker_add_conn(struct worker *w, struct list *node, bool pinned)
{
	list_append(pinned ? &w->pinned : &w->conns, node);
	w->conn_count++;
}

void
worker_remove_conn(struct worker *w, struct list *node)
{
	list_remove(node);
	w->conn_count--;
	drain_look(w);
}

void
worker_send_ws_message(struct worker *w, uint32_t conn, unsigned opcode,
	struct bytes piece, bool more)
{
	msgpack_packer *packer;

	if (w->state >= WORKER_STOPPING)
		return;
	packer = peer_begin(&w->private->peer);
	codec_notification(packer, MESSAGE_WS_MESSAGE, 4);
	msgpack_pack_uint32(packer, conn);
	msgpack_pack_unsigned_int(packer, opcode);
	codec_bin(packer, piece);
	more ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
	worker_end_message(w);
}

void
worker_send_ws_close(
	struct worker *w, uint32_t conn, unsigned code, struct bytes reason)
{
	msgpack_packer *packer;

	if (w->state >= WORKER_STOPPING)
		return;
	packer = peer_begin(&w->private->peer);
	codec_notification(packer, MESSAGE_WS_CLOSE, 3);
	msgpack_pack_uint32(packer, conn);
	msgpack_pack_unsigned_int(packer, code);
	codec_str(packer, reason);
	worker_end_message(w);
}

void
worker_send_ws_credit(struct worker *w, uint32_t conn, uint64_t bytes)
{
	msgpack_packer *packer;

	if (w->state >= WORKER_STOPPING)
		return;
	packer = peer_begin(&w->private->peer);
	codec_notification(packer, MESSAGE_CREDIT, 2);
	msgpack_pack_uint32(packer, conn);
	msgpack_pack_uint64(packer, bytes);
	worker_end_message(w);
}
