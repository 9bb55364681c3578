/* The credit window of an answer: it grows for a client that keeps up, shrinks
 * for one that does not, and what waits for a client in supd has a bound. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "tests/unit/http_door.h"

#define PIECE_BYTES ((size_t)32 * 1024)
#define ROUNDS 2000

static int client;
static size_t sent;

static void
setup(void)
{
	door_open();
	client = door_client();
	sent = 0;
	door_send(client, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	door_turn();
	door_answer(0, 200, "", "", true);
}

static void
teardown(void)
{
	close(client);
	door_close();
}

TestSuite(window, .init = setup, .fini = teardown, .timeout = 60);

/* What the worker may still send. */
static size_t
room(void)
{
	return WIRE_CREDIT_BYTES + door.requests[0].credit - sent;
}

static size_t
waiting(void)
{
	struct exchange *x = container_of(
		door.requests[0].request, struct exchange, request);

	return buffer_length(&x->connection->out);
}

/* All that the credit allows; supd never holds more than the bound. */
static void
send_all(void)
{
	static char piece[PIECE_BYTES + 1];

	memset(piece, 'p', PIECE_BYTES);
	while (room() >= PIECE_BYTES) {
		cr_assert_leq(room() + waiting(), WIRE_CREDIT_MAX);
		door_chunk(0, piece, true);
		sent += PIECE_BYTES;
	}
}

/* Up to `limit` bytes of what is there; false: nothing is. */
static bool
read_some(size_t limit)
{
	static char bytes[64 * 1024];
	ssize_t got = recv(client, bytes, limit, MSG_DONTWAIT);

	door_turn();
	return got > 0;
}

static void
read_all(void)
{
	while (read_some(64 * 1024) || waiting())
		;
}

/* The largest that the worker was ever allowed to have under way. */
static size_t
widest_of_a_quick_client(void)
{
	size_t widest = 0;

	for (int i = 0; i < 50; i++) {
		send_all();
		read_all();
		if (room() > widest)
			widest = room();
	}
	return widest;
}

Test(window, grows_for_a_client_that_keeps_up)
{
	size_t widest = widest_of_a_quick_client();

	cr_expect_leq(widest, WIRE_CREDIT_MAX);
	cr_expect_gt(widest, WIRE_CREDIT_MAX / 2);
}

Test(window, stays_small_while_many_requests_are_with_the_worker)
{
	door.in_flight = EXCHANGE_WIDE_MAX + 1;
	cr_expect_leq(widest_of_a_quick_client(), WIRE_CREDIT_BYTES);
}

Test(window, of_a_client_that_stops_reading_is_all_that_waits)
{
	widest_of_a_quick_client();
	for (int i = 0; i < ROUNDS; i++) {
		send_all();
		door_turn();
	}
	cr_expect_lt(room(), PIECE_BYTES);
	cr_expect_leq(waiting(), WIRE_CREDIT_MAX);
}

/* It takes a little at a time, and something always waits. */
Test(window, shrinks_for_a_client_that_falls_behind)
{
	widest_of_a_quick_client();
	for (int i = 0; i < ROUNDS; i++) {
		send_all();
		read_some(16 * 1024);
	}
	cr_expect_leq(waiting() + room(), WIRE_CREDIT_MAX * 3 / 4, "%zu",
		waiting() + room());
}
