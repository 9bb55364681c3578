/* buffer: content survives growing, moving and consuming. */
#include <criterion/criterion.h>

#include "proto/util/buffer.h"

Test(buffer, zero_bytes_are_an_empty_buffer)
{
	struct buffer b = {0};

	cr_expect_eq(buffer_length(&b), 0);
	buffer_clear(&b);
	buffer_consume(&b, 0);
	buffer_append(&b, NULL, 0);
	cr_expect_eq(buffer_length(&b), 0);
	buffer_finish(&b);
}

Test(buffer, appends_and_consumes_like_a_queue)
{
	struct buffer b = {0};
	uint32_t in = 0, out = 0, seed = 7;

	for (int turn = 0; turn < 2000; turn++) {
		seed = seed * 1103515245 + 12345;
		for (uint32_t n = seed >> 24; n; n--)
			buffer_append(&b, &(uint32_t){in++}, sizeof(in));
		seed = seed * 1103515245 + 12345;
		for (uint32_t n = seed >> 24; n && out < in; n--, out++) {
			uint32_t got;

			memcpy(&got, buffer_bytes(&b), sizeof(got));
			cr_assert_eq(got, out);
			buffer_consume(&b, sizeof(got));
		}
		cr_assert_eq(buffer_length(&b), (in - out) * sizeof(in));
	}
	buffer_finish(&b);
}

Test(buffer, reserved_room_counts_after_commit)
{
	struct buffer b = {0};
	uint8_t *at = buffer_reserve(&b, 100000);

	memset(at, 'x', 100000);
	cr_expect_eq(buffer_length(&b), 0);
	buffer_commit(&b, 99999);
	cr_expect_eq(buffer_length(&b), 99999);
	cr_expect_eq(buffer_bytes(&b)[99998], 'x');
	buffer_finish(&b);
}

Test(buffer, clear_gives_back_large_memory_only)
{
	struct buffer b = {0};

	buffer_reserve(&b, 1000);
	buffer_clear(&b);
	cr_expect_not_null(b.memory);
	buffer_reserve(&b, 1 << 20);
	buffer_clear(&b);
	cr_expect_null(b.memory);
	cr_expect_eq(b.capacity, 0);
	buffer_finish(&b);
}

Test(buffer, formats_texts_of_any_length)
{
	struct buffer b = {0};
	char text[5000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buffer_append_text(&b, "<");
	buffer_format(&b, "%d", 17);
	buffer_format(&b, "%s", text);
	buffer_append_byte(&b, '>');
	cr_expect_eq(buffer_length(&b), 1 + 2 + 4999 + 1);
	cr_expect_eq(memcmp(buffer_bytes(&b), "<17aaa", 6), 0);
	cr_expect_eq(b.memory[b.end - 1], '>');
	buffer_finish(&b);
}
