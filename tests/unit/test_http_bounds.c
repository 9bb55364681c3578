/* http bounds: what a client or a worker can take of supd at most, one test
 * for each row of the table in supervisor/README.md. */
#include <criterion/criterion.h>

#include "supervisor/control/page.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "tests/unit/http_door.h"

#include <time.h>
#include <unistd.h>

#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"

TestSuite(http_bounds, .init = door_open, .fini = door_close, .timeout = 60);

/* ---- what a worker answers ---- */

Test(http_bounds, an_answer_with_too_many_fields_is_502)
{
	struct buffer fields = {0};
	int client = door_client();
	char *text;

	for (int i = 0; i < 1001; i++)
		buffer_append_text(&fields, "x: y\n");
	buffer_append_byte(&fields, 0);
	door_send(client, HELLO HELLO);
	door_turn();
	door_answer(0, 200, (const char *)buffer_bytes(&fields), "x", false);
	door_answer(1, 200, "", "second", false);
	text = door_read(client, NULL);
	cr_expect(strstr(text, "HTTP/1.1 502 "), "%s", text);
	cr_expect(strstr(text, "it has 1001 fields"), "%s", text);
	cr_expect(strstr(text, "\r\n\r\nsecond"), "%s", text);
	free(text);
	buffer_finish(&fields);
	close(client);
}

/* ---- connections ---- */

/* A client of another address than the one before. */
static int
client_from(const char *peer)
{
	int pair[2];

	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	http_server_accepted(door.server, pair[0], peer);
	door_turn();
	return pair[1];
}

static int
client_number(unsigned i)
{
	char peer[64];

	snprintf(peer, sizeof(peer), "10.0.%u.%u:1000", i / 250, i % 250 + 1);
	return client_from(peer);
}

/* Of the answer; 0: none came, -1: the connection was closed without one. */
static int
ask_status(int client, const char *path)
{
	char ask[300];
	bool eof;
	char *text;
	int status;

	snprintf(ask, sizeof(ask),
		"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret"
		"\r\n\r\n",
		path);
	text = door_ask(client, ask, &eof);
	status = *text ? atoi(text + sizeof("HTTP/1.1")) : eof ? -1 : 0;
	free(text);
	return status;
}

static bool
is_closed(int client)
{
	char byte;

	return recv(client, &byte, 1, MSG_PEEK) == 0;
}

Test(http_bounds, a_full_house_closes_the_connection_idle_longest)
{
	int clients[5];

	door.config.limits.connections = 4;
	for (unsigned i = 0; i < 4; i++)
		clients[i] = client_number(i);
	/* The first has asked since, so the second is idle longest. */
	cr_expect_eq(ask_status(clients[0], "/livez"), 200);
	clients[4] = client_number(4);
	cr_expect_eq(ask_status(clients[4], "/livez"), 200);
	cr_expect(is_closed(clients[1]));
	for (int i = 0; i < 5; i++) {
		cr_expect_eq(is_closed(clients[i]), i == 1, "%d", i);
		close(clients[i]);
	}
	cr_expect_eq(door.gateway.edge.evicted, 1);
	cr_expect_eq(door.gateway.edge.turned_away, 0);
}

Test(http_bounds, a_request_that_has_arrived_keeps_its_connection)
{
	int first, second, third;

	door.config.limits.connections = 2;
	first = client_number(0);
	second = client_number(1);
	door_send(first, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	third = client_number(2);
	cr_expect_not(is_closed(first));
	cr_expect(is_closed(second));
	close(first);
	close(second);
	close(third);
}

static int
busy_client(unsigned i)
{
	int client = client_number(i);

	door_send(client, HELLO);
	door_turn();
	return client;
}

Test(http_bounds, a_house_full_of_work_still_serves_what_keeps_it_alive)
{
	int busy[2], client;

	door.config.limits.connections = 2;
	for (unsigned i = 0; i < 2; i++)
		busy[i] = busy_client(i);
	client = client_number(2);
	cr_expect_eq(ask_status(client, "/livez"), 200);
	cr_expect_eq(ask_status(client, "/readyz"), 200);
	cr_expect_eq(ask_status(client, "/api/plugins"), 200);
	cr_expect_eq(ask_status(client, "/hello"), 503);
	cr_expect(is_closed(client));
	close(client);
	/* Without a token /api is nobody's reserve. */
	client = client_number(3);
	door_send(client, "GET /api/plugins HTTP/1.1\r\nHost: x\r\n\r\n");
	door_turn();
	{
		char *text = door_read(client, NULL);

		cr_expect(strstr(text, " 503 "), "%s", text);
		cr_expect(strstr(text, "Retry-After: 1"), "%s", text);
		free(text);
	}
	close(client);
	/* A place that is free again is taken by who asks next. */
	client = client_number(4);
	close(busy[0]);
	door_turn();
	door_pass_ms(2000); /* a client that closes may still read */
	door_send(client, HELLO);
	door_turn();
	door_answer(door.count - 1, 200, "", "x", false);
	cr_expect_eq(ask_status(client, "/livez"), 200);
	cr_expect_eq(door.gateway.edge.evicted, 0);
	close(client);
	close(busy[1]);
}

Test(http_bounds, the_reserve_has_a_limit_and_closes_its_idle_ones)
{
	enum { MORE = ADMISSION_RESERVE + 10 };
	int busy, clients[MORE];

	door.config.limits.connections = 1;
	busy = busy_client(0);
	for (unsigned i = 0; i < MORE; i++)
		clients[i] = client_number(i + 1);
	cr_expect_eq(door.gateway.edge.connections, ADMISSION_RESERVE + 1);
	for (int i = 0; i < MORE; i++)
		cr_expect_eq(is_closed(clients[i]), i < 10, "%d", i);
	cr_expect_eq(ask_status(clients[MORE - 1], "/livez"), 200);
	for (int i = 0; i < MORE; i++)
		close(clients[i]);
	close(busy);
}

/* Whoever was refused in the middle of a body keeps no place by its silence. */
Test(http_bounds, refused_uploads_do_not_hold_the_reserve)
{
	enum { MORE = ADMISSION_RESERVE + 10 };
	int busy, clients[MORE], prober;

	door.config.limits.connections = 1;
	busy = busy_client(0);
	for (unsigned i = 0; i < MORE; i++) {
		clients[i] = client_number(1 + i);
		door_send(clients[i], "POST /hello HTTP/1.1\r\nHost: x\r\n"
				      "Content-Length: 100000\r\n\r\nx");
		door_turn();
		door_send(clients[i], "xx");
	}
	prober = client_number(200);
	cr_expect_eq(ask_status(prober, "/livez"), 200);
	close(prober);
	for (unsigned i = 0; i < MORE; i++)
		close(clients[i]);
	close(busy);
}

Test(http_bounds, one_address_gets_half_of_the_places)
{
	int mine[6], other;

	door.config.limits.connections = 8;
	for (int i = 0; i < 4; i++) {
		mine[i] = client_from("192.0.2.7:5");
		if (i < 3)
			door_send(mine[i], HELLO);
		door_turn();
	}
	/* Its own idle one makes room, then it has none. */
	mine[4] = client_from("192.0.2.7:6");
	cr_expect(is_closed(mine[3]));
	door_send(mine[4], HELLO);
	door_turn();
	mine[5] = client_from("192.0.2.7:7");
	cr_expect_eq(ask_status(mine[5], "/hello"), 503);
	other = client_from("192.0.2.8:1");
	door_send(other, HELLO);
	door_turn();
	cr_expect_eq(door.count, 5);
	for (int i = 0; i < 6; i++)
		close(mine[i]);
	close(other);
}

Test(http_bounds, a_network_of_ipv6_is_one_address)
{
	int clients[3];

	door.config.limits.connections = 4;
	clients[0] = client_from("[2001:db8::1]:1");
	clients[1] = client_from("[2001:db8::2]:1");
	clients[2] = client_from("[2001:db8::ffff:3]:1");
	cr_expect(is_closed(clients[0]));
	cr_expect_not(is_closed(clients[1]));
	for (int i = 0; i < 3; i++)
		close(clients[i]);
}

Test(http_bounds, who_asks_often_is_not_idle_whoever_answers)
{
	int client = client_number(0);

	cr_expect_eq(ask_status(client, "/livez"), 200);
	for (int i = 0; i < 5; i++) {
		door_pass_ms(40000);
		cr_expect_eq(ask_status(client, i % 2 ? "/livez" : "/none"),
			i % 2 ? 200 : 404);
	}
	door_pass_ms(76000);
	cr_expect(is_closed(client));
	close(client);
}

/* Many upload to a worker that does not read. */
Test(http_bounds, uploads_that_wait_for_their_worker_are_looked_at_in_turns)
{
	enum { UPLOADS = 2 * HTTP_LOOKS_MAX + 10 };
	static char body[64 * 1024 + 1];
	struct http_server *server = door.server;
	int clients[UPLOADS];

	memset(body, 'b', sizeof(body) - 1);
	door.config.limits.connections = 2 * UPLOADS;
	door.backlog = EXCHANGE_BACKLOG_MAX + 1;
	for (unsigned i = 0; i < UPLOADS; i++) {
		clients[i] = client_number(i);
		door_send(clients[i], "POST /hello HTTP/1.1\r\nHost: x\r\n"
				      "Content-Length: 1000000\r\n\r\n");
		door_send(clients[i], body);
		door_turn();
	}
	cr_expect_eq(server->congested_count, UPLOADS);
	while (server->looks_left)
		ev_run(door.gateway.loop, EVRUN_NOWAIT);
	ev_run(door.gateway.loop, EVRUN_NOWAIT);
	cr_expect_eq(server->looks_left, UPLOADS - HTTP_LOOKS_MAX);
	door.backlog = 0;
	door_turn();
	cr_expect_eq(server->congested_count, 0);
	for (unsigned i = 0; i < UPLOADS; i++)
		close(clients[i]);
}

/* ---- heads ---- */

/* CPU time of scanning a line of that many bytes that comes byte by byte. */
static double
scan_cost(size_t size)
{
	char *line = malloc(size);
	struct head_progress progress = {0};
	const char *reason;
	struct timespec from, to;

	memset(line, 'x', size);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (size_t i = 1; i <= size; i++)
		cr_assert_eq(
			head_scan(line, i, &progress, &reason), HEAD_SCAN_MORE);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	free(line);
	return (double)(to.tv_sec - from.tv_sec) +
	       (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

Test(http_bounds, a_head_that_drips_in_is_scanned_once)
{
	double few = scan_cost(100000), many = scan_cost(1000000);

	cr_expect_lt(many, 30 * few, "%.6f s and %.6f s", few, many);
}

/* ---- answers that are not read ---- */

/* Bytes of answers that supd keeps for the only client. */
static size_t
kept_for_client(void)
{
	const struct connection *c = container_of(
		door.server->connections.next, struct connection, node);
	size_t bytes = buffer_length(&c->out);

	list_for_each (node, &c->exchanges)
		bytes += buffer_length(
			&container_of(node, struct exchange, node)->answer);
	return bytes;
}

Test(http_bounds, a_pipeline_that_is_not_read_keeps_one_answer)
{
	enum { PIECE = 64 * 1024, SLACK = 4096 };
	static char piece[PIECE + 1];
	int client = door_client();

	memset(piece, 'x', PIECE);
	for (int i = 0; i < 16; i++)
		door_send(client, HELLO);
	door_turn();
	for (unsigned i = 0; i < door.count; i++) {
		door_answer(i, 200, "", piece, true);
		for (int sent = 0; sent < WIRE_CREDIT_BYTES; sent += PIECE)
			door_chunk(i, piece, true);
	}
	cr_expect_eq(door.count, 1);
	cr_expect_leq(kept_for_client(), PIECE + WIRE_CREDIT_BYTES + SLACK);
	close(client);
}

Test(http_bounds, what_follows_an_answer_that_is_not_read_waits)
{
	static char piece[CONNECTION_OUT_MAX + 256 * 1024];
	int client = door_client();
	char *text;

	memset(piece, 'x', sizeof(piece) - 1);
	door_send(client, HELLO HELLO HELLO);
	door_turn();
	/* Larger than what the kernel takes and what may wait. */
	door_answer(0, 200, "", piece, false);
	door_turn();
	cr_expect_eq(door.count, 1);
	text = door_read(client, NULL);
	free(text);
	door_turn();
	cr_expect_eq(door.count, 2);
	close(client);
}

/* The last request's answer has more to come than the client takes. */
static void
fill_answer(unsigned i)
{
	enum { PIECE = 32 * 1024 };
	static char piece[PIECE + 1];

	memset(piece, 'x', PIECE);
	door_answer(i, 200, "", "", true);
	for (int sent = 0; sent + PIECE <= WIRE_CREDIT_BYTES; sent += PIECE)
		door_chunk(i, piece, true);
}

/* As far as there is credit. */
static void
fill_answer_more(unsigned i)
{
	enum { PIECE = 32 * 1024 };
	static char piece[PIECE + 1];
	uint64_t used = door.requests[i].used;

	memset(piece, 'x', PIECE);
	for (; used + PIECE <= door.requests[i].credit; used += PIECE)
		door_chunk(i, piece, true);
	door.requests[i].used = used;
}

Test(http_bounds, an_answer_that_waits_for_its_client_is_said_to_wait)
{
	int client = door_client();
	struct request *r;

	door_send(client, HELLO);
	door_turn();
	r = door.requests[0].request;
	fill_answer(0);
	/* The kernel took what it takes, the rest is here. */
	fill_answer_more(0);
	cr_expect(r->waits);
	free(door_read(client, NULL));
	door_turn();
	cr_expect_not(r->waits);
	close(client);
}

Test(http_bounds, a_client_that_drips_is_cut_at_write_timeout)
{
	int client = door_client();
	char few[512];
	int passed = 0;

	door_send(client, HELLO);
	door_turn();
	fill_answer(0);
	fill_answer_more(0);
	while (!door.requests[0].cancelled && passed < 100) {
		cr_assert_gt(recv(client, few, sizeof(few), 0), 0);
		door_pass_ms(1000);
		passed++;
	}
	cr_expect_geq(passed, 29);
	cr_expect_leq(passed, 32);
	close(client);
}

/* Twice the share in two thirds of the time: slow, but not dripping. */
Test(http_bounds, a_client_that_takes_its_share_may_be_slow)
{
	static char share[CONNECTION_PROGRESS_BYTES];
	int client = door_client();

	door_send(client, HELLO);
	door_turn();
	fill_answer(0);
	for (int i = 0; i < 20; i++) {
		for (int got = 0; got < 2;) {
			fill_answer_more(0);
			got += recv(client, share, sizeof(share), 0) > 0;
			door_turn();
			cr_assert_not(door.requests[0].cancelled, "%d", i);
		}
		door_pass_ms(20000);
	}
	cr_expect_not(door.requests[0].cancelled);
	close(client);
}

Test(http_bounds, a_body_that_its_client_does_not_send_is_said_to_wait)
{
	static char body[64 * 1024 + 1];
	int client = door_client();
	struct request *r;

	memset(body, 'b', sizeof(body) - 1);
	door_send(client, "POST /hello HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 1000000\r\n\r\n");
	door_send(client, body);
	door_turn();
	cr_assert_eq(door.count, 1);
	r = door.requests[0].request;
	cr_expect(r->waits);
	for (int i = 0; i < 3; i++)
		door_send(client, body);
	door_turn();
	cr_expect_not(r->waits);
	close(client);
}

/* ---- /metrics ---- */

#define METRICS "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

static void
turn_once(void)
{
	ev_run(door.gateway.loop, EVRUN_NOWAIT);
}

/* Reads what is there; whether the page is over, in chunks or whole. */
static bool
has_page(int client)
{
	char *text = door_read(client, NULL);
	bool is_there = strstr(text, "supd_door 1\n") != NULL;

	free(text);
	return is_there;
}

Test(http_bounds, a_page_of_metrics_is_made_in_slices_for_all_who_wait)
{
	enum { CLIENTS = 40 };
	int clients[CLIENTS], hello = door_client();

	door.metrics_steps = 20;
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = door_client();
	for (int i = 0; i < CLIENTS; i++)
		door_send(clients[i], METRICS METRICS);
	/* Reading and the begin of the page, one step a turn. */
	for (int i = 0; i < 10; i++)
		turn_once();
	cr_expect_eq(door.pages, 1);
	cr_expect_not(has_page(clients[0]));
	/* Others are served meanwhile. */
	door_send(hello, HELLO);
	turn_once();
	turn_once();
	cr_expect_eq(door.count, 1);
	cr_expect_eq(door.pages, 1);
	for (int i = 0; i < 6; i++)
		door_turn();
	/* The second one of each was asked for together, too. */
	cr_expect_leq(door.pages, 3);
	for (int i = 0; i < CLIENTS; i++) {
		cr_expect(has_page(clients[i]), "%d", i);
		close(clients[i]);
	}
	close(hello);
}

Test(http_bounds, a_page_of_metrics_that_took_long_is_not_made_again_at_once)
{
	int client = door_client();

	door.metrics_steps = 5;
	door.metrics_step_ms = 10;
	door_send(client, METRICS);
	door_turn();
	cr_expect(has_page(client));
	door_send(client, METRICS);
	door_turn();
	door_turn();
	cr_expect_eq(door.pages, 1);
	cr_expect_not(has_page(client));
	door.now_ms += 1000;
	/* The press waits by the loop's own clock. */
	for (int i = 0; i < 400 && door.pages < 2; i++)
		ev_run(door.gateway.loop, EVRUN_ONCE);
	door_turn();
	cr_expect_eq(door.pages, 2);
	cr_expect(has_page(client));
	close(client);
}

Test(http_bounds, a_large_page_of_metrics_is_shared_and_passed_on_in_pieces)
{
	size_t got = 0;
	int client = door_client();
	char *text;

	door.metrics_steps = 100;
	door.metrics_bytes = 64 * 1024; /* of each step */
	door_send(client, METRICS);
	for (int i = 0; i < 20; i++)
		door_turn();
	cr_expect_leq(kept_for_client(), 2 * 32 * 1024 + 64);
	for (int i = 0; i < 1000; i++) {
		text = door_read(client, NULL);
		got += strlen(text);
		free(text);
		door_turn();
	}
	cr_expect_gt(got, 100 * 64 * 1024);
	cr_expect_eq(ask_status(client, "/livez"), 200);
	close(client);
}

/* Bytes that all clients get in one turn. */
static size_t
read_a_turn(const int *clients, unsigned count, unsigned *over)
{
	static char bytes[1024 * 1024]; /* more than a socket holds */
	size_t got = 0;

	turn_once();
	for (unsigned i = 0; i < count; i++) {
		ssize_t n;

		while ((n = recv(clients[i], bytes, sizeof(bytes), 0)) > 0) {
			got += (size_t)n;
			*over += n >= 7 &&
				 !memcmp(bytes + n - 7, "\r\n0\r\n\r\n", 7);
		}
	}
	return got;
}

Test(http_bounds, pieces_of_pages_for_many_clients_have_a_limit_per_turn)
{
	enum { CLIENTS = 48, HEAD_BYTES = 300 };
	int clients[CLIENTS];
	unsigned over = 0;
	size_t most = 0, got;

	door.metrics_steps = 2;
	door.metrics_bytes = 64 * 1024;
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = door_client();
	for (int i = 0; i < CLIENTS; i++)
		door_send(clients[i], METRICS);
	for (int i = 0; i < 20 * CLIENTS && over < CLIENTS; i++) {
		got = read_a_turn(clients, CLIENTS, &over);
		most = got > most ? got : most;
	}
	cr_expect_eq(over, CLIENTS, "%u", over);
	cr_expect_gt(most, PAGE_PIECE_BYTES);
	cr_expect_leq(most,
		PAGE_PIECES_TURN * (PAGE_PIECE_BYTES + 64) +
			CLIENTS * HEAD_BYTES,
		"%zu bytes", most);
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
}

/* One that leaves while its next piece waits, and a HEAD. */
Test(http_bounds, a_client_that_leaves_does_not_wait_for_its_piece)
{
	enum { CLIENTS = 40 };
	int clients[CLIENTS];
	unsigned over = 0;

	door.metrics_steps = 2;
	door.metrics_bytes = 64 * 1024;
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = door_client();
	for (int i = 0; i < CLIENTS; i++)
		door_send(clients[i],
			i % 8 ? METRICS
			      : "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 8; i++)
		turn_once();
	for (int i = 0; i < CLIENTS; i += 2)
		close(clients[i]);
	for (int i = 1; i < CLIENTS; i += 2)
		for (int k = 0; k < 20 * CLIENTS && over <= (unsigned)i / 2;
			k++)
			read_a_turn(&clients[i], 1, &over);
	cr_expect_eq(over, CLIENTS / 2);
	for (int i = 1; i < CLIENTS; i += 2)
		close(clients[i]);
	door_turn();
	cr_expect_eq(door.server->connection_count, 0);
}

Test(http_bounds, pages_of_metrics_that_nobody_reads_have_a_limit)
{
	int clients[PAGES_MAX + 1];

	door.metrics_steps = 40;
	door.metrics_bytes = 64 * 1024;
	for (int i = 0; i <= PAGES_MAX; i++) {
		clients[i] = door_client();
		door_send(clients[i], METRICS);
		for (int k = 0; k < 8; k++)
			door_turn();
	}
	cr_expect_eq(door.pages, PAGES_MAX);
	{
		char *text = door_read(clients[PAGES_MAX], NULL);

		cr_expect(strstr(text, " 503 "), "%.200s", text);
		free(text);
	}
	for (int i = 0; i < PAGES_MAX; i++)
		close(clients[i]);
	door_turn();
	door_pass_ms(2000);
	door.metrics_steps = 0;
	door.metrics_bytes = 0;
	cr_expect_eq(ask_status(clients[PAGES_MAX], "/metrics"), 200);
	close(clients[PAGES_MAX]);
}
