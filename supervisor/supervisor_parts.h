/* supervisor_parts: the inside of the root object, for its own two files. */
#pragma once

#include <ev.h>

#include "supervisor/chat/chat.h"
#include "supervisor/config/config.h"
#include "supervisor/control/control.h"
#include "supervisor/apply/apply.h"
#include "supervisor/http/server.h"
#include "supervisor/ops/reaper.h"
#include "supervisor/ops/runtime.h"
#include "supervisor/supervisor.h"

#define SIGNAL_COUNT 5 /* TERM, INT, HUP, USR1, USR2 */

struct supervisor {
	const struct supervisor_options *options;
	char *config_file;
	struct ev_loop *loop;
	struct config *config;
	struct runtime runtime;
	struct gateway gateway;
	struct http_server *http;
	struct control *control;
	struct chat *chat;
	struct reaper reaper;
	ev_signal signals[SIGNAL_COUNT];
	ev_prepare log_flush;
	ev_io log_writable;
	ev_timer log_retry; /* a write to the log failed */
	ev_timer stop_guard;
	uint64_t hooks_from_ms; /* when a stop began to wait for hooks */
	bool ready, stopping, workers_gone, doors_drained;
	bool announced; /* READY=1 was sent once */
	ev_prepare ready_look;
	ev_timer ready_again;	/* repeats a check that came too soon */
	uint64_t ready_seen_ms; /* the last check */
	char status[768];	/* the last STATUS= sent, or "" */
	struct apply_request hup;
	bool hup_is_asked;  /* an apply for a HUP is in progress */
	bool hup_pending;   /* another one follows it */
	ev_timer hup_quiet; /* runs after a HUP: the burst may go on */
	uint64_t burst_ms;  /* when the burst began */
};

/* ---- supervisor.c ---- */
/* Sets the log's format and level: those of flags, else of the config. */
void supervisor_set_log(
	const struct supervisor *s, const struct config *config);

/* ---- supervisor_stop.c ---- */
/* Begins the end of supd; the loop ends when it is over, or at the second call.
 * why: for the log. */
void supervisor_stop(struct supervisor *s, const char *why);
/* For gateway.on_stopped; user: struct supervisor. */
void supervisor_on_stopped(struct gateway *g, void *user);

/* ---- supervisor_ready.c ---- */
/* From now on checks after each change whether supd is ready, and notifies the
 * service manager. */
void supervisor_watch_ready(struct supervisor *s);
void supervisor_forget_ready(struct supervisor *s); /* the loop ends */

/* ---- supervisor_apply.c ---- */
/* HUP, or a watched file of the configuration: asks for an apply, or with
 * `on_sighup: advise` for a plan of one. trigger: static. */
void supervisor_on_change(struct supervisor *s, const char *trigger);
void supervisor_forget_hups(struct supervisor *s); /* the loop ends */
/* Gives the gateway the supervisor's part of an apply. */
void supervisor_serve_applies(struct supervisor *s);
void supervisor_log_problems(const struct problems *problems);
