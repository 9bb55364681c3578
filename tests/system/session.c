#include "tests/system/session.h"

#include <criterion/criterion.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/unit/frames.h"

int
session_try(struct session *s, struct gateway_run *g, const char *fields)
{
	static const char end[] = "\r\n\r\n";
	const char *found;
	int status;

	memset(s, 0, sizeof(*s));
	s->kept = json_array();
	cr_assert(client_open(&s->client, g->http));
	cr_assert(client_say(&s->client,
		"GET /ws HTTP/1.1\r\nHost: gate\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: " FRAMES_KEY "\r\n%s\r\n",
		fields));
	cr_assert(client_read_until(&s->client, &s->input, end));
	status = atoi((char *)buffer_bytes(&s->input) + 9);
	found = memmem(
		buffer_bytes(&s->input), buffer_length(&s->input), end, 4);
	buffer_consume(&s->input,
		(size_t)(found - (char *)buffer_bytes(&s->input)) + 4);
	if (status != 101)
		session_close(s);
	return status;
}

void
session_open(struct session *s, struct gateway_run *g, const char *token)
{
	char *fields = memory_format("Authorization: Bearer %s\r\n", token);

	cr_assert_eq(session_try(s, g, fields), 101);
	free(fields);
}

void
session_close(struct session *s)
{
	client_close(&s->client);
	buffer_finish(&s->input);
	json_decref(s->kept);
	s->kept = NULL;
}

static void
send_frame(struct session *s, uint8_t first, const void *payload, size_t size)
{
	static const uint8_t no_mask[4];
	struct buffer out = {0};

	buffer_append_byte(&out, first);
	if (size < 126) {
		buffer_append_byte(&out, (uint8_t)(0x80 | size));
	} else {
		buffer_append_byte(&out, 0xff);
		for (int shift = 56; shift >= 0; shift -= 8)
			buffer_append_byte(
				&out, (uint8_t)((uint64_t)size >> shift));
		if (size < 65536) { /* the shortest form */
			out.end -= 9;
			buffer_append_byte(&out, 0xfe);
			buffer_append_byte(&out, (uint8_t)(size >> 8));
			buffer_append_byte(&out, (uint8_t)size);
		}
	}
	buffer_append(&out, no_mask, 4);
	buffer_append(&out, payload, size);
	client_send(&s->client, buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
}

void
session_say(struct session *s, const char *text)
{
	send_frame(s, 0x81, text, strlen(text));
}

/* A whole frame at the front of the input; false: not yet. */
static bool
has_frame(struct session *s, size_t *head_out, size_t *size_out)
{
	const uint8_t *at = buffer_bytes(&s->input);
	size_t there = buffer_length(&s->input), head = 2, size;

	if (there < 2)
		return false;
	size = at[1];
	head += size == 126 ? 2 : size == 127 ? 8 : 0;
	if (there < head)
		return false;
	if (head > 2)
		size = 0;
	for (size_t i = 2; i < head; i++)
		size = size << 8 | at[i];
	*head_out = head;
	*size_out = size;
	return there >= head + size;
}

json_t *
session_hear(struct session *s)
{
	for (;;) {
		size_t head, size;
		const uint8_t *at;
		json_t *value = NULL;
		uint8_t opcode;

		while (!has_frame(s, &head, &size))
			if (!client_read_some(&s->client, &s->input))
				return NULL;
		at = buffer_bytes(&s->input);
		opcode = at[0] & 15;
		if (opcode == 1)
			value = json_loadb((const char *)at + head, size,
				JSON_DECODE_ANY, NULL);
		else if (opcode == 8 && size >= 2)
			s->close_code = at[head] << 8 | at[head + 1];
		else if (opcode == 9)
			send_frame(s, 0x8a, at + head, size);
		buffer_consume(&s->input, head + size);
		if (opcode == 8)
			return NULL;
		if (opcode == 1)
			return value;
	}
}

json_t *
session_call(struct session *s, const char *method, const char *params)
{
	int id = ++s->next_id;
	char *text = memory_format(
		"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\"%s%s}", id,
		method, params ? ",\"params\":" : "", params ? params : "");
	json_t *heard;

	session_say(s, text);
	free(text);
	while ((heard = session_hear(s))) {
		if (json_integer_value(json_object_get(heard, "id")) == id)
			return heard;
		json_array_append_new(s->kept, heard);
	}
	return NULL;
}

int
session_error(json_t *answer)
{
	const json_t *code =
		json_object_get(json_object_get(answer, "error"), "code");
	int number = (int)json_integer_value(code);

	cr_expect(code || json_object_get(answer, "result"));
	json_decref(answer);
	return number;
}

json_t *
session_note(struct session *s, const char *method)
{
	for (;;) {
		const char *name;
		json_t *heard, *params = NULL;

		if (json_array_size(s->kept)) {
			heard = json_incref(json_array_get(s->kept, 0));
			json_array_remove(s->kept, 0);
		} else {
			heard = session_hear(s);
		}
		cr_assert(heard, "no %s came", method);
		name = json_string_value(json_object_get(heard, "method"));
		if (name && !strcmp(name, method))
			params = json_incref(json_object_get(heard, "params"));
		json_decref(heard);
		if (params)
			return params;
	}
}
