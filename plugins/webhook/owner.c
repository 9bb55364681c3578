#include "owner.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TRY_SECONDS 0.05   /* while the old one may be about to give it up */
#define TRIES_QUICK 200	   /* then as seldom as after giving up */
#define LATER_SECONDS 10.0 /* the successor has long begun */

struct owner {
	struct sup *plugin;
	int fd;
	bool owns;
	unsigned tries;
	ev_timer timer;
	void (*on_owned)(void *user);
	void *user;
};

bool
owner_is(const struct owner *o)
{
	return o->owns;
}

static void
wait_for(struct owner *o, double seconds)
{
	ev_timer_stop(sup_loop(o->plugin), &o->timer);
	ev_timer_set(&o->timer, seconds, 0);
	ev_timer_start(sup_loop(o->plugin), &o->timer);
}

/* The file says who had it last. An older generation that stands by may have it
 * only if that one is dead: or it would snatch it between two newer ones. */
static bool
may_own(const struct owner *o)
{
	char text[64] = "";
	unsigned generation;
	int pid;

	if (pread(o->fd, text, sizeof(text) - 1, 0) <= 0 ||
		sscanf(text, "%u %d", &generation, &pid) != 2)
		return true;
	return generation <= sup_generation(o->plugin) ||
	       (kill(pid, 0) && errno == ESRCH);
}

static void
write_owner(const struct owner *o)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "%u %d\n",
		sup_generation(o->plugin), (int)getpid());

	if (ftruncate(o->fd, 0) || pwrite(o->fd, text, (size_t)length, 0) < 0)
		sup_log(o->plugin, SUP_WARN, "targets.lock: %s",
			strerror(errno));
}

static bool
take(const struct owner *o)
{
	if (flock(o->fd, LOCK_EX | LOCK_NB))
		return false;
	if (may_own(o)) {
		write_owner(o);
		return true;
	}
	flock(o->fd, LOCK_UN);
	return false;
}

void
owner_try(struct owner *o)
{
	if (o->owns)
		return;
	if (!take(o)) {
		wait_for(o,
			o->tries++ < TRIES_QUICK ? TRY_SECONDS : LATER_SECONDS);
		return;
	}
	o->owns = true;
	ev_timer_stop(sup_loop(o->plugin), &o->timer);
	o->on_owned(o->user);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	owner_try(w->data);
}

struct owner *
owner_create(struct sup *p, const char *path, void (*on_owned)(void *user),
	void *user)
{
	struct owner *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	*o = (struct owner){.plugin = p, .on_owned = on_owned, .user = user};
	o->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (o->fd < 0) {
		free(o);
		return NULL;
	}
	ev_timer_init(&o->timer, on_timer, 0, 0);
	o->timer.data = o;
	return o;
}

void
owner_give_up(struct owner *o)
{
	if (!o->owns)
		return;
	o->owns = false;
	flock(o->fd, LOCK_UN);
	o->tries = TRIES_QUICK;
	wait_for(o, LATER_SECONDS);
}
