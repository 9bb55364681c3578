/* orphans: leaves children without a parent, so that PID 1 gets them.
 *   orphans COUNT PER_SECOND
 * A child of its own makes those of 10 ms, each of which ends with status 3,
 * and ends before them or after them. Prints how many a second they were. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"

#define TICK_MS 10

static void
leave(unsigned count)
{
	pid_t child = fork();

	if (child > 0) {
		waitpid(child, NULL, 0);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		if (fork() == 0)
			_exit(3);
	_exit(0);
}

int
main(int argc, char **argv)
{
	unsigned count = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
	unsigned rate = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	unsigned batch = rate * TICK_MS / 1000, made = 0;
	uint64_t begun = clock_ms(), next = begun;

	if (!count || !batch)
		return 2;
	while (made < count) {
		uint64_t now = clock_ms();

		if (now < next)
			poll(NULL, 0, (int)(next - now));
		next += TICK_MS;
		leave(batch);
		made += batch;
	}
	printf("%.0f orphans a second\n",
		made * 1e3 / (double)(clock_ms() - begun + 1));
	return 0;
}
