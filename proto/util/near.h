/* near: which word a mistyped one was meant to be. Pure. */
#pragma once

/* The nearest of the words offered one after the other. */
struct near {
	const char *word; /* borrowed, as is best */
	const char *best;
	unsigned distance;
	char hint[100];
};
void near_init(struct near *n, const char *word);
void near_offer(struct near *n, const char *candidate);
/* "; did you mean 'x'?", or "" if nothing is near. Within n. */
const char *near_hint(struct near *n);
