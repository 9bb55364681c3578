#include "rotate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* QUIETING: the old connection finishes what it has; TRYING: it is paused, and
 * the new one waits for the broker's word; SUBSCRIBING: the new one is the
 * channel's. */
enum stage { QUIETING, TRYING, SUBSCRIBING };

struct rotation {
	struct channel *channel;
	struct sup_req *req;
	struct settings *settings; /* the new ones; in SUBSCRIBING the old */
	struct link *link;	   /* the new one, in TRYING */
	enum stage stage;
	ev_timer look; /* whether the old connection is quiet */
	double until;
};

#define LOOK_S 0.005

static void
free_settings(struct settings *s)
{
	settings_finish(s);
	free(s);
}

static void
swap_settings(struct channel *c)
{
	struct settings *s = c->settings;

	c->settings = c->rotation->settings;
	c->rotation->settings = s;
	c->inbound.settings = c->settings;
}

/* The channel is rid of it. Returns the request, to be answered. */
static struct sup_req *
finish(struct channel *c)
{
	struct rotation *r = c->rotation;
	struct sup_req *req = r->req;

	c->rotation = NULL;
	ev_timer_stop(sup_loop(c->plugin), &r->look);
	link_drop(r->link);
	free_settings(r->settings);
	free(r);
	return req;
}

/* The old settings stay; so does the old connection, if there is one. */
static void
fail(struct channel *c, bool needs_person, const char *why)
{
	sup_fail(finish(c), needs_person ? SUP_DENIED : SUP_FAILED, "%.200s",
		why);
	if (c->link)
		link_resume(c->link);
	else if (!ev_is_active(&c->retry))
		channel_connect_later(c, needs_person, why);
}

/* ---- the new connection ---- */

/* In the new link's callback. */
static void
accepted(void *user, bool has_session)
{
	struct channel *c = user;
	struct rotation *r = c->rotation;
	struct link *old = c->link, *new = r->link;

	ev_timer_stop(sup_loop(c->plugin), &c->retry);
	if (old)
		link_close(old, NULL, NULL);
	link_adopt(new, &channel_events);
	channel_set_link(c, new);
	r->link = NULL;
	r->stage = SUBSCRIBING;
	swap_settings(c);
	channel_subscribe(c, new, has_session);
}

static void
down(void *user, bool needs_person, const char *why)
{
	struct channel *c = user;
	char reason[256];

	snprintf(reason, sizeof(reason), "%s", why);
	fail(c, needs_person, reason);
}

static const struct link_events trying_events = {
	.accepted = accepted,
	.down = down,
};

static void
try_new(struct channel *c)
{
	struct rotation *r = c->rotation;
	char space[160], why[256];

	ev_timer_stop(sup_loop(c->plugin), &r->look);
	r->stage = TRYING;
	if (c->link)
		link_pause(c->link);
	r->link = link_open(c->plugin, &c->dialer, r->settings,
		channel_client_id(c, space), &trying_events, c, why);
	if (!r->link)
		fail(c, false, why);
}

/* ---- the old connection ---- */

static void
look(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct channel *c = timer->data;

	if (c->link && !c->sends.count)
		link_pause(c->link); /* what it has read is still answered */
	if (!c->link || (link_is_idle(c->link) && !c->sends.count))
		try_new(c);
	else if (ev_now(loop) > c->rotation->until)
		fail(c, false,
			"messages that are under way have no answer yet");
}

void
rotate_look(struct channel *c)
{
	struct rotation *r = c->rotation;

	if (!r || r->stage != SUBSCRIBING)
		return;
	if (!c->link) {
		swap_settings(c);
		sup_fail(finish(c), SUP_FAILED,
			"the connection was lost at once");
	} else if (link_is_up(c->link)) {
		sup_ok(finish(c));
	}
}

void
rotate_give_up(struct channel *c, const char *why)
{
	struct rotation *r = c->rotation;

	if (!r)
		return;
	if (r->stage == SUBSCRIBING) {
		link_drop(c->link);
		channel_set_link(c, NULL);
		swap_settings(c);
	}
	sup_fail(finish(c), SUP_FAILED, "%s", why);
}

/* ---- the beginning ---- */

static void
begin(struct channel *c, struct sup_req *req, struct settings *settings)
{
	struct ev_loop *loop = sup_loop(c->plugin);
	struct rotation *r = calloc(1, sizeof(*r));

	if (!r) {
		free_settings(settings);
		sup_fail(req, SUP_FAILED, "no memory");
		return;
	}
	*r = (struct rotation){
		.channel = c,
		.req = req,
		.settings = settings,
		.until = ev_now(loop) +
			 (double)settings->connect_timeout_ms / 1000,
	};
	c->rotation = r;
	if (c->link && !link_is_up(c->link)) {
		link_drop(c->link);
		channel_set_link(c, NULL);
	}
	ev_timer_init(&r->look, look, 0, LOOK_S);
	r->look.data = c;
	ev_timer_start(loop, &r->look);
}

/* Why the settings need a reload, or NULL. */
static const char *
needs_reload(const struct channel *c, const struct settings *new)
{
	if (!settings_is_same_session(new, c->settings))
		return "a reload is needed to change name or client_id";
	if (c->rotation || c->starting)
		return "the channel is connecting";
	return NULL;
}

void
rotate(struct sup_req *req, void *user)
{
	struct channel *c = user;
	struct settings *new = malloc(sizeof(*new));
	const char *reload;
	char why[256];

	if (settings_read(new, sup_req_args_json(req), why)) {
		sup_fail(req, SUP_BAD_MESSAGE, "%s", why);
		free_settings(new);
		return;
	}
	reload = needs_reload(c, new);
	if (reload) {
		sup_fail(req, SUP_CONFLICT, "%s", reload);
		free_settings(new);
	} else if (c->is_started) {
		begin(c, req, new);
	} else {
		free_settings(c->settings);
		c->settings = new;
		c->inbound.settings = new;
		sup_ok(req);
	}
}
