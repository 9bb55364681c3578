/* peer: two of them over a socket pair, or one against raw bytes. Deadlines
 * come from a timer that fails the test. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/peer.h"

static struct ev_loop *loop;
static struct peer_group group;
static ev_timer deadline;

/* One end: what it got and what it does about it. */
struct end {
	struct peer peer;
	unsigned messages, closes, flushes, stop_at;
	uint32_t next_id; /* ids are expected in order from 0 */
	uint64_t bytes;	  /* of results that are bin */
	char reason[200]; /* "" for NULL */
	void (*then)(struct end *e, const struct message *m);
};

static struct end *a, *b;
static int raw; /* the other end, if it is not a peer */

static void
on_deadline(struct ev_loop *l, ev_timer *w, int events)
{
	cr_assert_fail("nothing happened for 10 s");
}

static void
end_message(struct peer *p, const struct message *m)
{
	struct end *e = p->owner;

	cr_assert_eq(m->kind, MESSAGE_RESPONSE);
	cr_expect_eq(m->id, e->next_id);
	e->next_id = m->id + 1;
	e->messages++;
	e->bytes += codec_bytes(m->result).length;
	if (e->messages == e->stop_at)
		ev_break(loop, EVBREAK_ALL);
	if (e->then)
		e->then(e, m);
}

static void
end_close(struct peer *p, const char *reason)
{
	struct end *e = p->owner;

	cr_expect_not(peer_is_open(p));
	e->closes++;
	snprintf(e->reason, sizeof(e->reason), "%s", reason ? reason : "");
	ev_break(loop, EVBREAK_ALL);
}

static void
end_flushed(struct peer *p)
{
	struct end *e = p->owner;

	cr_expect_eq(peer_backlog(p), 0);
	e->flushes++;
}

static const struct peer_ops ops = {
	.on_message = end_message,
	.on_close = end_close,
	.on_flushed = end_flushed,
};

static void
start(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	peer_group_init(&group, loop);
	ev_timer_init(&deadline, on_deadline, 10, 0);
	ev_timer_start(loop, &deadline);
}

static struct end *
end_create(int fd)
{
	struct end *e = calloc(1, sizeof(*e));

	peer_init(&e->peer, &group, fd, &ops, e);
	return e;
}

static void
end_destroy(struct end **e)
{
	if (*e) {
		peer_finish(&(*e)->peer);
		peer_finish(&(*e)->peer);
	}
	free(*e);
	*e = NULL;
}

static void
start_pair(void)
{
	int fds[2];

	start();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a = end_create(fds[0]);
	b = end_create(fds[1]);
}

static void
start_raw(void)
{
	int fds[2];

	start();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a = end_create(fds[0]);
	raw = fds[1];
}

static void
finish(void)
{
	end_destroy(&a);
	end_destroy(&b);
	peer_group_finish(&group);
	ev_loop_destroy(loop);
}

static void
send_one(struct end *e, uint32_t id, size_t size)
{
	static char bytes[2 * WIRE_MESSAGE_MAX];
	msgpack_packer *p = peer_begin(&e->peer);

	codec_result(p, id);
	codec_bin(p, (struct bytes){bytes, size});
	cr_expect_eq(peer_end(&e->peer), 0);
}

static void
raw_write(const void *bytes, size_t size)
{
	cr_assert_eq(write(raw, bytes, size), (ssize_t)size);
}

static void
raw_greet(void)
{
	raw_write("\0SP\0\0\x10\0\0", 8);
}

/* Frames of payloads: `count` results with ids from 0, one frame. */
static void
raw_results(uint8_t count)
{
	uint8_t bytes[SP_HEADER_BYTES + 5 * 255], *at = bytes + SP_HEADER_BYTES;

	for (uint8_t i = 0; i < count; i++) {
		const uint8_t one[5] = {0x94, 1, i, 0xc0, 0xc0};

		memcpy(at, one, 5);
		at += 5;
	}
	sp_header(bytes, 5u * count);
	raw_write(bytes, (size_t)(at - bytes));
}

TestSuite(peer, .init = start_pair, .fini = finish);
TestSuite(peer_raw, .init = start_raw, .fini = finish);

Test(peer, objects_arrive_in_order_both_ways)
{
	for (uint32_t i = 0; i < 20000; i++)
		send_one(a, i, i % 300);
	send_one(b, 0, 5);
	b->stop_at = 20000;
	ev_run(loop, 0);
	cr_expect_eq(b->messages, 20000);
	cr_expect_eq(b->bytes, 20000 / 300 * (299 * 300 / 2) + 199 * 200 / 2);
	cr_expect_eq(a->messages, 1);
	cr_expect_eq(peer_backlog(&a->peer), 0);
	cr_expect_gt(a->flushes, 0, "5 MB do not fit the kernel at once");
}

Test(peer, large_objects_take_frames_of_their_own)
{
	send_one(a, 0, 10);
	send_one(a, 1, WIRE_MESSAGE_MAX - 10);
	send_one(a, 2, WIRE_MESSAGE_MAX - 10);
	send_one(a, 3, 10);
	b->stop_at = 4;
	ev_run(loop, 0);
	cr_expect_eq(b->messages, 4);
	cr_expect_eq(b->bytes, 20 + 2 * (WIRE_MESSAGE_MAX - 10));
	cr_expect_eq(a->closes + b->closes, 0);
}

Test(peer, an_object_beyond_the_limit_is_removed_again)
{
	static char bytes[WIRE_MESSAGE_MAX];
	msgpack_packer *p;

	for (int first = 1; first >= 0; first--) {
		if (!first)
			send_one(a, 0, 10);
		p = peer_begin(&a->peer);
		codec_result(p, 77);
		codec_bin(p, (struct bytes){bytes, sizeof(bytes)});
		cr_expect_eq(peer_end(&a->peer), -1);
	}
	send_one(a, 1, 10);
	b->stop_at = 2;
	ev_run(loop, 0);
	cr_expect_eq(b->messages, 2);
}

Test(peer, an_idle_peer_holds_no_memory)
{
	for (uint32_t i = 0; i < 10; i++)
		send_one(a, i, WIRE_MESSAGE_MAX - 10);
	b->stop_at = 10;
	ev_run(loop, 0);
	cr_expect_null(a->peer.out.memory);
	cr_expect_null(a->peer.in.memory);
	cr_expect_null(b->peer.out.memory);
	cr_expect_null(b->peer.in.memory);
}

Test(peer, closing_flushes_and_the_other_reads_it_all)
{
	for (uint32_t i = 0; i < 100; i++)
		send_one(a, i, 100);
	peer_close(&a->peer);
	cr_expect_not(peer_is_open(&a->peer));
	ev_run(loop, 0);
	cr_expect_eq(b->messages, 100);
	cr_expect_eq(b->closes, 1);
	cr_expect_str_eq(b->reason, "");
	cr_expect_eq(a->closes, 0);
}

Test(peer, what_is_packed_after_the_end_is_thrown_away)
{
	peer_close(&a->peer);
	send_one(a, 0, 100);
	cr_expect_eq(peer_backlog(&a->peer), 0);
	cr_expect(peer_flush(&a->peer));
	end_destroy(&a);
	ev_run(loop, 0);
	cr_expect_eq(b->closes, 1);
	send_one(b, 0, 100);
	cr_expect_null(b->peer.out.memory);
}

static void
then_free(struct end *e, const struct message *m)
{
	end_destroy(e == a ? &a : &b);
	cr_expect_eq(m->id, 2, "the message outlives the peer");
	cr_expect_eq(codec_bytes(m->result).length, 70000);
	ev_break(loop, EVBREAK_ALL);
}

static void
then_free_at_2(struct end *e, const struct message *m)
{
	if (m->id == 2)
		then_free(e, m);
}

Test(peer, a_callback_may_free_the_owner)
{
	b->then = then_free_at_2;
	for (uint32_t i = 0; i < 5; i++)
		send_one(a, i, 70000);
	ev_run(loop, 0);
	cr_expect_null(b);
	ev_run(loop, 0);
	cr_expect_eq(a->closes, 1);
	cr_expect_str_eq(a->reason, "");
}

static void
then_close(struct end *e, const struct message *m)
{
	send_one(e, 0, 10);
	peer_close(&e->peer);
	cr_expect_eq(m->id, 0);
}

Test(peer, a_callback_may_close_and_hears_no_more)
{
	b->then = then_close;
	for (uint32_t i = 0; i < 5; i++)
		send_one(a, i, 10);
	ev_run(loop, 0);
	cr_expect_eq(b->messages, 1);
	cr_expect_eq(b->closes, 0);
	cr_expect_eq(a->messages, 1);
	cr_expect_eq(a->closes, 1);
}

static void
then_read_rest_of_a(struct end *e, const struct message *m)
{
	if (m->id == 0)
		peer_read_rest(&a->peer);
	cr_expect_eq(codec_bytes(m->result).length, 1000);
}

Test(peer, a_callback_may_read_another_peer)
{
	b->then = then_read_rest_of_a;
	for (uint32_t i = 0; i < 10; i++) {
		send_one(a, i, 1000);
		send_one(b, i, 2000);
	}
	peer_flush(&b->peer);
	b->stop_at = 10;
	ev_run(loop, 0);
	cr_expect_eq(b->messages, 10);
	cr_expect_eq(a->messages, 10);
}

static void
then_pause(struct end *e, const struct message *m)
{
	if (m->id == 0)
		peer_pause(&e->peer, true);
}

static void
on_tick(struct ev_loop *l, ev_timer *w, int events)
{
	ev_break(l, EVBREAK_ALL);
}

Test(peer, a_paused_peer_reads_no_more_until_told)
{
	ev_timer tick;
	unsigned before;

	b->then = then_pause;
	for (uint32_t i = 0; i < 2000; i++)
		send_one(a, i, 1000);
	ev_timer_init(&tick, on_tick, 0.02, 0);
	ev_timer_start(loop, &tick);
	ev_run(loop, 0);
	before = b->messages;
	cr_expect_lt(before, 2000);
	cr_expect_gt(peer_backlog(&a->peer), 0);
	peer_pause(&b->peer, false);
	b->stop_at = 2000;
	ev_run(loop, 0);
	cr_expect_eq(b->messages, 2000);
}

Test(peer_raw, what_came_before_the_death_is_delivered_first)
{
	raw_greet();
	raw_results(100);
	close(raw);
	send_one(a, 0, 100); /* its write fails */
	peer_flush(&a->peer);
	peer_read_rest(&a->peer);
	cr_expect_eq(a->messages, 100);
	cr_expect_eq(a->closes, 1);
	cr_expect_str_eq(a->reason, "");
	peer_read_rest(&a->peer);
	cr_expect_eq(a->closes, 1);
}

Test(peer_raw, a_failed_write_ends_a_paused_peer_too)
{
	raw_greet();
	raw_results(3);
	peer_pause(&a->peer, true);
	close(raw);
	send_one(a, 0, 100);
	ev_run(loop, 0);
	cr_expect_eq(a->messages, 3);
	cr_expect_eq(a->closes, 1);
}

Test(peer_raw, reading_the_rest_of_an_open_socket_goes_on_later)
{
	raw_greet();
	raw_results(3);
	peer_read_rest(&a->peer);
	cr_expect_eq(a->messages, 3);
	cr_expect(peer_is_open(&a->peer));
	a->next_id = 0;
	raw_results(3);
	a->stop_at = 6;
	ev_run(loop, 0);
	cr_expect_eq(a->closes, 0);
	close(raw);
}

Test(peer_raw, bytes_one_at_a_time_are_put_together)
{
	static const uint8_t stream[] = {0, 'S', 'P', 0, 0, 16, 0, 0, 1, 0, 0,
		0, 0, 0, 0, 0, 0, /* an empty frame */
		1, 0, 0, 0, 0, 0, 0, 0, 10, 0x94, 1, 0, 0xc0, 0xc0, 0x94, 1, 1,
		0xc0, 0xc0};

	for (size_t i = 0; i < sizeof(stream); i++) {
		raw_write(stream + i, 1);
		peer_read_rest(&a->peer);
	}
	cr_expect_eq(a->messages, 2);
	cr_expect_eq(a->closes, 0);
	cr_expect_null(a->peer.in.memory);
	close(raw);
}

Test(peer_raw, misbehaviour_closes_once_with_a_reason)
{
	static const struct {
		struct bytes bytes;
		const char *says;
		bool greet;
	} rows[] = {
		{BYTES_INIT("GET / HTTP/1.1\r\n"), "does not speak SP", false},
		{BYTES_INIT("\0SP\0\0\x30\0\0"), "SP protocol 0x0030", false},
		{BYTES_INIT("\2"), "a frame begins with 0x02", true},
		{BYTES_INIT("\1\xff\0\0\0\0\0\0\0"), "larger than", true},
		{BYTES_INIT("\1\0\0\0\0\0\x10\0\1"), "larger than", true},
		{BYTES_INIT("\1\0\0\0\0\0\0\0\1\xc1"), "malformed", true},
		{BYTES_INIT("\1\0\0\0\0\0\0\0\5\xdd\xff\xff\xff\xff"),
			"malformed", true},
		{BYTES_INIT("\1\0\0\0\0\0\0\0\6\x94\1\0\xc0\xc0\xc1"),
			"at byte 5", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int fds[2];

		close(raw);
		end_destroy(&a);
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		a = end_create(fds[0]);
		raw = fds[1];
		if (rows[i].greet)
			raw_greet();
		raw_write(rows[i].bytes.at, rows[i].bytes.length);
		ev_run(loop, 0);
		cr_expect_eq(a->closes, 1, "row %zu", i);
		cr_expect(strstr(a->reason, rows[i].says), "row %zu: %s", i,
			a->reason);
	}
	close(raw);
}

Test(peer_raw, batches_are_cut_and_framed)
{
	static uint8_t got[1 << 20];
	size_t length = 0, at = SP_GREETING_BYTES, payload, frames = 0;
	ssize_t n;

	for (uint32_t i = 0; i < 150; i++)
		send_one(a, i, 1000);
	ev_run(loop, EVRUN_NOWAIT);
	while ((n = recv(raw, got + length, sizeof(got) - length,
			MSG_DONTWAIT)) > 0)
		length += (size_t)n;
	cr_expect_eq(memcmp(got, "\0SP\0\0\x10\0\0", 8), 0);
	for (; at < length; at += SP_HEADER_BYTES + payload, frames++) {
		cr_assert_eq(sp_frame(got + at, length - at, WIRE_MESSAGE_MAX,
				     &payload, NULL),
			1);
		cr_expect_leq(payload, WIRE_BATCH_BYTES + 1100);
	}
	cr_expect_eq(at, length);
	cr_expect_eq(frames, 3);
	close(raw);
}
