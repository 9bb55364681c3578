/* map: agrees with a plain array under any order of sets and removals. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/util/map.h"

enum { KEYS = 600 };

static size_t
key_text(char out[16], int i)
{
	return (size_t)snprintf(out, 16, "key-%d", i);
}

Test(map, an_empty_map_has_nothing)
{
	struct map m = {0};
	size_t next = 0;

	cr_expect_null(map_get(&m, "a", 1));
	cr_expect_null(map_remove(&m, "a", 1));
	cr_expect_null(map_next(&m, &next));
	map_finish(&m);
}

Test(map, keys_are_bytes_of_a_length)
{
	struct map m = {0};
	int a, b, c;

	map_set(&m, "", 0, &a);
	map_set(&m, "x\0y", 3, &b);
	map_set(&m, "x", 1, &c);
	cr_expect_eq(map_get(&m, "", 0), &a);
	cr_expect_eq(map_get(&m, "x\0y", 3), &b);
	cr_expect_eq(map_get(&m, "x", 1), &c);
	cr_expect_null(map_get(&m, "x\0", 2));
	map_set(&m, "x", 1, &a);
	cr_expect_eq(map_get(&m, "x", 1), &a);
	cr_expect_eq(m.count, 3);
	map_finish(&m);
}

Test(map, agrees_with_an_array_over_random_changes)
{
	struct map m = {0};
	void *model[KEYS] = {0};
	const struct map_entry *e;
	uint32_t seed = 1;
	size_t next = 0, count = 0, seen = 0;
	char key[16];

	for (int turn = 0; turn < 50000; turn++) {
		int i;

		seed = seed * 1664525 + 1013904223;
		i = (int)(seed >> 8) % KEYS;
		if (seed & 0x80000000) {
			if (!model[i])
				count++;
			model[i] = &model[(seed >> 4) % KEYS];
			map_set(&m, key, key_text(key, i), model[i]);
		} else {
			size_t length = key_text(key, i);

			cr_assert_eq(map_remove(&m, key, length), model[i]);
			count -= model[i] != NULL;
			model[i] = NULL;
		}
		cr_assert_eq(m.count, count);
	}
	for (int i = 0; i < KEYS; i++) {
		size_t length = key_text(key, i);

		cr_assert_eq(map_get(&m, key, length), model[i]);
	}
	while ((e = map_next(&m, &next))) {
		cr_assert_eq(e->value, model[atoi(e->key + 4)]);
		seen++;
	}
	cr_expect_eq(seen, count);
	map_finish(&m);
}
