/* lapses: what tests/sdk/lapses.py asks for, in C; the same plugin stands in
 * Python and Node beside it. A test has one connection. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#define LARGE_BYTES ((size_t)70000)

static struct sup_req *opening, *starting; /* which wait for `go` */
static struct sup_ws *held;
static char move[32] = "fine";
static char closes[256]; /* codes with ',' between */
static int stops;
static bool answers_text;

/* ---- connections ---- */

static void
heavy(struct sup_req *req)
{
	char value[4096];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 257; i++)
		sup_reply_header(req, "X-Heavy", value);
}

static void
opened(struct sup_req *req, void *user)
{
	const char *how = sup_req_header(req, "x-do");
	struct sup_ws *ws = sup_req_ws(req);

	if (how && !strcmp(how, "late")) {
		opening = req;
		return;
	}
	if (how && !strcmp(how, "heavy"))
		heavy(req);
	sup_ok(req);
	if (how)
		sup_ws_send(ws, SUP_WS_TEXT, how, strlen(how));
}

static void
said(struct sup_ws *ws, enum sup_ws_type type, const void *bytes, size_t size,
	void *user)
{
	char text[32] = "";

	memcpy(text, bytes, size < sizeof(text) ? size : sizeof(text) - 1);
	if (!strcmp(text, "hold")) {
		held = ws;
		sup_ws_pause(ws);
	} else if (!strncmp(text, "close ", 6)) {
		sup_ws_close(ws, atoi(text + 6), "as asked");
	} else if (!strncmp(text, "move ", 5)) {
		snprintf(move, sizeof(move), "%s", text + 5);
	}
}

static void
closed(struct sup_ws *ws, int code, const char *reason, void *user)
{
	size_t length = strlen(closes);

	if (held == ws)
		held = NULL;
	snprintf(closes + length, sizeof(closes) - length, "%s%d",
		length ? "," : "", code);
}

static void
moved(struct sup_req *req, void *user)
{
	static const char large[LARGE_BYTES];

	if (!strcmp(move, "large"))
		sup_reply_state(req, large, sizeof(large));
	else
		sup_reply_state(req, move, strlen(move));
}

static void
heard(struct sup_req *req, void *user)
{
	char text[300];

	snprintf(text, sizeof(text), "[%s]", closes);
	sup_reply_value(req, 200, text, strlen(text));
}

/* ---- the rest ---- */

static void
go(struct sup_req *req, void *user)
{
	struct sup_ws *ws = opening ? sup_req_ws(opening) : NULL;

	if (ws) {
		sup_ok(opening);
		sup_ws_send(ws, SUP_WS_TEXT, "late", 4);
	}
	if (starting)
		sup_ok(starting);
	if (held)
		sup_ws_resume(held);
	opening = starting = NULL;
	held = NULL;
	sup_ok(req);
}

static void
start(struct sup_req *req, void *user)
{
	starting = req;
}

static void
stop(struct sup_req *req, void *user)
{
	stops++;
	sup_ok(req);
}

static void
stopped(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "%d", stops);
}

static void
take(struct sup_req *req, void *user)
{
	if (answers_text)
		sup_reply_text(req, 200, "7");
	else
		sup_ok(req);
}

static void
odd(struct sup_req *req, void *user)
{
	answers_text = true;
	sup_ok(req);
}

/* ---- other registrations ---- */

static int
offer_all(struct sup *p)
{
	return sup_service(p, "slow", start, stop, NULL) ||
	       sup_tool(p, "heard", NULL, NULL, heard, NULL) ||
	       sup_tool(p, "go", NULL, NULL, go, NULL) ||
	       sup_tool(p, "stopped", NULL, NULL, stopped, NULL);
}

static int
change(struct sup *p, void *user)
{
	const struct sup_hook_offer mistake = {
		.event = "a", .handler = stopped, .stop_on_error = true};
	const char *what = sup_req_arg_string(user, "what", "");

	if (!strcmp(what, "service"))
		return sup_service(p, "other", stop, stop, NULL);
	if (!strcmp(what, "withdraw"))
		return sup_withdraw(p, "http", "GET /ws websocket");
	if (!strcmp(what, "withdraw plain"))
		return sup_withdraw(p, "http", "GET /ws");
	if (!strcmp(what, "on_error"))
		return sup_register_hook(p, &mistake);
	if (!strcmp(what, "again"))
		return sup_withdraw(p, NULL, NULL) || offer_all(p);
	return sup_tool(p, what, NULL, NULL, stopped, NULL);
}

static void
offered(struct sup *p, const char *error, void *user)
{
	sup_reply_text(user, 200, "%s", error ? error : "fine");
}

static void
offer(struct sup_req *req, void *user)
{
	const char *what = sup_req_arg_string(req, "what", "");
	struct sup *p = sup_req_plugin(req);

	if (!strcmp(what, "late") && sup_withdraw(p, NULL, NULL))
		sup_reply_text(req, 200, "refused here");
	else if (sup_replace_offers(p, change, offered, req))
		sup_reply_text(req, 200, "refused here");
}

static int
init(struct sup *p)
{
	const struct sup_ws_offer ws = {.path = "/ws",
		.open = opened,
		.message = said,
		.close = closed,
		.move = moved};

	sup_on_quiesce(p, take, NULL);
	sup_on_take(p, take, NULL);
	if (sup_ws(p, &ws) || sup_tool(p, "odd", NULL, NULL, odd, NULL) ||
		sup_tool(p, "offer", NULL, NULL, offer, NULL))
		return SUP_FAILED_TO_START;
	return offer_all(p);
}

SUP_PLUGIN("lapses", "1.0.0", init)
