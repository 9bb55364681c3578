/* fuzz_http: any bytes into a connection, whole and cut into pieces: the same
 * requests reach the gateway, and no connection outlives its limits. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/http_door.h"

#define INPUT_MAX 8192 /* fewer requests than the door can note */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct parse_result {
	struct buffer requests; /* method, path, query, peer, body of each */
};

static void
answer_all(void)
{
	for (unsigned i = 0; i < door.count; i++)
		if (door.requests[i].request)
			door_answer(i, 200, "A: b\n", "body", i % 3 == 2);
	for (unsigned i = 0; i < door.count; i++)
		if (door.requests[i].request)
			door_chunk(i, "last", false);
}

static void
note_requests(struct parse_result *o)
{
	static const unsigned noted[] = {1, 2, 4, 8};

	for (unsigned i = 0; i < door.count; i++) {
		const msgpack_object *params = door_params(i);
		struct buffer *body = &door.requests[i].body;

		for (unsigned j = 0; j < 4; j++) {
			struct bytes text = codec_bytes(&params[noted[j]]);

			buffer_append(&o->requests, text.at, text.length);
			buffer_append(&o->requests, "\n", 1);
		}
		if (!door.requests[i].body_over)
			continue;
		buffer_append(&o->requests, body->memory + body->start,
			buffer_length(body));
	}
}

static void
run(struct parse_result *o, const uint8_t *bytes, size_t size, size_t step)
{
	static char network[] = "192.0.2.0/24";
	char *trusted = network;
	int client;

	door_open();
	/* So that a PROXY header and X-Forwarded-For are read. */
	door.config.trusted_proxies = (struct text_list){&trusted, 1};
	http_server_configure(door.server, &door.config);
	client = door_client();
	for (size_t at = 0; at < size; at += step) {
		size_t piece = size - at < step ? size - at : step;

		door_send_bytes(client, bytes + at, piece);
		door_turn();
		answer_all();
	}
	shutdown(client, SHUT_WR);
	door_turn();
	answer_all();
	free(door_read(client, NULL));
	door_pass_ms(2000);
	door_pass_ms(2000);
	if (door.server->connection_count)
		abort();
	note_requests(o);
	close(client);
	door_close();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct parse_result whole = {0}, cut = {0};
	size_t step;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	step = bytes[0] ? bytes[0] : 1;
	run(&whole, bytes + 1, size - 1, size);
	run(&cut, bytes + 1, size - 1, step);
	if (buffer_length(&whole.requests) != buffer_length(&cut.requests) ||
		(buffer_length(&whole.requests) &&
			memcmp(buffer_bytes(&whole.requests),
				buffer_bytes(&cut.requests),
				buffer_length(&whole.requests))))
		abort();
	buffer_finish(&whole.requests);
	buffer_finish(&cut.requests);
	return 0;
}
