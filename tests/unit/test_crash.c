/* The crash policy as a table: delays double from 100 ms to 30 s, jitter takes
 * a quarter off at most, and early_max deaths within the window give up. */
#include <criterion/criterion.h>

#include "supervisor/reload/crash.h"

Test(crash, delays_double_up_to_thirty_seconds)
{
	static const int64_t expected[] = {100, 200, 400, 800, 1600, 3200, 6400,
		12800, 25600, 30000, 30000};
	struct crash_history h = {0};

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		cr_assert_eq(crash_note_early(&h, 1000 + i, 100, 300000, 0.0),
			expected[i]);
}

Test(crash, jitter_takes_off_a_quarter_at_most)
{
	struct crash_history h = {0};

	cr_assert_eq(crash_note_early(&h, 1, 10, 1000, 0.999999), 76);
}

Test(crash, gives_up_at_the_last_death_within_the_window)
{
	struct crash_history h = {0};

	for (int i = 0; i < 9; i++)
		cr_assert_geq(crash_note_early(&h, 10, 10, 1000, 0), 0);
	cr_assert_eq(crash_note_early(&h, 10, 10, 1000, 0), -1);
}

Test(crash, pauses_of_what_is_starved_double_from_one_second_to_thirty)
{
	static const int64_t expected[] = {
		1000, 2000, 4000, 8000, 16000, 30000, 30000};
	struct crash_history h = {0};

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		cr_assert_eq(crash_note_starved(&h, 0.0), expected[i]);
	cr_assert_eq(h.early_deaths, 0);
	h.starved = 0;
	cr_assert_eq(crash_note_starved(&h, 0.999999), 751);
	h.starved = UINT32_MAX - 1;
	cr_assert_eq(crash_note_starved(&h, 0.0), 30000);
}

Test(crash, deaths_outside_the_window_do_not_add_up)
{
	struct crash_history h = {0};

	for (uint64_t i = 0; i < 50; i++)
		cr_assert_eq(crash_note_early(&h, i * 1001, 2, 1000, 0), 100);
}
