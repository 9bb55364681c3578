/* deadline: how patient tests are. A deadline only ends a test that would hang,
 * so it is generous; a sanitizer's build on a busy machine is several times
 * slower. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __SANITIZE_ADDRESS__
#define DEADLINE_MS(ms) (3 * (ms))
#else
#define DEADLINE_MS(ms) (ms)
#endif

/* For what can only be looked at again and again:
 *	struct patience p = patience_for(RUN_DEADLINE_MS);
 *
 *	while (!is_there(g))
 *		cr_assert(patience_lasts(&p), "it never came");
 */
struct patience {
	uint64_t until_ms;
	int pause_ms;
};

struct patience patience_for(uint64_t ms);
/* Pauses, each time a little longer. False: the deadline has passed. */
bool patience_lasts(struct patience *p);
