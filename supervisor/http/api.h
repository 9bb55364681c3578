/* api: /api: finds the call of a request, checks its token and answers in JSON.
 * The calls themselves are in control/commands, shared with supctl. */
#pragma once

#include "supervisor/http/head.h"
#include "supervisor/route/path.h"

#define API_BODY_MAX (64 * 1024)
#define API_CALL_BODY_MAX                                                      \
	(1024 * 1024) /* body with the arguments of a tool or command */

struct exchange;
struct http_server;

void api_begin(
	struct exchange *x, const struct head *h, const struct path *path);
/* supd stops: ends the event streams; clients reconnect with Last-Event-ID. */
void api_end_streams(struct http_server *s);
/* Tokens changed: ends the streams whose token no longer has the role. */
void api_end_denied_streams(struct http_server *s);
