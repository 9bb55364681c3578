/* http connections: what a client sends and gets, over a socket pair, with a
 * gateway that answers when the test says so. */
#include <criterion/criterion.h>

#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "tests/unit/http_door.h"

#include <unistd.h>

#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"

static int client;

static void
open_door(void)
{
	door_open();
	client = door_client();
}

static void
shut_door(void)
{
	if (client >= 0)
		close(client);
	door_close();
}

TestSuite(http, .init = open_door, .fini = shut_door, .timeout = 20);

/* Asks and expects what the answer begins with, ends with and whether the
 * connection was closed. */
static void
expect_answer(const char *ask, const char *begin, const char *end, bool closed)
{
	bool eof;
	char *text = door_ask(client, ask, &eof);
	size_t length = strlen(text), tail = strlen(end);

	cr_expect(!strncmp(text, begin, strlen(begin)), "asked %s\ngot %s", ask,
		text);
	cr_expect(length >= tail && !strcmp(text + length - tail, end),
		"asked %s\ngot %s", ask, text);
	cr_expect_eq(eof, closed, "asked %s\ngot %s", ask, text);
	free(text);
}

static unsigned
count_answers(const char *text)
{
	unsigned count = 0;

	for (const char *c = text; (c = strstr(c, "HTTP/1.1 ")); c++)
		count++;
	return count;
}

Test(http, a_request_reaches_the_worker_and_its_answer_the_client)
{
	const msgpack_object *params;
	char *text;

	door_send(client, "GET /p/a%20b?q=1&r HTTP/1.1\r\nHost: x\r\n"
			  "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
			  "TE: trailers\r\nUPPER-Case:  v  \r\nEmpty:\r\n\r\n");
	door_turn();
	cr_assert_eq(door.count, 1);
	params = door_params(0);
	cr_expect_eq(params[0].via.u64, 3);
	cr_expect(bytes_equal(codec_bytes(&params[1]), BYTES("GET")));
	cr_expect(bytes_equal(codec_bytes(&params[2]), BYTES("/p/a%20b")));
	cr_expect(bytes_equal(
		codec_bytes(codec_field(&params[3], "id")), BYTES("a b")));
	cr_expect(bytes_equal(codec_bytes(&params[4]), BYTES("q=1&r")));
	cr_expect_eq(params[5].via.array.size, 6);
	cr_expect_eq(codec_bytes(&params[6]).length, 0);
	cr_expect_not(params[7].via.boolean);
	cr_expect(
		bytes_equal(codec_bytes(&params[8]), BYTES("192.0.2.1:4242")));
	cr_expect_eq(params[9].via.u64, 4242);
	cr_expect_str_eq(door_field(0, "upper-case"), "v");
	cr_expect_str_eq(door_field(0, "host"), "x");
	cr_expect_eq(strlen(door_field(0, "x-request-id")), 21);
	cr_expect_str_eq(door_field(0, "x-hop"), "");
	cr_expect(door.requests[0].request->replayable);

	door_answer(0, 200,
		"Content-Type: text/plain\nConnection: X-Y\nX-Y: 1\n"
		"Keep-Alive: 3\nTransfer-Encoding: chunked\n",
		"hi", false);
	text = door_read(client, NULL);
	cr_expect(!strncmp(text,
			  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			  "Content-Length: 2\r\nDate: ",
			  68),
		"%s", text);
	cr_expect(strstr(text, "\r\n\r\nhi"), "%s", text);
	cr_expect_null(strstr(text, "X-Y"), "%s", text);
	cr_expect_null(strstr(text, "Connection"), "%s", text);
	free(text);
	expect_answer("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\n", "ok\n", false);
}

Test(http, a_request_id_is_kept)
{
	char *text;

	door_send(client, "GET / HTTP/1.1\r\nHost: x\r\n"
			  "X-Request-Id: abc-1\r\n\r\n");
	door_turn();
	cr_expect_str_eq(door_field(0, "x-request-id"), "abc-1");
	door_answer(0, 204, "", "", false);
	text = door_read(client, NULL);
	cr_expect(strstr(text, "X-Request-Id: abc-1\r\n"), "%s", text);
	free(text);
}

Test(http, pipelined_requests_are_answered_one_after_the_other)
{
	char *text, *a, *b, *c;

	text = door_ask(client,
		HELLO HELLO "GET /livez HTTP/1.1\r\n"
			    "Host: x\r\n\r\n",
		NULL);
	cr_expect_str_eq(text, "");
	free(text);
	cr_assert_eq(door.count, 1);
	door_answer(0, 200, "", "first", false);
	cr_assert_eq(door.count, 2);
	door_answer(1, 200, "", "second", false);
	text = door_read(client, NULL);
	a = strstr(text, "first");
	b = strstr(text, "second");
	c = strstr(text, "ok\n");
	cr_expect(a && b && c && a < b && b < c, "%s", text);
	cr_expect_eq(count_answers(text), 3);
	free(text);
}

Test(http, of_many_pipelined_requests_none_is_lost)
{
	unsigned answers = 0;

	for (int i = 0; i < 40; i++)
		door_send(client, HELLO);
	door_turn();
	for (unsigned i = 0; i < 40; i++) {
		char *text;

		cr_assert_eq(door.count, i + 1);
		door_answer(i, 200, "", "x", false);
		text = door_read(client, NULL);
		answers += count_answers(text);
		free(text);
	}
	cr_expect_eq(answers, 40);
}

/* While an answer is awaited nothing is owed by the client. */
Test(http, what_follows_in_a_pipeline_has_no_timeout_before_its_turn)
{
	char *text;

	door_send(client, HELLO "GET /hel");
	door_turn();
	door_pass_ms(20000);
	door_answer(0, 200, "", "first", false);
	door_send(client, "lo HTTP/1.1\r\nHost: x\r\n\r\n");
	door_turn();
	cr_assert_eq(door.count, 2);
	door_answer(1, 200, "", "second", false);
	text = door_read(client, NULL);
	cr_expect(strstr(text, "first") && strstr(text, "second"), "%s", text);
	free(text);
}

Test(http, a_burst_of_requests_is_answered_over_several_turns)
{
	unsigned answers = 0;
	char *text;

	for (int i = 0; i < 200; i++)
		door_send(client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		door_turn();
		text = door_read(client, NULL);
		answers += count_answers(text);
		free(text);
	}
	cr_expect_eq(answers, 200);
}

Test(http, an_old_client_gets_a_stream_until_the_connection_closes)
{
	char *text;
	bool eof;

	door_send(client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	door_turn();
	door_answer(0, 200, "", "", true);
	door_chunk(0, "hello", true);
	door_chunk(0, " world", false);
	text = door_read(client, &eof);
	cr_expect(strstr(text, "Connection: close\r\n\r\nhello world"), "%s",
		text);
	cr_expect(eof);
	free(text);
}

Test(http, requests_come_whole_however_the_bytes_are_split)
{
	const char *text = "POST /a HTTP/1.1\r\nHost: x\r\n"
			   "Transfer-Encoding: chunked\r\n\r\n"
			   "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n"
			   "PUT /b HTTP/1.1\r\nHost: x\r\n"
			   "Content-Length: 3\r\n\r\nabc" HELLO;

	for (const char *c = text; *c; c++) {
		door_send_bytes(client, c, 1);
		ev_run(door.gateway.loop, EVRUN_NOWAIT);
	}
	door_turn();
	cr_expect_not(door.requests[0].request->replayable, "a POST");
	door_answer(0, 204, "", "", false);
	cr_expect(door.requests[1].request->replayable, "a PUT");
	door_answer(1, 204, "", "", false);
	cr_assert_eq(door.count, 3);
	cr_expect_eq(buffer_length(&door.requests[0].body), 11);
	cr_expect(!memcmp(
		buffer_bytes(&door.requests[0].body), "hello world", 11));
	cr_expect_eq(buffer_length(&door.requests[1].body), 3);
	cr_expect(door.requests[0].body_over && door.requests[1].body_over);
}

Test(http, no_body_follows_the_answer_to_head_and_204_and_304)
{
	static const struct {
		const char *ask;
		int status;
		const char *fields, *body;
		bool more;
		const char *has; /* in the answer's head */
	} rows[] = {
		{"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 200, "", "hello", false,
			"Content-Length: 5\r\n"},
		{"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 200,
			"Content-Length: 77\n", "", false,
			"Content-Length: 77\r\n"},
		{"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 200, "", "", true, ""},
		{HELLO, 204, "", "no", false, ""},
		{HELLO, 304, "", "no", false, ""},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text;
		bool eof;

		door_send(client, rows[i].ask);
		door_turn();
		door_answer(i, rows[i].status, rows[i].fields, rows[i].body,
			rows[i].more);
		text = door_read(client, &eof);
		cr_expect(strstr(text, rows[i].has), "%s", text);
		cr_expect_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
		cr_expect_not(eof);
		cr_expect_eq(door.requests[i].cancelled, rows[i].more);
		free(text);
	}
}

Test(http, keep_alive_and_close_are_as_the_versions_say)
{
	static const struct {
		const char *ask;
		bool closed;
		const char *has;
	} rows[] = {
		{HELLO, false, ""},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", true,
			"Connection: close\r\n"},
		{"GET / HTTP/1.0\r\n\r\n", true, "Connection: close\r\n"},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false,
			"Connection: keep-alive\r\n"},
		{"GET http://a.example/ HTTP/1.1\r\nHost: x\r\n\r\n", false,
			""},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text;
		bool eof;

		close(client);
		client = door_client();
		door_send(client, rows[i].ask);
		door_turn();
		door_answer(i, 200, "", "x", false);
		text = door_read(client, &eof);
		cr_expect_eq(eof, rows[i].closed, "%s", rows[i].ask);
		cr_expect(strstr(text, rows[i].has), "%s", text);
		free(text);
	}
}

Test(http, the_host_of_an_absolute_target_replaces_that_of_the_field)
{
	static const char *const asks[] = {
		"GET http://a.example:81/x HTTP/1.1\r\nHost: b\r\n\r\n",
		"GET HTTP://a.example:81?x HTTP/1.1\r\nhost:\r\n\r\n",
		"GET http://a.example:81 HTTP/1.0\r\nA: b\r\n\r\n",
	};

	for (unsigned i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
		close(client);
		client = door_client();
		door_send(client, asks[i]);
		door_turn();
		cr_expect_str_eq(
			door_field(i, "host"), "a.example:81", "%s", asks[i]);
		door_answer(i, 200, "", "x", false);
		free(door_read(client, NULL));
	}
}

Test(http, event_streams_tell_proxies_to_pass_them_on)
{
	static const struct {
		const char *fields, *head;
	} rows[] = {
		{"Content-Type: text/event-stream\n",
			"Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
			"Transfer-Encoding: chunked\r\n"},
		{"Content-Type: Text/Event-Stream;charset=utf-8\n"
		 "cache-control: no-store\n",
			"cache-control: no-store\r\nX-Accel-Buffering: no\r\n"},
		{"x-accel-buffering: yes\nContent-Type: text/event-stream\n",
			"x-accel-buffering: yes\r\n"
			"Content-Type: text/event-stream\r\n"
			"Cache-Control: no-cache\r\nTransfer-Encoding"},
		{"Content-Type: text/plain\n",
			"Content-Type: text/plain\r\nTransfer-Encoding"},
	};

	for (unsigned i = 0; i < 2 * sizeof(rows) / sizeof(*rows); i++) {
		char *text;

		close(client);
		client = door_client();
		door_send(client,
			i % 2 ? "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" : HELLO);
		door_turn();
		door_answer(i, 200, rows[i / 2].fields, "", true);
		text = door_read(client, NULL);
		cr_expect(strstr(text, rows[i / 2].head), "%s", text);
		free(text);
	}
}

Test(http, a_body_is_invited_by_100_continue_only_if_it_is_wanted)
{
	expect_answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
		      "Expect: 100-continue\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n", "\r\n\r\n", false);
	door_send(client, "ab");
	door_turn();
	door_answer(0, 200, "", "x", false);
	free(door_read(client, NULL));
	expect_answer("POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
		      "Expect: 100-continue\r\n\r\n",
		"HTTP/1.1 404 ", "path\n", true);
	close(client);
	client = door_client();
	expect_answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
		      "Expect: tea\r\n\r\n",
		"HTTP/1.1 417 ", "\n", true);
}

Test(http, a_large_body_goes_to_the_worker_as_far_as_it_gives_credit)
{
	static char body[600000];
	size_t sent = WIRE_INLINE_BODY + WIRE_CREDIT_BYTES;

	memset(body, 'b', sizeof(body));
	door_send(client, "PUT / HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 600000\r\n\r\n");
	door_send_bytes(client, body, 500000);
	door_turn();
	cr_assert_eq(door.count, 1);
	cr_expect_not(door.requests[0].request->replayable);
	cr_expect_eq(buffer_length(&door.requests[0].body), sent);
	door_give_credit(0, 1000);
	cr_expect_eq(buffer_length(&door.requests[0].body), sent + 1000);
	door_give_credit(0, 1000000);
	door_send_bytes(client, body, 100000);
	door_turn();
	cr_expect_eq(buffer_length(&door.requests[0].body), sizeof(body));
	cr_expect(door.requests[0].body_over);
	door_answer(0, 200, "", "x", false);
	free(door_read(client, NULL));
	expect_answer("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\n", "ok\n", false);
}

Test(http, a_held_request_takes_no_more_of_its_body_than_is_kept)
{
	static char body[100000];

	door.hold = true;
	door_send(client, "PUT / HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 100000\r\n\r\n");
	door_send_bytes(client, body, sizeof(body));
	door_turn();
	cr_assert_eq(door.count, 1);
	cr_expect_eq(buffer_length(&door.requests[0].body), 0);
	door_encode(0);
	door_turn();
	cr_expect_eq(buffer_length(&door.requests[0].body),
		sizeof(body) - WIRE_INLINE_BODY);
	cr_expect(door.requests[0].body_over);
}

Test(http, a_body_that_still_arrives_may_be_too_large_for_its_worker)
{
	static char body[80000];

	door_send(client, "PUT / HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 100000\r\n\r\n");
	door_send_bytes(client, body, sizeof(body));
	door_turn();
	cr_assert_eq(door.count, 1);
	door_answer_error(0, WIRE_TOO_LARGE, "too much");
	expect_answer("", "HTTP/1.1 413 ", "too much\n", false);
}

Test(http, the_server_as_a_whole_says_what_it_takes)
{
	expect_answer("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\n", "", false);
	expect_answer("OPTIONS * HTTP/1.1\r\nHost: x\r\n"
		      "Content-Length: 2\r\n\r\nab",
		"HTTP/1.1 200 OK\r\n", "", false);
	cr_expect_eq(door.count, 0);
}

Test(http, what_is_too_large_is_refused)
{
	static char text[40000];
	size_t length;

	expect_answer("POST /small HTTP/1.1\r\nHost: x\r\n"
		      "Content-Length: 11\r\n\r\nhello world",
		"HTTP/1.1 413 ", "\n", false);
	expect_answer("POST /small HTTP/1.1\r\nHost: x\r\n"
		      "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n",
		"HTTP/1.1 413 ", "\n", true);
	close(client);
	client = door_client();
	/* A chunk says how large it is before it comes. */
	expect_answer("POST /small HTTP/1.1\r\nHost: x\r\n"
		      "Transfer-Encoding: chunked\r\n\r\nb\r\n",
		"HTTP/1.1 413 ", "\n", true);
	close(client);
	client = door_client();
	expect_answer("POST / HTTP/1.1\r\nHost: x\r\n"
		      "Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\na",
		"HTTP/1.1 413 ", "\n", true);
	close(client);
	client = door_client();
	expect_answer("POST / HTTP/1.1\r\nHost: x\r\n"
		      "Content-Length: 99999999\r\n\r\n",
		"HTTP/1.1 413 ", "\n", true);
	close(client);
	client = door_client();
	length = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
	memset(text + length, 'a', 20000);
	expect_answer(text, "HTTP/1.1 431 ", "\n", true);
	close(client);
	client = door_client();
	length = (size_t)sprintf(text, "GET /");
	memset(text + length, 'a', 20000);
	expect_answer(text, "HTTP/1.1 431 ", "\n", true);
	close(client);
	client = door_client();
	length = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 100; i++)
		length += (size_t)sprintf(text + length, "A%d: b\r\n", i);
	sprintf(text + length, "\r\n");
	expect_answer(text, "HTTP/1.1 431 ", "\n", true);
	cr_expect_eq(door.count, 0);
}

Test(http, a_streamed_answer_is_chunked_and_paid_for_as_it_is_read)
{
	char *text;

	door_send(client, HELLO);
	door_turn();
	door_answer(0, 200, "", "", true);
	door_chunk(0, "hello", true);
	door_chunk(0, " world", true);
	cr_expect_eq(door.requests[0].credit, 0, "paid in large coins");
	door_chunk(0, "!", false);
	text = door_read(client, NULL);
	cr_expect(strstr(text, "Transfer-Encoding: chunked\r\n"), "%s", text);
	cr_expect(strstr(text, "\r\n\r\n5\r\nhello\r\n6\r\n world\r\n"
			       "1\r\n!\r\n0\r\n\r\n"),
		"%s", text);
	free(text);
}

/* Pieces as far as there is credit; how much was sent. */
static size_t
fill_with_pieces(const char *piece)
{
	size_t size = strlen(piece), sent = 0;

	while (sent + size <= WIRE_CREDIT_BYTES + door.requests[0].credit) {
		door_chunk(0, piece, true);
		sent += size;
	}
	return sent;
}

Test(http, a_slow_reader_stops_the_worker)
{
	static char piece[50001];
	size_t sent;

	memset(piece, 'p', sizeof(piece) - 1);
	door_send(client, HELLO);
	door_turn();
	door_answer(0, 200, "", "", true);
	sent = fill_with_pieces(piece);
	cr_expect_gt(sent, WIRE_CREDIT_BYTES - sizeof(piece));
	cr_expect_lt(sent, 2000000);
	free(door_read(client, NULL));
	cr_expect_gt(door.requests[0].credit +
			     WIRE_CREDIT_MAX / CONNECTION_CREDIT_PARTS,
		sent);
}

Test(http, a_worker_that_sends_more_than_it_has_credit_for_is_cut)
{
	static char piece[50001];

	memset(piece, 'p', sizeof(piece) - 1);
	door_send(client, HELLO);
	door_turn();
	door_answer(0, 200, "", "", true);
	fill_with_pieces(piece);
	door_chunk(0, piece, true);
	door_turn();
	free(door_read(client, NULL));
	door_turn();
	cr_expect(door.requests[0].cancelled);
	cr_expect_eq(door.server->connection_count, 0);
}

Test(http, a_worker_that_does_not_read_stops_the_body)
{
	static char body[WIRE_INLINE_BODY + 100000];
	size_t there;

	door.backlog = EXCHANGE_BACKLOG_MAX + 1;
	door_send(client, "PUT / HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 165536\r\n\r\n");
	cr_assert_eq(sizeof(body), 165536);
	door_send_bytes(client, body, sizeof(body));
	door_turn();
	cr_assert_eq(door.count, 1);
	there = buffer_length(&door.requests[0].body);
	cr_expect_eq(there, WIRE_INLINE_BODY, "%zu", there);
	door.backlog = 0;
	door_turn();
	cr_expect(door.requests[0].body_over);
	cr_expect_eq(buffer_length(&door.requests[0].body), sizeof(body));
}

Test(http, a_client_that_leaves_in_the_middle_of_its_body_cancels_at_once)
{
	static char body[WIRE_INLINE_BODY];

	door_send(client, "PUT / HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 100000\r\n\r\n");
	door_send_bytes(client, body, sizeof(body));
	door_turn();
	cr_assert_eq(door.count, 1);
	shutdown(client, SHUT_WR);
	door_turn();
	cr_expect(door.requests[0].cancelled);
	cr_expect_eq(door.server->connection_count, 0);
}

Test(http, a_client_that_leaves_while_its_worker_takes_no_more_is_noticed)
{
	static char body[WIRE_INLINE_BODY + WIRE_CREDIT_BYTES + 1];

	door_send(client, "PUT / HTTP/1.1\r\nHost: x\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n100000\r\n");
	door_send_bytes(client, body, sizeof(body));
	door_turn();
	cr_assert_eq(door.count, 1);
	door_pass_ms(3000);
	cr_expect_not(door.requests[0].cancelled);
	close(client);
	client = -1;
	door_pass_ms(1000);
	cr_expect(door.requests[0].cancelled);
}

Test(http, a_client_that_shut_its_side_and_reads_on_is_not_gone)
{
	static char piece[50001];

	memset(piece, 'p', sizeof(piece) - 1);
	door_send(client, HELLO);
	shutdown(client, SHUT_WR);
	door_turn();
	door_answer(0, 200, "", "", true);
	for (int i = 0; i < 5; i++) {
		door_chunk(0, piece, true);
		door_pass_ms(700);
		free(door_read(client, NULL));
	}
	cr_expect_not(door.requests[0].cancelled);
	door_pass_ms(1000);
	cr_expect(door.requests[0].cancelled);
}

Test(http, a_body_is_not_asked_for_if_nobody_could_take_it)
{
	door.refuse = true;
	expect_answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
		      "Expect: 100-continue\r\n\r\n",
		"HTTP/1.1 503 ", "\n", true);
}

Test(http, a_client_that_reads_nothing_is_given_up)
{
	static char piece[50001];
	bool eof;

	memset(piece, 'p', sizeof(piece) - 1);
	door_send(client, HELLO);
	door_turn();
	door_answer(0, 200, "", "", true);
	fill_with_pieces(piece);
	door_pass_ms(29000);
	cr_expect_not(door.requests[0].cancelled);
	door_pass_ms(1000);
	cr_expect(door.requests[0].cancelled);
	free(door_read(client, &eof));
	cr_expect(eof);
}

Test(http, a_cut_stream_looks_cut)
{
	static const struct {
		const char *fields, *end;
		bool closed;
	} rows[] = {
		{"", "5\r\nhello\r\n", true},
		{"Content-Length: 10\n", "hello", true},
		{"Content-Type: text/event-stream\n",
			"\n\nevent: truncated\ndata: the worker died\n\n"
			"\r\n0\r\n\r\n",
			false},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		close(client);
		client = door_client();
		door_send(client, HELLO);
		door_turn();
		door_answer(i, 200, rows[i].fields, "", true);
		door_chunk(i, "hello", true);
		door_fail(i, REQUEST_DIED);
		expect_answer(
			"", "HTTP/1.1 200 OK\r\n", rows[i].end, rows[i].closed);
	}
}

Test(http, a_worker_that_breaks_its_promise_of_length_is_cut)
{
	door_send(client, HELLO);
	door_turn();
	door_answer(0, 200, "Content-Length: 3\n", "", true);
	door_chunk(0, "ab", true);
	door_chunk(0, "cd", true);
	cr_expect(door.requests[0].cancelled);
	expect_answer("", "HTTP/1.1 200 OK\r\n", "\r\n\r\nab", true);
}

Test(http, a_malformed_answer_is_502)
{
	static const struct {
		int status;
		const char *fields;
	} rows[] = {
		{100, ""},
		{600, ""},
		{200, "A: b\rc\n"},
		{200, "A b: c\n"},
		{200, "A: \x01\n"},
		{200, "Content-Length: x\n"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		door_send(client, HELLO);
		door_turn();
		door_answer(i, rows[i].status, rows[i].fields, "x", false);
		expect_answer("", "HTTP/1.1 502 Bad Gateway\r\n", "\n", false);
	}
}

Test(http, failures_are_told_with_their_status)
{
	door_send(client, HELLO);
	door_turn();
	door_fail(0, REQUEST_DIED);
	expect_answer("", "HTTP/1.1 502 ", "502 Bad Gateway: the worker died\n",
		false);
	door_send(client, HELLO);
	door_turn();
	door_fail(1, REQUEST_LATE);
	expect_answer("", "HTTP/1.1 504 ", "no answer in time\n", false);
	door_send(client, HELLO);
	door_turn();
	door_answer_error(2, WIRE_FAILED, "it broke");
	expect_answer("", "HTTP/1.1 502 ", "it broke\n", false);
	/* The client sent nothing that could be too large. */
	door_send(client, HELLO);
	door_turn();
	door_answer_error(3, WIRE_TOO_LARGE, "too much");
	expect_answer("", "HTTP/1.1 502 ", "too much\n", false);
	door_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 1\r\n\r\na");
	door_turn();
	door_answer_error(4, WIRE_TOO_LARGE, "too much");
	expect_answer("", "HTTP/1.1 502 ", "too much\n", false);
	door.refuse = true;
	expect_answer(HELLO,
		"HTTP/1.1 503 Service Unavailable\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Retry-After: 1\r\n",
		"\n", false);
}

Test(http, unknown_paths_and_methods_are_told)
{
	expect_answer("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ",
		"\n", false);
	expect_answer("DELETE /post HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 405 Method Not Allowed\r\n"
		"Content-Type: text/plain; charset=utf-8\r\nAllow: POST\r\n",
		"\n", false);
	door.settled = false;
	expect_answer("GET /none HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 503 Service Unavailable\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Retry-After: 1\r\n",
		"\n", false);
	door.ready = false;
	expect_answer("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 503 ", "not ready\n", false);
	expect_answer("GET /a//b HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ",
		"\n", true);
}

Test(http, the_unread_body_of_a_refused_request_is_skipped)
{
	char *text = door_ask(client,
		"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
		"GET /GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
		NULL);

	cr_expect_eq(count_answers(text), 2, "%s", text);
	cr_expect(strstr(text, "ok\n"), "%s", text);
	free(text);
}

Test(http, a_client_that_leaves_cancels_its_requests)
{
	struct linger reset = {1, 0};

	door_send(client, HELLO HELLO);
	door_turn();
	cr_assert_eq(door.count, 1);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(client);
	client = -1;
	door_turn();
	door_pass_ms(1000);
	cr_expect(door.requests[0].cancelled);
	cr_expect_eq(door.count, 1);
	cr_expect_eq(door.server->connection_count, 0);
}

Test(http, a_client_that_shuts_its_side_gets_what_comes_soon)
{
	char *text;
	bool eof;

	door_send(client, HELLO HELLO);
	shutdown(client, SHUT_WR);
	door_turn();
	door_answer(0, 200, "", "x", false);
	cr_assert_eq(door.count, 2);
	door_answer(1, 200, "", "y", false);
	text = door_read(client, &eof);
	cr_expect_eq(count_answers(text), 2);
	cr_expect(eof);
	free(text);
}

Test(http, slow_heads_and_bodies_end_with_408_and_idleness_silently)
{
	expect_answer("GET / HT", "", "", false);
	door_pass_ms(9000);
	expect_answer("TP/1.1\r\n", "", "", false);
	door_pass_ms(1000);
	expect_answer("", "HTTP/1.1 408 ", "\n", true);

	close(client);
	client = door_client();
	door_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 9\r\n\r\na");
	door_turn();
	door_pass_ms(29000);
	expect_answer("b", "", "", false);
	door_pass_ms(1000);
	expect_answer("", "HTTP/1.1 408 ", "\n", true);

	close(client);
	client = door_client();
	door_pass_ms(10000);
	expect_answer("", "", "", true);

	close(client);
	client = door_client();
	free(door_ask(client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", NULL));
	door_pass_ms(74000);
	expect_answer("", "", "", false);
	door_pass_ms(1000);
	expect_answer("", "", "", true);
	cr_expect_eq(door.count, 0);
}

Test(http, draining_closes_what_is_idle_and_answers_what_is_owed)
{
	int idle = door_client();
	bool eof;

	door_send(client, HELLO);
	door_turn();
	http_server_drain(door.server, NULL, NULL);
	door_turn();
	free(door_read(idle, &eof));
	cr_expect(eof);
	door_answer(0, 200, "", "bye", false);
	expect_answer("", "HTTP/1.1 200 OK\r\n", "\r\n\r\nbye", true);
	close(idle);
}
