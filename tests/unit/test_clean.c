/* clean: strings from elsewhere, made harmless for a terminal. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/util/clean.h"

Test(clean, what_drives_a_terminal_is_replaced)
{
	static const struct {
		const char *text, *keep, *cleaned;
	} rows[] = {
		{"", "", ""},
		{"plain \303\274 \360\237\230\200", "",
			"plain \303\274 \360\237\230\200"},
		{"\033[2J\033]0;x\a", "", "?[2J?]0;x?"},
		{"a\nb\tc\rd", "", "a?b?c?d"},
		{"a\nb\tc\rd", "\n\t", "a\nb\tc?d"}, {"\177", "", "?"},
		{"\302\233"
		 "31m\302\205",
			"", "?31m?"}, /* CSI, NEL of C1 */
		{"\302\240\302\255", "", "\302\240\302\255"},
		{"a\342\200\256b\342\201\246c", "", "a?b?c"}, /* RLO, LRI */
		{"\342\200\252\342\200\255\342\201\251", "", "???"},
		{"a\342\200\250b\342\200\251c", "\n",
			"a?b?c"}, /* line and paragraph separator */
		{"\342\200\247\342\200\257", "",
			"\342\200\247\342\200\257"}, /* their neighbours */
		{"\233"
		 "31m\377\303",
			"", "?31m??"}, /* no UTF-8 */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[64];

		strcpy(text, rows[i].text);
		cr_expect_str_eq(
			clean_text(text, rows[i].keep), rows[i].cleaned);
	}
}

Test(clean, a_nul_inside_is_one_of_them)
{
	char text[] = {'a', 0, 'b'};

	cr_expect_eq(clean_bytes(text, sizeof(text), "\n"), 3);
	cr_expect(!memcmp(text, "a?b", 3));
}
