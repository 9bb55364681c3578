/* peer: what it costs its neighbours. A share of each loop turn, the turn of
 * the whole group, and no reading from a peer that does not read. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/peer.h"

#define ENDS 3
#define FRAME_OBJECTS 100

static struct ev_loop *loop;
static struct peer_group group;
static ev_timer deadline;
static char order[4096]; /* the name of the end that got each message */
static unsigned order_count;

/* One peer and the raw other side of its socket. */
static struct end {
	struct peer peer;
	int raw;
	char name;
	unsigned messages, closes, stop_at;
	uint32_t next_id;
	size_t answer_bytes; /* to each message, 0: none */
} ends[ENDS];

static void
on_deadline(struct ev_loop *l, ev_timer *w, int events)
{
	cr_assert_fail("nothing happened for 10 s");
}

static void
answer(struct end *e, uint32_t id)
{
	static char bytes[65536];
	msgpack_packer *p = peer_begin(&e->peer);

	codec_result(p, id);
	codec_bin(p, (struct bytes){bytes, e->answer_bytes});
	cr_expect_eq(peer_end(&e->peer), 0);
}

static void
on_message(struct peer *p, const struct message *m)
{
	struct end *e = p->owner;

	cr_assert_eq(m->id, e->next_id);
	e->next_id = (e->next_id + 1) % FRAME_OBJECTS;
	if (order_count < sizeof(order) - 1)
		order[order_count++] = e->name;
	if (e->answer_bytes)
		answer(e, m->id);
	if (++e->messages == e->stop_at)
		ev_break(loop, EVBREAK_ALL);
}

static void
on_close(struct peer *p, const char *reason)
{
	struct end *e = p->owner;

	cr_expect_null(reason, "%s", reason);
	e->closes++;
	ev_break(loop, EVBREAK_ALL);
}

static const struct peer_ops ops = {
	.on_message = on_message, .on_close = on_close};

/* A frame of FRAME_OBJECTS results with ids from 0. */
static void
raw_frame(struct end *e)
{
	uint8_t bytes[SP_HEADER_BYTES + 5 * FRAME_OBJECTS];

	sp_header(bytes, 5 * FRAME_OBJECTS);
	for (uint8_t i = 0; i < FRAME_OBJECTS; i++)
		memcpy(bytes + SP_HEADER_BYTES + 5 * i,
			(const uint8_t[]){0x94, 1, i, 0xc0, 0xc0}, 5);
	cr_assert_eq(write(e->raw, bytes, sizeof(bytes)), sizeof(bytes));
}

static void
begin(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	peer_group_init(&group, loop);
	ev_timer_init(&deadline, on_deadline, 10, 0);
	ev_timer_start(loop, &deadline);
	for (int i = 0; i < ENDS; i++) {
		int fds[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		ends[i] = (struct end){.raw = fds[1], .name = (char)('a' + i)};
		peer_init(&ends[i].peer, &group, fds[0], &ops, &ends[i]);
		cr_assert_eq(write(fds[1], "\0SP\0\0\x10\0\0", 8), 8);
	}
}

static void
finish(void)
{
	for (int i = 0; i < ENDS; i++) {
		peer_finish(&ends[i].peer);
		close(ends[i].raw);
	}
	peer_group_finish(&group);
	ev_loop_destroy(loop);
}

TestSuite(peer_bounds, .init = begin, .fini = finish);

Test(peer_bounds, a_peer_gets_its_share_of_a_turn_and_the_next_one_follows)
{
	int ahead = 0;

	ends[0].peer.bounds.objects = ends[1].peer.bounds.objects = 4;
	raw_frame(&ends[0]);
	raw_frame(&ends[1]);
	ends[0].stop_at = ends[1].stop_at = FRAME_OBJECTS;
	while (ends[0].messages < FRAME_OBJECTS ||
		ends[1].messages < FRAME_OBJECTS)
		ev_run(loop, EVRUN_ONCE);
	for (unsigned i = 0; i < order_count; i++) {
		ahead += order[i] == 'a' ? 1 : -1;
		cr_expect_leq(abs(ahead), 2 * 4, "at message %u", i);
	}
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
	cr_expect_null(ends[0].peer.in.memory);
}

Test(peer_bounds, a_share_ends_with_its_time)
{
	ends[0].peer.bounds.turn_us = 1;
	ends[0].answer_bytes = 65536; /* takes longer than that */
	raw_frame(&ends[0]);
	ev_run(loop, EVRUN_ONCE);
	cr_expect_eq(ends[0].messages, 1);
	ev_run(loop, EVRUN_ONCE);
	cr_expect_eq(ends[0].messages, 2);
}

Test(peer_bounds, the_turn_of_a_group_bounds_all_its_peers)
{
	group.turn_us = 1;
	for (int i = 0; i < ENDS; i++) {
		ends[i].peer.bounds.objects = 1;
		ends[i].answer_bytes = 65536;
		raw_frame(&ends[i]);
	}
	for (unsigned turn = 1; turn <= 4 * ENDS; turn++) {
		ev_run(loop, EVRUN_ONCE);
		cr_expect_eq(order_count, turn);
	}
	for (int i = 0; i < ENDS; i++)
		cr_expect(ends[i].messages >= 3 && ends[i].messages <= 5,
			"each in its turn: %u", ends[i].messages);
}

Test(peer_bounds, who_goes_first_is_not_behind_the_others)
{
	group.turn_us = 1;
	for (int i = 0; i < ENDS; i++) {
		ends[i].peer.bounds.objects = 1;
		ends[i].answer_bytes = 65536;
	}
	ends[ENDS - 1].peer.bounds.first = true;
	for (int i = 0; i < ENDS - 1; i++)
		raw_frame(&ends[i]);
	ev_run(loop, EVRUN_ONCE);
	ev_run(loop, EVRUN_ONCE);
	cr_assert_null(strchr(order, 'c'));
	raw_frame(&ends[ENDS - 1]);
	ends[ENDS - 1].stop_at = 50;
	ev_run(loop, 0);
	for (int i = 0; i < ENDS - 1; i++)
		cr_expect(ends[i].messages >= 20 && ends[i].messages <= 30,
			"the others share a place of each turn: %u",
			ends[i].messages);
}

/* Reads what the peer says until nothing more comes. */
static size_t
raw_drain(struct end *e, size_t until)
{
	static char bytes[65536];
	size_t total = 0;

	while (total < until) {
		ssize_t got = recv(e->raw, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (got > 0)
			total += (size_t)got;
		else
			ev_run(loop, EVRUN_ONCE);
	}
	return total;
}

Test(peer_bounds, a_peer_that_reads_no_answers_is_not_read_either)
{
	struct end *e = &ends[0];
	unsigned before;
	size_t size;

	e->peer.bounds.queued = 100000;
	e->answer_bytes = 1000;
	for (int i = 0; i < 100; i++)
		raw_frame(e);
	while (!peer_over_since_ms(&e->peer))
		ev_run(loop, EVRUN_ONCE);
	for (int i = 0; i < 10; i++)
		ev_run(loop, EVRUN_NOWAIT);
	before = e->messages;
	cr_expect_lt(before, 100 * FRAME_OBJECTS);
	cr_expect_leq(peer_backlog(&e->peer), 101100, "one answer more");
	cr_expect_gt(peer_backlog(&e->peer), 50000);
	size = 100 * FRAME_OBJECTS * 1000;
	raw_drain(e, size);
	cr_expect_eq(e->messages, 100 * FRAME_OBJECTS);
	cr_expect_eq(peer_over_since_ms(&e->peer), 0);
}

Test(peer_bounds, the_end_of_a_peer_waits_for_what_it_had_sent)
{
	struct end *e = &ends[0];

	e->peer.bounds.objects = 3;
	e->answer_bytes = 10; /* nobody can take it */
	raw_frame(e);
	raw_frame(e);
	close(e->raw);
	ev_run(loop, 0);
	cr_expect_eq(e->messages, 2 * FRAME_OBJECTS);
	cr_expect_eq(e->closes, 1);
}

Test(peer_bounds, the_last_words_are_read_without_regard_to_the_bounds)
{
	struct end *e = &ends[0];

	e->peer.bounds = (struct peer_bounds){.objects = 3, .queued = 10};
	e->answer_bytes = 100;
	raw_frame(e);
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_ONCE);
	cr_expect_lt(e->messages, FRAME_OBJECTS);
	raw_frame(e);
	peer_read_rest(&e->peer);
	cr_expect_eq(e->messages, 2 * FRAME_OBJECTS);
}

Test(peer_bounds, a_paused_peer_keeps_the_rest_of_its_frame)
{
	struct end *e = &ends[0];

	e->peer.bounds.objects = 10;
	raw_frame(e);
	ev_run(loop, EVRUN_ONCE);
	peer_pause(&e->peer, true);
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
	cr_expect_eq(e->messages, 10);
	peer_pause(&e->peer, false);
	e->stop_at = FRAME_OBJECTS;
	ev_run(loop, 0);
	cr_expect_eq(e->messages, FRAME_OBJECTS);
}
