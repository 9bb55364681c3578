/* client: connects, sends one request, reads progress and the answer. Every
 * way that can fail ends in an exit code and one sentence. */
#include "tools/supctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/codec.h"
#include "proto/sp.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/value.h"

#define CALL_ID 1
#define INPUT_BYTES (64 * 1024)

struct client {
	int fd;
	uint64_t deadline_ms;
	struct buffer in;
	bool greeted;
	struct codec *codec;
	const struct client_watch *watch;
	struct answer *answer;
	uint64_t input_credit; /* bytes of input that supd takes now */
	bool input_ended;
};

/* -1: for ever; 0: the time is over. */
static int
time_left(uint64_t deadline_ms)
{
	uint64_t now;

	if (deadline_ms == UINT64_MAX)
		return -1;
	now = clock_ms();
	if (now >= deadline_ms)
		return 0;
	return deadline_ms - now > INT32_MAX ? INT32_MAX
					     : (int)(deadline_ms - now);
}

/* connect() and send() of a blocking socket end at the deadline too. */
static void
limit_sending(const struct client *c)
{
	int left = time_left(c->deadline_ms);
	struct timeval limit;

	if (left < 0)
		return;
	left = left ? left : 1;
	limit.tv_sec = left / 1000;
	limit.tv_usec = left % 1000 * 1000;
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int
refuse_connection(struct answer *a, const char *path)
{
	switch (errno) {
	case EACCES:
	case EPERM:
		return answer_fail(a, EXIT_DENIED,
			"permission denied: %s: uid %u may not "
			"connect",
			path, (unsigned)getuid());
	case EAGAIN:
	case EINPROGRESS:
		return answer_fail(a, EXIT_TIMED_OUT,
			"supd does not accept connections at %s", path);
	case ENOENT:
	case ECONNREFUSED:
		return answer_fail(a, EXIT_NOT_RUNNING,
			"supd is not running: nothing listens at %s", path);
	default:
		return answer_fail(a, EXIT_NOT_RUNNING,
			"cannot reach supd at %s: %s", path, strerror(errno));
	}
}

static int
client_connect(struct client *c, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return answer_fail(c->answer, EXIT_NOT_RUNNING,
			"%s: too long for the path of a socket", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return answer_fail(
			c->answer, EXIT_FAILURE, "socket: %s", strerror(errno));
	limit_sending(c);
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)))
		return refuse_connection(c->answer, path);
	return 0;
}

static int
went_away(struct client *c)
{
	if (c->greeted)
		return answer_fail(c->answer, EXIT_NOT_RUNNING,
			"lost the connection to supd during the call");
	return answer_fail(c->answer, EXIT_NOT_RUNNING,
		"supd closed the connection: it is stopping, or has too many "
		"clients");
}

/* -1 with errno. */
static int
send_all(const struct client *c, const uint8_t *bytes, size_t size)
{
	size_t sent = 0;

	while (sent < size) {
		ssize_t got =
			send(c->fd, bytes + sent, size - sent, MSG_NOSIGNAL);

		if (got > 0)
			sent += (size_t)got;
		else if (got < 0 && errno != EINTR)
			return -1;
	}
	return 0;
}

/* Greeting and request leave in one write. */
static int
client_send(struct client *c, enum verb verb, const json_t *args)
{
	struct buffer out = {0};
	msgpack_packer p;
	json_t *none = args ? NULL : json_object();
	size_t size, skip = SP_GREETING_BYTES + SP_HEADER_BYTES;
	int got;

	buffer_reserve(&out, skip);
	buffer_commit(&out, skip);
	codec_packer(&p, &out);
	codec_request(&p, CALL_ID, MESSAGE_CONTROL, 2);
	codec_text(&p, verb_rows[verb].name);
	value_pack(&p, args ? args : none);
	json_decref(none);
	size = buffer_length(&out);
	sp_greeting(buffer_bytes(&out), SP_PAIR0);
	sp_header(buffer_bytes(&out) + SP_GREETING_BYTES, size - skip);
	if (size - skip > WIRE_MESSAGE_MAX) {
		buffer_finish(&out);
		return answer_fail(
			c->answer, EXIT_USAGE, "the arguments are too large");
	}
	got = send_all(c, buffer_bytes(&out), size);
	buffer_finish(&out);
	if (!got)
		return 0;
	if (errno == EAGAIN)
		return answer_fail(c->answer, EXIT_TIMED_OUT,
			"timed out: supd does not read");
	/* It may have answered before it closed: that is in the socket. */
	return errno == EPIPE || errno == ECONNRESET
		       ? 0
		       : answer_fail(c->answer, EXIT_NOT_RUNNING,
				 "cannot write to supd: %s", strerror(errno));
}

/* ---- the streams of a command line ---- */

/* A notification about the call. What fails here is seen when the answer is
 * read. */
static void
send_notification(struct client *c, struct buffer *out)
{
	size_t size = buffer_length(out);

	sp_header(buffer_bytes(out), size - SP_HEADER_BYTES);
	send_all(c, buffer_bytes(out), size);
	buffer_finish(out);
}

static void
begin_notification(struct buffer *out, msgpack_packer *p,
	enum message_name name, uint32_t count)
{
	buffer_reserve(out, SP_HEADER_BYTES);
	buffer_commit(out, SP_HEADER_BYTES);
	codec_packer(p, out);
	codec_notification(p, name, count);
	msgpack_pack_uint32(p, CALL_ID);
}

static void
send_input(struct client *c)
{
	static char bytes[INPUT_BYTES];
	size_t most = c->input_credit < sizeof(bytes) ? c->input_credit
						      : sizeof(bytes);
	ssize_t got = read(c->watch->input_fd, bytes, most);
	struct buffer out = {0};
	msgpack_packer p;

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	got = got < 0 ? 0 : got;
	c->input_ended = !got;
	c->input_credit -= (size_t)got;
	begin_notification(&out, &p, MESSAGE_CHUNK, 3);
	codec_bin(&p, (struct bytes){bytes, (size_t)got});
	if (got)
		msgpack_pack_true(&p);
	else
		msgpack_pack_false(&p);
	send_notification(c, &out);
}

/* If this waits, no credit is sent, and then the plugin waits. */
static int
write_output(int fd, struct bytes piece)
{
	size_t written = 0;

	while (written < piece.length) {
		ssize_t got =
			write(fd, piece.at + written, piece.length - written);
		struct pollfd wait = {.fd = fd, .events = POLLOUT};

		if (got > 0)
			written += (size_t)got;
		else if (got < 0 && errno == EAGAIN)
			poll(&wait, 1, -1);
		else if (got < 0 && errno != EINTR)
			return -1;
	}
	return 0;
}

/* -1: nobody reads the output any more. */
static int
take_output(struct client *c, const struct message *m)
{
	struct bytes piece = codec_bytes(&m->params[2]);
	int fd = m->params[1].via.u64 == 2 ? STDERR_FILENO : STDOUT_FILENO;
	struct buffer out = {0};
	msgpack_packer p;

	if (write_output(fd, piece) < 0)
		return answer_fail(
			c->answer, EXIT_FAILURE, "the output was closed");
	begin_notification(&out, &p, MESSAGE_CREDIT, 2);
	msgpack_pack_uint64(&p, piece.length);
	send_notification(c, &out);
	return 0;
}

static int
take_stream(struct client *c, const struct message *m)
{
	if (!c->watch->streams || m->kind != MESSAGE_NOTIFICATION)
		return 0;
	if (m->name == MESSAGE_CLI_OUTPUT)
		return take_output(c, m);
	if (m->name == MESSAGE_CREDIT)
		c->input_credit += m->params[1].via.u64;
	return 0;
}

/* Reads what there is, or waits for it. */
static int
client_fill(struct client *c)
{
	bool takes_input =
		c->watch->streams && !c->input_ended && c->input_credit;
	struct pollfd wait[] = {{.fd = c->fd, .events = POLLIN},
		{.fd = c->watch->follows ? STDOUT_FILENO : -1},
		{.fd = takes_input ? c->watch->input_fd : -1,
			.events = POLLIN}};
	int left = time_left(c->deadline_ms), tick = c->watch->tick_ms;
	bool ticks = tick > 0 && (left < 0 || left > tick);
	int ready = poll(wait, 3, ticks ? tick : left);
	ssize_t got;

	if (ready < 0)
		return errno == EINTR ? 0
				      : answer_fail(c->answer, EXIT_FAILURE,
						"poll: %s", strerror(errno));
	if (!ready && ticks) {
		c->watch->on_tick(c->watch->user);
		return 0;
	}
	if (!ready)
		return answer_fail(c->answer, EXIT_TIMED_OUT,
			"timed out waiting for supd");
	if (wait[1].revents)
		return answer_fail(
			c->answer, EXIT_FAILURE, "the output was closed");
	if (wait[2].revents)
		send_input(c);
	if (!wait[0].revents)
		return 0;
	got = recv(c->fd, buffer_reserve(&c->in, 64 * 1024), 64 * 1024, 0);
	if (got < 0 && errno == EINTR)
		return 0;
	if (got <= 0)
		return went_away(c);
	buffer_commit(&c->in, (size_t)got);
	return 0;
}

static void
take_progress(struct client *c, const struct message *m)
{
	json_t *event = answer_take_progress(c->answer, m);

	if (event && c->watch->on_progress)
		c->watch->on_progress(c->watch->user, event);
	json_decref(event);
}

/* 1: the answer came; 0: not yet; -1: failed. */
static int
take_frame(struct client *c, const uint8_t *payload, size_t size)
{
	struct message m;
	struct error err;
	size_t offset = 0;
	int more;

	while ((more = codec_decode(
			c->codec, payload, size, &offset, &m, &err)) > 0) {
		if (m.kind == MESSAGE_NOTIFICATION &&
			m.name == MESSAGE_PROGRESS)
			take_progress(c, &m);
		if (take_stream(c, &m) < 0)
			return -1;
		if (m.kind == MESSAGE_RESPONSE && m.id == CALL_ID) {
			answer_take(c->answer, &m);
			return 1;
		}
	}
	return more < 0 ? answer_fail(c->answer, EXIT_MALFORMED,
				  "supd's answer is malformed: %s", err.text)
			: 0;
}

/* Works off what was read, as far as it is whole. */
static int
client_deliver(struct client *c)
{
	struct error err = {.text = ""};
	size_t payload;
	int result = 0;

	if (!c->greeted) {
		if (buffer_length(&c->in) < SP_GREETING_BYTES)
			return 0;
		if (sp_check_greeting(buffer_bytes(&c->in), SP_PAIR0, &err))
			return answer_fail(c->answer, EXIT_NOT_RUNNING,
				"that is not supd's control socket: %s",
				err.text);
		buffer_consume(&c->in, SP_GREETING_BYTES);
		c->greeted = true;
	}
	while (!result) {
		result = sp_frame(buffer_bytes(&c->in), buffer_length(&c->in),
			WIRE_MESSAGE_MAX, &payload, &err);
		if (result < 0)
			return answer_fail(c->answer, EXIT_MALFORMED,
				"supd's answer is malformed: %s", err.text);
		if (!result)
			return 0;
		result = take_frame(
			c, buffer_bytes(&c->in) + SP_HEADER_BYTES, payload);
		if (!result)
			buffer_consume(&c->in, SP_HEADER_BYTES + payload);
	}
	return result;
}

void
client_call(const char *path, uint64_t deadline_ms, enum verb verb,
	const json_t *args, const struct client_watch *watch,
	struct answer *answer_out)
{
	struct client c = {.fd = -1,
		.deadline_ms = deadline_ms,
		.watch = watch,
		.answer = answer_out};
	int result;

	*answer_out = (struct answer){.fd = -1};
	c.codec = codec_create();
	result = client_connect(&c, path);
	if (!result)
		result = client_send(&c, verb, args);
	while (!result) {
		result = client_fill(&c);
		if (!result)
			result = client_deliver(&c);
	}
	codec_destroy(c.codec);
	buffer_finish(&c.in);
	answer_out->fd = c.fd;
}

void
client_wait_gone(struct answer *answer, uint64_t deadline_ms)
{
	struct pollfd wait = {.fd = answer->fd, .events = POLLIN};
	char rest[4096];

	for (;;) {
		int ready = poll(&wait, 1, time_left(deadline_ms));

		if (ready < 0 && errno == EINTR)
			continue;
		if (!ready)
			answer_fail(answer, EXIT_TIMED_OUT,
				"timed out waiting for supd to stop");
		if (ready <= 0 || recv(answer->fd, rest, sizeof(rest), 0) <= 0)
			return;
	}
}
