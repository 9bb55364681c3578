/* patience: how often to repeat work that a concurrent change has spoiled. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* All zero at first. */
struct patience {
	int tries;
	uint64_t begun_ms;
};

/* Waits a moment before each try except the first; false: give up. */
bool patience_has_more(struct patience *p);
