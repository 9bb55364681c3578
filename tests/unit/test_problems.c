/* test_problems: what a bad configuration is remembered by is bounded. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/util/buffer.h"
#include "supervisor/config/config.h"

TestSuite(problems);

Test(problems, files_that_could_not_be_read_are_bounded)
{
	struct problems problems = {0};
	struct buffer text = {0};

	buffer_format(&text, "listen: []\nplugins: {a: {settings: {x: [");
	for (int i = 0; i < 2 * PROBLEMS_MAX; i++)
		buffer_format(&text, "%s'${file:/nowhere/at/all/%d}'",
			i ? ", " : "", i);
	buffer_format(&text, "]}}}\n");
	cr_expect_null(config_load_text("/x/supd.yaml",
		(const char *)buffer_bytes(&text), buffer_length(&text),
		&problems));
	cr_expect_eq(problems.errors, 2 * PROBLEMS_MAX);
	cr_expect_eq(problems.unread_count, PROBLEMS_MAX);
	cr_expect_str_eq(problems.unread[0], "/nowhere/at/all/0");
	problems_finish(&problems);
	buffer_finish(&text);
}
