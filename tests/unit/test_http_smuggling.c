/* http smuggling: what must never be taken for a request, or for two. */
#include <criterion/criterion.h>

#include "tests/unit/http_door.h"

#include <unistd.h>

TestSuite(http_smuggling, .init = door_open, .fini = door_close, .timeout = 20);

#define HEAD "GET /hello HTTP/1.1\r\nHost: x\r\n"
#define POST "POST /hello HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"

struct vector {
	const char *what, *text;
	size_t size;
	int status;
};
#define V(what, status, text)                                                  \
	{                                                                      \
		what, text, sizeof(text) - 1, status                           \
	}

static const struct vector vectors[] = {
	V("two lengths", 400,
		POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\na"),
	V("two equal lengths", 400,
		POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
	V("length list", 400, POST "Content-Length: 1, 1\r\n\r\na"),
	V("signed length", 400, POST "Content-Length: +1\r\n\r\na"),
	V("negative length", 400, POST "Content-Length: -1\r\n\r\na"),
	V("hexadecimal length", 400, POST "Content-Length: 0x1\r\n\r\na"),
	V("empty length", 400, POST "Content-Length:\r\n\r\na"),
	V("length with a space", 400, POST "Content-Length: 1 1\r\n\r\na"),
	V("huge length", 400,
		POST "Content-Length: 99999999999999999999\r\n\r\na"),
	V("length and coding", 400,
		POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "0\r\n\r\n"),
	V("coding and length", 400,
		POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
		     "0\r\n\r\n"),
	V("two codings", 400,
		POST "Transfer-Encoding: chunked\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	V("coding list", 501,
		POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
	V("coding list with chunked twice", 400,
		POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
	V("coding list with a space", 400,
		POST "Transfer-Encoding: g zip, chunked\r\n\r\n0\r\n\r\n"),
	V("coding list, other order", 400,
		POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
	V("unknown coding", 501,
		POST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
	V("odd coding", 501,
		POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
	V("empty coding", 400, POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
	V("coding with a vertical tab", 400,
		POST "Transfer-Encoding: \x0b"
		     "chunked\r\n\r\n0\r\n\r\n"),
	V("coding in HTTP/1.0", 400,
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
		"0\r\n\r\n"),
	V("space before the colon", 400,
		POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
	V("tab before the colon", 400, POST "Content-Length\t: 1\r\n\r\na"),
	V("space before the name", 400, POST " Content-Length: 1\r\n\r\na"),
	V("name with a control", 400, HEAD "A\x01: b\r\n\r\n"),
	V("name with a space", 400, HEAD "A b: c\r\n\r\n"),
	V("empty name", 400, HEAD ": c\r\n\r\n"),
	V("no colon", 400, HEAD "Abc\r\n\r\n"),
	V("folded line", 400, HEAD "A: b\r\n c\r\n\r\n"),
	V("line of spaces", 400, HEAD "A: b\r\n \r\n\r\n"),
	V("NUL in a value", 400, HEAD "A: b\0c\r\n\r\n"),
	V("NUL in a name", 400, HEAD "A\0: b\r\n\r\n"),
	V("bare CR in a value", 400, HEAD "A: b\rc\r\n\r\n"),
	V("bare CR after an empty value", 400, HEAD "A:\rB: c\r\n\r\n"),
	V("bare CR, not whole yet", 400, HEAD "A: b\rc"),
	V("CR CR LF", 400, HEAD "A: b\r\r\n\r\n"),
	V("bare LF", 400, "GET / HTTP/1.1\nHost: x\n\n"),
	V("bare LF in the middle", 400, HEAD "A: b\nC: d\r\n\r\n"),
	V("bare LF at the end", 400, HEAD "A: b\r\n\n"),
	V("bare LF before", 400, "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("no Host", 400, "GET / HTTP/1.1\r\n\r\n"),
	V("two Hosts", 400, HEAD "Host: y\r\n\r\n"),
	V("malformed Host", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
	V("Host without its bracket", 400,
		"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
	V("Host with a bracket inside", 400,
		"GET / HTTP/1.1\r\nHost: a[::1]\r\n\r\n"),
	V("Host in brackets that is no address", 400,
		"GET / HTTP/1.1\r\nHost: [a]\r\n\r\n"),
	V("Host with a port that is none", 400,
		"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
	V("Host with two ports", 400, "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
	V("Host with a large port", 400,
		"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
	V("Host of a port alone", 400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
	V("Host with a user", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
	V("target without a host", 400,
		"GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("target with a port alone", 400,
		"GET http://:80/a HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("target with a port that is none", 400,
		"GET http://a:b/ HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("target with a user", 400,
		"GET http://u@a/ HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("absolute target without Host", 400,
		"GET http://a/ HTTP/1.1\r\n\r\n"),
	V("absolute target with a malformed Host", 400,
		"GET http://a/ HTTP/1.1\r\nHost: a:b\r\n\r\n"),
	V("Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
	V("two spaces", 400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("space in the target", 400, "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("tab in the request line", 400, "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("space after the version", 400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"),
	V("no version", 400, "GET /\r\nHost: x\r\n\r\n"),
	V("version 2", 505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
	V("preface of version 2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	V("version 1.2", 505, "GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
	V("lower-case version", 400, "GET / http/1.1\r\nHost: x\r\n\r\n"),
	V("leading space", 400, " GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("no such method", 501, "BREW / HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("method that is no token", 400, "GE(T / HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("CONNECT", 501, "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("asterisk", 400, "GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("relative target", 400, "GET a HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("fragment", 400, "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("raw bytes in the target", 400,
		"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("encoded slash", 400, "GET /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("encoded NUL", 400, "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("two slashes", 400, "GET //a HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("above the root", 400, "GET /../a HTTP/1.1\r\nHost: x\r\n\r\n"),
	V("TLS", 400, "\x16\x03\x01\x02\x00\x01\n"),
	V("chunk size that is none", 400, CHUNKED "x\r\nhello\r\n0\r\n\r\n"),
	V("empty chunk size", 400, CHUNKED "\r\nhello\r\n0\r\n\r\n"),
	V("negative chunk size", 400, CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
	V("chunk size with 0x", 400, CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
	V("space before the chunk size", 400,
		CHUNKED " 5\r\nhello\r\n0\r\n\r\n"),
	V("space after the chunk size", 400,
		CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
	V("huge chunk size", 400,
		CHUNKED "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
	V("bare LF after the chunk size", 400, CHUNKED "5\nhello\r\n0\r\n\r\n"),
	V("bare CR in an extension", 400,
		CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n"),
	V("bare LF in an extension", 400, CHUNKED "5;a\nhello\r\n0\r\n\r\n"),
	V("extension without a name", 400, CHUNKED "5;\r\nhello\r\n0\r\n\r\n"),
	V("extension of a space", 400, CHUNKED "5; \r\nhello\r\n0\r\n\r\n"),
	V("extension with a bracket", 400,
		CHUNKED "5;bad[=x\r\nhello\r\n0\r\n\r\n"),
	V("extension without its value", 400,
		CHUNKED "5;a=\r\nhello\r\n0\r\n\r\n"),
	V("extension with an open string", 400,
		CHUNKED "5;a=\"b\r\nhello\r\n0\r\n\r\n"),
	V("extension with more after a string", 400,
		CHUNKED "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
	V("extension with two words", 400,
		CHUNKED "5;a b\r\nhello\r\n0\r\n\r\n"),
	V("extension with two values", 400,
		CHUNKED "5;a=b=c\r\nhello\r\n0\r\n\r\n"),
	V("last chunk with an empty extension", 400,
		CHUNKED "5\r\nhello\r\n0;\r\n\r\n"),
	V("chunk longer than its size", 400,
		CHUNKED "5\r\nhello!\r\n0\r\n\r\n"),
	V("bare LF after a chunk", 400, CHUNKED "5\r\nhello\n0\r\n\r\n"),
	V("bare LF at the end of the body", 400, CHUNKED "5\r\nhello\r\n0\n\n"),
	V("malformed trailer", 400, CHUNKED "0\r\nA b: c\r\n\r\n"),
	V("folded trailer", 400, CHUNKED "0\r\nA: b\r\n c\r\n\r\n"),
	V("trailer without its end", 400, CHUNKED "0\r\nA: b\rc\r\n\r\n"),
};

/* Exactly one answer with that status, then the end: what follows the vector
 * is never taken for a request. */
static void
expect_refused(const struct vector *v, bool byte_by_byte)
{
	int client = door_client();
	bool eof;
	char *text, begin[40];

	for (size_t i = 0; byte_by_byte && i < v->size; i++) {
		door_send_bytes(client, v->text + i, 1);
		ev_run(door.gateway.loop, EVRUN_NOWAIT);
	}
	if (!byte_by_byte)
		door_send_bytes(client, v->text, v->size);
	door_send(client, NEXT);
	door_turn();
	text = door_read(client, &eof);
	snprintf(begin, sizeof(begin), "HTTP/1.1 %d ", v->status);
	cr_expect(!strncmp(text, begin, strlen(begin)), "%s: got %s", v->what,
		text);
	cr_expect(eof, "%s: the connection goes on", v->what);
	cr_expect(*text && !strstr(text + 1, "HTTP/1.1 "), "%s: two answers",
		v->what);
	cr_expect_eq(door.count, 0, "%s: reached a worker", v->what);
	free(text);
	close(client);
	door_turn();
}

Test(http_smuggling, each_vector_is_refused_once_and_the_connection_closed)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		expect_refused(&vectors[i], false);
}

Test(http_smuggling, a_vector_is_refused_however_it_is_split)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		expect_refused(&vectors[i], true);
}

Test(http_smuggling, connection_lists_a_bounded_number_of_names)
{
	char text[2000] = HEAD "Connection: ";
	int client = door_client();
	bool eof;
	char *answer;

	for (int i = 0; i < 300; i++)
		strcat(text, "a,");
	strcat(text, "\r\n\r\n");
	answer = door_ask(client, text, &eof);
	cr_expect(!strncmp(answer, "HTTP/1.1 400 ", 13), "%s", answer);
	cr_expect(eof);
	free(answer);
	close(client);
}

Test(http_smuggling, answers_owed_before_come_first)
{
	int client = door_client();
	bool eof;
	char *text = door_ask(client, NEXT "GET / HTTP/1.1\r\n\r\n" NEXT, &eof);

	cr_expect_str_eq(text, "");
	cr_assert_eq(door.count, 1);
	free(text);
	door_answer(0, 200, "", "first", false);
	text = door_read(client, &eof);
	cr_expect(!strncmp(text, "HTTP/1.1 200 ", 13), "%s", text);
	cr_expect(strstr(text, "firstHTTP/1.1 400 "), "%s", text);
	cr_expect(eof);
	free(text);
	close(client);
}

static const char *const accepted[] = {
	NEXT,
	"\r\n\r\n" NEXT,
	"GET / HTTP/1.1\r\nhOsT:x\r\n\r\n",
	"GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
	"GET /?a=b?c&d HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET http://a/b?c HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET http://a HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET HTTPS://[::1]:/ HTTP/1.1\r\nHost:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x:65535\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x_y.example%2d\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: [::ffff:192.0.2.1]:1\r\n\r\n",
	"GET http://a/ HTTP/1.0\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c, websocket\r\n"
	"Connection: Upgrade\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nA: \t b \t\r\nB: \xc3\xa4\r\nC:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 00\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\t\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x \t\r\nContent-Length:\t0 \t \r\n\r\n",
	CHUNKED "5;a=\"b\"\r\nhello\r\n000\r\nA: b\r\n\r\n",
	CHUNKED "5;a\r\nhello\r\n0;b=c\r\n\r\n",
	CHUNKED "5; a\t= b ;c=\"\\\";\\\\\" ;d\r\nhello\r\n0\r\n\r\n",
	POST "Transfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
	"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n",
	"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n",
};

Test(http_smuggling, what_is_well_formed_is_served_and_so_is_the_next)
{
	for (unsigned i = 0; i < sizeof(accepted) / sizeof(*accepted); i++) {
		int client = door_client();
		unsigned before = door.count;

		door_send(client, accepted[i]);
		door_send(client, NEXT);
		door_turn();
		cr_assert_gt(door.count, before, "%s", accepted[i]);
		door_answer(before, 204, "", "", false);
		cr_expect_eq(door.count - before,
			strstr(accepted[i], "HTTP/1.0") ? 1 : 2, "%s",
			accepted[i]);
		close(client);
		door_pass_ms(2000);
	}
}
