/* websocket_private: what the files of websocket share. */
#pragma once

#include "worker/websocket.h"

/* A message that waits: for the plugin, or for credit. */
struct ws_message {
	struct list node;
	enum sup_ws_type type;
	uint64_t cost; /* of those that came */
	struct buffer bytes;
};

struct sup_ws {
	struct list node; /* of a bucket */
	struct sup *plugin;
	struct offer_set *set; /* a reference: that of offer */
	const struct offer *offer;
	uint32_t id;
	unsigned inside; /* callbacks of the plugin that run */
	bool accepted;
	bool over; /* nothing comes and nothing can be sent any more */
	bool paused;
	void *data;
	char *protocol;
	struct sup_req *asked; /* its ws.open or ws.move, not answered */

	struct ws_message *part; /* that is arriving, or NULL */
	struct list inbox;
	uint64_t owed; /* bytes given to the plugin, not confirmed */

	struct list outbox;
	uint64_t credit;
};

/* Frees it, unless it is in use or its request has no answer yet. */
void websocket_free_if_over(struct sup_ws *ws);
/* NULL: no open connection has this number. */
struct sup_ws *websocket_find(struct sup *p, uint64_t id);
/* Ends a connection that the plugin does not end itself: calls `close` of one
 * that was accepted, and frees it. */
void websocket_end(struct sup_ws *ws, int code, const char *reason);
/* Sends what credit allows. */
void websocket_pump(struct sup_ws *ws);
/* Gives the waiting messages to the plugin. When none is left, calls the
 * handler of a move that waits for that. */
void websocket_give_all(struct sup_ws *ws);
