/* proxy: whose word is taken, what a PROXY header says, and who the client is
 * in the end. */
#include <criterion/criterion.h>

#include "supervisor/http/connection.h"
#include "supervisor/http/proxy.h"
#include "tests/unit/http_door.h"

#include <unistd.h>

/* ---- addresses and networks ---- */

Test(proxy, addresses_are_read_and_written)
{
	static const struct {
		const char *text, *with_port, *without;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1:42", "192.0.2.1:42", "192.0.2.1"},
		{"2001:DB8::1", "2001:db8::1", "2001:db8::1"},
		{"[2001:db8::1]", "2001:db8::1", "2001:db8::1"},
		{"[2001:db8::1]:42", "[2001:db8::1]:42", "2001:db8::1"},
		{"unknown", NULL, NULL},
		{"", NULL, NULL},
		{"_gw", NULL, NULL},
		{"192.0.2.1:", NULL, NULL},
		{"192.0.2.1:65536", NULL, NULL},
		{"192.0.2.1:4x", NULL, NULL},
		{"192.0.2.256", NULL, NULL},
		{"[::1", NULL, NULL},
		{"[::1]x", NULL, NULL},
		{"192.0.2.1 ", NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct address a;
		char text[ADDRESS_TEXT_BYTES];
		bool good = address_read(&a, bytes_of(rows[i].text));

		cr_expect_eq(
			good, rows[i].with_port != NULL, "%s", rows[i].text);
		cr_expect_eq(a.is_known, good);
		if (!good)
			continue;
		address_write(&a, true, text);
		cr_expect_str_eq(text, rows[i].with_port);
		address_write(&a, false, text);
		cr_expect_str_eq(text, rows[i].without);
	}
}

Test(proxy, networks_have_what_is_in_them)
{
	static const struct {
		const char *network, *address;
		bool has;
	} rows[] = {
		{"10.0.0.0/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"10.0.0.0/8", "a00::1", false},
		{"192.0.2.128/25", "192.0.2.129", true},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"0.0.0.0/0", "192.0.2.2", true},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "::1", true},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"unix", "0.0.0.0", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct network n;
		struct address a;
		struct error err;

		cr_assert_eq(network_read(&n, rows[i].network, &err), 0, "%s",
			rows[i].network);
		cr_assert(address_read(&a, bytes_of(rows[i].address)));
		cr_expect_eq(network_has(&n, a.bytes), rows[i].has, "%s %s",
			rows[i].network, rows[i].address);
	}
}

/* ---- PROXY headers ---- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x07\x0a\x00\x00\x01\x10\x92\x00\x50"
#define V6                                                                     \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                           \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x10\x92\x00\x50"
#define P(scan, used, source, text)                                            \
	{                                                                      \
		text, sizeof(text) - 1, PROXY_##scan, used, source             \
	}

static const struct {
	const char *text;
	size_t size;
	enum proxy_scan scan;
	size_t used;
	const char *source; /* "as before": untouched */
} headers[] = {
	P(DONE, 39, "192.0.2.7:4242",
		"PROXY TCP4 192.0.2.7 10.0.0.1 4242 80\r\n\r\nGET"),
	P(DONE, 44, "[2001:db8::7]:4242",
		"PROXY TCP6 2001:db8::7 2001:db8::1 4242 80\r\nGET"),
	P(DONE, 15, "as before", "PROXY UNKNOWN\r\nGET"),
	P(DONE, 29, "as before", "PROXY UNKNOWN ffff::1 ::2 x\r\nGET"),
	P(MORE, 0, "as before", "PROXY TCP4 192.0.2.7 10.0.0"),
	P(MORE, 0, "as before", "P"),
	P(NONE, 0, "as before", "POST / HTTP/1.1\r\n"),
	P(NONE, 0, "as before", "GET / HTTP/1.1\r\n"),
	P(NONE, 0, "as before", "\r\nGET / HTTP/1.1\r\n"),
	P(BAD, 0, "as before", "PROXY TCP4 192.0.2.7 10.0.0.1 4242\r\n"),
	P(BAD, 0, "as before", "PROXY TCP4 192.0.2.7 10.0.0.1 4242 80 1\r\n"),
	P(BAD, 0, "as before", "PROXY TCP4 192.0.2.7 10.0.0.1 4242 65536\r\n"),
	P(BAD, 0, "as before", "PROXY TCP4 192.0.2.7 10.0.0.1  4242 80\r\n"),
	P(BAD, 0, "as before", "PROXY TCP4 192.0.2.7 ::1 4242 80\r\n"),
	P(BAD, 0, "as before", "PROXY TCP6 192.0.2.7 192.0.2.8 4242 80\r\n"),
	P(BAD, 0, "as before", "PROXY TCP4 192.0.2.777 10.0.0.1 4242 80\r\n"),
	P(BAD, 0, "as before", "PROXY UDP4 192.0.2.7 10.0.0.1 4242 80\r\n"),
	P(BAD, 0, "as before", "PROXY TCP4 192.0.2.7 10.0.0.1 4242 80\n"),
	P(BAD, 0, "as before", "PROXY \r\n"),
	P(BAD, 0, "as before",
		"PROXY UNKNOWN 0123456789012345678901234567890123456789"
		"01234567890123456789012345678901234567890123456789012"),
	P(DONE, 28, "192.0.2.7:4242", SIGNATURE "\x21\x11\x00\x0c" V4 "GET"),
	P(DONE, 52, "[2001:db8::7]:4242",
		SIGNATURE "\x21\x21\x00\x24" V6 "GET"),
	P(DONE, 32, "192.0.2.7:4242",
		SIGNATURE "\x21\x11\x00\x10" V4 "\x04\x00\x01xGET"),
	P(DONE, 16, "as before", SIGNATURE "\x20\x00\x00\x00GET"),
	P(DONE, 28, "as before", SIGNATURE "\x20\x11\x00\x0c" V4 "GET"),
	P(DONE, 16, "as before", SIGNATURE "\x21\x00\x00\x00GET"),
	P(MORE, 0, "as before", SIGNATURE "\x21\x11\x00\x0c\xc0\x00"),
	P(MORE, 0, "as before", "\r\n\r\n"),
	P(MORE, 0, "as before", SIGNATURE "\x21"),
	P(BAD, 0, "as before", SIGNATURE "\x11\x11\x00\x0c" V4),
	P(BAD, 0, "as before", SIGNATURE "\x22\x11\x00\x0c" V4),
	P(BAD, 0, "as before", SIGNATURE "\x21\x11\x00\x0b" V4),
	P(BAD, 0, "as before", SIGNATURE "\x21\x12\x00\x0c" V4),
	P(BAD, 0, "as before", SIGNATURE "\x21\x11\xff\xff" V4),
};

Test(proxy, headers_are_read_strictly)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		struct address source = {0};
		char text[ADDRESS_TEXT_BYTES];
		size_t used;
		/* A place of its own, so that reading beyond it is seen. */
		char *bytes = malloc(headers[i].size);
		enum proxy_scan scan;

		memcpy(bytes, headers[i].text, headers[i].size);
		scan = proxy_scan(bytes, headers[i].size, &used, &source);
		cr_expect_eq(
			scan, headers[i].scan, "%zu: %s", i, headers[i].text);
		if (scan == PROXY_DONE)
			cr_expect_eq(
				used, headers[i].used, "%zu: %zu", i, used);
		address_write(&source, true, text);
		cr_expect_str_eq(source.is_known ? text : "as before",
			headers[i].source, "%zu: %s", i, text);
		free(bytes);
	}
}

/* ---- on a connection ---- */

#define ASK "GET / HTTP/1.1\r\nHost: x\r\n"

static char first[] = "192.0.2.0/24", second[] = "10.0.0.0/8";
static char *trusted[] = {first, second};

static void
trust(unsigned count)
{
	door.config.trusted_proxies = (struct text_list){trusted, count};
	http_server_configure(door.server, &door.config);
}

static void
open_trusting(void)
{
	door_open();
	trust(2);
}

/* door_client() comes from 192.0.2.1:4242. */
static void
expect_client(const char *head, const char *peer, const char *forwarded,
	const char *proto)
{
	int client = door_client();
	unsigned i = door.count;
	struct bytes got;

	door_send(client, head);
	door_send(client, "\r\n");
	door_turn();
	cr_assert_eq(door.count, i + 1, "%s", head);
	got = codec_bytes(&door_params(i)[8]);
	cr_expect(bytes_equal(got, bytes_of(peer)), "%s: peer %.*s", head,
		(int)got.length, got.at);
	cr_expect_str_eq(
		door_field(i, "x-forwarded-for"), forwarded, "%s", head);
	cr_expect_str_eq(door_field(i, "x-forwarded-proto"), proto, "%s", head);
	close(client);
}

Test(proxy, the_client_is_the_rightmost_that_is_not_trusted,
	.init = open_trusting, .fini = door_close)
{
	expect_client(ASK, "192.0.2.1:4242", "192.0.2.1", "http");
	expect_client(ASK "X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7",
		"198.51.100.7, 192.0.2.1", "http");
	expect_client(ASK "X-Forwarded-For: 203.0.113.9, 198.51.100.7, "
			  "10.1.2.3\r\nX-Forwarded-Proto: HTTPS\r\n",
		"198.51.100.7",
		"203.0.113.9, 198.51.100.7, 10.1.2.3, 192.0.2.1", "https");
	expect_client(ASK "X-Forwarded-For: 198.51.100.7:99\r\n"
			  "X-Forwarded-For: 10.1.2.3\r\n",
		"198.51.100.7:99", "198.51.100.7:99, 10.1.2.3, 192.0.2.1",
		"http");
	expect_client(ASK "X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n", "10.0.0.1",
		"10.0.0.1, 10.0.0.2, 192.0.2.1", "http");
	expect_client(ASK "X-Forwarded-For: 1.2.3.4, bogus, 10.0.0.2\r\n",
		"10.0.0.2", "1.2.3.4, bogus, 10.0.0.2, 192.0.2.1", "http");
	expect_client(ASK "X-Forwarded-Proto: gopher\r\n", "192.0.2.1:4242",
		"192.0.2.1", "http");
	expect_client(ASK "X-Forwarded-For: 2001:db8::9\r\n", "2001:db8::9",
		"2001:db8::9, 192.0.2.1", "http");
}

Test(proxy, of_a_stranger_nothing_is_believed, .init = door_open,
	.fini = door_close)
{
	expect_client(ASK
		"X-Forwarded-For: 198.51.100.7\r\n"
		"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
		"Forwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n"
		"X-Kept: k\r\n",
		"192.0.2.1:4242", "192.0.2.1", "http");
	cr_expect_str_eq(door_field(0, "x-forwarded-host"), "");
	cr_expect_str_eq(door_field(0, "forwarded"), "");
	cr_expect_str_eq(door_field(0, "x-real-ip"), "");
	cr_expect_str_eq(door_field(0, "x-kept"), "k");
}

Test(proxy, other_claims_of_a_trusted_peer_pass, .init = open_trusting,
	.fini = door_close)
{
	expect_client(ASK "X-Forwarded-Host: public\r\nX-Real-IP: 1.2.3.4\r\n",
		"192.0.2.1:4242", "192.0.2.1", "http");
	cr_expect_str_eq(door_field(0, "x-forwarded-host"), "public");
	cr_expect_str_eq(door_field(0, "x-real-ip"), "1.2.3.4");
}

Test(proxy, a_header_of_a_trusted_peer_says_who_asks, .init = open_trusting,
	.fini = door_close)
{
	static const char proxied[] =
		"PROXY TCP4 198.51.100.7 10.0.0.1 77 80\r\n" ASK;
	int client = door_client();

	expect_client(proxied, "198.51.100.7:77", "198.51.100.7", "http");
	/* Who is not trusted any more claims in vain. */
	expect_client("PROXY TCP4 198.51.100.7 10.0.0.1 77 80\r\n" ASK
		      "X-Forwarded-For: 1.2.3.4\r\n",
		"198.51.100.7:77", "198.51.100.7", "http");
	expect_client("PROXY TCP4 10.0.0.9 10.0.0.1 77 80\r\n" ASK
		      "X-Forwarded-For: 1.2.3.4\r\n",
		"1.2.3.4", "1.2.3.4, 10.0.0.9", "http");
	/* A byte at a time. */
	for (size_t i = 0; i < sizeof(proxied) - 1; i++) {
		door_send_bytes(client, proxied + i, 1);
		door_turn();
	}
	door_send(client, "\r\n");
	door_turn();
	cr_expect_eq(door.count, 4);
	cr_expect(bytes_equal(
		codec_bytes(&door_params(3)[8]), BYTES("198.51.100.7:77")));
	close(client);
}

Test(proxy, a_malformed_header_ends_the_connection, .init = open_trusting,
	.fini = door_close)
{
	int client = door_client();
	bool eof;
	char *text =
		door_ask(client, "PROXY TCP9 1 2 3 4\r\n" ASK "\r\n", &eof);

	cr_expect_str_eq(text, "");
	cr_expect(eof);
	cr_expect_eq(door.count, 0);
	free(text);
	close(client);
	/* Begun and not finished: as a head that is slow. */
	client = door_client();
	free(door_ask(client, "PROXY TCP4 1.2", NULL));
	door_pass_ms(10000);
	free(door_read(client, &eof));
	cr_expect(eof);
	close(client);
}

Test(proxy, from_a_stranger_the_header_is_a_bad_request, .init = door_open,
	.fini = door_close)
{
	static const char v2[] = SIGNATURE "\x21\x11\x00\x0c" V4 ASK "\r\n";
	static const char v1[] =
		"PROXY TCP4 198.51.100.7 10.0.0.1 77 80\r\n" ASK "\r\n";
	static const struct {
		const char *bytes;
		size_t size;
	} rows[] = {{v1, sizeof(v1) - 1}, {v2, sizeof(v2) - 1}};

	for (int i = 0; i < 2; i++) {
		int client = door_client();
		bool eof;
		char *text;

		door_send_bytes(client, rows[i].bytes, rows[i].size);
		door_turn();
		text = door_read(client, &eof);
		cr_expect(!strncmp(text, "HTTP/1.1 400 ", 13), "%s", text);
		cr_expect(eof);
		cr_expect_eq(door.count, 0);
		free(text);
		close(client);
	}
}

Test(proxy, trust_changes_on_connections_that_are_open, .init = door_open,
	.fini = door_close)
{
	int client = door_client();
	static const char ask[] = ASK "X-Forwarded-For: 1.2.3.4\r\n\r\n";

	for (unsigned i = 0; i < 3; i++) {
		door_send(client, ask);
		door_turn();
		cr_assert_eq(door.count, i + 1);
		cr_expect(bytes_equal(codec_bytes(&door_params(i)[8]),
				  bytes_of(i == 1 ? "1.2.3.4"
						  : "192.0.2.1:4242")),
			"%u", i);
		door_answer(i, 200, "", "x", false);
		free(door_read(client, NULL));
		trust(i == 0 ? 2 : 0);
	}
	close(client);
}
