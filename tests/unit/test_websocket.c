/* websocket: frames of a client of our own, right and wrong, against an owner
 * that echoes every message. */
#include <criterion/criterion.h>

#include <unistd.h>

#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/websocket.h"
#include "supervisor/http/websocket_handshake.h"
#include "tests/unit/frames.h"
#include "tests/unit/http_door.h"

#define MESSAGE_MAX 70000
#define QUEUE_MAX 100000
#define ASK                                                                    \
	"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"                \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                 \
	"Sec-WebSocket-Key: " FRAMES_KEY "\r\n"

static int client;
static struct buffer input; /* of the client, not yet described */

/* The owner. */
static struct {
	struct websocket *socket; /* NULL: none, or it ended */
	unsigned pieces, rooms, closes, stops;
	int code;
	char reason[128];
	struct buffer message;
	bool in_pieces, takes_stop, pauses;
} owner;

static void
on_piece(struct websocket *w, enum websocket_opcode opcode, struct bytes piece,
	bool more)
{
	cr_assert_eq(w, owner.socket);
	cr_assert_leq(piece.length, WEBSOCKET_PIECE_MAX);
	owner.pieces++;
	if (owner.pauses)
		websocket_pause(w);
	if (owner.in_pieces) {
		websocket_send(w, opcode, piece, more);
		return;
	}
	buffer_append(&owner.message, piece.at, piece.length);
	if (more)
		return;
	websocket_send(w, opcode,
		(struct bytes){(char *)buffer_bytes(&owner.message),
			buffer_length(&owner.message)},
		false);
	buffer_clear(&owner.message);
}

static void
on_room(struct websocket *w)
{
	owner.rooms++;
}

static void
on_closed(struct websocket *w, int code, struct bytes reason)
{
	owner.closes++;
	owner.code = code;
	snprintf(owner.reason, sizeof(owner.reason), "%.*s", (int)reason.length,
		reason.at);
	owner.socket = NULL;
	buffer_clear(&owner.message);
}

static void
on_stop(struct websocket *w)
{
	owner.stops++;
	websocket_send(w, WEBSOCKET_TEXT, BYTES("last"), false);
	websocket_close(w, WEBSOCKET_GOING_AWAY, BYTES("gone"));
	owner.socket = NULL;
}

static const struct websocket_ops ops = {
	.on_piece = on_piece, .on_room = on_room, .on_closed = on_closed};
static const struct websocket_ops stoppable = {
	.on_piece = on_piece, .on_closed = on_closed, .on_stop = on_stop};

static void
begin(struct exchange *x, const struct head *h, const struct path *path)
{
	struct websocket_handshake handshake;
	struct websocket_refusal refusal = websocket_needed;
	struct text_items offered;
	struct websocket_terms terms = {
		.ops = owner.takes_stop ? &stoppable : &ops,
		.message_max = MESSAGE_MAX,
		.queue_max = QUEUE_MAX};

	if (!websocket_is_asked(h) ||
		websocket_handshake_read(&handshake, h, &refusal)) {
		exchange_refuse(
			x, refusal.status, refusal.fields, refusal.reason);
		return;
	}
	websocket_offered(h, &offered);
	if (offered.count)
		terms.protocol = offered.items[offered.count - 1];
	terms.fields = "X-Extra: 1\r\n";
	owner.socket = websocket_accept(x, &handshake, &terms);
}

static bool
is_vital(struct http_server *s, const struct head *h, const struct path *path)
{
	return false;
}

static const struct own_paths paths = {.is_vital = is_vital, .begin = begin};

static void
open_door(void)
{
	memset(&owner, 0, sizeof(owner));
	input = (struct buffer){0};
	door_open();
	door.server->own_paths = &paths;
	client = door_client();
}

static void
shut_door(void)
{
	if (client >= 0)
		close(client);
	door_close();
	buffer_finish(&input);
	buffer_finish(&owner.message);
}

TestSuite(websocket, .init = open_door, .fini = shut_door, .timeout = 20);

/* Reads what has come; true: the end, too. */
static bool
receive(void)
{
	ssize_t n;

	do {
		n = recv(client, buffer_reserve(&input, 65536), 65536, 0);
		if (n > 0)
			buffer_commit(&input, (size_t)n);
		door_turn();
	} while (n > 0);
	return n == 0;
}

/* Takes the head of a 101 off the input. */
static void
take_head(void)
{
	uint8_t *end;

	receive();
	end = memmem(
		buffer_bytes(&input), buffer_length(&input), "\r\n\r\n", 4);
	cr_assert(end);
	cr_assert(!memcmp(buffer_bytes(&input), "HTTP/1.1 101 ", 13));
	buffer_consume(&input, (size_t)(end - buffer_bytes(&input)) + 4);
	cr_assert(owner.socket);
}

static void
join(void)
{
	door_send(client, ASK "\r\n");
	door_turn();
	take_head();
}

static void
send_frames(const char *notation)
{
	struct buffer out = {0};

	frames_write(&out, notation);
	door_send_bytes(client, buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
	door_turn();
}

/* Expects these frames, then the end if the text ends in " EOF". */
static void
expect(const char *what, const char *wanted)
{
	struct buffer text = {0};
	bool ended = receive();

	frames_describe(&text, &input);
	if (ended)
		buffer_append_text(&text, " EOF");
	buffer_append_byte(&text, '\0');
	cr_expect(!strcmp((char *)buffer_bytes(&text), wanted),
		"after %s\ngot    %s\nwanted %s", what,
		(char *)buffer_bytes(&text), wanted);
	buffer_finish(&text);
}

/* ---- the handshake ---- */

Test(websocket, the_answer_of_the_standard)
{
	char *text = door_ask(client, ASK "\r\n", NULL);

	cr_expect(!strncmp(text, "HTTP/1.1 101 Switching Protocols\r\n", 34),
		"%s", text);
	cr_expect(strstr(text, "\r\nUpgrade: websocket\r\n"), "%s", text);
	cr_expect(strstr(text, "\r\nConnection: Upgrade\r\n"), "%s", text);
	cr_expect(
		strstr(text, "\r\nSec-WebSocket-Accept: " FRAMES_ACCEPT "\r\n"),
		"%s", text);
	cr_expect(strstr(text, "\r\nX-Extra: 1\r\n"), "%s", text);
	cr_expect(strstr(text, "\r\nX-Request-Id: "), "%s", text);
	cr_expect_null(strstr(text, "Content-Length"), "%s", text);
	cr_expect_null(strstr(text, "Sec-WebSocket-Protocol"), "%s", text);
	free(text);
}

Test(websocket, no_extension_is_negotiated_and_the_owner_selects_a_subprotocol)
{
	char *text = door_ask(client,
		ASK "Sec-WebSocket-Extensions: permessage-deflate\r\n"
		    "Sec-WebSocket-Protocol: one, two\r\n"
		    "Sec-WebSocket-Protocol: three\r\n\r\n",
		NULL);

	cr_expect(strstr(text, "\r\nSec-WebSocket-Protocol: three\r\n"), "%s",
		text);
	cr_expect_null(strstr(text, "Extensions"), "%s", text);
	free(text);
}

#define HEAD "GET /ws HTTP/1.1\r\nHost: x\r\n"
#define UP "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: " FRAMES_KEY "\r\n"

Test(websocket, requests_that_are_wrong_are_refused)
{
	static const struct {
		const char *ask;
		const char *status;
	} cases[] = {
		{HEAD, "426"},
		{HEAD CONNECTION VERSION KEY, "426"},
		{HEAD "Upgrade: h2c\r\n" CONNECTION VERSION KEY, "426"},
		{HEAD UP CONNECTION KEY, "426"},
		{HEAD UP CONNECTION KEY "Sec-WebSocket-Version: 8\r\n", "426"},
		{HEAD UP CONNECTION KEY VERSION VERSION, "426"},
		{HEAD UP CONNECTION KEY "Sec-WebSocket-Version: 130\r\n",
			"426"},
		{HEAD UP VERSION KEY, "400"},
		{HEAD UP "Connection: upgrade, close\r\n" VERSION KEY, "400"},
		{HEAD UP CONNECTION VERSION, "400"},
		{HEAD UP CONNECTION VERSION KEY KEY, "400"},
		{HEAD UP CONNECTION VERSION "Sec-WebSocket-Key: short\r\n",
			"400"},
		{HEAD UP CONNECTION VERSION
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n",
			"400"},
		{HEAD UP CONNECTION VERSION
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n",
			"400"},
		{HEAD UP CONNECTION VERSION
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j*Q==\r\n",
			"400"},
		{HEAD UP CONNECTION VERSION KEY
			"Sec-WebSocket-Protocol: a, a\r\n",
			"400"},
		{HEAD UP CONNECTION VERSION KEY
			"Sec-WebSocket-Protocol: a b\r\n",
			"400"},
		{HEAD UP CONNECTION VERSION KEY
			"Sec-WebSocket-Protocol: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,"
			"p,q\r\n",
			"400"},
		{HEAD UP CONNECTION VERSION KEY "Content-Length: 5\r\n", "400"},
		{"GET /ws HTTP/1.0\r\nHost: x\r\n" UP CONNECTION VERSION KEY,
			"400"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int other = door_client();
		char *ask = NULL, *text;

		cr_assert(asprintf(&ask, "%s\r\n", cases[i].ask) > 0);
		text = door_ask(other, ask, NULL);
		cr_expect(strlen(text) > 12 &&
				  !strncmp(text + 9, cases[i].status, 3),
			"asked %s\ngot %s", ask, text);
		if (!strcmp(cases[i].status, "426"))
			cr_expect(strstr(text, "\r\nUpgrade: websocket\r\n"
					       "Connection: Upgrade\r\n"
					       "Sec-WebSocket-Version: "
					       "13\r\n"),
				"%s", text);
		free(text);
		free(ask);
		close(other);
		door_turn();
	}
	cr_expect_null(owner.socket);
}

Test(websocket, what_is_wrong_with_subprotocols_is_said)
{
	static const struct {
		const char *offered, *reason;
	} cases[] = {
		{"a, b, a", "lists a subprotocol twice"},
		{"a\r\nSec-WebSocket-Protocol: a", "lists a subprotocol twice"},
		{"a, b c", "lists something that is not a token"},
		{"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
			"lists more than 16 subprotocols"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int other = door_client();
		char *ask = NULL, *text;

		cr_assert(
			asprintf(&ask, ASK "Sec-WebSocket-Protocol: %s\r\n\r\n",
				cases[i].offered) > 0);
		text = door_ask(other, ask, NULL);
		cr_expect(strstr(text, cases[i].reason), "asked %s\ngot %s",
			ask, text);
		free(text);
		free(ask);
		close(other);
		door_turn();
	}
}

Test(websocket, what_follows_the_request_at_once_is_not_lost)
{
	struct buffer out = {0};

	buffer_append_text(&out, ASK "\r\n");
	frames_write(&out, "81:early 89:p");
	door_send_bytes(client, buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
	door_turn();
	take_head();
	expect("frames behind the request", "T(early) pong(p)");
}

/* ---- frames ---- */

static const struct {
	const char *send, *wanted;
} cases[] = {
	/* messages */
	{"81:", "T()"},
	{"81:hello", "T(hello)"},
	{"81*125", "T[125]"},
	{"81*126", "T[126]"},
	{"81*65535", "T[65535]"},
	{"81*65536", "T[65536]"},
	{"82:%00%ff%80", "B(%00%ff%80)"},
	/* fragments, with control frames between them */
	{"01:fra 80:gment", "T(fragment)"},
	{"01: 00: 80:end", "T(end)"},
	{"01:a 89:x 00:b 8a: 80:c", "pong(x) T(abc)"},
	{"02:a 80:", "B(a)"},
	{"81:one 82:two 81:three", "T(one) B(two) T(three)"},
	/* pings */
	{"89:", "pong()"},
	{"89:payload", "pong(payload)"},
	{"89*125", "pong[125]"},
	{"8a:unasked", ""},
	/* text is UTF-8, also over fragments */
	{"81:%ce%ba%e1%bd%b9", "T(%ce%ba%e1%bd%b9)"},
	{"01:%ce 80:%ba", "T(%ce%ba)"},
	{"01:%f0%9f 00:%92 80:%a9", "T(%f0%9f%92%a9)"},
	{"82:%ce", "B(%ce)"},
	{"81:%ce", "close(1007 the text is not UTF-8) EOF"},
	{"01:%ce 80:a", "close(1007 the text is not UTF-8) EOF"},
	{"01:%ce 80:", "close(1007 the text is not UTF-8) EOF"},
	{"81:%c0%80", "close(1007 the text is not UTF-8) EOF"},
	{"81:%ed%a0%80", "close(1007 the text is not UTF-8) EOF"},
	{"01:%f4%90", "close(1007 the text is not UTF-8) EOF"},
	{"81:%ff", "close(1007 the text is not UTF-8) EOF"},
	/* closes */
	{"88:", "close() EOF"},
	{"88:%03%e8", "close(1000) EOF"},
	{"88:%03%e8bye", "close(1000 bye) EOF"},
	{"88:%03%f3", "close(1011) EOF"},
	{"88:%0b%b8", "close(3000) EOF"},
	{"88:%13%87", "close(4999) EOF"},
	{"88:%03", "close(1002 the close has a bad code) EOF"},
	{"88:%00%00", "close(1002 the close has a bad code) EOF"},
	{"88:%03%e7", "close(1002 the close has a bad code) EOF"},
	{"88:%03%ec", "close(1002 the close has a bad code) EOF"},
	{"88:%03%ed", "close(1002 the close has a bad code) EOF"},
	{"88:%03%ee", "close(1002 the close has a bad code) EOF"},
	{"88:%03%f7", "close(1002 the close has a bad code) EOF"},
	{"88:%04%4c", "close(1002 the close has a bad code) EOF"},
	{"88:%07%d0", "close(1002 the close has a bad code) EOF"},
	{"88:%13%88", "close(1002 the close has a bad code) EOF"},
	{"88:%ff%ff", "close(1002 the close has a bad code) EOF"},
	{"88:%03%e8%ff", "close(1007 the reason is not UTF-8) EOF"},
	{"81:a 88:%03%e8 81:b", "T(a) close(1000) EOF"},
	/* what a frame must not be */
	{"81u:hello", "close(1002 a frame of a client must be masked) EOF"},
	{"89u:", "close(1002 a frame of a client must be masked) EOF"},
	{"c1:a", "close(1002 a reserved bit is set; no extension was "
		 "negotiated) EOF"},
	{"a1:a", "close(1002 a reserved bit is set; no extension was "
		 "negotiated) EOF"},
	{"91:a", "close(1002 a reserved bit is set; no extension was "
		 "negotiated) EOF"},
	{"c9:", "close(1002 a reserved bit is set; no extension was "
		"negotiated) EOF"},
	{"83:a", "close(1002 the opcode is not known) EOF"},
	{"87:", "close(1002 the opcode is not known) EOF"},
	{"8b:", "close(1002 the opcode is not known) EOF"},
	{"8f:a", "close(1002 the opcode is not known) EOF"},
	{"80:a", "close(1002 there is no message to continue) EOF"},
	{"00:a", "close(1002 there is no message to continue) EOF"},
	{"81:a 80:b", "T(a) close(1002 there is no message to continue) EOF"},
	{"01:a 81:b", "close(1002 the message before is not complete) EOF"},
	{"01:a 02:b", "close(1002 the message before is not complete) EOF"},
	{"09:", "close(1002 the frame is malformed) EOF"},
	{"08:%03%e8", "close(1002 the frame is malformed) EOF"},
	{"89*126", "close(1002 the frame is malformed) EOF"},
	/* lengths: not the shortest form; the highest bit; too large */
	{"=81fe0005000000000102030405", "close(1002 the frame is malformed) "
					"EOF"},
	{"=81ff00000000000000050000000000", "close(1002 the frame is "
					    "malformed) EOF"},
	{"=82ffffffffffffffffff0000000000", "close(1002 the frame is "
					    "malformed) EOF"},
	{"=82ff7fffffffffffffff0000000000", "close(1009 the message is too "
					    "large) EOF"},
	{"82+70001:a", "close(1009 the message is too large) EOF"},
	{"02*69999 00:b 80:c", "close(1009 the message is too large) EOF"},
};

/* "%00" in what is wanted is a byte. */
static void
expect_case(const char *send, const char *wanted)
{
	struct buffer bytes = {0};

	for (const char *at = wanted; *at; at++) {
		char digits[3] = {0};

		if (*at != '%') {
			buffer_append_byte(&bytes, (uint8_t)*at);
			continue;
		}
		memcpy(digits, at + 1, 2);
		buffer_append_byte(&bytes, (uint8_t)strtoul(digits, NULL, 16));
		at += 2;
	}
	buffer_append_byte(&bytes, '\0');
	expect(send, (char *)buffer_bytes(&bytes));
	buffer_finish(&bytes);
}

static void
run_case(size_t i, bool by_bytes)
{
	struct buffer out = {0};

	client = door_client();
	join();
	frames_write(&out, cases[i].send);
	for (size_t at = 0; at < buffer_length(&out);) {
		size_t step = by_bytes ? 1 : buffer_length(&out);

		door_send_bytes(client, buffer_bytes(&out) + at, step);
		door_turn();
		at += step;
	}
	expect_case(cases[i].send, cases[i].wanted);
	close(client);
	client = -1;
	door_turn();
	cr_expect_null(owner.socket);
	buffer_clear(&input);
	buffer_finish(&out);
}

Test(websocket, frames_right_and_wrong)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run_case(i, false);
	cr_expect_eq(owner.closes, sizeof(cases) / sizeof(*cases));
}

Test(websocket, frames_byte_by_byte)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (!strchr(cases[i].send, '*'))
			run_case(i, true);
}

Test(websocket, pieces_are_passed_on_as_they_come)
{
	owner.in_pieces = true;
	join();
	send_frames("01:a");
	expect("a first part", "T+(a)");
	send_frames("89:x 00: 00:b");
	expect("a second one", "pong(x) C+(b)");
	send_frames("80:");
	expect("the end", "C()");
	send_frames("82+9000*5000");
	expect("half a frame", "B+[4088] C+[912]");
	send_frames("82:x");
}

/* ---- a client that does not read ---- */

static const char kilobyte[1000];

static void
send_kilobytes(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		websocket_send(owner.socket, WEBSOCKET_BINARY,
			(struct bytes){kilobyte, sizeof(kilobyte)}, false);
		if (i % 50 == 0)
			door_turn();
	}
	door_turn();
}

/* Sends until the queue is full, and returns how much that took. */
static unsigned
fill(void)
{
	unsigned count = 0;

	while (websocket_has_room(owner.socket)) {
		send_kilobytes(1);
		cr_assert_lt(++count, 10000);
	}
	return count;
}

Test(websocket, what_is_not_read_is_bounded_and_room_is_reported)
{
	unsigned count;

	join();
	count = fill();
	cr_expect_lt(websocket_queued(owner.socket), QUEUE_MAX + 2000);
	door_turn();
	cr_expect_eq(owner.rooms, 0);
	receive();
	door_turn();
	receive();
	cr_expect_eq(owner.rooms, 1);
	cr_expect_eq(websocket_queued(owner.socket), 0);
	cr_expect_eq(buffer_length(&input), count * 1004);
}

Test(websocket, pings_of_a_client_that_does_not_read_are_owed_one_answer)
{
	size_t queued;

	join();
	fill();
	queued = websocket_queued(owner.socket);
	for (int i = 0; i < 100; i++)
		send_frames("89:1 89:2 89:3");
	cr_expect_lt(websocket_queued(owner.socket), queued + 200);
	receive();
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"\x8a\x01"
		"3",
		3));
	cr_expect_null(memmem(buffer_bytes(&input), buffer_length(&input),
		"\x8a\x01"
		"2",
		3));
}

Test(websocket, cut_discards_the_queue_and_says_why)
{
	unsigned count;
	static char last[] = "\x88\x06\x03\xf5"
			     "slow";

	join();
	count = fill();
	websocket_cut(owner.socket, WEBSOCKET_BUSY, BYTES("slow"));
	door_turn();
	receive();
	cr_expect_lt(buffer_length(&input), count * 1004);
	cr_expect(!memcmp(
		buffer_bytes(&input) + buffer_length(&input) - 8, last, 8));
	send_frames("88:%03%f5");
	cr_expect(receive());
	cr_expect_eq(owner.closes, 0, "the owner closed it by itself");
}

Test(websocket, a_client_that_takes_nothing_is_cut_at_write_timeout)
{
	join();
	fill();
	door_pass_ms(30000);
	cr_expect_eq(door.server->connection_count, 0);
	cr_expect_eq(owner.closes, 1);
	cr_expect_eq(owner.code, WEBSOCKET_LOST);
}

/* ---- pauses and turns ---- */

Test(websocket, a_paused_client_is_not_read)
{
	join();
	owner.pauses = true;
	send_frames("81:one 81:two 89: 81:three");
	cr_expect_eq(owner.pieces, 1);
	send_frames("81:four");
	cr_expect_eq(owner.pieces, 1);
	expect("a pause", "T(one)");
	for (int i = 0; i < 3; i++) {
		websocket_resume(owner.socket);
		door_turn();
	}
	cr_expect_eq(owner.pieces, 4);
	expect("three resumes", "T(two) pong() T(three) T(four)");
}

Test(websocket, that_a_paused_client_left_is_noticed)
{
	join();
	websocket_pause(owner.socket);
	door_turn();
	close(client);
	client = -1;
	door_pass_ms(1000);
	cr_expect_eq(owner.closes, 1);
	cr_expect_eq(owner.code, WEBSOCKET_LOST);
}

Test(websocket, a_turn_reads_a_bounded_number_of_frames)
{
	struct buffer out = {0};
	unsigned before;

	join();
	for (int i = 0; i < 1000; i++)
		frames_write(&out, "81:");
	cr_assert_eq(send(client, buffer_bytes(&out), buffer_length(&out), 0),
		(ssize_t)buffer_length(&out));
	buffer_finish(&out);
	while (owner.pieces < 1000) {
		before = owner.pieces;
		ev_run(door.gateway.loop, EVRUN_NOWAIT);
		cr_expect_leq(owner.pieces - before, 2 * WEBSOCKET_PIECES_MAX);
	}
}

/* ---- time ---- */

Test(websocket, a_quiet_client_stays_if_it_answers_pings)
{
	join();
	for (int i = 0; i < 10; i++) {
		door_pass_ms(WEBSOCKET_PING_MS);
		expect("half a minute", "ping()");
		send_frames("8a:");
	}
	cr_expect_eq(owner.closes, 0);
}

Test(websocket, three_pings_without_an_answer_end_it)
{
	join();
	for (int i = 0; i < WEBSOCKET_UNANSWERED_MAX; i++) {
		door_pass_ms(WEBSOCKET_PING_MS);
		expect("half a minute", "ping()");
	}
	cr_expect_eq(owner.closes, 0);
	door_pass_ms(WEBSOCKET_PING_MS);
	cr_expect_eq(owner.code, WEBSOCKET_LOST);
	expect("the end", " EOF");
}

/* ---- the end ---- */

Test(websocket, the_owner_closes_and_the_client_answers)
{
	join();
	websocket_send(owner.socket, WEBSOCKET_TEXT, BYTES("bye"), false);
	websocket_close(owner.socket, 4000, BYTES("enough"));
	door_turn();
	send_frames("81:late");
	expect("a close", "T(bye) close(4000 enough)");
	send_frames("88:%0f%a0");
	expect("the answer to it", " EOF");
	cr_expect_eq(owner.pieces, 0);
	cr_expect_eq(owner.closes, 0);
}

Test(websocket, a_close_without_an_answer_ends_in_time)
{
	join();
	websocket_close(owner.socket, WEBSOCKET_NORMAL, BYTES(""));
	door_turn();
	expect("a close", "close(1000)");
	door_pass_ms(WEBSOCKET_CLOSE_MS);
	expect("the time for an answer", " EOF");
}

Test(websocket, a_long_reason_is_cut_between_characters)
{
	char reason[201];

	memset(reason, 'r', 200);
	memcpy(reason + 122, "\xce\xba", 2);
	join();
	websocket_close(
		owner.socket, WEBSOCKET_NORMAL, (struct bytes){reason, 200});
	door_turn();
	receive();
	cr_expect_eq(buffer_bytes(&input)[1], 2 + 122);
}

Test(websocket, a_client_that_leaves_is_lost)
{
	join();
	send_frames("01:half");
	close(client);
	client = -1;
	door_turn();
	cr_expect_eq(owner.closes, 1);
	cr_expect_eq(owner.code, WEBSOCKET_LOST);
	cr_expect_eq(door.server->connection_count, 0);
}

Test(websocket, a_stop_closes_with_1001)
{
	join();
	http_server_drain(door.server, NULL, NULL);
	door_turn();
	expect("a stop", "close(1001 supd stops)");
	cr_expect_eq(owner.code, WEBSOCKET_GOING_AWAY);
	send_frames("88:%03%e9");
	expect("the answer to it", " EOF");
	close(client);
	client = -1;
	door_turn();
	cr_expect_eq(door.server->connection_count, 0);
}

Test(websocket, an_owner_may_take_its_time_at_a_stop)
{
	owner.takes_stop = true;
	join();
	http_server_drain(door.server, NULL, NULL);
	door_turn();
	cr_expect_eq(owner.stops, 1);
	expect("a stop", "T(last) close(1001 gone)");
}

/* What is left of it waits for the client, not for the next turn. */
Test(websocket, one_that_ended_does_not_keep_the_loop_busy)
{
	owner.pauses = true;
	join();
	send_frames("81:a 81u:b");
	websocket_resume(owner.socket);
	websocket_pause(owner.socket);
	websocket_resume(owner.socket);
	door_turn();
	cr_expect_eq(owner.code, WEBSOCKET_PROTOCOL_ERROR);
	cr_expect(list_is_empty(&door.server->dirty));
}

/* ---- many ---- */

Test(websocket, a_frame_is_shared_by_all_that_wait_for_it)
{
	struct websocket_frame *f =
		websocket_frame_create(WEBSOCKET_TEXT, BYTES("news"));
	int others[3];

	for (int i = 0; i < 3; i++) {
		close(client);
		client = others[i] = door_client();
		join();
		websocket_send_frame(owner.socket, f);
		cr_expect_geq(websocket_queued(owner.socket), 6);
		client = dup(client);
	}
	websocket_frame_unref(f);
	door_turn();
	for (int i = 0; i < 3; i++) {
		close(client);
		client = others[i];
		expect("news", "T(news)");
	}
}
