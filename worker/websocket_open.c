/* websocket_open: takes connections from supd and gives them back: ws.open and
 * ws.move. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "worker/websocket_private.h"

static void
accept_at_once(struct sup_req *req, void *user)
{
	sup_ok(req);
}

void
websocket_take_open(struct sup_req *req, const struct message *m)
{
	struct sup *p = req->plugin;
	uint64_t number = m->params[1].via.u64;
	struct sup_ws *ws;

	req->left_ms = m->params[8].via.u64;
	if (number >= p->offer_count ||
		!p->offers[number].declared.http.websocket) {
		request_answer_error(
			req, WIRE_NOT_FOUND, "there is no such registration");
		return;
	}
	ws = memory_alloc(sizeof(*ws));
	ws->plugin = p;
	ws->id = (uint32_t)m->params[0].via.u64;
	ws->offer = req->offer = &p->offers[number];
	ws->set = req->offer_set = p->set;
	p->set->references += 2;
	ws->credit = p->credit_bytes;
	list_init(&ws->inbox);
	list_init(&ws->outbox);
	list_append(&p->conns[ws->id % REQUEST_BUCKETS], &ws->node);
	ws->asked = req;
	req->ws = ws;
	req->handler = ws->offer->ws.open ? ws->offer->ws.open : accept_at_once;
	req->user = ws->offer->ws.user;
	request_start(req);
}

void
websocket_take_move(struct sup_req *req, const struct message *m)
{
	struct sup_ws *ws = websocket_find(req->plugin, m->params[0].via.u64);

	if (!ws || ws->asked) {
		sup_ok(req);
		return;
	}
	ws->asked = req;
	req->ws = ws;
	req->handler = ws->offer->ws.move ? ws->offer->ws.move : accept_at_once;
	req->user = ws->offer->ws.user;
	req->state = REQUEST_COLLECTING;
	request_remember(req);
	websocket_give_all(ws);
}

/* The first of the plugin's protocols that the client offers, or NULL. */
static char *
choose_protocol(struct sup_req *req)
{
	const char *own = req->offer->declared.http.protocols;
	const char *offered = sup_req_header(req, "sec-websocket-protocol");
	char *mine = memory_copy_text(own), *place, *found = NULL;

	for (char *word = mine && offered ? strtok_r(mine, ", ", &place) : NULL;
		word && !found; word = strtok_r(NULL, ", ", &place)) {
		char *theirs = memory_copy_text(offered), *at;

		for (char *item = strtok_r(theirs, ", \t", &at); item;
			item = strtok_r(NULL, ", \t", &at))
			if (!strcmp(item, word) && !found)
				found = memory_copy_text(word);
		free(theirs);
	}
	free(mine);
	return found;
}

void
websocket_accept(struct sup_req *req)
{
	struct sup_ws *ws = req->ws;

	ws->accepted = true;
	ws->protocol = choose_protocol(req);
	answer_pack_ws(req, 101, ws->protocol);
	ws->asked = NULL;
	req->ws = NULL;
	websocket_pump(ws);
	request_finish(req);
}

void
websocket_moved(struct sup_req *req, struct bytes blob)
{
	msgpack_packer *out = link_begin(req->plugin->link);

	codec_result(out, req->id);
	if (blob.at) {
		msgpack_pack_array(out, 1);
		codec_bin(out, blob);
	} else {
		msgpack_pack_nil(out);
	}
	link_end(req->plugin->link);
	request_finish(req);
}

void
websocket_request_over(struct sup_req *req)
{
	struct sup_ws *ws = req->ws;

	req->ws = NULL;
	ws->asked = NULL;
	ws->over = true;
	websocket_free_if_over(ws);
}

/* ---- the ABI ---- */

struct sup_ws *
sup_req_ws(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return req->ws;
}

struct sup *
sup_ws_plugin(const struct sup_ws *ws)
{
	HOST_NEEDS(ws, "ws");
	return ws->plugin;
}

const char *
sup_ws_protocol(const struct sup_ws *ws)
{
	HOST_NEEDS(ws, "ws");
	return ws->protocol;
}

void
sup_ws_set_data(struct sup_ws *ws, void *data)
{
	HOST_NEEDS(ws, "ws");
	ws->data = data;
}

void *
sup_ws_data(const struct sup_ws *ws)
{
	HOST_NEEDS(ws, "ws");
	return ws->data;
}
