/* ping: when workers are pinged, so that an idle supd sleeps in between. */
#include <criterion/criterion.h>

#include "supervisor/plugin/worker_private.h"

#define TIMEOUT_MS 30000
#define PERIOD_MS 10000

Test(ping, workers_that_began_at_different_times_are_pinged_together)
{
	uint64_t due = ping_next_ms(1000000, TIMEOUT_MS, 0);

	cr_expect_gt(due, 1000000);
	for (uint64_t begun = due - PERIOD_MS; begun < due; begun += 7)
		cr_assert_eq(ping_next_ms(begun, TIMEOUT_MS, 5), due);
	cr_expect_eq(ping_next_ms(due, TIMEOUT_MS, 0), due + PERIOD_MS);
}

Test(ping, workers_with_other_timeouts_meet_them)
{
	uint64_t due = ping_next_ms(1000000, TIMEOUT_MS, 0);

	cr_expect_eq(ping_next_ms(due - 1, 15500, 0), due, "every 5 s");
	cr_expect_eq(ping_next_ms(due - 1, 3000, 0), due, "every second");
}

/* All of a thousand in one turn would take too long. */
Test(ping, a_thousand_are_pinged_in_groups)
{
	unsigned counts[64] = {0};
	uint64_t first = ping_next_ms(1000000 - 1, TIMEOUT_MS, 0);

	for (uint32_t plugin = 0; plugin < 1000; plugin++) {
		uint64_t later =
			ping_next_ms(first - 1, TIMEOUT_MS, plugin) - first;

		cr_assert_eq(later % (2 * WHEEL_TICK_MS), 0);
		cr_assert_lt(later, PERIOD_MS);
		counts[later / (2 * WHEEL_TICK_MS)]++;
	}
	for (unsigned i = 0; i < 64; i++)
		cr_expect_leq(counts[i], 64);
}

Test(ping, a_short_timeout_keeps_its_period)
{
	cr_expect_eq(ping_next_ms(1000, 300, 0), 1100);
	cr_expect_eq(ping_next_ms(1099, 300, 1000), 1100);
	cr_expect_eq(ping_next_ms(1100, 2, 0), 1101);
	cr_expect_gt(ping_next_ms(0, TIMEOUT_MS, 1000), 0);
}
