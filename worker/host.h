/* host: one loaded C plugin in this process: what it is, what it offers, and
 * the worker's side of the conversation with supd. All parts of the worker
 * that implement <sup/plugin.h> share this header. */
#pragma once

#include <ev.h>
#include <jansson.h>
#include <pthread.h>

#include "proto/message.h"
#include "proto/registration.h"
#include "proto/util/error.h"
#include "proto/util/list.h"
#include "worker/link.h"
#include "worker/sup/plugin.h"

#define REQUEST_BUCKETS 256 /* of requests answered later; a power of two */

/* An offer with strings of its own; its place is its registration number. */
struct offer {
	struct sup_offer said;
	enum registration_kind kind;
	char *name, *method, *path, *description, *schema, *help;
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

	/* what hello brought */
	char *id;
	uint32_t generation;
	json_t *settings;
	char *settings_json; /* made at first need */
	uint64_t body_max_bytes, credit_bytes;

	struct offer *offers;
	uint32_t offer_count;
	sup_handler *health, *configure, *export_state, *import_state;
	void *health_user, *configure_user, *state_user;
	uint32_t state_version;

	/* requests: taken and not yet answered to the end */
	uint32_t in_flight;
	bool draining, drained; /* drained: said so */
	struct list free_requests;
	uint32_t free_count;
	struct list requests[REQUEST_BUCKETS]; /* those that outlived their
						  handler, by id */

	struct list feeding; /* requests with pieces of a body for the plugin */
	ev_timer feed;	     /* never runs: carries the event that says so */

	struct buffer scratch; /* text of the answer being made */

	uint32_t next_call_id;
	struct list calls; /* struct call, see call.c */

	pthread_mutex_t post_lock; /* guards posts alone */
	struct list posts;
	ev_async posted;
};

/* Loads FILE, connects and serves until supd closes the socket. Returns an
 * exit code of proto/launch.h; what went wrong is on stderr. */
int host_run(const char *file);

/* Answers the plugin's offers; host_offer returns NULL if there is none. */
const struct offer *host_offer(
	const struct sup *p, enum registration_kind kind, struct bytes name);
void host_pack_offers(const struct sup *p, msgpack_packer *packer);
/* Says `drained` if that is due: after drain, and after each last reply. */
void host_check_drained(struct sup *p);
/* Says it on stderr, where supd collects it. */
void host_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A mistake of the plugin that cannot be survived: says it and aborts. */
_Noreturn void host_abort(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* call.c: the answer to a sup_call(); false if there was none of that id. */
bool call_answered(struct sup *p, const struct message *m);
void post_init(struct sup *p);
