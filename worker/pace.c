/* pace: see pace.h. A rest is as long as the processor time of the slice before
 * it, less what the slice has waited for a processor or the disk: so the work
 * takes half of a processor at most, and on a busy machine, where the scheduler
 * makes it wait, nothing is added. All rests together have a limit. */
#include "worker/pace.h"

#include <poll.h>
#include <stddef.h>
#include <time.h>

#include "worker/polite.h"

#define POLITE_BYTES (1024 * 1024)   /* from here on at low priority */
#define FREE_BYTES (4 * 1024 * 1024) /* up to here without a rest */
#define SLICE_BYTES (512 * 1024)     /* about 1 ms of copying and hashing */
#define REST_MS_MAX 8		     /* one rest */
#define RESTED_MS_MAX 10000	     /* all rests of one piece of work */

static uint64_t
read_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
begin_slice(struct pace *p)
{
	p->rest_at = p->bytes + SLICE_BYTES;
	p->wall_us = read_us(CLOCK_MONOTONIC);
	p->cpu_us = read_us(CLOCK_PROCESS_CPUTIME_ID);
}

static void
rest(struct pace *p)
{
	uint64_t cpu_us = read_us(CLOCK_PROCESS_CPUTIME_ID) - p->cpu_us;
	uint64_t wall_us = read_us(CLOCK_MONOTONIC) - p->wall_us;
	uint64_t ms;

	if (wall_us >= 2 * cpu_us || p->rested_ms >= RESTED_MS_MAX)
		return;
	ms = (2 * cpu_us - wall_us + 999) / 1000;
	if (ms > REST_MS_MAX)
		ms = REST_MS_MAX;
	poll(NULL, 0, (int)ms);
	p->rested_ms += ms;
}

void
pace_add(struct pace *p, uint64_t bytes)
{
	p->bytes += bytes;
	if (p->bytes < POLITE_BYTES)
		return;
	if (!p->polite) {
		p->polite = true;
		polite_now();
	}
	if (p->bytes < FREE_BYTES || p->bytes < p->rest_at)
		return;
	if (p->rest_at)
		rest(p);
	begin_slice(p);
}
