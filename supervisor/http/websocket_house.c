/* websocket_house: what concerns all websockets of a server: pings at the same
 * time for all, a slice of them per turn, and the stop. */
#include "proto/util/clock.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket_private.h"

#define PINGS_PER_SLICE 100

/* ---- pings ---- */

/* At times that are the same for everything that is due every 30 s. */
void
websocket_house_set_ping(struct websocket_house *house)
{
	if (house->count && !wheel_timer_is_set(&house->ping))
		wheel_set(&house->server->gateway->wheel, &house->ping,
			(clock_ms() / WEBSOCKET_PING_MS + 1) *
				WEBSOCKET_PING_MS);
}

static void
ping_due(struct wheel_timer *timer)
{
	struct websocket_house *house =
		container_of(timer, struct websocket_house, ping);

	/* the slice takes them from `due` and puts them back into `all` */
	if (list_is_empty(&house->due) && !list_is_empty(&house->all)) {
		list_take_all(&house->due, &house->all);
		slice_take(house->server->gateway->slices, &house->slice);
	}
	websocket_house_set_ping(house);
}

/* An answer cannot be seen while nothing is read. */
static void
ping(struct websocket *w)
{
	if (!w->begun || w->state != WEBSOCKET_OPEN || w->paused)
		return;
	if (w->unanswered == WEBSOCKET_UNANSWERED_MAX) {
		websocket_give_up(w);
		return;
	}
	w->unanswered++;
	websocket_send_control(w, WEBSOCKET_PING_FRAME, "", 0);
}

static bool
ping_some(struct slice *slice)
{
	struct websocket_house *house =
		container_of(slice, struct websocket_house, slice);

	for (int i = 0; i < PINGS_PER_SLICE; i++) {
		struct list *node = house->due.next;

		if (list_is_empty(&house->due))
			return false;
		list_remove(node);
		list_append(&house->all, node);
		ping(container_of(node, struct websocket, node));
	}
	return !list_is_empty(&house->due);
}

/* ---- all of them ---- */

void
websocket_house_init(struct websocket_house *house, struct http_server *s)
{
	list_init(&house->all);
	list_init(&house->due);
	wheel_timer_init(&house->ping, ping_due);
	slice_init(&house->slice, ping_some);
	house->server = s;
}

void
websocket_house_finish(struct websocket_house *house)
{
	wheel_clear(&house->server->gateway->wheel, &house->ping);
	slice_leave(&house->slice);
	websocket_framer_destroy(house->spare);
	house->spare = NULL;
}

static void
stop(struct list *list)
{
	list_for_each_safe (node, list) {
		struct websocket *w =
			container_of(node, struct websocket, node);

		if (w->begun)
			websocket_stop(w);
	}
}

void
websocket_house_stop(struct websocket_house *house)
{
	stop(&house->all);
	stop(&house->due);
}
