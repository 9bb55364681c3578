/* test_report: some lines at once, then one a second. */
#include <criterion/criterion.h>

#include "supervisor/channel/report.h"

TestSuite(report);

Test(report, writes_some_at_once_and_then_one_a_second)
{
	struct report_gate g = {0};
	unsigned hidden = 99, lines = 0;

	for (int i = 0; i < 1000; i++)
		lines += report_may(&g, 5000, &hidden);
	cr_expect_eq(lines, REPORT_AT_ONCE);
	cr_expect_eq(hidden, 0);
	cr_expect(report_may(&g, 5000 + REPORT_PERIOD_MS, &hidden));
	cr_expect_eq(hidden, 1000 - REPORT_AT_ONCE);
	cr_expect_not(report_may(&g, 5000 + REPORT_PERIOD_MS, &hidden));
	/* After a pause there are some at once again. */
	lines = 0;
	for (int i = 0; i < 1000; i++)
		lines += report_may(&g, 1000000, &hidden);
	cr_expect_eq(lines, REPORT_AT_ONCE);
}
