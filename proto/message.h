/* message: every message of the worker's wire and of the control socket, in
 * one table: name, kind, who sends it, shape of params. Codec, documentation
 * and tests are made from it. Source: README, chapter "The wire". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PROTOCOL_VERSION 1

/* Limits of the wire. */
#define WIRE_MESSAGE_MAX (1024 * 1024) /* bytes of one nng message */
#define WIRE_BATCH_BYTES (60 * 1024)   /* a batch is cut after this many */
#define WIRE_DEPTH_MAX 32	       /* nesting of MessagePack values */
#define WIRE_INLINE_BODY (64 * 1024)   /* larger bodies go in chunks */
#define WIRE_CREDIT_BYTES (256 * 1024) /* per stream to begin with */

/* What the rows leave unsaid:
 * - deadline_ms is how many milliseconds are left when it is sent, 0 for no
 *   deadline.
 * - chunk, credit and cancel carry the id of the request they belong to.
 *   Credit counts the bytes of chunks, not those of a body sent inline; a
 *   sender that streams its answer sends the head with an empty body.
 * - State goes from a serving worker to its proven successor before the swap,
 *   if both manifests say `state.export`. Meanwhile requests are held, and what
 *   was in flight is answered, but for streams whose head is out. `export` is
 *   answered [version, blob, more, sha256]: the version that the manifest
 *   says, the first piece, whether chunks follow, and lower-case hex over the
 *   whole blob (absent or empty: not checked). `import` brings the same to the
 *   successor, always with the sum; it answers nil when it has taken all of
 *   it, or an error, and then is as if nothing had come: the reload fails, or
 *   goes on with an empty worker if the manifest says `state.optional`. A blob
 *   is at most 16 MiB; beyond 64 KiB the rest goes in chunks with the id of
 *   the export or import, under credit like a body's (256 KiB to begin with,
 *   which the first piece does not use up). A worker that has exported may go
 *   on serving, if the reload fails, and may be asked again. There is no
 *   export without a successor: after a crash, a restart by a person or the
 *   start of supd a worker begins empty.
 * - `configure` goes to a worker whose manifest says `configure: true` instead
 *   of a reload when nothing but its settings changed. The map is all of them,
 *   as in hello. After nil they are in force; after an error, or none of both
 *   within health_timeout, it is replaced by a reload.
 * - `cancel` from a worker gives up an answer whose head is out: nothing more
 *   is owed, and the client sees it cut.
 * - A cancelled request is still owed an answer: the error `cancelled`, or, if
 *   its head went out before, a last empty chunk. Who cancelled drops it.
 *
 * The params string has one letter per position: u unsigned, i integer, s str,
 * b bin, o bool, m map, a array, x anything; after '|' they may be absent.
 * X(ENUM, "name", kind, direction, params, "what it means") */
#define MESSAGES(X)                                                            \
	X(HELLO, "hello", REQUEST, TO_SUPD, "uss",                             \
		"protocol, nonce, sdk; answered [id, generation, settings, "   \
		"limits]")                                                     \
	X(READY, "ready", REQUEST, TO_SUPD, "sa",                              \
		"version, registrations; answered nil")                        \
	X(HTTP, "http", REQUEST, TO_WORKER, "ussmsabosu",                      \
		"registration, method, raw_path, path_params, raw_query, "     \
		"headers, body, more, peer, deadline_ms; answered [status, "   \
		"headers, body, more]")                                        \
	X(TOOL, "tool", REQUEST, TO_WORKER, "sxux",                            \
		"name, args, deadline_ms, caller; answered with anything")     \
	X(METHOD, "method", REQUEST, TO_WORKER, "sxux",                        \
		"name, args, deadline_ms, caller; answered with anything")     \
	X(COMMAND, "command", REQUEST, TO_WORKER, "ssxu",                      \
		"name, text, context, deadline_ms; answered with text")        \
	X(CHUNK, "chunk", NOTIFICATION, BOTH, "ubo", "id, bytes, more")        \
	X(CREDIT, "credit", NOTIFICATION, BOTH, "uu", "id, bytes")             \
	X(CANCEL, "cancel", NOTIFICATION, BOTH, "u", "id")                     \
	X(HEALTH, "health", REQUEST, TO_WORKER, "", "answered nil or error")   \
	X(PING, "ping", REQUEST, TO_WORKER, "", "answered nil")                \
	X(DRAIN, "drain", NOTIFICATION, TO_WORKER, "",                         \
		"no new requests come; finish what you have")                  \
	X(RESUME, "resume", NOTIFICATION, TO_WORKER, "", "undoes drain")       \
	X(CONFIGURE, "configure", REQUEST, TO_WORKER, "m",                     \
		"settings in force from now on; answered nil or error")        \
	X(EXPORT, "export", REQUEST, TO_WORKER, "",                            \
		"answered [version, blob, more, sha256]")                      \
	X(IMPORT, "import", REQUEST, TO_WORKER, "ib|os",                       \
		"version, blob, more, sha256; answered nil or error")          \
	X(DRAINED, "drained", NOTIFICATION, TO_SUPD, "",                       \
		"the last reply is queued")                                    \
	X(LOG, "log", NOTIFICATION, TO_SUPD, "ss", "level, text")              \
	X(EMIT, "emit", NOTIFICATION, TO_SUPD, "sx", "event, data")            \
	X(CALL, "call", REQUEST, TO_SUPD, "ssxu",                              \
		"kind, name, args, deadline_ms; answered with anything")       \
	X(CONTROL, "control", REQUEST, TO_SUPD, "sm",                          \
		"verb, arguments (control socket only); answered with a map")  \
	X(PROGRESS, "progress", NOTIFICATION, TO_WORKER, "um",                 \
		"id of the call, what happened (control socket only)")

/* Not supported yet: quiesce, take, probe, hook, tick, service.*, channel.*,
 * ws.*. */

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
int wire_error_status(enum wire_error code); /* of HTTP */
enum wire_error wire_error_by_text(const char *text, size_t length);
/* ^ an unknown text is WIRE_FAILED */
