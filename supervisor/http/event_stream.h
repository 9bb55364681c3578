/* event_stream: the answer to GET /api/events: server-sent events as long as
 * the client stays. A slow client gets events from the journal as it reads, and
 * the number of those that the journal dropped meanwhile. A client that reads
 * nothing for write_timeout is disconnected. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proto/util/list.h"
#include "proto/util/wheel.h"
#include "supervisor/control/slices.h"

#define EVENT_STREAMS_MAX 1000
#define EVENT_KEEP_ALIVE_MS 15000
/* Bytes queued for a client; past it, events wait in the journal. */
#define EVENT_BACKLOG_MAX (64 * 1024)

struct exchange;
struct http_server;

struct event_stream {
	struct list node; /* the server's streams */
	struct exchange *exchange;
	struct wheel_timer keep_alive;
	struct slice slice;
	uint64_t sent;	 /* seq of the last event written; 0: none yet */
	uint64_t missed; /* missed events not reported yet */
	void *call;	 /* the api_call, for api_end_streams() */
	const char
		*plugin_id; /* only this plugin's events, borrowed; NULL: all */
};

/* Writes the head of the answer. The caller destroys it before the exchange. */
struct event_stream *event_stream_open(
	struct exchange *x, void *call, const char *plugin_id);
void event_stream_destroy(struct event_stream *s);
/* Answers a HEAD with the head that GET would get. */
void event_stream_answer_head(struct exchange *x);
/* Takes progress of the call: {"event": {...}} or {"dropped": N}, perhaps with
 * {"after": seq}; borrowed. The seq, or else the first event, is where the
 * stream begins; later events only say that the journal has news. */
void event_stream_tell(struct event_stream *s, const json_t *progress);
/* Schedules the writing of news, as far as the client takes it. Call it when
 * the stream is open and whenever the client has read. */
void event_stream_go_on(struct event_stream *s);
/* Completes the answer; the connection stays open. */
void event_stream_end(struct event_stream *s);
/* Reads the "7" of Last-Event-ID; -1: not a number. */
int event_stream_read_id(const char *at, size_t length, uint64_t *seq_out);
