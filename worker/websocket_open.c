/* websocket_open: takes connections from supd and gives them back: ws.open and
 * ws.move. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "worker/websocket_private.h"

#define CODE_LOST 1006

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

static void
lost_now(void *user)
{
	struct sup_ws *ws = user;

	ws->inside--;
	websocket_end(ws, CODE_LOST, "the client did not get the connection");
}

/* The plugin has accepted it, and may use it until `close` is called: from the
 * loop, as its handler still runs. */
static void
lose_later(struct sup_ws *ws)
{
	ws->over = true;
	ws->inside++;
	sup_post(ws->plugin, lost_now, ws);
}

void
websocket_accept(struct sup_req *req)
{
	struct sup_ws *ws = req->ws;

	request_expect(req, REQUEST_OPEN);
	ws->accepted = true;
	ws->asked = NULL;
	req->ws = NULL;
	if (!request_is_wanted(req)) {
		lose_later(ws);
		return;
	}
	ws->protocol = choose_protocol(req);
	if (answer_pack_ws(req, 101, ws->protocol) == 0)
		websocket_pump(ws);
	else
		lose_later(ws);
}

void
websocket_moved(struct sup_req *req, struct bytes blob)
{
	msgpack_packer *out;

	if (blob.length > SUP_WS_BLOB_MAX) {
		sup_log(req->plugin, SUP_WARN,
			"websocket %s moves without its state, which has %zu "
			"bytes; at most %d can be moved",
			req->ws->offer->declared.http.path, blob.length,
			SUP_WS_BLOB_MAX);
		blob.at = NULL;
	}
	out = link_begin(req->plugin->link);
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
websocket_lost(struct sup_req *req)
{
	struct sup_ws *ws = req->ws;

	req->ws = NULL;
	ws->asked = NULL;
	if (ws->over)
		websocket_free_if_over(ws);
	else
		websocket_end(ws, CODE_LOST, "it was moved to another worker");
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
