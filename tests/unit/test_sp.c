/* sp: greetings and frames, whole, cut and wrong. */
#include <criterion/criterion.h>

#include "proto/sp.h"

Test(sp, greets_like_nng)
{
	uint8_t greeting[SP_GREETING_BYTES];

	sp_greeting(greeting, SP_PAIR0);
	cr_expect_eq(memcmp(greeting, "\0SP\0\0\x10\0\0", 8), 0);
	cr_expect_eq(sp_check_greeting(greeting, SP_PAIR0, NULL), 0);
}

Test(sp, refuses_other_greetings)
{
	static const uint8_t wrong[][SP_GREETING_BYTES] = {
		{0, 'S', 'P', 0, 0, 0x11, 0, 0},
		{0, 'S', 'P', 1, 0, 0x10, 0, 0},
		{0, 'S', 'P', 0, 0, 0x10, 0, 1},
		{0, 'S', 'Q', 0, 0, 0x10, 0, 0},
		{'G', 'E', 'T', ' ', '/', ' ', 'H', 'T'},
	};
	struct error err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		err.text[0] = '\0';
		cr_expect_eq(sp_check_greeting(wrong[i], SP_PAIR0, &err), -1);
		cr_expect_neq(err.text[0], '\0');
	}
}

Test(sp, reads_the_header_it_writes)
{
	uint8_t bytes[SP_HEADER_BYTES + 300] = {0};
	size_t payload;

	sp_header(bytes, 300);
	for (size_t size = 0; size < sizeof(bytes); size++)
		cr_expect_eq(sp_frame(bytes, size, 300, &payload, NULL), 0);
	cr_expect_eq(sp_frame(bytes, sizeof(bytes), 300, &payload, NULL), 1);
	cr_expect_eq(payload, 300);
	sp_header(bytes, 0);
	cr_expect_eq(sp_frame(bytes, 9, 300, &payload, NULL), 1);
	cr_expect_eq(payload, 0);
}

Test(sp, refuses_long_frames_and_other_tags)
{
	uint8_t bytes[SP_HEADER_BYTES];
	struct error err;
	size_t payload;

	sp_header(bytes, 301);
	cr_expect_eq(sp_frame(bytes, 9, 300, &payload, &err), -1);
	sp_header(bytes, UINT64_MAX);
	cr_expect_eq(sp_frame(bytes, 9, 300, &payload, &err), -1);
	bytes[0] = 2;
	cr_expect_eq(sp_frame(bytes, 1, 300, &payload, &err), -1);
}
