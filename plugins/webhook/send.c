#include "send.h"

#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lane.h"
#include "owner.h"
#include "transfer.h"

/* How long a reload waits for what is on its way; then it is cut, and sent
 * again by the successor, with the same id. */
#define GRACE_SECONDS 2.0

/* An event that came while another generation owned the queues. supd has one
 * on its way per hook, so these are few. */
struct parked {
	struct parked *next;
	struct lane *lane;
	char *id, *body;
	void (*done)(const char *error, void *user);
	void *user;
};

struct sender {
	struct sup *plugin;
	struct transfers *transfers;
	struct owner *owner;
	struct lane *lanes;
	size_t count;
	struct parked *parked, **parked_last;
	ev_timer grace;
	bool gives_up;
	void (*given_up)(void *user);
	void *given_up_user;
};

/* ---- events ---- */

/* The same event has the same id, whoever is told of it again. */
static void
make_id(char id[QUEUE_ID_BYTES], const struct outgoing *event)
{
	char hash[SIGN_HEX_BYTES], *text;
	int length = asprintf(
		&text, "%" PRIu64 " %s %s", event->id, event->at, event->event);

	if (length < 0)
		abort();
	sign_hash(text, (size_t)length, hash);
	memcpy(id, hash, QUEUE_ID_BYTES - 1);
	id[QUEUE_ID_BYTES - 1] = 0;
	free(text);
}

/* NULL: the data is no JSON, or there is no memory. */
static char *
make_body(const char *id, const struct outgoing *event)
{
	json_t *data =
		json_loads(event->data, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	json_t *map = data ? json_pack("{ss ss ss}", "id", id, "event",
				     event->event, "at", event->at)
			   : NULL;
	char *text = NULL;

	if (map && event->plugin)
		json_object_set_new(map, "plugin", json_string(event->plugin));
	if (map && !json_object_set(map, "data", data))
		text = json_dumps(map, JSON_COMPACT);
	json_decref(map);
	json_decref(data);
	return text;
}

static void
park(struct sender *s, struct lane *lane, const char *id, char *body,
	void (*done)(const char *error, void *user), void *user)
{
	struct parked *p = malloc(sizeof(*p));
	char *copy = strdup(id);

	if (!p || !copy) {
		free(p);
		free(copy);
		free(body);
		done("no memory", user);
		return;
	}
	*p = (struct parked){.lane = lane,
		.id = copy,
		.body = body,
		.done = done,
		.user = user};
	*s->parked_last = p;
	s->parked_last = &p->next;
	if (!s->gives_up)
		owner_try(s->owner);
}

void
sender_take(struct sender *s, size_t target, const struct outgoing *event,
	void (*done)(const char *error, void *user), void *user)
{
	struct lane *lane = &s->lanes[target];
	char id[QUEUE_ID_BYTES], *body;

	make_id(id, event);
	body = make_body(id, event);
	if (!body) {
		done("the event's data cannot be written as JSON", user);
		return;
	}
	if (!owner_is(s->owner) || s->gives_up) {
		park(s, lane, id, body, done, user);
		return;
	}
	done(lane_add(lane, id, body), user);
	free(body);
}

static void
unpark(struct sender *s)
{
	struct parked *p = s->parked, *next;

	s->parked = NULL;
	s->parked_last = &s->parked;
	for (; p; p = next) {
		next = p->next;
		p->done(lane_add(p->lane, p->id, p->body), p->user);
		free(p->id);
		free(p->body);
		free(p);
	}
}

/* ---- between generations ---- */

static void
on_owned(void *user)
{
	struct sender *s = user;

	for (size_t i = 0; i < s->count; i++)
		lane_start(&s->lanes[i]);
	unpark(s);
}

static bool
is_idle(const struct sender *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!lane_is_idle(&s->lanes[i]))
			return false;
	return true;
}

/* Answers only when nothing is on its way. */
static void
finish_giving_up(void *user)
{
	struct sender *s = user;

	if (!s->gives_up || !is_idle(s))
		return;
	ev_timer_stop(sup_loop(s->plugin), &s->grace);
	for (size_t i = 0; i < s->count; i++)
		lane_close(&s->lanes[i]);
	s->gives_up = false;
	owner_give_up(s->owner);
	s->given_up(s->given_up_user);
}

static void
on_grace(struct ev_loop *loop, ev_timer *w, int events)
{
	struct sender *s = w->data;

	for (size_t i = 0; i < s->count; i++)
		lane_cut(&s->lanes[i]);
	finish_giving_up(s);
}

void
sender_give_up(struct sender *s, void (*done)(void *user), void *user)
{
	if (!owner_is(s->owner) || s->gives_up) {
		done(user);
		return;
	}
	s->gives_up = true;
	s->given_up = done;
	s->given_up_user = user;
	for (size_t i = 0; i < s->count; i++)
		lane_stop(&s->lanes[i]);
	ev_timer_set(&s->grace, GRACE_SECONDS, 0);
	ev_timer_start(sup_loop(s->plugin), &s->grace);
	finish_giving_up(s);
}

void
sender_take_over(struct sender *s)
{
	owner_try(s->owner);
}

/* ---- what it does ---- */

static json_t *
lane_status(const struct lane *l)
{
	struct queue_head head = {.failures = 0};

	if (l->queue)
		queue_first(l->queue, &head);
	return json_pack("{sI sI sI sI}", "waiting",
		(json_int_t)(l->queue ? queue_count(l->queue) : 0), "failures",
		(json_int_t)head.failures, "delivered",
		(json_int_t)l->delivered, "givenUp", (json_int_t)l->given_up);
}

json_t *
sender_status(const struct sender *s)
{
	json_t *all = json_object();

	for (size_t i = 0; i < s->count; i++)
		json_object_set_new(all, lane_target(&s->lanes[i])->name,
			lane_status(&s->lanes[i]));
	return all;
}

/* ---- start ---- */

static int
make_owner(struct sender *s, char why[256])
{
	char *path;

	if (asprintf(&path, "%s/targets.lock", sup_data_dir(s->plugin)) < 0)
		abort();
	s->owner = owner_create(s->plugin, path, on_owned, s);
	if (!s->owner)
		snprintf(why, 256, "%.200s: %s", path, strerror(errno));
	free(path);
	return s->owner ? 0 : -1;
}

struct sender *
sender_create(struct sup *p, const struct settings *settings, char why[256])
{
	struct sender *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->plugin = p;
	s->parked_last = &s->parked;
	s->count = settings->target_count;
	s->lanes = calloc(s->count, sizeof(*s->lanes));
	s->transfers = transfers_create(p);
	ev_init(&s->grace, on_grace);
	s->grace.data = s;
	if (!s->lanes || !s->transfers) {
		snprintf(why, 256, "libcurl cannot be used");
		return NULL;
	}
	for (size_t i = 0; i < s->count; i++)
		s->lanes[i] = (struct lane){.plugin = p,
			.settings = settings,
			.number = i,
			.transfers = s->transfers,
			.on_idle = finish_giving_up,
			.user = s};
	if (make_owner(s, why))
		return NULL;
	owner_try(s->owner);
	return s;
}
