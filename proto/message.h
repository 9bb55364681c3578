/* message: the table of all messages on a worker's wire and on the control
 * socket: name, kind, direction, form of params. Codec, documentation and tests
 * are made from it. proto/README.md explains the wire. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PROTOCOL_VERSION 1

/* Limits of the wire. */
#define WIRE_MESSAGE_MAX (1024 * 1024) /* bytes of one nng message */
#define WIRE_BATCH_BYTES (60 * 1024)   /* a batch is cut after this many */
#define WIRE_DEPTH_MAX 32	       /* nesting of MessagePack values */
#define WIRE_VALUES_MAX (64 * 1024)    /* in one object that supd reads */
#define WIRE_INLINE_BODY (64 * 1024)   /* larger bodies go in chunks */
#define WIRE_CREDIT_BYTES (256 * 1024) /* per stream at the start */
#define WIRE_CREDIT_MAX (1024 * 1024)  /* for a client that keeps up */
/* The text of a service.status or channel.status; longer ones are cut. */
#define SERVICE_TEXT_MAX 256
#define CHANNEL_CURSOR_MAX 4096 /* bytes of a cursor */
/* Longer deadlines are shortened to this. */
#define WIRE_DEADLINE_MAX_MS (24 * 60 * 60 * 1000ull)

/* Beyond what the rows say:
 * - deadline_ms is the time left when the message is sent, in milliseconds; 0
 *   means no deadline. supd sends none longer than 24 h, and shortens a longer
 *   one in `call` to that.
 * - chunk, credit and cancel carry the id of the request they belong to.
 *   Credit counts the bytes of chunks, not those of a body sent inline; a
 *   sender that streams its answer sends the head with an empty body.
 * - State goes from a serving worker to its proven successor before the switch,
 *   if both manifests say `state.export`. Meanwhile requests are held, and
 *   those in flight are answered, except streams whose head is out. The answer
 *   to `export` is [version, blob, more, sha256]: the version from the
 *   manifest, the first piece, whether chunks follow, and the sum of the whole
 *   blob in lower-case hex (absent or empty: not checked). `import` brings the
 *   same to the successor, always with the sum. It answers nil when it has
 *   taken all of it. After an error it must be as if nothing had come: the
 *   reload fails, or goes on with an empty worker if the manifest says
 *   `state.optional`. A blob is at most 16 MiB; above 64 KiB the rest goes in
 *   chunks with the id of the export or import, under credit like a body (256
 *   KiB at the start, not counting the first piece). If the reload fails, a
 *   worker that has exported serves on, and may be asked again. There is no
 *   export without a successor: after a crash, a restart by a user or a start
 *   of supd, a worker begins empty.
 * - `configure` goes to a worker whose manifest says `configure: true`, instead
 *   of a reload, when only its settings changed. The map is all of them, as in
 *   hello. After nil they are in force; after an error, or without an answer
 *   within health_timeout, the worker is replaced by a reload.
 * - What cannot exist twice (a service without `overlap`, and with the
 * manifest's `reload: exclusive` anything) goes from the old worker to the new
 * one: `service.stop` for each service and `quiesce` to the old one, then
 * `take` and `service.start` to the new one. What was stopped may be started
 * again. Epochs only grow: of two workers, the one with the greater epoch owns
 * what they share. A worker that does not know `quiesce` and `take` answers
 *   `not_found`, which is fine unless its manifest says `reload: exclusive`.
 * - `service.status` has one of the states running, waiting, failed, and a text
 *   of at most SERVICE_TEXT_MAX bytes. supd starts a failed service again.
 * - A channel is started and stopped like a service, and goes from worker to
 *   worker like one. `cursor` is nil, or the bytes that the plugin gave last:
 *   the position at the platform from which it goes on. `channel.status` has
 *   one of the states connecting, up, waiting, down, login, failed. supd starts
 *   a failed channel again.
 * - `probe` asks, once for each registration of `ready` and before the worker
 *   serves, whether the worker would find its handler, which does not run.
 *   `registration` is the index; kind and name are what supd has read. A worker
 *   that does not know `probe` answers as to any unknown request, and passes.
 * - `limits` comes when a limit in hello's answer has changed: the same map,
 *   with the values in force from now on.
 * - `offer` replaces all registrations of the worker that serves, in one step.
 *   Requests sent before the answer have the indices of the old ones, those
 *   after it the indices of the new ones. After an error nothing has changed.
 * - `request` in `call` and `emit` is the id of the request that the worker is
 *   serving while it calls or emits. The call then continues the chain of that
 *   request, and its deadline is not later. 0, or an id that is no request in
 *   flight at this worker: as if it were absent, but counted unless it is 0.
 * - `cli.output` belongs to a `cli` like a chunk to its request: before the
 *   answer, under credit, 256 KiB to begin with. If the context says `stdin`,
 *   standard input comes in chunks, under credit. On the control socket it goes
 *   to the client, and chunks and credit come from there.
 * - `tick` is one due time of a schedule: tick_id is "plugin/name@due_ms",
 *   due_ms milliseconds since 1970. missed is 0, or the number of due times
 *   that could not be delivered in time and for which this one stands; due_ms
 *   is then the last of them.
 * - `trace` gives the request with this id, which is the next message, its
 *   place in a trace: the value of a header `traceparent` of W3C Trace Context.
 *   supd sends it before each traced request but `http` and `ws.open`, which
 *   have the header itself. A `call` or `emit` belongs to the trace of the
 *   request that it names.
 * - `cancel` from a worker abandons an answer whose head is out: the worker
 *   owes nothing more, and the client sees that the answer is cut.
 * - `ws.open` gives the worker a client's WebSocket connection: 101 takes it.
 *   Its number, conn, is none of a request in flight, so `credit` serves both.
 *   After the answer either side sends `ws.message` under credit and may end
 *   the connection with `ws.close`, after which nothing follows. A message that
 *   is longer than a piece has more=true in all pieces but the last.
 * - `ws.move` takes the connection from the worker, which says in its answer
 *   what its successor must know: bytes, or nil. Nothing follows from it.
 * - A cancelled request must still be answered: with the error `cancelled`, or,
 *   if its head is out, with a last empty chunk. The side that cancelled drops
 *   the answer.
 *
 * The params string has one letter per position: u unsigned, i integer, s str,
 * b bin, o bool, m map, a array, x anything; after '|' they may be absent.
 * X(ENUM, "name", kind, direction, params, "what it means") */
#define MESSAGES(X)                                                            \
	X(HELLO, "hello", REQUEST, TO_SUPD, "uss",                             \
		"protocol, nonce, sdk; answer: [id, generation, settings, "    \
		"limits]")                                                     \
	X(READY, "ready", REQUEST, TO_SUPD, "sa",                              \
		"version, registrations; answer: nil")                         \
	X(HTTP, "http", REQUEST, TO_WORKER, "ussmsabosu",                      \
		"registration, method, raw_path, path_params, raw_query, "     \
		"headers, body, more, peer, deadline_ms; answer: [status, "    \
		"headers, body, more]")                                        \
	X(TOOL, "tool", REQUEST, TO_WORKER, "sxux",                            \
		"name, args, deadline_ms, caller; answer: anything")           \
	X(METHOD, "method", REQUEST, TO_WORKER, "sxux",                        \
		"name, args, deadline_ms, caller; answer: anything")           \
	X(COMMAND, "command", REQUEST, TO_WORKER, "ssxu",                      \
		"name, text, context, deadline_ms; answer: a string")          \
	X(HOOK, "hook", REQUEST, TO_WORKER, "ssxmu",                           \
		"name, event, data, context, deadline_ms; answer: nil or "     \
		"{verdict, data?, reason?}")                                   \
	X(TICK, "tick", REQUEST, TO_WORKER, "ssuuu",                           \
		"name, tick_id, due_ms, missed, deadline_ms; answer: nil or "  \
		"an error")                                                    \
	X(CLI, "cli", REQUEST, TO_WORKER, "samu",                              \
		"name, argv, context, deadline_ms; answer: [exit_status]")     \
	X(CLI_OUTPUT, "cli.output", NOTIFICATION, TO_SUPD, "uub",              \
		"id, 1 or 2 (standard output or error), bytes")                \
	X(CHUNK, "chunk", NOTIFICATION, BOTH, "ubo", "id, bytes, more")        \
	X(CREDIT, "credit", NOTIFICATION, BOTH, "uu", "id, bytes")             \
	X(CANCEL, "cancel", NOTIFICATION, BOTH, "u", "id")                     \
	X(HEALTH, "health", REQUEST, TO_WORKER, "", "answer: nil or an error") \
	X(PING, "ping", REQUEST, TO_WORKER, "", "answer: nil")                 \
	X(PROBE, "probe", REQUEST, TO_WORKER, "uss",                           \
		"registration, kind, name; answer: nil, or not_found")         \
	X(DRAIN, "drain", NOTIFICATION, TO_WORKER, "",                         \
		"no new requests come; finish what you have")                  \
	X(RESUME, "resume", NOTIFICATION, TO_WORKER, "",                       \
		"requests come again; ends a drain")                           \
	X(LIMITS, "limits", NOTIFICATION, TO_WORKER, "m",                      \
		"all limits as in hello's answer, in force from now on")       \
	X(CONFIGURE, "configure", REQUEST, TO_WORKER, "m",                     \
		"all settings, in force from now on; answer: nil or an error") \
	X(EXPORT, "export", REQUEST, TO_WORKER, "",                            \
		"answer: [version, blob, more, sha256]")                       \
	X(IMPORT, "import", REQUEST, TO_WORKER, "ib|os",                       \
		"version, blob, more, sha256; answer: nil or an error")        \
	X(SERVICE_START, "service.start", REQUEST, TO_WORKER, "su",            \
		"name, deadline_ms; answer: nil or an error")                  \
	X(SERVICE_STOP, "service.stop", REQUEST, TO_WORKER, "su",              \
		"name, deadline_ms; answer: nil or an error")                  \
	X(SERVICE_STATUS, "service.status", NOTIFICATION, TO_SUPD, "sss",      \
		"name, state, text")                                           \
	X(CHANNEL_START, "channel.start", REQUEST, TO_WORKER, "suxu",          \
		"name, epoch, cursor, deadline_ms; answer: nil or an error")   \
	X(CHANNEL_STOP, "channel.stop", REQUEST, TO_WORKER, "su",              \
		"name, deadline_ms; answer: [cursor] or an error")             \
	X(CHANNEL_SEND, "channel.send", REQUEST, TO_WORKER, "ssmmu",           \
		"name, send_id, target, content, deadline_ms; answer: "        \
		"[state, receipt]")                                            \
	X(CHANNEL_FIND, "channel.find", REQUEST, TO_WORKER, "ssmu",            \
		"name, send_id, target, since_ms; answer: [state, receipt]")   \
	X(CHANNEL_ACT, "channel.act", REQUEST, TO_WORKER, "ssmxu",             \
		"name, action, target, args, deadline_ms; answer: receipt")    \
	X(CHANNEL_MESSAGE, "channel.message", REQUEST, TO_SUPD, "sx",          \
		"name, message; answer: new, seen or refused, or an error")    \
	X(CHANNEL_STATUS, "channel.status", NOTIFICATION, TO_SUPD, "sss",      \
		"name, state, text")                                           \
	X(QUIESCE, "quiesce", REQUEST, TO_WORKER, "u",                         \
		"deadline_ms; answer: nil or an error")                        \
	X(TAKE, "take", REQUEST, TO_WORKER, "uu",                              \
		"epoch, deadline_ms; answer: nil or an error")                 \
	X(WS_OPEN, "ws.open", REQUEST, TO_WORKER, "uusmsasxu",                 \
		"conn, registration, raw_path, path_params, raw_query, "       \
		"headers, peer, moved, deadline_ms; answer: [status, "         \
		"headers, protocol]")                                          \
	X(WS_MESSAGE, "ws.message", NOTIFICATION, BOTH, "uubo",                \
		"conn, opcode (1 text, 2 binary), bytes, more")                \
	X(WS_CLOSE, "ws.close", NOTIFICATION, BOTH, "uus",                     \
		"conn, code, reason")                                          \
	X(WS_MOVE, "ws.move", REQUEST, TO_WORKER, "u",                         \
		"conn; answer: [blob] or nil")                                 \
	X(TRACE, "trace", NOTIFICATION, TO_WORKER, "us", "id, traceparent")    \
	X(DRAINED, "drained", NOTIFICATION, TO_SUPD, "",                       \
		"the last answer is queued")                                   \
	X(LOG, "log", NOTIFICATION, TO_SUPD, "ss", "level, text")              \
	X(EMIT, "emit", NOTIFICATION, TO_SUPD, "sx|u", "event, data, request") \
	X(CALL, "call", REQUEST, TO_SUPD, "ssxu|u",                            \
		"kind, name, args, deadline_ms, request; answer: anything")    \
	X(OFFER, "offer", REQUEST, TO_SUPD, "a", "registrations; answer: nil") \
	X(CONTROL, "control", REQUEST, TO_SUPD, "sm",                          \
		"verb, arguments (control socket only); answer: a map")        \
	X(PROGRESS, "progress", NOTIFICATION, TO_WORKER, "um",                 \
		"id of the call, what happened (control socket only)")

enum message_name {
#define X(name, ...) MESSAGE_##name,
	MESSAGES(X)
#undef X
		MESSAGE_COUNT,
	MESSAGE_UNKNOWN = MESSAGE_COUNT,
};

enum message_kind {
	MESSAGE_REQUEST = 0,	  /* [0, id, method, params] */
	MESSAGE_RESPONSE = 1,	  /* [1, id, error, result] */
	MESSAGE_NOTIFICATION = 2, /* [2, method, params] */
};

/* How the answer to a request may go on in chunks. The request decides it, not
 * the shape of the answer. */
enum wire_answer_form {
	WIRE_ANSWER_SINGLE,
	WIRE_ANSWER_HTTP,  /* [status, fields, body, more, ...] */
	WIRE_ANSWER_STATE, /* [version, blob, more, ...] */
};

enum message_direction {
	MESSAGE_TO_SUPD = 1,
	MESSAGE_TO_WORKER = 2,
	MESSAGE_BOTH = 3,
};

struct message_row {
	const char *name;
	enum message_kind kind;
	enum message_direction direction;
	const char *params;
	const char *meaning;
};

extern const struct message_row message_rows[MESSAGE_COUNT];

enum message_name message_by_name(const char *name, size_t length);

/* Error codes of responses: [code, text], both str; and the status that a
 * client of an http registration gets. X(ENUM, "code", status) */
#define WIRE_ERRORS(X)                                                         \
	X(BAD_MESSAGE, "bad_message", 400)                                     \
	X(VERSION, "version", 502)                                             \
	X(DENIED, "denied", 403)                                               \
	X(NOT_FOUND, "not_found", 404)                                         \
	X(CONFLICT, "conflict", 409)                                           \
	X(BUSY, "busy", 503)                                                   \
	X(TIMEOUT, "timeout", 504)                                             \
	X(CANCELLED, "cancelled", 502)                                         \
	X(TOO_LARGE, "too_large", 413)                                         \
	X(FAILED, "failed", 502)

enum wire_error {
#define X(name, ...) WIRE_##name,
	WIRE_ERRORS(X)
#undef X
		WIRE_ERROR_COUNT,
};

const char *wire_error_text(enum wire_error code);
int wire_error_status(enum wire_error code); /* HTTP status of an error */
/* WIRE_FAILED for an unknown text. */
enum wire_error wire_error_by_text(const char *text, size_t length);
