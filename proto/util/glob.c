/* glob: only the last * is ever tried again, because what is before it matched
 * as early as it could. */
#include "proto/util/glob.h"

bool
glob_matches(struct bytes pattern, struct bytes text)
{
	size_t p = 0, t = 0, star = 0, from = 0;
	bool has_star = false;

	while (t < text.length) {
		if (p < pattern.length && pattern.at[p] == '*') {
			has_star = true;
			star = ++p;
			from = t;
		} else if (p < pattern.length && pattern.at[p] == text.at[t]) {
			p++;
			t++;
		} else if (has_star) {
			p = star;
			t = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.length && pattern.at[p] == '*')
		p++;
	return p == pattern.length;
}
