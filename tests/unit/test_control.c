/* The control socket with real connections and no gateway behind: answers,
 * progress, garbage, limits and who leaves. One loop serves both ends. */
#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/sp.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/control/control.h"
#include "tests/unit/fake_gateway.h"

#define TURNS_MAX 20000
#define DEADLINE_MS 20000

static struct ev_loop *loop;
static struct control *control;
static char dir[64];
static struct sockaddr_un address;
static unsigned shutdowns;

static void
on_shutdown(void *user)
{
	shutdowns++;
}

static void
open_control(const char *yaml)
{
	struct error err = {.text = ""};

	loop = ev_loop_new(0);
	fake_open(yaml, loop);
	strcpy(dir, "/tmp/supd-control-XXXXXX");
	cr_assert(mkdtemp(dir));
	control = control_create(&fake.gateway, dir, -1, fake.gateway.config,
		on_shutdown, NULL, &err);
	cr_assert(control, "%s", err.text);
	address.sun_family = AF_UNIX;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock",
		dir);
}

static void
open_default(void)
{
	open_control("plugins:\n  hello: {}\n");
}

static void
close_control(void)
{
	control_destroy(control);
	cr_expect_eq(access(address.sun_path, F_OK), -1);
	rmdir(dir);
	fake_close();
	ev_loop_destroy(loop);
}

TestSuite(control, .init = open_default, .fini = close_control, .timeout = 60);

/* ---- a client ---- */

struct client {
	int fd;
	struct buffer in;
	struct codec *codec;
	struct message message; /* valid until the next one is read */
};

static bool
client_open_raw(struct client *c)
{
	*c = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
	c->codec = codec_create();
	return !connect(c->fd, (struct sockaddr *)&address, sizeof(address));
}

static void
client_close(struct client *c)
{
	close(c->fd);
	codec_destroy(c->codec);
	buffer_finish(&c->in);
}

static void
client_write(struct client *c, const void *bytes, size_t size)
{
	const char *at = bytes;

	for (int turns = 0; size && turns < TURNS_MAX; turns++) {
		ssize_t put =
			send(c->fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put > 0) {
			at += put;
			size -= (size_t)put;
		}
		ev_run(loop, EVRUN_NOWAIT);
	}
	cr_assert_eq(size, 0);
}

/* Waits for bytes; false: the connection ended. */
static bool
client_fill(struct client *c)
{
	uint64_t deadline = clock_ms() + DEADLINE_MS;

	while (clock_ms() < deadline) {
		ssize_t got;

		ev_run(loop, EVRUN_NOWAIT);
		got = recv(c->fd, buffer_reserve(&c->in, 65536), 65536,
			MSG_DONTWAIT);
		if (got > 0)
			buffer_commit(&c->in, (size_t)got);
		if (got > 0)
			return true;
		if (!got || (errno != EAGAIN && errno != EINTR))
			return false;
	}
	cr_assert(false, "nothing came");
	return false;
}

/* The next object; false: the connection ended. Frames have one object each
 * or more: what is left of one stays at the front. */
static bool
client_read(struct client *c)
{
	struct error err;
	size_t payload, offset = 0;
	uint8_t *at;

	while (sp_frame(buffer_bytes(&c->in), buffer_length(&c->in),
		       2 * WIRE_MESSAGE_MAX, &payload, &err) != 1)
		if (!client_fill(c))
			return false;
	at = buffer_bytes(&c->in) + SP_HEADER_BYTES;
	cr_assert_eq(
		codec_decode(c->codec, at, payload, &offset, &c->message, &err),
		1, "%s", err.text);
	if (offset < payload) { /* make a frame of the rest */
		buffer_consume(&c->in, offset);
		sp_header(buffer_bytes(&c->in), payload - offset);
	} else {
		buffer_consume(&c->in, SP_HEADER_BYTES + payload);
	}
	return true;
}

static void
client_open(struct client *c)
{
	uint8_t greeting[SP_GREETING_BYTES];

	cr_assert(client_open_raw(c));
	sp_greeting(greeting, SP_PAIR0);
	client_write(c, greeting, sizeof(greeting));
	while (buffer_length(&c->in) < SP_GREETING_BYTES)
		cr_assert(client_fill(c));
	cr_assert_eq(
		sp_check_greeting(buffer_bytes(&c->in), SP_PAIR0, NULL), 0);
	buffer_consume(&c->in, SP_GREETING_BYTES);
}

static void
client_call(struct client *c, uint32_t id, const char *verb, const char *args)
{
	json_t *value = json_loads(args, 0, NULL);
	uint8_t header[SP_HEADER_BYTES];
	struct buffer b = {0};
	msgpack_packer p;

	codec_packer(&p, &b);
	codec_request(&p, id, MESSAGE_CONTROL, 2);
	codec_text(&p, verb);
	value_pack(&p, value);
	sp_header(header, buffer_length(&b));
	client_write(c, header, sizeof(header));
	client_write(c, buffer_bytes(&b), buffer_length(&b));
	json_decref(value);
	buffer_finish(&b);
}

static int
exit_code_of(const struct message *m)
{
	const msgpack_object *code = codec_field(m->result, "exitCode");

	cr_assert_eq(m->kind, MESSAGE_RESPONSE);
	return code ? (int)code->via.u64 : -1;
}

static void
expect_error(struct client *c, uint32_t id, const char *code)
{
	cr_assert(client_read(c));
	cr_assert_eq(c->message.kind, MESSAGE_RESPONSE);
	cr_expect_eq(c->message.id, id);
	cr_assert(c->message.error);
	cr_expect(bytes_equal(codec_bytes(&c->message.error->via.array.ptr[0]),
		bytes_of(code)));
}

/* ---- calls ---- */

Test(control, answers_each_call_with_its_id)
{
	struct client c;

	client_open(&c);
	client_call(&c, 5, "version", "{}");
	client_call(&c, 6, "show", "{\"id\":\"nosuch\"}");
	client_call(&c, 7, "frob", "{}");
	cr_assert(client_read(&c));
	cr_expect_eq(c.message.id, 5);
	cr_expect_eq(exit_code_of(&c.message), 0);
	cr_assert(client_read(&c));
	cr_expect_eq(c.message.id, 6);
	cr_expect_eq(exit_code_of(&c.message), 5);
	expect_error(&c, 7, "bad_message");
	client_close(&c);
}

Test(control, progress_comes_before_the_answer)
{
	struct client c;

	client_open(&c);
	client_call(&c, 5, "reload", "{\"pluginId\":\"hello\"}");
	while (!fake.begun_count)
		ev_run(loop, EVRUN_NOWAIT);
	fake_phase(0, "staging");
	cr_assert(client_read(&c));
	cr_expect_eq(c.message.kind, MESSAGE_NOTIFICATION);
	cr_expect_eq(c.message.name, MESSAGE_PROGRESS);
	cr_expect_eq(c.message.params[0].via.u64, 5);
	fake_verdict(0, RECEIPT_ROLLED_BACK);
	cr_assert(client_read(&c));
	cr_expect_eq(exit_code_of(&c.message), 1);
	client_close(&c);
}

Test(control, a_client_that_leaves_takes_nothing_along)
{
	struct client c, other;

	client_open(&c);
	client_open(&other);
	client_call(&c, 5, "reload", "{\"pluginId\":\"hello\"}");
	while (!fake.begun_count)
		ev_run(loop, EVRUN_NOWAIT);
	client_close(&c);
	for (int i = 0; i < TURNS_MAX && fake.begun[0].watcher; i++)
		ev_run(loop, EVRUN_NOWAIT);
	cr_expect_null(fake.begun[0].watcher);
	client_call(&other, 1, "version", "{}");
	cr_expect(client_read(&other));
	client_close(&other);
}

Test(control, a_document_too_long_for_a_message_comes_in_pieces)
{
	struct output *o = fake_plugin("hello")->output;
	char text[OUTPUT_LINE_BYTES];
	struct buffer whole = {0};
	struct client c;
	json_t *document;

	memset(text, 'x', sizeof(text));
	for (int i = 0; i < OUTPUT_LINES; i++)
		output_add(
			o, 1, 1, "stdout", (struct bytes){text, sizeof(text)});
	client_open(&c);
	client_call(&c, 5, "logs", "{\"id\":\"hello\",\"lines\":500}");
	while (client_read(&c) && c.message.kind == MESSAGE_NOTIFICATION) {
		struct bytes piece =
			codec_bytes(codec_field(&c.message.params[1], "piece"));

		buffer_append(&whole, piece.at, piece.length);
	}
	cr_expect_eq(exit_code_of(&c.message), 0);
	document = json_loadb((const char *)buffer_bytes(&whole),
		buffer_length(&whole), 0, NULL);
	cr_expect_eq(json_array_size(json_object_get(document, "lines")), 500);
	json_decref(document);
	buffer_finish(&whole);
	client_close(&c);
}

static void
open_large(void)
{
	struct buffer yaml = {0};

	buffer_append_text(&yaml, "plugins:\n");
	for (int i = 0; i < 1000; i++)
		buffer_format(&yaml, "  plugin-%d: {}\n", i);
	buffer_append_byte(&yaml, 0);
	open_control((const char *)buffer_bytes(&yaml));
	buffer_finish(&yaml);
}

TestSuite(control_of_many, .init = open_large, .fini = close_control,
	.timeout = 60);

Test(control_of_many, a_long_document_that_fits_into_a_message_is_one_answer)
{
	const msgpack_object *rows;
	struct client c;

	client_open(&c);
	client_call(&c, 5, "list", "{}");
	cr_assert(client_read(&c));
	cr_assert_eq(c.message.kind, MESSAGE_RESPONSE);
	cr_expect_eq(c.message.id, 5);
	cr_expect_eq(exit_code_of(&c.message), 0);
	rows = codec_field(codec_field(c.message.result, "data"), "plugins");
	cr_assert(rows);
	cr_expect_eq(rows->via.array.size, 1000);
	client_close(&c);
}

Test(control, shutdown_is_passed_on)
{
	struct client c;

	client_open(&c);
	client_call(&c, 5, "shutdown", "{}");
	cr_assert(client_read(&c));
	cr_expect_eq(exit_code_of(&c.message), 0);
	cr_expect_eq(shutdowns, 1);
	client_close(&c);
}

/* ---- bad clients ---- */

Test(control, garbage_ends_that_session_only)
{
	static const struct {
		const char *bytes;
		size_t size;
	} rows[] = {
		{"GET / HTTP/1.1\r\n\r\n", 18},
		{"\0SP\0\0\x50\0\0", 8},
		{"\0SP\0\0\x10\0\0\2\0\0\0\0\0\0\0\1x", 18},
		{"\0SP\0\0\x10\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff", 17},
		{"\0SP\0\0\x10\0\0\1\0\0\0\0\0\0\0\5\xdd\xff\xff\xff\xff", 22},
		{"\0SP\0\0\x10\0\0\1\0\0\0\0\0\0\0\1\xc1", 18},
	};
	struct client good, bad;

	client_open(&good);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert(client_open_raw(&bad));
		client_write(&bad, rows[i].bytes, rows[i].size);
		while (client_fill(&bad))
			;
		client_close(&bad);
	}
	client_call(&good, 1, "version", "{}");
	cr_expect(client_read(&good));
	client_close(&good);
}

Test(control, too_many_calls_at_a_time_are_refused)
{
	struct client c;

	client_open(&c);
	for (uint32_t id = 1; id <= 65; id++)
		client_call(&c, id, "logs",
			"{\"id\":\"hello\",\"lines\":0,\"follow\":true}");
	expect_error(&c, 65, "busy");
	client_close(&c);
}

/* The first one waits for a worker; the second gets its answer at once. */
Test(control, one_command_line_of_a_session_at_a_time)
{
	static const char args[] = "{\"plugin\":\"hello\",\"verb\":\"cat\"}";
	struct client c;

	client_open(&c);
	client_call(&c, 1, "x", args);
	client_call(&c, 2, "x", args);
	cr_assert(client_read(&c));
	cr_expect_eq(c.message.id, 2);
	cr_expect_eq(exit_code_of(&c.message), 6);
	client_close(&c);
}

Test(control, a_follower_that_does_not_read_loses_lines_and_hears_how_many)
{
	struct output *o = fake_plugin("hello")->output;
	char text[OUTPUT_LINE_BYTES];
	struct client c;
	unsigned lines = 0;
	uint64_t dropped = 0;

	memset(text, 'x', sizeof(text));
	client_open(&c);
	client_call(&c, 5, "logs",
		"{\"id\":\"hello\",\"lines\":0,\"follow\":true}");
	for (int i = 0; i < 3000; i++) {
		output_add(
			o, 1, 1, "stdout", (struct bytes){text, sizeof(text)});
		ev_run(loop, EVRUN_NOWAIT);
	}
	while (!dropped && client_read(&c)) {
		const msgpack_object *n =
			codec_field(&c.message.params[1], "dropped");

		lines += !n;
		dropped = n ? n->via.u64 : 0;
	}
	cr_expect_eq(lines + dropped, 3000, "%u lines", lines);
	client_close(&c);
}

Test(control, an_admin_gets_the_place_of_the_session_idle_longest)
{
	static struct client clients[CONTROL_SESSIONS_MAX + 1];

	for (int i = 0; i <= CONTROL_SESSIONS_MAX; i++)
		client_open(&clients[i]);
	cr_expect_not(client_fill(&clients[0]), "it was idle longest");
	client_call(&clients[1], 1, "version", "{}");
	cr_expect(client_read(&clients[1]));
	for (int i = 0; i <= CONTROL_SESSIONS_MAX; i++)
		client_close(&clients[i]);
	for (int i = 0; i < 100; i++)
		ev_run(loop, EVRUN_NOWAIT);
	cr_expect_eq(fake.gateway.control.sessions, 0);
	cr_expect_eq(fake.gateway.control.ended[GATEWAY_CONTROL_ROOM], 1);
}

/* ---- silence ---- */

static void
expect_cut(struct client *c, enum gateway_control_end why)
{
	cr_expect_not(client_fill(c));
	cr_expect_eq(fake.gateway.control.ended[why], 1);
	client_close(c);
}

Test(control, a_client_that_never_greets_is_cut)
{
	struct control_limits limits = {
		.greeting_ms = 1, .idle_ms = 60000, .unread_ms = 60000};
	struct client silent;

	control_limit(control, &limits);
	cr_assert(client_open_raw(&silent));
	while (buffer_length(&silent.in) < SP_GREETING_BYTES)
		cr_assert(client_fill(&silent));
	while (!fake.gateway.control.ended[GATEWAY_CONTROL_GREETING])
		ev_run(loop, EVRUN_ONCE);
	expect_cut(&silent, GATEWAY_CONTROL_GREETING);
}

Test(control, an_idle_client_is_cut_and_a_follower_is_not)
{
	struct control_limits limits = {
		.greeting_ms = 60000, .idle_ms = 1, .unread_ms = 60000};
	struct client idle, follower;

	control_limit(control, &limits);
	client_open(&follower);
	client_call(&follower, 1, "events", "{\"follow\":true}");
	client_open(&idle);
	while (!fake.gateway.control.ended[GATEWAY_CONTROL_IDLE])
		ev_run(loop, EVRUN_ONCE);
	expect_cut(&idle, GATEWAY_CONTROL_IDLE);
	cr_expect_eq(fake.gateway.control.sessions, 1);
	client_close(&follower);
}

/* ---- who does not read ---- */

/* The 500 longest lines of a log: half a mebibyte. */
static void
fill_log(void)
{
	struct output *o = fake_plugin("hello")->output;
	char text[OUTPUT_LINE_BYTES];

	memset(text, 'x', sizeof(text));
	for (int i = 0; i < OUTPUT_LINES; i++)
		output_add(
			o, 1, 1, "stdout", (struct bytes){text, sizeof(text)});
}

/* `count` calls of `logs` in one frame. */
static void
client_flood(struct client *c, uint32_t count)
{
	json_t *args = json_pack("{s:s,s:i}", "id", "hello", "lines", 500);
	struct buffer b = {0};
	msgpack_packer p;

	buffer_reserve(&b, SP_HEADER_BYTES);
	buffer_commit(&b, SP_HEADER_BYTES);
	codec_packer(&p, &b);
	for (uint32_t id = 1; id <= count; id++) {
		codec_request(&p, id, MESSAGE_CONTROL, 2);
		codec_text(&p, "logs");
		value_pack(&p, args);
	}
	sp_header(buffer_bytes(&b), buffer_length(&b) - SP_HEADER_BYTES);
	client_write(c, buffer_bytes(&b), buffer_length(&b));
	json_decref(args);
	buffer_finish(&b);
}

Test(control, a_flood_of_calls_without_reading_is_bounded_and_cut)
{
	struct control_limits limits = {
		.greeting_ms = 60000, .idle_ms = 60000, .unread_ms = 60000};
	struct client c, other;

	fill_log();
	control_limit(control, &limits);
	client_open(&c);
	client_open(&other);
	client_flood(&c, 1000);
	for (int i = 0; i < 200; i++)
		ev_run(loop, EVRUN_NOWAIT);
	cr_expect_lt(mallinfo2().uordblks, 32u << 20, "%zu bytes for 2 GB",
		mallinfo2().uordblks);
	client_call(&other, 1, "version", "{}");
	cr_expect(client_read(&other));
	limits.unread_ms = 1;
	control_limit(control, &limits);
	while (!fake.gateway.control.ended[GATEWAY_CONTROL_UNREAD])
		ev_run(loop, EVRUN_ONCE);
	client_close(&c);
	client_close(&other);
}

Test(control, a_flood_of_calls_is_answered_to_a_client_that_reads)
{
	struct client c;
	uint32_t answered = 0;

	fill_log();
	client_open(&c);
	client_flood(&c, 20);
	while (answered < 20) {
		cr_assert(client_read(&c));
		if (c.message.kind == MESSAGE_RESPONSE)
			cr_expect_eq(c.message.id, ++answered);
	}
	client_close(&c);
}

Test(control, a_follower_that_does_not_read_is_cut)
{
	struct control_limits limits = {
		.greeting_ms = 60000, .idle_ms = 60000, .unread_ms = 1};
	struct client c;

	control_limit(control, &limits);
	client_open(&c);
	client_call(&c, 5, "logs",
		"{\"id\":\"hello\",\"lines\":0,\"follow\":true}");
	for (int i = 0; i < 10; i++)
		ev_run(loop, EVRUN_NOWAIT);
	for (int i = 0; i < 4; i++)
		fill_log();
	while (!fake.gateway.control.ended[GATEWAY_CONTROL_UNREAD])
		ev_run(loop, EVRUN_ONCE);
	cr_expect_eq(fake.gateway.control.sessions, 0);
	client_close(&c);
}

/* ---- roles ---- */

static void
open_for_others(void)
{
	open_control("admin: {peers: [{uid: 54321, role: admin}]}\n"
		     "plugins:\n  hello: {}\n");
}

TestSuite(control_for_others, .init = open_for_others, .fini = close_control,
	.timeout = 60);

Test(control_for_others, who_is_not_listed_is_denied_every_time)
{
	static const char *const verbs[] = {"status", "reload", "frob"};
	struct client c;

	client_open(&c);
	for (uint32_t i = 0; i < 100; i++) {
		client_call(&c, i, verbs[i % 3], "{\"pluginId\":\"hello\"}");
		expect_error(&c, i, "denied");
		if (i % 4 < 3)
			continue;
		cr_expect_not(client_fill(&c), "four are enough");
		client_close(&c);
		client_open(&c);
	}
	cr_expect_eq(fake.gateway.control.ended[GATEWAY_CONTROL_DENIED], 25);
	cr_expect_eq(fake.begun_count, 0);
	client_close(&c);
}

Test(control_for_others, a_new_config_counts_from_the_next_call_on)
{
	struct config *config;
	struct problems problems = {0};
	struct client c;
	char yaml[96];

	snprintf(yaml, sizeof(yaml),
		"admin: {peers: [{uid: %u, role: viewer}]}\n",
		(unsigned)geteuid());
	config = config_load_text("/t", yaml, strlen(yaml), &problems);
	cr_assert(config);
	client_open(&c);
	client_call(&c, 1, "version", "{}");
	expect_error(&c, 1, "denied");
	control_configure(control, config);
	client_call(&c, 2, "version", "{}");
	cr_assert(client_read(&c));
	cr_expect_eq(exit_code_of(&c.message), 0);
	client_call(&c, 3, "reload", "{\"pluginId\":\"hello\"}");
	expect_error(&c, 3, "denied");
	client_close(&c);
	config_unref(config);
}

/* ---- the socket ---- */

Test(control, everybody_may_connect_and_a_stale_socket_is_replaced)
{
	struct control *second;
	struct stat st;
	struct error err;

	cr_assert_eq(stat(address.sun_path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0666);
	second = control_create(&fake.gateway, dir, -1, fake.gateway.config,
		on_shutdown, NULL, &err);
	cr_assert(second);
	control_destroy(control);
	control = second;
	/* The first one's end took the name with it: make it anew. */
	control_destroy(control);
	control = control_create(&fake.gateway, dir, -1, fake.gateway.config,
		on_shutdown, NULL, &err);
	cr_assert(control);
}

Test(control, a_path_too_long_for_a_socket_is_an_error)
{
	char longer[200];
	struct error err = {.text = ""};

	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	cr_expect_null(control_create(&fake.gateway, longer, -1,
		fake.gateway.config, on_shutdown, NULL, &err));
	cr_expect(strstr(err.text, "longer than"));
}
