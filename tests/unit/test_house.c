/* Who gets a place at the control socket when others hold theirs. Sessions over
 * socket pairs, with the credentials that a test gives them. */
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/sp.h"
#include "proto/value.h"
#include "supervisor/control/session.h"
#include "supervisor/ops/journal.h"
#include "tests/unit/fake_gateway.h"

#define ADMIN 1
#define OPERATOR 2
#define VIEWER 100 /* to 109 */
#define NOBODY 1000

static struct ev_loop *loop;
static struct session_house house;

static void
open_house(void)
{
	char yaml[1024] = "plugins:\n  hello: {}\nadmin:\n  peers:\n"
			  "    - {uid: 1, role: admin}\n"
			  "    - {uid: 2, role: operator}\n";

	for (int uid = VIEWER; uid < VIEWER + 10; uid++)
		snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
			"    - {uid: %d, role: viewer}\n", uid);
	loop = ev_loop_new(0);
	fake_open(yaml, loop);
	house_init(&house, &fake.gateway, fake.gateway.config);
}

static void
close_house(void)
{
	while (!list_is_empty(&house.sessions))
		session_destroy(container_of(
			house.sessions.next, struct session, node));
	house_finish(&house);
	fake_close();
	ev_loop_destroy(loop);
}

TestSuite(house, .init = open_house, .fini = close_house);

/* How many of `count` silent connections of that user get a fake. */
static unsigned
enter(uid_t uid, unsigned count)
{
	unsigned entered = 0;

	for (unsigned i = 0; i < count; i++) {
		struct credentials who = {.uid = uid, .gid = 99};
		int fds[2];

		if (!house_has_place(&house, &who))
			continue;
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		close(fds[1]);
		session_create(&house, fds[0], &who);
		entered++;
	}
	return entered;
}

Test(house, callers_without_a_role_lock_nobody_out)
{
	unsigned entered = 0;

	for (uid_t uid = NOBODY; uid < NOBODY + 10; uid++) {
		unsigned of_one = enter(uid, 64);

		cr_expect_leq(of_one, CONTROL_SESSIONS_PER_NOBODY);
		entered += of_one;
	}
	cr_expect_eq(entered, CONTROL_SESSIONS_NOBODIES);
	cr_expect_eq(enter(ADMIN, 1), 1);
	cr_expect_eq(enter(OPERATOR, 32), 32);
	cr_expect_eq(enter(VIEWER, 32), 32);
	cr_expect_eq(fake.gateway.control.ended[GATEWAY_CONTROL_ROOM], 0);
}

Test(house, viewers_leave_places_to_admins_and_make_room_for_operators)
{
	for (uid_t uid = VIEWER; uid < VIEWER + 10; uid++)
		cr_expect_eq(enter(uid, 64), CONTROL_SESSIONS_PER_USER);
	cr_expect_eq(
		house.count, CONTROL_SESSIONS_MAX - CONTROL_SESSIONS_ADMIN);
	cr_expect_eq(enter(OPERATOR, 5), 5, "for them a viewer goes");
	cr_expect_eq(
		house.count, CONTROL_SESSIONS_MAX - CONTROL_SESSIONS_ADMIN);
	cr_expect_eq(
		enter(ADMIN, CONTROL_SESSIONS_ADMIN), CONTROL_SESSIONS_ADMIN);
	cr_expect_eq(enter(NOBODY, 1), 0);
	cr_expect_eq(house.count, CONTROL_SESSIONS_MAX);
}

Test(house, an_admin_always_gets_in)
{
	cr_expect_eq(enter(ADMIN, 1000), 1000);
	cr_expect_eq(house.count, CONTROL_SESSIONS_MAX);
	list_for_each (node, &house.sessions)
		container_of(node, struct session, node)->call_count = 1;
	cr_expect_eq(enter(ADMIN, 1), 1, "though all are at work");
	list_for_each (node, &house.sessions)
		container_of(node, struct session, node)->call_count = 0;
}

/* ---- their calls ---- */

/* A session of that user; the other side of its socket. */
static int
enter_one(uid_t uid)
{
	struct credentials who = {.uid = uid, .gid = 99};
	int fds[2];

	cr_assert(house_has_place(&house, &who));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	session_create(&house, fds[0], &who);
	cr_assert_eq(write(fds[1], "\0SP\0\0\x10\0\0", 8), 8);
	return fds[1];
}

/* One frame with `count` calls that emit an event each. */
static void
send_calls(int fd, unsigned count)
{
	json_t *args = json_pack("{s:s}", "name", "a.b");
	uint8_t header[SP_HEADER_BYTES];
	struct buffer b = {0};
	msgpack_packer p;

	codec_packer(&p, &b);
	for (unsigned i = 0; i < count; i++) {
		codec_request(&p, i, MESSAGE_CONTROL, 2);
		codec_text(&p, "emit");
		value_pack(&p, args);
	}
	sp_header(header, buffer_length(&b));
	cr_assert_eq(write(fd, header, sizeof(header)), sizeof(header));
	cr_assert_eq(write(fd, buffer_bytes(&b), buffer_length(&b)),
		buffer_length(&b));
	buffer_finish(&b);
	json_decref(args);
}

/* More than the greeting has come. */
static bool
has_answer(int fd)
{
	char bytes[SP_GREETING_BYTES + 1];

	return recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT) ==
	       sizeof(bytes);
}

static void
run_until_empty(void)
{
	for (int turn = 0; turn < 10000 && house.count; turn++)
		ev_run(loop, EVRUN_NOWAIT);
	cr_assert_eq(house.count, 0);
}

Test(house, of_a_client_that_is_gone_no_more_calls_are_run)
{
	int fd = enter_one(OPERATOR);

	send_calls(fd, 2000);
	close(fd);
	run_until_empty();
	cr_expect_geq(journal_total(fake.gateway.journal), 1);
	cr_expect_leq(journal_total(fake.gateway.journal),
		house_bounds(ROLE_OPERATOR).objects, "one share at most");
}

Test(house, one_call_of_a_client_that_does_not_wait_is_run)
{
	int fd = enter_one(OPERATOR);

	send_calls(fd, 1);
	close(fd);
	run_until_empty();
	cr_expect_eq(journal_total(fake.gateway.journal), 1);
}

Test(house, an_admin_is_answered_before_the_calls_of_a_crowd)
{
	int crowd[CONTROL_SESSIONS_PER_USER], admin;
	uint64_t before;

	house.peers.turn_us = 1; /* each call uses it up */
	for (int i = 0; i < CONTROL_SESSIONS_PER_USER; i++) {
		crowd[i] = enter_one(OPERATOR);
		send_calls(crowd[i], 100);
	}
	for (int turn = 0; turn < 10; turn++)
		ev_run(loop, EVRUN_NOWAIT);
	admin = enter_one(ADMIN);
	send_calls(admin, 1);
	before = journal_total(fake.gateway.journal);
	while (!has_answer(admin))
		ev_run(loop, EVRUN_NOWAIT);
	cr_expect_leq(journal_total(fake.gateway.journal) - before,
		5 * house_bounds(ROLE_OPERATOR).objects,
		"one of the crowd a turn, for a few turns");
	for (int i = 0; i < CONTROL_SESSIONS_PER_USER; i++)
		close(crowd[i]);
	close(admin);
}
