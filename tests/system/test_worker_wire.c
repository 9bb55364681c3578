/* test_worker_wire: what supd makes of a worker that says odd things. The
 * process is a sleep; the test itself speaks for it over the endpoint. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/plugin/worker_private.h"
#include "tests/system/bed.h"

#define SLEEPER "name: it\nversion: 1.0.0\nexec: [sleep, '60']\n"
#define ENTRY "stop_timeout: 1s, ping_timeout: 0s, settings: {a: 1}"

static struct bed bed;

/* The other end. */
static struct {
	struct peer peer;
	unsigned messages, requests, closed;
	uint32_t id; /* of the last message */
	enum message_name name;
	bool failed; /* the last response was an error */
	enum wire_error code;
	char text[256];
	char result[512]; /* of the last response, printed */
} fake;

/* It knows whatever it registers. */
static void
fake_probed(struct peer *p, uint32_t id)
{
	msgpack_packer *packer = peer_begin(p);

	codec_result(packer, id);
	msgpack_pack_nil(packer);
	peer_end(p);
}

static void
fake_message(struct peer *p, const struct message *m)
{
	if (m->kind == MESSAGE_REQUEST && m->name == MESSAGE_PROBE) {
		fake_probed(p, m->id);
		return;
	}
	fake.id = m->id;
	fake.name = m->name;
	fake.failed = false;
	if (m->kind == MESSAGE_REQUEST)
		fake.requests++;
	if (m->kind == MESSAGE_RESPONSE && m->error) {
		fake.failed = true;
		fake.code = codec_read_error(
			m->error, fake.text, sizeof(fake.text));
	} else if (m->kind == MESSAGE_RESPONSE) {
		msgpack_object_print_buffer(
			fake.result, sizeof(fake.result), *m->result);
	}
	fake.messages++;
}

static void
fake_close(struct peer *p, const char *reason)
{
	fake.closed++;
}

static void
fake_connect(const char *path)
{
	static const struct peer_ops ops = {
		.on_message = fake_message, .on_close = fake_close};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	cr_assert(
		connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	memset(&fake, 0, sizeof(fake));
	peer_init(&fake.peer, &bed.peers, fd, &ops, NULL);
}

static void
fake_hello(uint64_t protocol, const char *nonce)
{
	msgpack_packer *packer = peer_begin(&fake.peer);

	codec_request(packer, 1, MESSAGE_HELLO, 3);
	msgpack_pack_uint64(packer, protocol);
	codec_text(packer, nonce);
	codec_text(packer, "fake 1");
	peer_end(&fake.peer);
}

static void
fake_ready(unsigned registrations)
{
	msgpack_packer *packer = peer_begin(&fake.peer);

	codec_request(packer, 2, MESSAGE_READY, 2);
	codec_text(packer, "1.0.0");
	msgpack_pack_array(packer, registrations);
	for (unsigned i = 0; i < registrations; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/%u", i);
		msgpack_pack_map(packer, 3);
		codec_text(packer, "kind");
		codec_text(packer, "http");
		codec_text(packer, "method");
		codec_text(packer, "GET");
		codec_text(packer, "path");
		codec_text(packer, path);
	}
	peer_end(&fake.peer);
}

static void
fake_answer(uint32_t id)
{
	msgpack_packer *packer = peer_begin(&fake.peer);

	codec_result(packer, id);
	msgpack_pack_array(packer, 4);
	msgpack_pack_int(packer, 200);
	msgpack_pack_array(packer, 0);
	codec_bin(packer, BYTES("x"));
	msgpack_pack_false(packer);
	peer_end(&fake.peer);
}

static void
fake_chunk(uint32_t id, bool more)
{
	msgpack_packer *packer = peer_begin(&fake.peer);

	codec_notification(packer, MESSAGE_CHUNK, 3);
	msgpack_pack_uint32(packer, id);
	codec_bin(packer, BYTES("piece"));
	more ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
	peer_end(&fake.peer);
}

static struct worker *
start(void)
{
	struct worker *w;

	bed_make(&bed, "tests/plugins/fault", ENTRY, SLEEPER);
	w = bed_start(&bed);
	fake_connect(w->private->endpoint.path);
	return w;
}

static struct worker *
start_serving(void)
{
	struct worker *w = start();

	fake_hello(PROTOCOL_VERSION, w->private->nonce);
	bed_await(&bed, &fake.messages, 1);
	fake_ready(2);
	bed_await(&bed, &bed.proven, 1);
	worker_serve(w);
	bed_await(&bed, &fake.messages, 2);
	return w;
}

static void
expect_down(const char *error)
{
	bed_await(&bed, &bed.exits, 1);
	cr_expect(strstr(bed.error, error), "\"%s\" is not in \"%s\"", error,
		bed.error);
	peer_finish(&fake.peer);
	bed_clear(&bed);
}

static void
end(struct worker *w)
{
	bed_stop(&bed, w);
	cr_expect(bed.downs == 0, "%s", bed.error);
	peer_finish(&fake.peer);
	bed_clear(&bed);
}

/* ---- hello and ready ---- */

Test(worker_wire, hello_is_answered_with_all_that_a_worker_needs)
{
	struct worker *w = start();
	struct stat stat_out;
	char *w_folder = memory_format("%s/w/1", bed.dir);

	fake_hello(PROTOCOL_VERSION, w->private->nonce);
	bed_await(&bed, &fake.messages, 1);
	cr_expect(!fake.failed && fake.id == 1);
	cr_expect(strstr(fake.result, "[\"it\", 7, {\"a\"=>1}, {"), "%s",
		fake.result);
	cr_expect(strstr(fake.result, "\"credit\"=>262144"));
	cr_expect_str_eq(w->sdk, "fake 1");
	cr_expect(stat(w_folder, &stat_out) < 0, "the endpoint is still there");
	free(w_folder);
	end(w);
}

Test(worker_wire, a_wrong_nonce_is_denied)
{
	start();
	fake_hello(PROTOCOL_VERSION, "0123456789abcdef0123456789abcdef");
	bed_await(&bed, &fake.messages, 1);
	cr_expect(fake.failed && fake.code == WIRE_DENIED);
	expect_down("nonce");
}

Test(worker_wire, another_protocol_is_refused_with_both_versions)
{
	struct worker *w = start();

	fake_hello(2, w->private->nonce);
	bed_await(&bed, &fake.messages, 1);
	cr_expect(fake.failed && fake.code == WIRE_VERSION);
	cr_expect_str_eq(
		fake.text, "the worker speaks protocol 2, supd speaks 1");
	expect_down("speaks protocol 2");
}

Test(worker_wire, a_hosted_plugin_is_the_only_one_let_in)
{
	struct worker *w;

	bed_make(&bed, "tests/plugins/fault",
		"start_timeout: 300ms, env: {FAULT_MODE: never_connects}",
		NULL);
	w = bed_start(&bed);
	fake_connect(w->private->endpoint.path);
	fake_hello(PROTOCOL_VERSION, w->private->nonce);
	bed_await(&bed, &fake.closed, 1);
	cr_expect(fake.messages == 0 && w->state == WORKER_STARTING);
	expect_down("did not say hello");
}

Test(worker_wire, who_speaks_before_hello_is_not_heard)
{
	start();
	fake_ready(1);
	expect_down("first message is not hello");
}

Test(worker_wire, nothing_registered_is_a_failure)
{
	struct worker *w = start();

	fake_hello(PROTOCOL_VERSION, w->private->nonce);
	fake_ready(0);
	expect_down("registers nothing");
}

Test(worker_wire, hello_and_ready_come_once)
{
	struct worker *w = start_serving();

	fake_ready(1);
	(void)w;
	expect_down("ready twice");
	w = start_serving();
	fake_hello(PROTOCOL_VERSION, w->private->nonce);
	expect_down("hello twice");
}

/* ---- answers ---- */

Test(worker_wire, an_answer_to_nothing_takes_it_down)
{
	start_serving();
	fake_answer(4711);
	expect_down("answered request 4711, which is unknown");
}

Test(worker_wire, the_second_answer_takes_it_down)
{
	struct worker *w = start_serving();
	struct ask ask;

	ask_begin(&ask, &bed, w, "/0", "");
	bed_await(&bed, &fake.requests, 1);
	fake_answer(fake.id);
	fake_answer(fake.id);
	expect_down("which is unknown");
	cr_expect(ask.status == 200 && ask.ended == 1);
	ask_finish(&ask);
}

Test(worker_wire, a_piece_before_the_head_takes_it_down)
{
	struct worker *w = start_serving();
	struct ask ask;

	ask_begin(&ask, &bed, w, "/0", "");
	bed_await(&bed, &fake.requests, 1);
	fake_chunk(fake.id, true);
	expect_down("before its head");
	cr_expect(ask.failure == REQUEST_DIED);
	ask_finish(&ask);
}

Test(worker_wire, an_answer_and_a_cancel_may_cross)
{
	struct worker *w = start_serving();
	struct ask ask;
	uint32_t id;

	ask_begin(&ask, &bed, w, "/0", "");
	bed_await(&bed, &fake.requests, 1);
	id = fake.id;
	worker_cancel(w, &ask.request);
	cr_expect(w->in_flight_count == 1);
	fake_answer(id);
	fake_answer(id); /* to the cancel */
	fake_chunk(id, false);
	while (w->in_flight_count)
		bed_turn_for(&bed, 0.001);
	bed_turn_for(&bed, 0.02);
	cr_expect(!ask.answered);
	end(w);
}

/* ---- what it does not read ---- */

Test(worker_wire, requests_wait_while_it_does_not_read)
{
	struct worker *w = start_serving();
	static char piece[64 * 1024];
	struct ask ask;
	uint32_t id;

	ask_begin(&ask, &bed, w, "/0", "");
	bed_await(&bed, &fake.requests, 1);
	id = fake.id;
	peer_pause(&fake.peer, true);
	for (int i = 0; worker_has_room(w); i++) {
		cr_assert(i < 64, "4 MiB were taken");
		worker_send_chunk(w, &ask.request,
			(struct bytes){piece, sizeof(piece)}, true);
	}
	cr_expect(worker_backlog(w) > WORKER_BACKLOG_MAX);
	cr_expect(worker_backlog(w) < 2 * WORKER_BACKLOG_MAX);
	cr_expect_eq(bed.rooms, 0);
	peer_pause(&fake.peer, false);
	bed_await(&bed, &bed.rooms, 1);
	cr_expect(worker_has_room(w));
	fake_answer(id);
	bed_await(&bed, &ask.ended, 1);
	ask_finish(&ask);
	end(w);
}

/* ---- what it says at once ---- */

#define TOGETHER (3 * WORKER_TURN_MESSAGES)

static unsigned
ended_of(const struct ask *asks)
{
	unsigned ended = 0;

	for (int i = 0; i < TOGETHER; i++)
		ended += asks[i].ended;
	return ended;
}

/* Each of them is written to a client at the end of its turn. */
Test(worker_wire, answers_that_come_together_take_several_turns)
{
	static struct ask asks[TOGETHER];
	struct worker *w = start_serving();
	unsigned before = 0, ended = 0;

	for (int i = 0; i < TOGETHER; i++)
		ask_begin(&asks[i], &bed, w, "/0", "");
	bed_await(&bed, &fake.requests, TOGETHER);
	for (int i = 0; i < TOGETHER; i++)
		fake_answer(asks[i].request.id);
	for (; ended < TOGETHER; before = ended) {
		ev_run(bed.loop, EVRUN_ONCE);
		ended = ended_of(asks);
		cr_expect_leq(ended - before, WORKER_TURN_MESSAGES);
	}
	for (int i = 0; i < TOGETHER; i++)
		ask_finish(&asks[i]);
	end(w);
}

/* ---- the rest ---- */

Test(worker_wire, unknown_requests_are_refused_and_notifications_ignored)
{
	struct worker *w = start_serving();
	msgpack_packer *packer = peer_begin(&fake.peer);

	msgpack_pack_array(packer, 3);
	msgpack_pack_int(packer, 2);
	codec_text(packer, "no.such.news");
	msgpack_pack_array(packer, 0);
	peer_end(&fake.peer);
	packer = peer_begin(&fake.peer);
	msgpack_pack_array(packer, 4);
	msgpack_pack_int(packer, 0);
	msgpack_pack_int(packer, 77);
	codec_text(packer, "no.such.request");
	msgpack_pack_array(packer, 0);
	peer_end(&fake.peer);
	bed_await(&bed, &fake.messages, 3);
	cr_expect(fake.failed && fake.id == 77);
	cr_expect(fake.code == WIRE_NOT_FOUND);
	end(w);
}

Test(worker_wire, what_only_supd_may_say_takes_it_down)
{
	msgpack_packer *packer;

	start_serving();
	packer = peer_begin(&fake.peer);
	codec_notification(packer, MESSAGE_DRAIN, 0);
	peer_end(&fake.peer);
	expect_down("sent `drain`, which it may not");
}

Test(worker_wire, log_messages_are_lines_of_the_ring)
{
	struct worker *w = start_serving();
	msgpack_packer *packer = peer_begin(&fake.peer);
	json_t *lines = NULL;

	codec_notification(packer, MESSAGE_LOG, 2);
	codec_text(packer, "warn");
	codec_text(packer, "first\nsecond");
	peer_end(&fake.peer);
	do {
		json_decref(lines);
		bed_turn_for(&bed, 0.001);
		lines = output_last(bed.output, 2, 7);
	} while (json_array_size(lines) < 2);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(lines, 1), "text")),
		"second");
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(lines, 1), "stream")),
		"log");
	json_decref(lines);
	end(w);
}

Test(worker_wire, a_connection_closed_by_a_living_worker_is_its_end)
{
	struct worker *w = start_serving();
	struct ask ask;

	ask_begin(&ask, &bed, w, "/0", "");
	bed_await(&bed, &fake.requests, 1);
	peer_close(&fake.peer);
	bed_await(&bed, &ask.ended, 1);
	cr_expect(ask.failure == REQUEST_DIED && bed.downs == 1);
	expect_down("connection is lost");
	ask_finish(&ask);
}
