/* api: /api: which call a request is, who may make it, and its answer as JSON.
 * What a call does is control/commands, the same for supctl. */
#pragma once

#include "supervisor/http/head.h"
#include "supervisor/route/path.h"

#define API_BODY_MAX (64 * 1024)
#define API_CALL_BODY_MAX (1024 * 1024) /* of what a tool or command gets */

struct api_call;
struct exchange;
struct http_server;

void api_begin(
	struct exchange *x, const struct head *h, const struct path *path);
/* The body that api_begin() asked for is in x->packed. */
void api_body_end(struct exchange *x);
/* The client left; what its call began goes on. */
void api_abandon(struct api_call *call);
/* The client has read of what its call told. */
void api_passed(struct api_call *call);
/* supd goes: streams of events end, their clients may go on elsewhere. */
void api_end_streams(struct http_server *s);
/* Tokens changed: streams end whose token would not be given one now. */
void api_end_denied_streams(struct http_server *s);
/* {"error": reason} */
void api_refuse(
	struct exchange *x, int status, const char *fields, const char *reason);
