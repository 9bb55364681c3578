/* fuzz_websocket: any bytes behind the request for a session, whole and cut
 * into pieces: the same messages are answered with the same bytes, and no
 * connection outlives its limits. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/http_door.h"

#define INPUT_MAX 8192
#define ASK                                                                    \
	"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"                \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                 \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                      \
	"Authorization: Bearer secret\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Reads what has come. */
static void
read_all(int client, struct buffer *out)
{
	ssize_t n;

	do {
		n = recv(client, buffer_reserve(out, 65536), 65536, 0);
		if (n > 0)
			buffer_commit(out, (size_t)n);
		door_turn();
	} while (n > 0);
}

/* The head of the answer has a request id, which differs. */
static void
drop_head(struct buffer *out)
{
	uint8_t *end = buffer_length(out)
			       ? memmem(buffer_bytes(out), buffer_length(out),
					 "\r\n\r\n", 4)
			       : NULL;

	if (!end)
		abort();
	buffer_consume(out, (size_t)(end - buffer_bytes(out)) + 4);
}

/* Pongs may come before what waits, and only the last ping is owed one. */
static void
drop_pongs(struct buffer *out)
{
	struct buffer rest = {0};

	while (buffer_length(out)) {
		const uint8_t *at = buffer_bytes(out);
		size_t there = buffer_length(out), head = 2, size;

		if (there < 2 || (at[0] & 0x70) || (at[1] & 0x80))
			abort();
		head += at[1] == 126 ? 2 : at[1] == 127 ? 8 : 0;
		if (there < head)
			abort();
		size = head > 2 ? 0 : at[1];
		for (size_t i = 2; i < head; i++)
			size = size << 8 | at[i];
		if (there - head < size)
			abort();
		if ((at[0] & 15) != 10)
			buffer_append(&rest, at, head + size);
		buffer_consume(out, head + size);
	}
	buffer_finish(out);
	*out = rest;
}

static void
run(struct buffer *out, const uint8_t *bytes, size_t size, size_t step)
{
	int client;

	door_open();
	client = door_client();
	door_send(client, ASK);
	door_turn();
	for (size_t at = 0; at < size; at += step) {
		size_t piece = size - at < step ? size - at : step;

		door_send_bytes(client, bytes + at, piece);
		door_turn();
		read_all(client, out);
	}
	shutdown(client, SHUT_WR);
	read_all(client, out);
	door_pass_ms(3000);
	door_pass_ms(3000);
	if (door.server->connection_count)
		abort();
	if (door.gateway.edge.sessions)
		abort();
	drop_head(out);
	drop_pongs(out);
	close(client);
	door_close();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct buffer whole = {0}, cut = {0};
	size_t step;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	step = bytes[0] ? bytes[0] : 1;
	run(&whole, bytes + 1, size - 1, size);
	run(&cut, bytes + 1, size - 1, step);
	if (buffer_length(&whole) != buffer_length(&cut) ||
		(buffer_length(&whole) &&
			memcmp(buffer_bytes(&whole), buffer_bytes(&cut),
				buffer_length(&whole))))
		abort();
	buffer_finish(&whole);
	buffer_finish(&cut);
	return 0;
}
