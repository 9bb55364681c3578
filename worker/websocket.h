/* websocket: the clients' WebSocket connections that this worker has: the
 * messages of each in order, under credit in both directions. Its ws.open and
 * ws.move are requests; see request.h. */
#pragma once

#include "proto/util/buffer.h"
#include "worker/request.h"

void websocket_take_open(struct sup_req *req, const struct message *m);
void websocket_take_move(struct sup_req *req, const struct message *m);
/* Its ws.move was cancelled before the plugin was asked. */
void websocket_lost(struct sup_req *req);
/* Answers ws.open with 101. */
void websocket_accept(struct sup_req *req);
/* Answers ws.move; blob.at NULL: there is none. */
void websocket_moved(struct sup_req *req, struct bytes blob);
/* Its request ended without handing the connection to the plugin, or by taking
 * it away. */
void websocket_request_over(struct sup_req *req);

void websocket_on_message(struct sup *p, const struct message *m);
void websocket_on_close(struct sup *p, const struct message *m);
/* False: no connection has this number. */
bool websocket_on_credit(struct sup *p, uint32_t id, uint64_t bytes);
