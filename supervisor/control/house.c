/* house: counts sessions by a scan, once per connection and once per second;
 * there are at most CONTROL_SESSIONS_MAX. */
#include "supervisor/control/house.h"

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "supervisor/control/session.h"

#define SWEEP_S 1.0
#define LOG_MS 1000
#define TURN_US 4000 /* for all sessions together */

static const char *const end_texts[] = {
#define X(name, label, text) [GATEWAY_CONTROL_##name] = text,
	GATEWAY_CONTROL_ENDS(X)
#undef X
};

bool
log_gate_opens(struct log_gate *gate, unsigned *hidden_out)
{
	uint64_t now = clock_ms();

	if (gate->logged_ms && now - gate->logged_ms < LOG_MS) {
		gate->hidden++;
		return false;
	}
	*hidden_out = gate->hidden;
	gate->hidden = 0;
	gate->logged_ms = now;
	return true;
}

static void
log_end(struct session_house *h, const struct credentials *who,
	enum gateway_control_end why)
{
	unsigned hidden;

	h->gateway->control.ended[why]++;
	if (log_gate_opens(&h->closed, &hidden))
		log_warn("control: closing the session of uid %u (pid %d): %s "
			 "(%u more not logged)",
			(unsigned)who->uid, (int)who->pid, end_texts[why],
			hidden);
}

void
house_cut(struct session *s, enum gateway_control_end why)
{
	log_end(s->house, &s->who, why);
	peer_flush(&s->peer);
	session_destroy(s);
}

void
house_refuse(struct session_house *h, const struct credentials *who)
{
	log_end(h, who, GATEWAY_CONTROL_REFUSED);
}

/* ---- places ---- */

int
house_rank(const struct session_house *h, const struct credentials *who)
{
	enum role role;

	return role_of(&h->config->admin, who, &role) ? (int)role : RANK_NOBODY;
}

struct count {
	unsigned of_user, of_nobodies;
};

static struct count
count_sessions(const struct session_house *h, uid_t uid)
{
	struct count count = {0};

	list_for_each (node, &h->sessions) {
		const struct session *s =
			container_of(node, struct session, node);

		count.of_user += s->who.uid == uid;
		count.of_nobodies += s->rank == RANK_NOBODY;
	}
	return count;
}

/* Whether `a` is closed rather than `b`. */
static bool
goes_first(const struct session *a, const struct session *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (!a->call_count != !b->call_count)
		return !a->call_count;
	return a->active_ms < b->active_ms;
}

/* The session to close for a new one of this rank; NULL: none. A session with
 * calls in progress is closed only for a higher rank, or for an admin. */
static struct session *
find_victim(const struct session_house *h, int rank)
{
	struct session *victim = NULL;

	list_for_each (node, &h->sessions) {
		struct session *s = container_of(node, struct session, node);

		if (s->rank > rank || (s->rank == rank && s->call_count &&
					      rank != ROLE_ADMIN))
			continue;
		if (!victim || goes_first(s, victim))
			victim = s;
	}
	return victim;
}

bool
house_has_place(struct session_house *h, const struct credentials *who)
{
	struct count count = count_sessions(h, who->uid);
	int rank = house_rank(h, who);
	unsigned places = rank == ROLE_ADMIN ? CONTROL_SESSIONS_MAX
					     : CONTROL_SESSIONS_MAX -
						       CONTROL_SESSIONS_ADMIN;
	struct session *victim;

	if (rank == RANK_NOBODY)
		return count.of_user < CONTROL_SESSIONS_PER_NOBODY &&
		       count.of_nobodies < CONTROL_SESSIONS_NOBODIES &&
		       h->count < places;
	if (rank != ROLE_ADMIN && count.of_user >= CONTROL_SESSIONS_PER_USER)
		return false;
	if (h->count < places)
		return true;
	victim = find_victim(h, rank);
	if (victim)
		house_cut(victim, GATEWAY_CONTROL_ROOM);
	return victim;
}

/* ---- bounds ---- */

struct peer_bounds
house_bounds(int rank)
{
	if (rank == RANK_NOBODY)
		return (struct peer_bounds){
			.objects = 2, .turn_us = 200, .queued = 16 * 1024};
	return (struct peer_bounds){.objects = 32,
		.turn_us = 1000,
		.queued = SESSION_BACKLOG_MAX,
		.first = rank == ROLE_ADMIN};
}

static bool
is_idle_for(const struct session *s, uint64_t now, unsigned limit_ms)
{
	return !s->call_count && now - s->active_ms > limit_ms;
}

static void
sweep_one(struct session *s, uint64_t now)
{
	const struct control_limits *l = &s->house->limits;
	uint64_t over = peer_over_since_ms(&s->peer);

	if ((over && now - over > l->unread_ms) ||
		(s->page_ms && now - s->page_ms > l->unread_ms))
		house_cut(s, GATEWAY_CONTROL_UNREAD);
	else if (!s->peer.greeted && now - s->active_ms > l->greeting_ms)
		house_cut(s, GATEWAY_CONTROL_GREETING);
	else if (is_idle_for(s, now,
			 s->rank == RANK_NOBODY ? l->nobody_idle_ms
						: l->idle_ms))
		house_cut(s, GATEWAY_CONTROL_IDLE);
}

static void
on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct session_house *h =
		container_of(timer, struct session_house, sweep);
	uint64_t now = clock_ms();

	list_for_each_safe (node, &h->sessions)
		sweep_one(container_of(node, struct session, node), now);
	if (!h->count)
		ev_timer_stop(loop, timer);
}

void
house_init(struct session_house *h, struct gateway *g, struct config *config)
{
	*h = (struct session_house){.gateway = g,
		.config = config_ref(config),
		.limits = {.greeting_ms = 5000,
			.idle_ms = 600000,
			.nobody_idle_ms = 10000,
			.unread_ms = 30000}};
	list_init(&h->sessions);
	peer_group_init(&h->peers, g->loop);
	h->peers.turn_us = TURN_US;
	ev_init(&h->sweep, on_sweep);
	h->sweep.repeat = SWEEP_S;
}

void
house_finish(struct session_house *h)
{
	ev_timer_stop(h->gateway->loop, &h->sweep);
	peer_group_finish(&h->peers);
	config_unref(h->config);
}
