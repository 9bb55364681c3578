#include "inbound.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t
bytes_of(const struct incoming *i)
{
	return i->text_bytes + strlen(i->more_json);
}

static bool
has_room(const struct inbound *in)
{
	return in->room > 0 && in->bytes < INBOUND_BYTES_MAX;
}

static void
look_for_room(struct inbound *in)
{
	if (in->link && !in->first_waiting && has_room(in))
		link_has_room(in->link);
}

static void
destroy(struct inbound *in, struct incoming *i)
{
	in->bytes -= bytes_of(i);
	incoming_destroy(i);
}

void
inbound_begin(struct inbound *in, struct session *session)
{
	in->session = session;
	in->room = SUP_CHANNEL_MESSAGES;
}

void
inbound_end(struct inbound *in)
{
	struct incoming *i;

	while ((i = in->first_waiting)) {
		in->first_waiting = i->next;
		destroy(in, i);
	}
	in->last_waiting = NULL;
	in->session = NULL;
}

void
inbound_set_link(struct inbound *in, struct link *link)
{
	in->link = link;
	in->link_number++;
}

/* ---- answers ---- */

static void
answer(struct inbound *in, unsigned link)
{
	if (link && link == in->link_number && in->link)
		link_answered(in->link);
}

static void
remove_given(struct inbound *in, const struct incoming *i)
{
	struct incoming **at = &in->given;

	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
}

/* What is not taken is not acknowledged: the channel has stopped, and the
 * broker sends it again to the next worker. */
static void
over(struct sup *p, enum sup_taken how, const char *why, void *user)
{
	struct incoming *i = user;
	struct inbound *in = i->owner;
	bool was_full;

	in->room++;
	remove_given(in, i);
	if (how == SUP_TAKEN_REFUSED)
		quiet_log(&in->quiet, p,
			"%s: supd refuses a message of the topic %.200s; it is "
			"dropped",
			in->channel, i->topic);
	if (how != SUP_NOT_TAKEN)
		answer(in, i->link);
	was_full = in->bytes >= INBOUND_BYTES_MAX;
	destroy(in, i);
	if (was_full)
		look_for_room(in);
}

/* ---- giving ---- */

static void
drop(struct inbound *in, const struct incoming *i, const char *why)
{
	quiet_log(&in->quiet, in->plugin,
		"%s: a message of the topic %.200s is dropped: %s", in->channel,
		i->topic, why);
	answer(in, i->link);
}

static void
give(struct inbound *in, struct incoming *i)
{
	struct sup_message said = incoming_said(i);
	int room;

	said.over = over;
	said.user = i;
	i->owner = in;
	i->next = in->given;
	in->given = i;
	room = sup_channel_receive(in->plugin, in->channel, &said);
	if (room >= 0) {
		in->room = room;
		return;
	}
	remove_given(in, i);
	/* With room, and with fields that have been looked at, only a stop is
	 * left: then nothing is acknowledged any more. */
	destroy(in, i);
}

static void
give_or_keep(struct inbound *in, struct incoming *i)
{
	if (in->room > 0 && !in->first_waiting) {
		give(in, i);
		return;
	}
	i->next = NULL;
	if (in->first_waiting)
		in->last_waiting->next = i;
	else
		in->first_waiting = i;
	in->last_waiting = i;
}

void
inbound_go_on(struct inbound *in)
{
	struct incoming *i;

	while (in->room > 0 && (i = in->first_waiting)) {
		in->first_waiting = i->next;
		give(in, i);
	}
	look_for_room(in);
}

/* ---- what comes ---- */

/* A repetition of what supd has not answered yet: the answer will be for this
 * connection. */
static bool
is_under_way(struct inbound *in, const char *id)
{
	for (int lists = 0; lists < 2; lists++)
		for (struct incoming *i = lists ? in->first_waiting : in->given;
			i; i = i->next)
			if (!strcmp(i->id, id)) {
				if (i->link == in->link_number)
					answer(in, i->link); /* twice */
				i->link = in->link_number;
				return true;
			}
	return false;
}

/* Its id for supd; "" if there is none. */
static void
find_id(struct inbound *in, const struct mosquitto_message *m,
	bool is_duplicate, const mosquitto_property *properties,
	char id[ID_BYTES_MAX + 1])
{
	const char *name = in->settings->id_property;
	char *own = name ? incoming_property(properties, name) : NULL;
	unsigned char digest[SESSION_DIGEST_BYTES];
	int rc = 0;

	if (own) {
		snprintf(id, ID_BYTES_MAX + 1, "%s", own);
	} else if (m->qos) {
		incoming_digest(m, digest);
		rc = session_id_of_packet(in->session, (uint16_t)m->mid,
			is_duplicate, digest, id);
	} else {
		session_id(in->session, id);
	}
	if (rc)
		quiet_log(&in->quiet, in->plugin,
			"%s: cannot note a message, so its repetition would "
			"be another one: %s",
			in->channel, strerror(errno));
	free(own);
}

bool
inbound_take(struct inbound *in, const struct mosquitto_message *m,
	bool is_duplicate, const mosquitto_property *properties)
{
	struct incoming failed = {
		.topic = m->topic, .link = m->qos ? in->link_number : 0};
	char id[ID_BYTES_MAX + 1], why[256];
	struct incoming *i;
	bool is_final;

	if (m->retain && !in->settings->takes_retained) {
		answer(in, failed.link);
		return has_room(in);
	}
	find_id(in, m, is_duplicate, properties, id);
	if (m->qos && is_duplicate && is_under_way(in, id))
		return has_room(in);
	i = incoming_create(
		in->settings, in->folder, m, properties, id, &is_final, why);
	if (i) {
		i->link = failed.link;
		in->bytes += bytes_of(i);
		give_or_keep(in, i);
	} else if (is_final || !m->qos) {
		drop(in, &failed, why);
	} else {
		link_fail(in->link, why);
	}
	return has_room(in);
}
