/* near: by the edit distance of words. */
#include "proto/util/near.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 64

/* Insertions, deletions, changes, and swapped neighbours count one each. */
static unsigned
edit_distance(const char *a, const char *b)
{
	size_t rows = strlen(a), columns = strlen(b);
	if (rows > WORD_MAX || columns > WORD_MAX)
		return WORD_MAX;
	unsigned line[3][WORD_MAX + 1];
	unsigned *before = line[0], *above = line[1], *now = line[2];
	for (size_t j = 0; j <= columns; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= rows; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= columns; j++) {
			unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
				a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		unsigned *spare = before;
		before = above;
		above = now;
		now = spare;
	}
	return above[columns];
}

void
near_init(struct near *n, const char *word)
{
	*n = (struct near){.word = word};
	/* a third of the word may be wrong */
	size_t length = strlen(word);
	n->distance = length > WORD_MAX ? 0 : (unsigned)(length + 2) / 3 + 1;
	if (n->distance > 4)
		n->distance = 4;
}

void
near_offer(struct near *n, const char *candidate)
{
	size_t a = strlen(n->word), b = strlen(candidate);
	if (a >= 3 && n->distance > 1 && !strncmp(n->word, candidate, a)) {
		n->distance = 1; /* its beginning */
		n->best = candidate;
	}
	if (n->distance <= 1 || (a > b ? a - b : b - a) >= n->distance)
		return;
	unsigned distance = edit_distance(n->word, candidate);
	if (distance < n->distance) {
		n->distance = distance;
		n->best = candidate;
	}
}

const char *
near_hint(struct near *n)
{
	n->hint[0] = '\0';
	if (n->best)
		snprintf(n->hint, sizeof(n->hint), "; did you mean '%s'?",
			n->best);
	return n->hint;
}
