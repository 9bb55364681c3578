/* rpc_door: GET /ws: who may open a session, and as whom. */
#pragma once

#include "supervisor/http/bearer.h"
#include "supervisor/http/websocket_handshake.h"

struct exchange;

/* ---- rpc_session.c ---- */
/* Accepts; bearer NULL: the client shows its token by session.open. */
void rpc_session_begin(struct exchange *x, const struct websocket_handshake *h,
	struct bytes protocol, const struct bearer *bearer);
