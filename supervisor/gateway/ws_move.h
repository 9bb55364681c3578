/* ws_move: takes WebSocket connections from a worker to its successor: asks
 * ws.move, keeps the connection while no worker has it, and opens it again. The
 * pump runs whenever something has changed, and does a bounded number of steps;
 * each connection pauses only while it is moved itself. */
#pragma once

#include "supervisor/gateway/ws_conn.h"

#define WS_MOVE_MS 5000	 /* for the answer to ws.move */
#define WS_MOVES_MAX 64	 /* awaited from workers of a plugin, of each kind */
#define WS_STEPS_MAX 128 /* connections moved or closed per turn and plugin */

/* A worker of the plugin was retired, serves, or will not be back. */
void ws_move_pump(struct plugin *p);
/* The same in one of the next turns. */
void ws_move_soon(struct plugin *p);
/* Closes connections of a worker whose drain is over: WS_STEPS_MAX of them. */
void ws_move_end_some(struct plugin *p, struct worker *w);
/* The worker is gone: its connections wait for a successor. */
void ws_move_lose(struct plugin *p, struct worker *w);
/* The plugin goes: ends those that wait. */
void ws_move_finish(struct plugin *p);

/* ---- for ws_conn.c ---- */
/* It waits for a worker. */
void ws_move_wait(struct plugin *p, struct ws_conn *c, enum ws_how how);
/* An answer that was awaited for a move came, failed or was cancelled. */
void ws_move_left(struct plugin *p);
void ws_move_reopened(struct plugin *p);
