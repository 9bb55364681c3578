/* relay: a channel that does what tests/sdk/channels.py asks for, in C; the
 * same plugin stands in Python and Node beside it. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>

#define JOURNAL_BYTES ((size_t)64 * 1024)

static char journal[JOURNAL_BYTES]; /* JSON strings with ',' between */
static char starts[16] = "ok", stops[16] = "ok", sends[16] = "sent";
static struct sup_req *held; /* a start or stop that waits for `go` */

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
note(const char *format, ...)
{
	size_t length = strlen(journal);
	char line[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	snprintf(journal + length, sizeof(journal) - length, "%s\"%s\"",
		length ? "," : "", line);
}

/* ---- the channel ---- */

static void
answer_start(struct sup_req *req)
{
	if (!strcmp(starts, "fail"))
		sup_fail(req, SUP_FAILED, "the server refuses");
	else
		sup_ok(req);
}

static void
start(struct sup_req *req, void *user)
{
	size_t bytes;
	const char *cursor = sup_req_cursor(req, &bytes);

	note("start %d %.*s", (int)sup_req_epoch(req), cursor ? (int)bytes : 4,
		cursor ? cursor : "none");
	if (!strcmp(starts, "hold"))
		held = req;
	else
		answer_start(req);
}

static void
answer_stop(struct sup_req *req)
{
	if (!strcmp(stops, "cursor"))
		sup_reply_cursor(req, "mine", 4);
	else if (!strcmp(stops, "fail"))
		sup_fail(req, SUP_FAILED, "it does not stop");
	else
		sup_ok(req);
}

static void
stop(struct sup_req *req, void *user)
{
	note("stop");
	if (!strcmp(stops, "hold"))
		held = req;
	else
		answer_stop(req);
}

static void
answer_send(struct sup_req *req)
{
	if (!strcmp(sends, "value"))
		sup_sent_value(req, "{\"ids\":[\"p1\",\"p2\"],\"at\":7}");
	else if (!strcmp(sends, "not_sent"))
		sup_not_sent(req, "nobody is there");
	else if (!strcmp(sends, "retry"))
		sup_retry(req, 50);
	else if (!strcmp(sends, "fail"))
		sup_fail(req, SUP_FAILED, "who knows");
	else
		sup_sent(req, strcmp(sends, "nothing") ? "p1" : NULL);
}

static void
send(struct sup_req *req, void *user)
{
	note("send %s %s %s %s", sup_req_arg_string(req, "send_id", ""),
		sup_req_arg_string(req, "target.chat", ""),
		sup_req_arg_string(req, "target.thread", "-"),
		sup_req_arg_string(req, "content.text", ""));
	answer_send(req);
}

static void
find(struct sup_req *req, void *user)
{
	note("find %s %s %d", sup_req_arg_string(req, "send_id", ""),
		sup_req_arg_string(req, "target.chat", ""),
		(int)sup_req_arg_int(req, "since_ms", 0));
	answer_send(req);
}

static void
act(struct sup_req *req, void *user)
{
	note("act %s %s %s", sup_req_arg_string(req, "action", ""),
		sup_req_arg_string(req, "target.id", ""),
		sup_req_arg_string(req, "args.emoji", ""));
	answer_send(req);
}

static void
room(struct sup *p, const char *channel, void *user)
{
	note("room");
}

/* ---- what it receives ---- */

static void
acknowledge(struct sup *p, void *user)
{
	fprintf(stderr, "ack %s\n", (char *)user);
	note("ack %s", (char *)user);
}

static void
over(struct sup *p, enum sup_taken how, const char *why, void *user)
{
	static const char *const words[] = {"new", "seen", "refused", "none"};

	if (why)
		fprintf(stderr, "%s: %s\n", (char *)user, why);
	note("over %s %s", (char *)user, words[how]);
	free(user);
}

static int
give(struct sup *p, const char *id, const char *lane, const char *cursor,
	const char *more)
{
	char *own_id = strdup(id);
	const struct sup_message m = {
		.id = id,
		.lane = lane,
		.cursor = cursor,
		.cursor_bytes = cursor ? strlen(cursor) : 0,
		.at_ms = 5,
		.from_id = "ann",
		.from_name = "Ann",
		.from_verified = true,
		.chat_id = "room",
		.chat_type = SUP_CHAT_GROUP,
		.text = "Hello",
		.more_json = more,
		.acknowledge = acknowledge,
		.over = over,
		.user = own_id,
	};
	int left = sup_channel_receive(p, "relay", &m);

	if (left < 0) {
		fprintf(stderr, "%s: %s\n", id, sup_json_error(p));
		note("over %s none", id);
		free(own_id);
	}
	return left;
}

static void
receive(struct sup_req *req, void *user)
{
	give(sup_req_plugin(req), sup_req_arg_string(req, "id", ""),
		sup_req_arg_string(req, "lane", "lane"),
		sup_req_arg_string(req, "cursor", NULL),
		sup_req_arg_string(req, "more", NULL));
	sup_ok(req);
}

/* As many as are taken, each in a lane of its own; how many. */
static void
flood(struct sup_req *req, void *user)
{
	char id[32];
	int left = 1, count = 0;

	while (left > 0) {
		snprintf(id, sizeof(id), "m%d", count);
		left = give(sup_req_plugin(req), id, id, NULL, NULL);
		count += left >= 0;
	}
	sup_reply_json(req, 200, "%d", count);
}

/* ---- the rest ---- */

static void
set_one(struct sup_req *req, const char *name, char mode[16])
{
	const char *value = sup_req_arg_string(req, name, NULL);

	if (value)
		snprintf(mode, 16, "%s", value);
}

static void
set(struct sup_req *req, void *user)
{
	set_one(req, "start", starts);
	set_one(req, "stop", stops);
	set_one(req, "send", sends);
	sup_ok(req);
}

static void
go(struct sup_req *req, void *user)
{
	struct sup_req *waited = held;
	bool is_start = waited && sup_req_epoch(waited);

	held = NULL;
	if (is_start)
		answer_start(waited);
	else if (waited)
		answer_stop(waited);
	sup_ok(req);
}

static void
read_journal(struct sup_req *req, void *user)
{
	char text[JOURNAL_BYTES + 2];
	int length = snprintf(text, sizeof(text), "[%s]", journal);

	journal[0] = '\0';
	sup_reply_value(req, 200, text, (size_t)length);
}

static void
status(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);

	sup_channel_status(p, "relay", SUP_CHANNEL_CONNECTING, "to %s", "it");
	sup_channel_status(p, "relay", SUP_CHANNEL_UP, "%s", "");
	sup_channel_status(p, "relay", SUP_CHANNEL_WAITING, "5 s");
	sup_channel_status(p, "relay", SUP_CHANNEL_DOWN, "%s", "");
	sup_channel_status(p, "relay", SUP_CHANNEL_LOGIN, "code?");
	sup_channel_status(p, "relay", SUP_CHANNEL_FAILED, "banned");
	sup_ok(req);
}

static void
sent(struct sup *p, const char *error, const char *result, void *user)
{
	if (error)
		sup_fail(user, SUP_FAILED, "%s", error);
	else
		sup_reply_value(user, 200, result, strlen(result));
}

static void
send_out(struct sup_req *req, void *user)
{
	const struct sup_outgoing m = {.chat = "c1",
		.thread = "t1",
		.reply_to = "r1",
		.text = "Hello",
		.key = "k1"};

	sup_send(sup_req_plugin(req), "other", &m, 300, sent, req);
}

static void
act_out(struct sup_req *req, void *user)
{
	static const struct sup_action actions[] = {
		{.action = "edit", .chat = "c1", .id = "m1", .text = "New"},
		{.action = "react", .chat = "c1", .id = "m1", .text = "+"},
		{.action = "delete", .chat = "c1", .thread = "t1", .id = "m1"},
		{.action = "typing", .chat = "c1"}};
	const char *name = sup_req_arg_string(req, "action", "");

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (!strcmp(actions[i].action, name))
			sup_act(sup_req_plugin(req), "other", &actions[i], 300,
				sent, req);
}

static int
change(struct sup *p, void *user)
{
	return sup_tool(p, "another", NULL, NULL, go, NULL);
}

static void
offered(struct sup *p, const char *error, void *user)
{
	sup_reply_text(user, 200, "%s", error ? error : "fine");
}

static void
offer(struct sup_req *req, void *user)
{
	sup_replace_offers(sup_req_plugin(req), change, offered, req);
}

static const struct sup_channel_offer relay = {.name = "relay",
	.can = "text,react find",
	.ack_handled = true,
	.announce = true,
	.text_limit = 400,
	.start = start,
	.stop = stop,
	.send = send,
	.find = find,
	.act = act,
	.room = room};

/* Of what cannot be; how many are refused. */
static int
register_wrongly(struct sup *p)
{
	struct sup_channel_offer mistakes[] = {relay, relay, relay, relay};
	int refused = 0;

	mistakes[0].stop = NULL;
	mistakes[1].find = NULL;
	mistakes[2].act = NULL;
	mistakes[3].can = "text";
	for (int i = 0; i < 4; i++)
		refused += sup_channel(p, &mistakes[i]) < 0;
	return refused;
}

static int
init(struct sup *p)
{
	if (register_wrongly(p) != 4)
		return SUP_FAILED_TO_START;
	return sup_channel(p, &relay) ||
	       sup_tool(p, "receive", NULL, NULL, receive, NULL) ||
	       sup_tool(p, "flood", NULL, NULL, flood, NULL) ||
	       sup_tool(p, "set", NULL, NULL, set, NULL) ||
	       sup_tool(p, "go", NULL, NULL, go, NULL) ||
	       sup_tool(p, "journal", NULL, NULL, read_journal, NULL) ||
	       sup_tool(p, "status", NULL, NULL, status, NULL) ||
	       sup_tool(p, "send", NULL, NULL, send_out, NULL) ||
	       sup_tool(p, "act", NULL, NULL, act_out, NULL) ||
	       sup_tool(p, "offer", NULL, NULL, offer, NULL);
}

SUP_PLUGIN("relay", "1.0.0", init)
