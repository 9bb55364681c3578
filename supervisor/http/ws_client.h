/* ws_client: a client on a plugin's WebSocket path: answers its request when
 * the plugin has, and joins its websocket to the gateway's connection. */
#pragma once

#include <stdbool.h>

struct exchange;
struct head;
struct path;

/* Bytes queued for a client, past which its plugin gets no more credit. */
#define WS_CLIENT_QUEUE_MAX (128 * 1024)

/* Answers a request for a WebSocket, now or later. False: no plugin takes
 * WebSocket connections on the path, and nothing was done. */
bool ws_client_begin(
	struct exchange *x, const struct head *h, const struct path *path);
