/* event_stream: the answer to GET /api/events: server-sent events as long as
 * the client stays. One that reads too slowly is told how many it missed, and
 * one that reads nothing for write_timeout loses its connection. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proto/util/list.h"
#include "proto/util/wheel.h"

#define EVENT_STREAMS_MAX 100
#define EVENT_KEEP_ALIVE_MS 15000
#define EVENT_BACKLOG_MAX (256 * 1024) /* bytes not taken by the client yet */

struct exchange;
struct http_server;

struct event_stream {
	struct list node; /* the server's streams */
	struct exchange *exchange;
	struct wheel_timer keep_alive;
	uint64_t missed;  /* and not told yet */
	bool catching_up; /* what is told now was asked for: none is missed */
	void *call;	  /* whose progress it is, for event_stream_end_all() */
};

/* Writes the head of the answer. The caller destroys it before the exchange. */
struct event_stream *event_stream_open(struct exchange *x, void *call);
void event_stream_destroy(struct event_stream *s);
/* {"event": {...}} or {"dropped": N}; borrowed. */
void event_stream_tell(struct event_stream *s, const json_t *progress);
/* The answer is complete; the connection lives on. */
void event_stream_end(struct event_stream *s);
/* "7" of Last-Event-ID; -1: it is none of ours. */
int event_stream_read_id(const char *at, size_t length, uint64_t *seq_out);
