#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rotate.h"

#define PAUSE_FIRST_S 1.0
#define PAUSE_LAST_S 60.0
/* Up for that long, it begins with the first pause again. */
#define PROVEN_S 10.0

const char *
channel_client_id(const struct channel *c, char space[160])
{
	if (c->settings->client_id)
		return c->settings->client_id;
	snprintf(space, 160, "supd-%s", sup_id(c->plugin));
	return space;
}

void
channel_set_link(struct channel *c, struct link *l)
{
	c->link = l;
	inbound_set_link(&c->inbound, l);
}

static void
end_start(struct channel *c)
{
	c->starting = NULL;
	c->is_started = false;
	ev_timer_stop(sup_loop(c->plugin), &c->retry);
	inbound_end(&c->inbound);
	session_close(c->session);
	c->session = NULL;
}

/* ---- the connection ---- */

void
channel_subscribe(struct channel *c, struct link *l, bool has_session)
{
	char *unsubscribe[TOPICS_MAX + 1];
	bool subscribe[TOPICS_MAX];

	if (!has_session && session_begin(c->session))
		sup_log(c->plugin, SUP_WARN,
			"%s: the broker has no session of this client any "
			"more; messages that waited there are lost",
			c->name);
	session_compare(c->session, c->settings, subscribe, unsubscribe);
	link_subscribe(l, subscribe, unsubscribe);
	for (int i = 0; unsubscribe[i]; i++)
		free(unsubscribe[i]);
}

static void
accepted(void *user, bool has_session)
{
	struct channel *c = user;

	channel_subscribe(c, c->link, has_session);
}

static void
up(void *user)
{
	struct channel *c = user;
	struct sup_req *starting = c->starting;

	if (session_subscribed(c->session, c->settings))
		sup_log(c->plugin, SUP_WARN, "%s: topics.json: %s", c->name,
			strerror(errno));
	c->up_since = ev_now(sup_loop(c->plugin));
	c->starting = NULL;
	if (starting)
		sup_ok(starting);
	sup_channel_status(c->plugin, c->name, SUP_CHANNEL_UP, "%s:%d",
		c->settings->host, c->settings->port);
	rotate_look(c);
}

static bool
message(void *user, const struct mosquitto_message *m, bool is_duplicate,
	const mosquitto_property *properties)
{
	struct channel *c = user;

	return inbound_take(&c->inbound, m, is_duplicate, properties);
}

static void
published(void *user, int packet, const char *refused)
{
	struct channel *c = user;

	sends_published(&c->sends, packet, refused);
}

void
channel_connect_later(struct channel *c, bool needs_person, const char *why)
{
	if (c->up_since && ev_now(sup_loop(c->plugin)) - c->up_since > PROVEN_S)
		c->pause_s = PAUSE_FIRST_S;
	c->up_since = 0;
	sup_log(c->plugin, SUP_WARN, "%s: %s; trying again in %.0f s", c->name,
		why, c->pause_s);
	sup_channel_status(c->plugin, c->name,
		needs_person ? SUP_CHANNEL_LOGIN : SUP_CHANNEL_WAITING, "%s",
		why);
	ev_timer_stop(sup_loop(c->plugin), &c->retry);
	ev_timer_set(&c->retry, c->pause_s, 0);
	ev_timer_start(sup_loop(c->plugin), &c->retry);
	c->pause_s *= 2;
	if (c->pause_s > PAUSE_LAST_S)
		c->pause_s = PAUSE_LAST_S;
}

static void
down(void *user, bool needs_person, const char *why)
{
	struct channel *c = user;
	struct link *l = c->link;
	struct sup_req *starting = c->starting;
	char reason[256];

	snprintf(reason, sizeof(reason), "%s", why);
	channel_set_link(c, NULL);
	link_drop(l);
	sends_fail(&c->sends, reason);
	if (starting) {
		end_start(c);
		sup_fail(starting, needs_person ? SUP_DENIED : SUP_FAILED, "%s",
			reason);
		return;
	}
	channel_connect_later(c, needs_person, reason);
	rotate_look(c);
}

const struct link_events channel_events = {
	.accepted = accepted,
	.up = up,
	.message = message,
	.published = published,
	.down = down,
};

void
channel_connect(struct channel *c)
{
	char space[160], why[256];
	struct link *l = link_open(c->plugin, &c->dialer, c->settings,
		channel_client_id(c, space), &channel_events, c, why);
	struct sup_req *starting = c->starting;

	channel_set_link(c, l);
	if (l) {
		sup_channel_status(c->plugin, c->name, SUP_CHANNEL_CONNECTING,
			"%s:%d", c->settings->host, c->settings->port);
		return;
	}
	if (!starting) {
		channel_connect_later(c, false, why);
		return;
	}
	end_start(c);
	sup_fail(starting, SUP_FAILED, "%s", why);
}

static void
on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct channel *c = timer->data;

	if (!c->rotation)
		channel_connect(c);
}

/* ---- what supd asks ---- */

static void
on_cancel(struct sup_req *req, void *user)
{
	struct channel *c = user;

	if (c->starting != req)
		return;
	link_drop(c->link);
	channel_set_link(c, NULL);
	end_start(c);
	sup_fail(req, SUP_CANCELLED, "cancelled");
}

static void
start(struct sup_req *req, void *user)
{
	struct channel *c = user;
	char why[256];

	c->session = session_open(sup_data_dir(c->plugin), why);
	if (!c->session) {
		sup_fail(req, SUP_FAILED, "%s", why);
		return;
	}
	inbound_begin(&c->inbound, c->session);
	c->starting = req;
	c->is_started = true;
	c->pause_s = PAUSE_FIRST_S;
	c->up_since = 0;
	sup_on_cancel(req, on_cancel, c);
	channel_connect(c);
}

static void
stopped(void *user)
{
	sup_ok(user);
}

static void
stop(struct sup_req *req, void *user)
{
	struct channel *c = user;
	struct link *l = c->link;

	rotate_give_up(c, "the channel stops");
	sends_fail(&c->sends, "the channel stops");
	if (c->is_started)
		end_start(c);
	channel_set_link(c, NULL);
	if (l)
		link_close(l, stopped, req);
	else
		sup_ok(req);
}

static void
take_send(struct sup_req *req, void *user)
{
	struct channel *c = user;

	sends_take(&c->sends, c->rotation ? NULL : c->link, req);
}

static void
room(struct sup *p, const char *name, void *user)
{
	struct channel *c = user;

	inbound_go_on(&c->inbound);
}

void
channel_init(struct channel *c, struct sup *p, struct settings *settings)
{
	*c = (struct channel){.plugin = p,
		.name = settings->name ? settings->name : sup_id(p),
		.settings = settings,
		.dialer = {.plugin = p},
		.inbound = {.plugin = p, .settings = settings}};
	c->inbound.channel = c->name = strdup(c->name);
	ev_timer_init(&c->retry, on_retry, 0, 0);
	c->retry.data = c;
}

int
channel_register(struct channel *c)
{
	const struct sup_channel_offer offer = {.name = c->name,
		.can = "text",
		.text_limit = SEND_BYTES_MAX,
		.start = start,
		.stop = stop,
		.send = take_send,
		.room = room,
		.user = c};

	if (asprintf(&c->inbound.folder, "%s/payloads",
		    sup_data_dir(c->plugin)) < 0)
		return -1;
	return sup_channel(c->plugin, &offer);
}
