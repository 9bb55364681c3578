/* reaper: waitid(WNOWAIT) names a process that has ended, which is reaped only
 * if it is not supd's own child. */
#include "supervisor/ops/reaper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/list.h"
#include "proto/util/log.h"

/* Time for a watcher to reap one of supd's own children. */
#define AGAIN_S 0.02
/* Orphans reaped a turn of the loop, so that a crowd of them delays no request.
 */
#define TURN_MAX 64

static void
go_on_after(struct reaper *r, double wait_s)
{
	ev_timer_stop(r->loop, &r->again);
	ev_timer_set(&r->again, wait_s, 0);
	ev_timer_start(r->loop, &r->again);
}

static void
reap_strangers(struct reaper *r)
{
	for (unsigned i = 0; i < TURN_MAX; i++) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
			!info.si_pid)
			return;
		if (r->is_own(r->user, info.si_pid)) {
			go_on_after(r, AGAIN_S);
			return;
		}
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
		log_debug("reaped an orphan, pid %d", info.si_pid);
	}
	go_on_after(r, 0);
}

static void
on_child(struct ev_loop *loop, ev_signal *signal, int events)
{
	(void)loop, (void)events;
	reap_strangers(container_of(signal, struct reaper, child));
}

static void
on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	reap_strangers(container_of(timer, struct reaper, again));
}

void
reaper_start(struct reaper *r, struct ev_loop *loop,
	bool (*is_own)(const void *user, pid_t pid), const void *user)
{
	int subreaper = 0;

	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	if (getpid() != 1 && !subreaper)
		return;
	r->loop = loop;
	r->is_own = is_own;
	r->user = user;
	ev_timer_init(&r->again, on_again, 0, 0);
	ev_signal_init(&r->child, on_child, SIGCHLD);
	ev_signal_start(loop, &r->child);
	reap_strangers(r);
}

void
reaper_stop(struct reaper *r)
{
	if (!r->loop)
		return;
	ev_signal_stop(r->loop, &r->child);
	ev_timer_stop(r->loop, &r->again);
}
