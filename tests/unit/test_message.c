/* message: the table is whole and its look-ups agree with it. */
#include <criterion/criterion.h>

#include "proto/message.h"

Test(message, every_row_is_filled_and_found_by_its_name)
{
	for (unsigned i = 0; i < MESSAGE_COUNT; i++) {
		const struct message_row *row = &message_rows[i];

		cr_assert(row->name && row->params && row->meaning);
		cr_expect_lt(strlen(row->name), 32, "the codec's short form");
		cr_expect_eq(message_by_name(row->name, strlen(row->name)), i);
		cr_expect_eq(
			strspn(row->params, "uisbomax|"), strlen(row->params));
		cr_expect(row->kind == MESSAGE_REQUEST ||
			  row->kind == MESSAGE_NOTIFICATION);
		cr_expect(row->direction >= MESSAGE_TO_SUPD &&
			  row->direction <= MESSAGE_BOTH);
	}
}

Test(message, other_names_are_unknown)
{
	static const char *const names[] = {"", "h", "hell", "hellO", "hello ",
		"toll", "drains", "controll"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cr_expect_eq(message_by_name(names[i], strlen(names[i])),
			MESSAGE_UNKNOWN);
	cr_expect_eq(message_by_name("httpx", 4), MESSAGE_HTTP);
}

Test(message, error_codes_go_both_ways)
{
	for (unsigned i = 0; i < WIRE_ERROR_COUNT; i++) {
		const char *text = wire_error_text((enum wire_error)i);

		cr_expect_eq(wire_error_by_text(text, strlen(text)), i);
	}
	cr_expect_eq(wire_error_by_text("whatever", 8), WIRE_FAILED);
	cr_expect_str_eq(wire_error_text(WIRE_ERROR_COUNT), "failed");
}
