/* test_worker_pieces: bodies in pieces, state, new settings and events of a C
 * plugin: sup-worker against a fake supd, over both links. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "tests/system/fake.h"

#define PIECE ((size_t)32 * 1024)
/* of 3 bytes "abc" */
#define ABC_SHA256                                                             \
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct fake fake;

#define ON_BOTH_LINKS(name)                                                    \
	static void name(const char *link);                                    \
	Test(worker_pieces, name##__nng)                                       \
	{                                                                      \
		name("nng");                                                   \
	}                                                                      \
	Test(worker_pieces, name##__native)                                    \
	{                                                                      \
		name("native");                                                \
	}                                                                      \
	static void name(const char *link)

static void
start(const char *link, const char *settings)
{
	fake_start(&fake, "tests/plugins/pieces", "pieces.so", link, settings,
		NULL);
	fake_await_ready(&fake);
}

static void
end(void)
{
	int status = fake_stop(&fake);

	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == LAUNCH_EXIT_DONE,
		"wait status %#x; it wrote: %s", status, fake_output(&fake));
}

static void
post(uint32_t id, const char *path, const char *body, bool more)
{
	fake_http(&fake, id, "POST", path, "", body, strlen(body), more);
}

/* All that was said before has been handled when the pong is here. */
static void
settle(void)
{
	fake.answers[9] = (struct fake_answer){0};
	fake_plain(&fake, MESSAGE_PING);
	fake_await_answer(&fake, 9);
}

static const char *
ask_tool(uint32_t id, const char *name, const char *args)
{
	fake_named(&fake, id, MESSAGE_TOOL, name, args);
	fake_await_answer(&fake, id);
	return fake.answers[id].content;
}

static void
expect_content(uint32_t id, const char *part)
{
	fake_await_answer(&fake, id);
	cr_expect(fake.answers[id].content &&
			  strstr(fake.answers[id].content, part),
		"%s is not in \"%s\" %s", part, fake.answers[id].content,
		fake.answers[id].error);
}

/* ---- bodies ---- */

ON_BOTH_LINKS(the_route_says_that_it_streams)
{
	start(link, "{}");
	cr_expect(fake.offers.items[0].http.streams_body);
	cr_expect(!fake.offers.items[7].http.streams_body);
	end();
}

ON_BOTH_LINKS(a_body_comes_in_order_and_ends_once_however_it_is_sent)
{
	start(link, "{}");
	post(1, "/pieces/count", "", false);
	post(2, "/pieces/count", "abc", false);
	post(3, "/pieces/count", "abc", true);
	fake_chunk(&fake, 3, 0, false);
	post(4, "/pieces/later", "ab", true);
	fake_chunk(&fake, 4, 1, false);
	post(5, "/pieces/count", "", true);
	settle();
	fake_chunk(&fake, 5, 1, true);
	fake_chunk(&fake, 5, 2, true);
	settle();
	fake_chunk(&fake, 5, 0, false);
	expect_content(1, "{\"bytes\":0,\"pieces\":1,");
	expect_content(2, "{\"bytes\":3,\"pieces\":1,");
	expect_content(3, "{\"bytes\":3,");
	expect_content(4, "{\"bytes\":3,");
	expect_content(5, "{\"bytes\":3,\"pieces\":3,");
	cr_expect(strstr(fake.answers[2].content, "\"sum\":96354}"));
	cr_expect(strstr(fake.answers[3].content, "\"sum\":96354}"));
	cr_expect(strstr(fake.answers[4].content, "\"sum\":96354}"));
	end();
}

ON_BOTH_LINKS(credit_is_given_for_what_was_taken)
{
	start(link, "{}");
	post(1, "/pieces/count", "", true);
	for (int i = 0; i < 64; i++)
		fake_chunk(&fake, 1, PIECE, true);
	settle();
	cr_expect(fake.credited > 64 * PIECE - WIRE_CREDIT_BYTES / 2 &&
			  fake.credited <= 64 * PIECE,
		"%llu bytes", (unsigned long long)fake.credited);
	fake_chunk(&fake, 1, 0, false);
	expect_content(1, "{\"bytes\":2097152,\"pieces\":65,");
	end();
}

ON_BOTH_LINKS(who_pauses_gets_no_piece_and_gives_no_credit_until_it_resumes)
{
	start(link, "{}");
	post(1, "/pieces/held", "abc", true);
	for (size_t sent = 0; sent < WIRE_CREDIT_BYTES; sent += PIECE)
		fake_chunk(&fake, 1, PIECE, true);
	settle();
	cr_expect(fake.credited == 0, "%llu bytes",
		(unsigned long long)fake.credited);
	ask_tool(2, "release", NULL);
	settle();
	cr_expect(fake.credited == WIRE_CREDIT_BYTES, "%llu bytes",
		(unsigned long long)fake.credited);
	fake_chunk(&fake, 1, 0, false);
	expect_content(1, "{\"bytes\":262147,\"pieces\":2,");
	end();
}

ON_BOTH_LINKS(the_end_of_a_body_waits_for_who_paused)
{
	start(link, "{}");
	post(1, "/pieces/held", "", true);
	fake_chunk(&fake, 1, 0, false);
	settle();
	cr_expect(fake.answers[1].count == 0);
	ask_tool(2, "release", NULL);
	expect_content(1, "{\"bytes\":0,\"pieces\":1,");
	end();
}

/* The reader takes nothing: no more than two windows of it are under way, and
 * that much of credit is never given. */
ON_BOTH_LINKS(an_echo_to_a_reader_that_stops_stops_the_sender)
{
	size_t sent = 0;

	start(link, "{}");
	fake.holds_credit = true;
	post(1, "/pieces/echo", "", true);
	while (sent < 4 * WIRE_CREDIT_BYTES &&
		sent < fake.credited + WIRE_CREDIT_BYTES) {
		fake_chunk(&fake, 1, PIECE, true);
		sent += PIECE;
		settle();
	}
	cr_expect(sent == fake.credited + WIRE_CREDIT_BYTES,
		"%zu bytes were taken", sent);
	cr_expect(fake.answers[1].content_bytes == WIRE_CREDIT_BYTES);
	cr_expect(sent - fake.answers[1].content_bytes <= WIRE_CREDIT_BYTES,
		"%zu bytes wait in the worker",
		sent - fake.answers[1].content_bytes);
	fake.holds_credit = false;
	fake_about(&fake, MESSAGE_CREDIT, 1, WIRE_CREDIT_BYTES);
	for (; sent < 64 * PIECE; sent += PIECE) {
		while (sent + PIECE > fake.credited + WIRE_CREDIT_BYTES)
			fake_turn(&fake);
		fake_chunk(&fake, 1, PIECE, true);
	}
	fake_chunk(&fake, 1, 0, false);
	fake_await_answer(&fake, 1);
	cr_expect(fake.answers[1].content_bytes == sent);
	end();
}

ON_BOTH_LINKS(an_answer_before_the_end_drops_the_rest)
{
	start(link, "{}");
	post(1, "/pieces/early", "abc", true);
	expect_content(1, "early");
	fake_chunk(&fake, 1, PIECE, true);
	post(2, "/pieces/enough", "", true);
	fake_chunk(&fake, 2, PIECE, true);
	fake_chunk(&fake, 2, PIECE, true);
	expect_content(2, "enough");
	settle();
	cr_expect(fake.credited == 0);
	post(3, "/pieces/count", "abc", false);
	expect_content(3, "\"bytes\":3");
	end();
}

ON_BOTH_LINKS(a_cancel_ends_the_pieces)
{
	start(link, "{}");
	post(1, "/pieces/held", "abc", true);
	fake_chunk(&fake, 1, PIECE, true);
	fake_about(&fake, MESSAGE_CANCEL, 1, 0);
	fake_chunk(&fake, 1, PIECE, false);
	fake_await_answer(&fake, 1);
	cr_expect(!strncmp(fake.answers[1].error, "cancelled", 9));
	post(2, "/pieces/echo", "", true);
	fake_chunk(&fake, 2, 100, true);
	settle();
	fake_about(&fake, MESSAGE_CANCEL, 2, 0);
	fake_chunk(&fake, 2, 100, true);
	fake_await_answer(&fake, 2);
	cr_expect(fake.answers[2].content_bytes == 100);
	cr_expect(fake.logs == 1);
	fake_plain(&fake, MESSAGE_DRAIN);
	fake_await_drained(&fake, 1);
	end();
}

ON_BOTH_LINKS(who_waits_for_pieces_hears_that_they_do_not_come)
{
	start(link, "{}");
	post(1, "/pieces/count", "abc", true);
	settle();
	fake_about(&fake, MESSAGE_CANCEL, 1, 0);
	post(2, "/pieces/later", "abc", true);
	fake_about(&fake, MESSAGE_CANCEL, 2, 0);
	fake_await_answer(&fake, 1);
	fake_await_answer(&fake, 2);
	cr_expect(!strncmp(fake.answers[1].error, "cancelled", 9));
	cr_expect(!strncmp(fake.answers[2].error, "cancelled", 9));
	cr_expect(fake.logs == 2);
	post(3, "/pieces/count", "abc", false);
	fake_about(&fake, MESSAGE_CANCEL, 3, 0);
	fake_await_answer(&fake, 3);
	end();
}

/* ---- state ---- */

ON_BOTH_LINKS(a_small_state_goes_in_one_piece)
{
	start(link, "{\"state_bytes\":3}");
	fake_ask(&fake, 1, MESSAGE_EXPORT, "[]");
	fake_await_answer(&fake, 1);
	cr_expect(fake.answers[1].status == 3 && !fake.answers[1].chunks);
	cr_expect_str_eq(fake.answers[1].content, "abc");
	cr_expect_str_eq(fake.answers[1].sha256, ABC_SHA256);
	end();
}

ON_BOTH_LINKS(a_large_state_goes_under_credit_and_comes_back)
{
	const size_t bytes = (size_t)16 * 1024 * 1024;
	const struct fake_answer *a = &fake.answers[1];
	size_t sent = WIRE_INLINE_BODY;
	char expected[100];
	uint64_t sum = 0;

	start(link, "{\"state_bytes\":16777216,\"export\":\"later\"}");
	fake.holds_credit = true;
	fake_ask(&fake, 1, MESSAGE_EXPORT, "[]");
	while (a->content_bytes < WIRE_INLINE_BODY + WIRE_CREDIT_BYTES)
		fake_turn(&fake);
	settle();
	cr_expect(a->content_bytes == WIRE_INLINE_BODY + WIRE_CREDIT_BYTES);
	fake.holds_credit = false;
	fake_about(&fake, MESSAGE_CREDIT, 1, WIRE_CREDIT_BYTES);
	fake_await_answer(&fake, 1);
	cr_assert(a->content_bytes == bytes && a->status == 3);

	fake_import(&fake, 2, 3, a->content, sent, true, a->sha256);
	for (; sent < bytes; sent += PIECE) {
		msgpack_packer *out = peer_begin(&fake.peer);

		codec_notification(out, MESSAGE_CHUNK, 3);
		msgpack_pack_uint32(out, 2);
		codec_bin(out, (struct bytes){a->content + sent, PIECE});
		sent + PIECE < bytes ? msgpack_pack_true(out)
				     : msgpack_pack_false(out);
		peer_end(&fake.peer);
		while (sent + PIECE - WIRE_INLINE_BODY + PIECE >
				fake.credited + WIRE_CREDIT_BYTES &&
			sent + PIECE < bytes)
			fake_turn(&fake);
	}
	expect_content(2, "null");
	for (size_t i = 0; i < bytes; i++)
		sum = sum * 31 + (unsigned char)a->content[i];
	snprintf(expected, sizeof(expected),
		"{\"version\":3,\"bytes\":16777216,\"sum\":%u}", (unsigned)sum);
	cr_expect_str_eq(ask_tool(3, "imported", NULL), expected);
	end();
}

ON_BOTH_LINKS(a_damaged_or_too_large_state_is_refused)
{
	char *zeros = memory_alloc(1 << 19);
	size_t sent = 1 << 19;

	start(link, "{}");
	fake_import(&fake, 1, 3, "abd", 3, false, ABC_SHA256);
	fake_import(&fake, 2, 3, "abc", 3, false, ABC_SHA256);
	fake_import(&fake, 3, -1, "abc", 3, false, "");
	fake_import(&fake, 4, 8, "abc", 3, false, NULL);
	fake_await_answer(&fake, 4);
	cr_expect(strstr(fake.answers[1].error, "bad_message") &&
			  strstr(fake.answers[1].error, "SHA-256"),
		"%s", fake.answers[1].error);
	expect_content(2, "null");
	cr_expect(strstr(fake.answers[3].error, "version"));
	expect_content(4, "null");
	cr_expect(strstr(ask_tool(7, "imported", NULL), "\"version\":8"));
	fake_import(&fake, 5, 3, zeros, sent, true, NULL);
	for (; sent <= (size_t)16 * 1024 * 1024; sent += 1 << 19)
		fake_chunk(&fake, 5, 1 << 19, true);
	fake_await_answer(&fake, 5);
	cr_expect(!strncmp(fake.answers[5].error, "too_large", 9));
	free(zeros);
	end();
}

ON_BOTH_LINKS(a_plugin_may_refuse_state_and_fail_to_give_it)
{
	start(link, "{\"refuse_import\":true,\"export\":\"fails\"}");
	fake_import(&fake, 1, 5, "abc", 3, false, NULL);
	fake_ask(&fake, 2, MESSAGE_EXPORT, "[]");
	fake_await_answer(&fake, 2);
	fake_await_answer(&fake, 1);
	cr_expect_str_eq(
		fake.answers[1].error, "failed: version 5 is not mine");
	cr_expect_str_eq(fake.answers[2].error, "busy: not now");
	end();
	start(link, "{\"export\":\"text\"}");
	fake_ask(&fake, 1, MESSAGE_EXPORT, "[]");
	fake_await_answer(&fake, 1);
	cr_expect_str_eq(fake.answers[1].error,
		"failed: answer an export with sup_reply_state()");
	end();
	start(link, "{\"state_bytes\":16777217}");
	fake_ask(&fake, 1, MESSAGE_EXPORT, "[]");
	fake_await_answer(&fake, 1);
	cr_expect(!strncmp(fake.answers[1].error, "too_large", 9));
	end();
}

ON_BOTH_LINKS(what_the_plugin_does_not_do_is_not_found)
{
	start(link, "{\"state\":false,\"configures\":false}");
	fake_ask(&fake, 1, MESSAGE_EXPORT, "[]");
	fake_import(&fake, 2, 1, "abc", 3, true, NULL);
	fake_ask(&fake, 3, MESSAGE_CONFIGURE, "[{\"word\":\"x\"}]");
	for (uint32_t id = 1; id <= 3; id++) {
		fake_await_answer(&fake, id);
		cr_expect(!strncmp(fake.answers[id].error, "not_found", 9),
			"%s", fake.answers[id].error);
	}
	end();
}

/* ---- settings and events ---- */

ON_BOTH_LINKS(new_settings_are_in_force_once_they_are_accepted)
{
	start(link, "{\"word\":\"old\"}");
	cr_expect_str_eq(ask_tool(1, "word", NULL),
		"{\"word\":\"old\",\"all\":\"{\\\"word\\\":\\\"old\\\"}\"}");
	fake_ask(&fake, 2, MESSAGE_CONFIGURE, "[{\"word\":\"no\"}]");
	fake_await_answer(&fake, 2);
	cr_expect_str_eq(fake.answers[2].error, "conflict: not from old to no");
	cr_expect(strstr(ask_tool(3, "word", NULL), "\"word\":\"old\""));
	fake_ask(&fake, 4, MESSAGE_CONFIGURE, "[{\"word\":\"new\",\"b\":1}]");
	expect_content(4, "null");
	cr_expect_str_eq(ask_tool(5, "word", NULL),
		"{\"word\":\"new\",\"all\":"
		"\"{\\\"b\\\":1,\\\"word\\\":\\\"new\\\"}\"}");
	end();
}

ON_BOTH_LINKS(events_are_told_with_their_data)
{
	start(link, "{}");
	cr_expect_str_eq(
		ask_tool(1, "emit", "{\"data\":\"{\\\"a\\\":[1]}\"}"), "0");
	cr_expect_str_eq(fake.emitted, "pieces.said {\"a\":[1]}");
	cr_expect_str_eq(ask_tool(2, "emit", NULL), "0");
	cr_expect_str_eq(fake.emitted, "pieces.said null");
	cr_expect_str_eq(ask_tool(3, "emit", "{\"data\":\"{\"}"), "-1");
	cr_expect(fake.emits == 2);
	end();
}

ON_BOTH_LINKS(a_plugin_of_the_first_abi_is_taken_as_it_was)
{
	fake_start(&fake, "tests/plugins/older", "older.so", link, "{}", NULL);
	fake_await_ready(&fake);
	cr_expect(!fake.offers.items[0].http.streams_body);
	post(1, "/older", "abc", true);
	fake_chunk(&fake, 1, 2, false);
	expect_content(1, "5");
	end();
}

/* ---- static takes a new root while it runs ---- */

ON_BOTH_LINKS(static_takes_new_settings_and_refuses_a_root_that_is_none)
{
	fake_start(&fake, "plugins/static", "static.so", link,
		"{\"root\":\".\",\"index\":\"plugin.yaml\"}", NULL);
	fake_await_ready(&fake);
	fake_ask(&fake, 1, MESSAGE_HEALTH, "[]");
	expect_content(1, "null");
	fake_ask(&fake, 2, MESSAGE_CONFIGURE, "[{\"root\":\"/no/such\"}]");
	fake_await_answer(&fake, 2);
	cr_expect_str_eq(fake.answers[2].error,
		"not_found: root is not a folder: /no/such");
	fake_http_rest(&fake, 3, "GET", "/*", "");
	expect_content(3, "name: static");
	fake_ask(&fake, 4, MESSAGE_CONFIGURE, "[{\"root\":\"public\"}]");
	expect_content(4, "null");
	fake_http_rest(&fake, 5, "GET", "/*", "");
	expect_content(5, "<!doctype html>");
	end();
}
