/* host: one loaded C plugin in this process: its descriptor, its registrations,
 * and the worker's side of the connection to supd. All parts of the worker
 * that implement <sup/plugin.h> share this header. */
#pragma once

#include <ev.h>
#include <jansson.h>
#include <pthread.h>

#include "proto/message.h"
#include "proto/registration.h"
#include "proto/trace.h"
#include "proto/util/error.h"
#include "proto/util/list.h"
#include "worker/link.h"
#include "worker/sup/plugin.h"

#define REQUEST_BUCKETS 256 /* of requests answered later; a power of two */

/* An offer; its index is its registration number. */
struct offer {
	struct sup_offer said; /* as passed in; its strings may be freed */
	struct registration declared;
	/* of a service: the start that has no answer yet and is not cancelled,
	 * and the stop that waits for it */
	struct sup_req *start, *stop;
	struct sup_ws_offer ws; /* of WebSocket connections */
	/* of a channel; the latter is a reference */
	struct sup_channel_offer channel_said;
	struct channel *channel;
};

/* All offers together. A request keeps the set that it came under. */
struct offer_set {
	uint32_t references;
	struct offer *items;
	uint32_t count;
};

enum host_state {
	HOST_SAYING_HELLO,
	HOST_INITIALISING, /* init runs, or sup_ready() is awaited */
	HOST_SAYING_READY,
	HOST_SERVING,
};

struct sup {
	struct ev_loop *loop;
	struct link *link;
	const struct sup_plugin *descriptor;
	enum host_state state;

	/* from the answer to hello */
	char *id;
	uint32_t generation;
	json_t *settings;
	char *settings_json; /* made when first needed */
	uint64_t body_max_bytes, credit_bytes;

	struct offer *offers; /* set->items */
	uint32_t offer_count;
	struct offer_set *set; /* in force; while another is made, that one */
	bool is_offering;      /* sup_replace_offers() calls the plugin */
	sup_handler *health, *configure, *export_state, *import_state;
	void *health_user, *configure_user, *state_user;
	sup_handler *quiesce, *take;
	void *quiesce_user, *take_user;
	uint32_t state_version;

	/* requests whose answer is not complete */
	uint32_t in_flight;
	/* The request whose handler runs, or in whose name the callback that
	 * runs was set; 0: none, or it is answered. Calls are made for it. */
	uint32_t serving;
	uint32_t trace_id; /* of the request that `trace` is about; 0: none */
	char trace[TRACEPARENT_BYTES + 1];
	bool draining, drained; /* drained: has been sent */
	struct list free_requests;
	uint32_t free_count;
	struct list requests[REQUEST_BUCKETS]; /* those that outlived their
						  handler, by id */

	struct list conns[REQUEST_BUCKETS]; /* struct sup_ws, by number */

	struct list channels; /* struct channel, see channel.h */

	struct list feeding; /* requests with pieces of a body for the plugin */
	ev_timer feed;	     /* never runs: carries the event that says so */

	struct buffer scratch;	 /* text of the answer being made */
	struct error json_error; /* why JSON text was refused last */

	uint32_t next_call_id;
	struct list calls; /* struct call, see call.c */

	pthread_mutex_t post_lock; /* guards posts alone */
	struct list posts;
	ev_async posted;
};

/* Loads FILE, connects and serves until supd closes the socket. Returns an
 * exit code of proto/launch.h; what went wrong is on stderr. */
int host_run(const char *file);

/* The plugin's offer of that kind and name; NULL if there is none. */
const struct offer *host_offer(
	const struct sup *p, enum registration_kind kind, struct bytes name);
/* Whether the registration with this index is of this kind and name. */
bool host_knows(const struct sup *p, uint64_t number, struct bytes kind,
	struct bytes name);
void offer_set_unref(struct offer_set *set); /* NULL is fine */
/* register.c: the next offer, which a plugin may make now. */
struct offer *offer_add(struct sup *p);
/* "a, b", whatever stands between them; NULL: none. The caller frees. */
char *offer_words(const char *said);
void host_pack_offers(const struct sup *p, msgpack_packer *packer);
/* Sends `drained` if that is due: after drain, and after the last answer. */
void host_check_drained(struct sup *p);
/* Writes a line to stderr, which supd collects. */
void host_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A fatal mistake of the plugin: writes the message and aborts. */
_Noreturn void host_abort(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/* At the start of a function of the ABI, for arguments that must not be NULL.
 */
#define HOST_NEEDS(is_there, what)                                             \
	do {                                                                   \
		if (!(is_there))                                               \
			host_abort("%s(): %s is NULL", __func__, what);        \
	} while (0)

/* call.c: the answer to a sup_call(); false if there was none of that id. */
bool call_answered(struct sup *p, const struct message *m);
/* offer.c: the answer to an offer. */
void offer_answered(struct sup *p, struct offer_set *set,
	const struct message *m, sup_offered *done, void *user);
/* call.c: a request whose answer goes to offer_answered(). Returns its id. */
uint32_t call_for_offer(
	struct sup *p, struct offer_set *set, sup_offered *done, void *user);
/* The same for channel_answered(). */
uint32_t call_for_channel(struct sup *p, void *user);
void call_forget(struct sup *p, uint32_t id); /* it was not sent */
void post_init(struct sup *p);
