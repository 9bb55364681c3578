/* outgoing_none: a build without libcurl, which has no targets. */
#include <stdio.h>

#include "outgoing.h"

int
outgoing_start(struct sup *p, const struct settings *settings, char why[256])
{
	if (!settings->target_count)
		return 0;
	snprintf(why, 256, "targets: this build is without libcurl");
	return -1;
}

void
outgoing_give_up(void (*done)(void *user), void *user)
{
	done(user);
}

void
outgoing_take_over(void)
{
}

json_t *
outgoing_status(void)
{
	return json_object();
}
