/* owner: which generation sends. It holds a lock on a file, which the kernel
 * takes from it when it dies: so there is never more than one, and never none
 * for long. */
#pragma once

#include <stdbool.h>
#include <sup/plugin.h>

struct owner;

/* Tries nothing yet; on_owned is called each time that it becomes the owner.
 * NULL with errno: the file cannot be opened. */
struct owner *owner_create(struct sup *p, const char *path,
	void (*on_owned)(void *user), void *user);
bool owner_is(const struct owner *o);
void owner_try(struct owner *o); /* now, and again until it is the owner */
/* Gives it up for a successor, and tries again much later: if there is none,
 * because a reload has failed, it is the owner again. */
void owner_give_up(struct owner *o);
