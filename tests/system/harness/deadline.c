/* deadline: see deadline.h. The pauses leave the processor to what is waited
 * for. */
#include "tests/system/harness/deadline.h"

#include <poll.h>
#include <stddef.h>

#include "proto/util/clock.h"

#define FIRST_PAUSE_MS 5
#define LAST_PAUSE_MS 50

struct patience
patience_for(uint64_t ms)
{
	return (struct patience){clock_ms() + ms, FIRST_PAUSE_MS};
}

bool
patience_lasts(struct patience *p)
{
	if (clock_ms() >= p->until_ms)
		return false;
	poll(NULL, 0, p->pause_ms);
	p->pause_ms *= 2;
	if (p->pause_ms > LAST_PAUSE_MS)
		p->pause_ms = LAST_PAUSE_MS;
	return true;
}
