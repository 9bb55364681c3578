/* patience: a few tries at least, then as many as fit into the time. */
#include "worker/patience.h"

#include <poll.h>
#include <stddef.h>

#include "proto/util/clock.h"

#define TRIES 3		 /* at least */
#define PATIENCE_MS 2000 /* and for so long */
#define PAUSE_MS 20	 /* between tries; the first pauses are shorter */

bool
patience_has_more(struct patience *p)
{
	uint64_t now = clock_ms();

	if (!p->tries)
		p->begun_ms = now;
	else if (p->tries >= TRIES && now - p->begun_ms >= PATIENCE_MS)
		return false;
	else
		poll(NULL, 0, p->tries < PAUSE_MS ? p->tries : PAUSE_MS);
	p->tries++;
	return true;
}
