#include "tests/system/harness/ws.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/unit/frames.h"

/* Describes what came; supd's pings are no news. */
static void
describe(struct ws *w)
{
	struct buffer fresh = {0};
	const char *text, *at, *end;

	frames_describe(&fresh, &w->in);
	*buffer_reserve(&fresh, 1) = '\0';
	text = (const char *)buffer_bytes(&fresh);
	for (at = text; *at; at = *end ? end + 1 : end) {
		end = at + strcspn(at, " ");
		if (!strncmp(at, "ping()", 6))
			continue;
		if (buffer_length(&w->frames))
			buffer_append_byte(&w->frames, ' ');
		buffer_append(&w->frames, at, (size_t)(end - at));
	}
	buffer_finish(&fresh);
}

void
ws_ask(struct ws *w, const char *where, const char *path, const char *headers)
{
	struct buffer all = {0};
	const char *at, *end;

	*w = (struct ws){0};
	cr_assert(client_open(&w->client, where));
	cr_assert(client_say(&w->client,
		"GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: " FRAMES_KEY "\r\n%s\r\n",
		path, headers ? headers : ""));
	cr_assert(client_read_until(&w->client, &all, "\r\n\r\n"), "%s", path);
	*buffer_reserve(&all, 1) = '\0';
	at = (const char *)buffer_bytes(&all);
	end = strstr(at, "\r\n\r\n") + 4;
	w->status = atoi(at + strlen("HTTP/1.1 "));
	w->head = memory_copy_bytes(at, (size_t)(end - at));
	buffer_append(&w->in, end, buffer_length(&all) - (size_t)(end - at));
	buffer_finish(&all);
	if (w->status == 101)
		describe(w);
}

void
ws_open(struct ws *w, const char *where, const char *path)
{
	ws_ask(w, where, path, NULL);
	cr_assert_eq(w->status, 101, "%s: %d %s", path, w->status, w->head);
}

bool
ws_say(struct ws *w, const char *notation)
{
	struct buffer out = {0};
	bool sent;

	frames_write(&out, notation);
	sent = client_send(&w->client, buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
	return sent;
}

/* False at the end of the connection or at the deadline. */
static bool
read_more(struct ws *w, uint64_t until_ms)
{
	struct pollfd watched = {.fd = w->client.fd, .events = POLLIN};
	uint64_t now = clock_ms();
	char bytes[64 * 1024];
	ssize_t n;

	if (now >= until_ms || poll(&watched, 1, (int)(until_ms - now)) != 1)
		return false;
	n = recv(w->client.fd, bytes, sizeof(bytes), 0);
	if (n <= 0)
		return false;
	buffer_append(&w->in, bytes, (size_t)n);
	describe(w);
	return true;
}

/* Its text, NUL-terminated. */
static const char *
frames_text(struct ws *w)
{
	*buffer_reserve(&w->frames, 1) = '\0';
	return (const char *)buffer_bytes(&w->frames);
}

static void
take(struct ws *w, size_t length)
{
	buffer_consume(&w->frames, length);
	if (buffer_length(&w->frames)) /* the space between two */
		buffer_consume(&w->frames, 1);
}

void
ws_expect(struct ws *w, const char *frames)
{
	uint64_t until = clock_ms() + HTTP_DEADLINE_MS;
	size_t length = strlen(frames);

	while (buffer_length(&w->frames) < length && read_more(w, until))
		;
	cr_assert(!strncmp(frames_text(w), frames, length) &&
			  (buffer_length(&w->frames) == length ||
				  frames_text(w)[length] == ' '),
		"%s came, not %s", frames_text(w), frames);
	take(w, length);
}

/* The end of the first description: a bracket that a space or the end follows.
 */
static size_t
first_length(struct ws *w)
{
	const char *text = frames_text(w), *at = text;

	while ((at = strpbrk(at, ")]"))) {
		at++;
		if (!*at || *at == ' ')
			return (size_t)(at - text);
	}
	return 0;
}

const char *
ws_next(struct ws *w)
{
	static char frame[256];
	uint64_t until = clock_ms() + HTTP_DEADLINE_MS;
	size_t length;

	while (!(length = first_length(w)) && read_more(w, until))
		;
	if (!length)
		return "";
	snprintf(frame, sizeof(frame), "%.*s", (int)length, frames_text(w));
	take(w, length);
	return frame;
}

void
ws_close(struct ws *w)
{
	cr_assert(ws_say(w, "88:%03%e8"));
	ws_expect(w, "close(1000)");
	ws_leave(w);
}

void
ws_leave(struct ws *w)
{
	client_close(&w->client);
	buffer_finish(&w->in);
	buffer_finish(&w->frames);
	free(w->head);
	w->head = NULL;
}
