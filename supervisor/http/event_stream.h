/* event_stream: the answer to GET /api/events: server-sent events as long as
 * the client stays. One that reads slowly is given them from the journal as it
 * reads, and told how many it missed of those that the journal keeps no more;
 * one that reads nothing for write_timeout loses its connection. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proto/util/list.h"
#include "proto/util/wheel.h"

#define EVENT_STREAMS_MAX 1000
#define EVENT_KEEP_ALIVE_MS 15000
/* Bytes that a client has not taken yet; what comes then waits in the journal,
 * as long as that keeps it. */
#define EVENT_BACKLOG_MAX (64 * 1024)

struct exchange;
struct http_server;

struct event_stream {
	struct list node; /* the server's streams */
	struct exchange *exchange;
	struct wheel_timer keep_alive;
	uint64_t sent;	 /* the seq of the last one written, 0: none yet */
	uint64_t missed; /* and not told yet */
	void *call;	 /* whose progress it is, for api_end_streams() */
};

/* Writes the head of the answer. The caller destroys it before the exchange. */
struct event_stream *event_stream_open(struct exchange *x, void *call);
void event_stream_destroy(struct event_stream *s);
/* {"event": {...}} or {"dropped": N}; borrowed. The first event says where the
 * stream begins, all that follow that there is news in the journal. */
void event_stream_tell(struct event_stream *s, const json_t *progress);
/* What there is of news, as far as the client takes it: when the stream is open
 * and whenever the client has read. */
void event_stream_go_on(struct event_stream *s);
/* The answer is complete; the connection lives on. */
void event_stream_end(struct event_stream *s);
/* "7" of Last-Event-ID; -1: it is none of ours. */
int event_stream_read_id(const char *at, size_t length, uint64_t *seq_out);
