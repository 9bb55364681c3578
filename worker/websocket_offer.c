/* websocket_offer: registers a path for WebSocket connections. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "worker/host.h"

/* Only supd's ws.open calls this; an http request does not find the offer. */
static void
no_handler(struct sup_req *req, void *user)
{
	sup_fail(req, SUP_NOT_FOUND, "this is a websocket");
}

int
sup_ws(struct sup *p, const struct sup_ws_offer *offered)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(offered, "offered");

	struct sup_offer whole = {
		.kind = SUP_HTTP,
		.method = "GET",
		.path = offered->path,
		.handler = no_handler,
		.idempotent = offered->idempotent,
	};
	struct offer *offer;
	struct registration *r;

	if (sup_register(p, &whole))
		return -1;
	offer = &p->offers[p->offer_count - 1];
	offer->ws = *offered;
	r = &offer->declared;
	r->http.websocket = true;
	free(r->name);
	r->name = memory_format("GET %s websocket", offered->path);
	r->http.pinned = offered->pinned;
	r->http.protocols = offer_words(offered->protocols);
	if (offered->message_limit > 0)
		r->http.message_limit = offered->message_limit;
	return 0;
}
