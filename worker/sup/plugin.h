/* <sup/plugin.h>: the C ABI of a supd plugin, and its reference.
 *
 * A plugin is a shared object with one descriptor:
 *
 *	static void
 *	hello(struct sup_req *req, void *user)
 *	{
 *		sup_reply_json(req, 200, "{\"hello\":%s}", "world");
 *	}
 *
 *	static int
 *	init(struct sup *p)
 *	{
 *		return sup_http(p, "GET", "/hello", hello, NULL);
 *	}
 *
 *	SUP_PLUGIN("hello", "1.0.0", init)
 *
 * built with `cc -shared -fPIC $(pkg-config --cflags supd)`. There is nothing
 * to link with: the program that loads the plugin has the functions below.
 *
 * Rules. Everything runs on one thread, that of sup_loop(); only sup_post()
 * may be called from others. Do not fork without exec. Handlers answer before
 * they return, or later. Strings passed to supd are copied; strings that supd
 * returns are valid as long as the request, or the plugin, that they belong
 * to. A pointer may be NULL only where this header says so; bytes may be NULL
 * if their size is 0, and so may a handler's user and the fallback of a
 * setting. Any other NULL ends the worker with a message that names the
 * function. Times are milliseconds, sizes bytes. A worker ends when the gateway
 * closes the link, or on SIGTERM, so leave no work for an exit handler. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SUP_ABI 4 /* plugins built for 1 to 3 are loaded too */
#define SUP_API __attribute__((visibility("default")))

struct ev_loop;
struct sup;	/* the plugin, as the worker knows it */
struct sup_req; /* one request: valid until its answer is complete */

/* What init returns. */
enum sup_init {
	SUP_FAILED_TO_START =
		-1, /* the worker exits; write the reason to stderr */
	SUP_STARTED = 0,
	SUP_STARTS_LATER = 1, /* ready only when the plugin calls sup_ready() */
};

/* The one symbol that a plugin exports. */
struct sup_plugin {
	uint32_t abi;
	const char *name, *version;
	int (*init)(struct sup *p); /* registers; runs once */
};

#ifdef __cplusplus
#define SUP_PLUGIN(name, version, init)                                        \
	extern "C" SUP_API const struct sup_plugin sup_plugin;                 \
	const struct sup_plugin sup_plugin = {SUP_ABI, name, version, init};
#else
#define SUP_PLUGIN(name, version, init)                                        \
	extern SUP_API const struct sup_plugin sup_plugin;                     \
	const struct sup_plugin sup_plugin = {SUP_ABI, name, version, init};
#endif

/* ---- registering: in init, before the plugin is ready ---- */

typedef void sup_handler(struct sup_req *req, void *user);

enum sup_kind {
	SUP_HTTP,
	SUP_TOOL,
	SUP_COMMAND,
	SUP_METHOD,
	SUP_SERVICE,  /* (since ABI 4) */
	SUP_SCHEDULE, /* (since ABI 4) */
	SUP_CLI,      /* (since ABI 4) */
};

/* The long form; a field left zero means the default. */
struct sup_offer {
	enum sup_kind kind;
	const char *name;   /* tool, command, method */
	const char *method; /* http: "GET" */
	const char *path;   /* http: "/a/{id}/" "*" patterns */
	sup_handler *handler;
	void *user;
	int idempotent; /* whether it may be repeated if the worker dies: 1 yes,
			   -1 no, 0 depends on the HTTP method; tools and
			   methods no */
	int64_t body_limit;	 /* http: bytes, 0 the gateway's */
	const char *description; /* tool */
	const char *schema;	 /* tool: JSON Schema of its arguments, which
				    supd checks before it calls the handler */
	const char *help;	 /* command */
	/* http: the handler is called with the head and takes the body in
	 * pieces, see sup_on_body(). (since ABI 2) */
	bool streams_body;
	/* tool: supd does not check arguments against the schema, which then
	 * only describes them. (since ABI 3) */
	bool skip_validation;
	/* service: `handler` starts it, and this one stops it; overlap: it may
	 * run in the old and the new worker at the same time. (since ABI 4) */
	sup_handler *stop;
	bool overlap;
	/* schedule (since ABI 4): when it is due, "every 30s", "0 3 * * *" or
	 * "@daily"; in which zone, "Europe/Berlin", NULL the machine's; whether
	 * due times that nobody could take are dropped instead of delivered
	 * once; and how long a tick may take, 0 the gateway's time. */
	const char *when, *zone;
	bool skip_missed;
	uint32_t timeout_ms;
	const char *arguments; /* cli, for people: "FILE..." (since ABI 4) */
};

/* All of these return 0, or -1 with a message on stderr, for example if a
 * handler, name, method or path is missing. init may return their result. The
 * other strings may be NULL. */
SUP_API int sup_register(struct sup *p, const struct sup_offer *offer);
SUP_API int sup_http(struct sup *p, const char *method, const char *path,
	sup_handler *handler, void *user);
SUP_API int sup_tool(struct sup *p, const char *name, const char *description,
	const char *schema, sup_handler *handler, void *user);
SUP_API int sup_command(struct sup *p, const char *name, const char *help,
	sup_handler *handler, void *user);
SUP_API int sup_method(
	struct sup *p, const char *name, sup_handler *handler, void *user);

/* A hook: the handler is called for each event of a name; a field left zero
 * means the default. An observer gets every matching event once, in order, one
 * at a time, over reloads too, and answers with sup_ok() or sup_fail(). */
struct sup_hook_offer {
	const char *event; /* "reload.verdict"; "bot.*", of any depth; "*" */
	const char *name;  /* unique in the plugin; NULL: the event */
	sup_handler *handler;
	void *user;
	/* JSON, {"field": value or [value…]}: only events whose data has these
	 * values in its top-level fields; NULL: all. */
	const char *match;
	uint32_t timeout_ms; /* of one call; 0: 5000 */
	/* Whether an event may be sent again if the worker dies with it. */
	bool idempotent;
	/* A filter decides what becomes of an event, which waits for it: for
	 * message.inbound, message.sending, tool.before, tool.after and
	 * command.before. It answers with one of sup_pass(), sup_change(),
	 * sup_stop() and sup_claim(). Filters are asked by priority, the higher
	 * first. If one fails, is late or is not there, the event goes on
	 * without it, or is stopped. */
	bool filter;
	int32_t priority;
	bool stop_on_error; /* of a filter only */
};

SUP_API int sup_register_hook(
	struct sup *p, const struct sup_hook_offer *offer);
SUP_API int sup_hook(
	struct sup *p, const char *event, sup_handler *handler, void *user);
SUP_API int sup_filter(struct sup *p, const char *event, int32_t priority,
	sup_handler *handler, void *user);

/* A service runs on its own: supd starts it when the worker serves, and stops
 * it before the worker ends. A reload stops it in the old worker before it
 * starts it in the new one (or, with overlap, after). Both handlers answer with
 * sup_ok() once that is done, or with sup_fail(), now or later; a failed start
 * is tried again. A stop is called when the start has been answered, or
 * cancelled because it took too long. A start may be called for what runs
 * already, if a stop took too long. sup_req_name() is the name. */
SUP_API int sup_service(struct sup *p, const char *name, sup_handler *start,
	sup_handler *stop, void *user);
enum sup_service_state {
	SUP_SERVICE_RUNNING,
	SUP_SERVICE_WAITING, /* for something outside, say a server */
	SUP_SERVICE_FAILED,  /* supd stops it and starts it again */
};
/* Reports how a service is, for `supctl status`; at most 256 bytes. */
SUP_API void sup_service_status(struct sup *p, const char *name,
	enum sup_service_state state, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* What only one worker may have, and is no service (a port, a lock, a session
 * elsewhere): with `reload: exclusive` in the manifest, a reload calls the
 * handler of quiesce in the old worker, which lets go of it, and then that of
 * take in the new one. take is also called when the first worker starts, and
 * in the old one if the reload fails. Both answer with sup_ok() or sup_fail().
 * sup_req_epoch() in take is a number that grows with every take of the plugin,
 * also over restarts of supd. */
SUP_API void sup_on_quiesce(struct sup *p, sup_handler *handler, void *user);
SUP_API void sup_on_take(struct sup *p, sup_handler *handler, void *user);
SUP_API uint64_t sup_req_epoch(struct sup_req *req);
/* The handler is called when it is due. It answers with sup_ok() or sup_fail();
 * meanwhile the schedule has no other tick. (since ABI 4) */
SUP_API int sup_schedule(struct sup *p, const char *name, const char *when,
	sup_handler *handler, void *user);
/* A command line that users run with `supctl x PLUGIN NAME ARGS...`; help is
 * one line for people. The handler reads sup_req_argv(), and standard input
 * with sup_on_body(), which brings nothing if that is a terminal; it writes
 * with sup_write(), and ends with sup_exit(), now or later. ^C cancels it.
 * (since ABI 4) */
SUP_API int sup_cli(struct sup *p, const char *name, const char *help,
	sup_handler *handler, void *user);

/* WebSocket connections of clients. (since ABI 4) A connection begins with a
 * request to `open`, which has the client's path, headers and so on: sup_ok()
 * accepts it, with the headers of sup_reply_header() and the first of the
 * protocols that the client offers; sup_reply() with a status, or sup_fail(),
 * refuses it. sup_req_ws() is the connection, which may be sent to before it is
 * accepted.
 *
 * Over a reload it moves to the next worker: when the messages that came before
 * have been given to `message`, `move` is asked what that worker must know, and
 * answers with sup_reply_state() (at most SUP_WS_BLOB_MAX bytes) or sup_ok().
 * There `open` is called with the client's first request, and sup_req_moved()
 * has the bytes. A connection is valid until close, the answer of move, or
 * sup_ws_close() returns. */
struct sup_ws;
enum sup_ws_type { SUP_WS_TEXT = 1, SUP_WS_BINARY = 2 };
#define SUP_WS_BLOB_MAX (64 * 1024)

struct sup_ws_offer {
	const char *path;      /* "/chat/{room}" */
	const char *protocols; /* "chat.v2, chat"; NULL: none */
	int64_t message_limit; /* bytes, of either side; 0: 1 MiB */
	bool pinned;	       /* over a reload it stays with its worker */
	int idempotent;	       /* whether `open` may be repeated: 1 yes, -1 no,
				  0 yes */
	sup_handler *open;     /* NULL: all are accepted */
	/* A whole message; text is UTF-8, without a NUL behind it. */
	void (*message)(struct sup_ws *ws, enum sup_ws_type type,
		const void *bytes, size_t size, void *user);
	/* The client closed it (1000, ...), or it is lost (1006): for example
	 * if the worker that takes it over could not wait for `move`, or if the
	 * client left before `open` accepted. Not called after
	 * sup_ws_close(). */
	void (*close)(
		struct sup_ws *ws, int code, const char *reason, void *user);
	sup_handler *move; /* NULL: there is nothing to know */
	/* Everything that sup_ws_send() had to keep has been sent. */
	void (*writable)(struct sup_ws *ws, void *user);
	void *user;
};
SUP_API int sup_ws(struct sup *p, const struct sup_ws_offer *offer);

/* The handler is called before the plugin takes over from an older one; it
 * answers with sup_ok() or sup_fail(). Without a handler, or with NULL, the
 * plugin counts as healthy. */
SUP_API void sup_health(struct sup *p, sup_handler *handler, void *user);
/* After SUP_STARTS_LATER, once. */
SUP_API void sup_ready(struct sup *p);

/* Other registrations while the plugin serves: `change` is called at once, and
 * may register as init does, and withdraw. All of it takes effect in one step,
 * or nothing does. done (may be NULL) is called later, with error NULL if the
 * new ones are in force, else with the reason: another plugin has a name, a
 * reload is in progress, offers come too fast. -1: `change` did not return 0,
 * or it was not the time for it; then done is not called. (since ABI 4) */
typedef int sup_registers(struct sup *p, void *user);
typedef void sup_offered(struct sup *p, const char *error, void *user);
SUP_API int sup_replace_offers(
	struct sup *p, sup_registers *change, sup_offered *done, void *user);
/* In `change`: removes "tool" "x", "http" "GET /x", "http" "GET /x websocket",
 * ..., or with kind and name NULL everything. -1: there is no such
 * registration. */
SUP_API int sup_withdraw(struct sup *p, const char *kind, const char *name);

/* ---- the plugin itself ---- */

SUP_API const char *sup_id(const struct sup *p);
SUP_API uint32_t sup_generation(const struct sup *p);
SUP_API const char *sup_version(const struct sup *p);
SUP_API const char *sup_data_dir(const struct sup *p); /* outlives the worker */
SUP_API struct ev_loop *sup_loop(struct sup *p);

enum sup_level { SUP_ERROR, SUP_WARN, SUP_INFO, SUP_DEBUG };
SUP_API void sup_log(struct sup *p, enum sup_level level, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/* Settings by path ("server.port"). Returns the fallback if the setting is
 * absent, has another type, or is a string that contains NUL. Strings live as
 * long as the plugin, or until it accepts new settings.
 */
SUP_API const char *sup_setting_string(
	struct sup *p, const char *path, const char *fallback);
SUP_API int64_t sup_setting_int(
	struct sup *p, const char *path, int64_t fallback);
SUP_API bool sup_setting_bool(struct sup *p, const char *path, bool fallback);
SUP_API const char *sup_settings_json(struct sup *p); /* all, as JSON text */

/* New settings for the running plugin. The handler reads them as arguments of
 * its request (sup_req_arg_string() ...). It answers with sup_ok(), and then
 * sup_setting_*() return them, or with sup_fail(), and the old ones stay.
 * Without a handler, or with NULL, new settings are refused, and supd reloads
 * the plugin. */
SUP_API void sup_on_configure(struct sup *p, sup_handler *handler, void *user);

/* State that outlives a reload, with a version: at most SUP_STATE_MAX bytes.
 * The old generation exports it once its requests are finished, and answers
 * with sup_reply_state() or sup_fail(). The new one imports it before it takes
 * over: sup_req_state() returns the blob and its version; it answers with
 * sup_ok(), or with sup_fail(), and then the reload fails (unless
 * state.optional). Both may answer later. Either handler may be NULL. */
#define SUP_STATE_MAX (16 * 1024 * 1024)
SUP_API void sup_state(struct sup *p, uint32_t version,
	sup_handler *export_state, sup_handler *import_state, void *user);

/* Emits an event; json is its data, or NULL. Returns -1 and sends nothing if
 * the data is not JSON, nested more than 30 deep or too large. In a handler it
 * is sup_req_emit() of the request. */
SUP_API int sup_emit(struct sup *p, const char *event, const char *json);

/* Runs fn(user) on the loop thread; the only function for other threads. */
SUP_API void sup_post(struct sup *p, void (*fn)(void *user), void *user);

/* Calls another plugin: kind "tool", "method" or "command", args as JSON text
 * (NULL: none). The callback is called once, with the result as JSON text, or
 * with an error message and result NULL; both are valid during the callback
 * only. timeout 0 means the gateway's. Returns -1, without a callback, if args
 * is not JSON, nested more than 30 deep or too large. In a handler, and in the
 * callback of a call that was made for a request, it is sup_req_call() of the
 * request, as long as that is not answered. */
typedef void sup_result(
	struct sup *p, const char *error, const char *result_json, void *user);
SUP_API int sup_call(struct sup *p, const char *kind, const char *name,
	const char *args_json, uint32_t timeout_ms, sup_result *done,
	void *user);

/* The same for a request that is being served, from anywhere, for example from
 * a timer: the call has no longer time than the request has left, and supd
 * knows what led to it. Plugins that call each other in a circle get an error
 * when the calls are 8 deep. (since ABI 4) */
SUP_API int sup_req_call(struct sup_req *req, const char *kind,
	const char *name, const char *args_json, uint32_t timeout_ms,
	sup_result *done, void *user);
SUP_API int sup_req_emit(
	struct sup_req *req, const char *event, const char *json);

/* ---- channels ---- */

/* A channel is the one connection to a platform where people write: a chat, a
 * broker, a bot's account. (since ABI 4) supd starts and stops it like a
 * service; it is in one worker at a time, unless it has overlap.
 *
 * start connects, and answers with sup_ok() once the platform has confirmed, or
 * with sup_fail(). sup_req_epoch() grows with each start, and sup_req_cursor()
 * is the position at the platform from which to go on. From the call of start
 * to the request to stop, sup_channel_receive() takes messages. stop
 * disconnects, and answers with sup_ok(). It is called when the start has been
 * answered, or cancelled, and when supd has answered all messages; nothing is
 * taken after it. supd keeps the position after the last message of those that
 * are taken without a gap; sup_reply_cursor() instead of sup_ok() sets another.
 *
 * send, find and act read sup_req_arg_string() and its kin: send has "send_id",
 * "target.chat", "target.thread", "target.reply_to", "content.text",
 * "content.format" ("plain" or "markdown") and "content.media"; find has
 * "send_id", "target" and "since_ms" (of 1970), and says whether that message
 * went out; act has "action" ("edit", "delete", "react", "typing"), "target"
 * and "args". They answer with sup_sent(), sup_not_sent(), sup_retry(), or
 * sup_fail(): it is unknown whether it was sent. act may answer with sup_ok().
 */
struct sup_channel_offer {
	const char *name; /* unique among all plugins */
	/* What it can do: of "text, media, reply, thread, edit, delete, react,
	 * typing, find". NULL: "text" */
	const char *can;
	/* A message counts as taken when all that was to be done with it is
	 * done, not already when supd has stored it. */
	bool ack_handled;
	bool overlap;	    /* it may run in two workers at a time */
	bool announce;	    /* chats get a notice before a restart */
	int64_t text_limit; /* of one message that is sent, bytes; 0: none */
	sup_handler *start, *stop, *send;
	sup_handler *find; /* if `can` has find */
	sup_handler *act;  /* if `can` has edit, delete, react or typing */
	/* sup_channel_receive() returned 0, and takes messages again. May be
	 * NULL. */
	void (*room)(struct sup *p, const char *channel, void *user);
	void *user;
};
SUP_API int sup_channel(struct sup *p, const struct sup_channel_offer *offer);

enum sup_chat { SUP_CHAT_DIRECT, SUP_CHAT_GROUP, SUP_CHAT_CHANNEL };
enum sup_taken {
	SUP_TAKEN_NEW,	   /* supd has it */
	SUP_TAKEN_SEEN,	   /* supd had it before, by its id */
	SUP_TAKEN_REFUSED, /* supd never takes it: it cannot be passed on */
	SUP_NOT_TAKEN,	   /* the channel was stopped, or see `why` */
};
#define SUP_CHANNEL_MESSAGES 256 /* of one channel, in progress */
#define SUP_CHANNEL_CURSOR_MAX 4096

/* A message from the platform; strings are UTF-8. What may be NULL or 0 says
 * so.
 */
struct sup_message {
	const char *id;	    /* the platform's own: the same again is `seen` */
	const char *lane;   /* messages of one lane stay in order, those of
			       different lanes do not wait for each other; usually
			       the chat, or the chat and thread */
	const void *cursor; /* the position after this message, in order of the
			       calls; NULL: not known */
	size_t cursor_bytes;
	int64_t at_ms; /* since 1970; 0: now */
	const char *from_id;
	const char *from_name; /* or NULL */
	bool from_verified;    /* the platform vouches for from_id */
	const char *chat_id;
	enum sup_chat chat_type;
	const char *thread, *reply_to; /* or NULL */
	const char *text;	       /* or NULL */
	size_t text_bytes;	       /* 0: up to the NUL */
	/* A JSON object with further fields: media, mentioned, edit_of, self,
	 * raw; or NULL */
	const char *more_json;
	/* Called once after NEW or SEEN, and never else: acknowledge it at the
	 * platform. Then, or instead, `over` is called, once in any case; `why`
	 * is NULL unless it was not taken. Either may be NULL. */
	void (*acknowledge)(struct sup *p, void *user);
	void (*over)(
		struct sup *p, enum sup_taken how, const char *why, void *user);
	void *user;
};
/* Gives a message to supd, and asks again, with growing pauses, while supd is
 * busy. Returns how many more the channel takes now; at 0, stop reading until
 * `room` is called. -1: not taken, neither callback is called, and
 * sup_json_error() says why: the channel is not started, or stopped; there is
 * no room; a field is missing, or ill-formed. A start begins with room for
 * SUP_CHANNEL_MESSAGES. */
SUP_API int sup_channel_receive(
	struct sup *p, const char *channel, const struct sup_message *message);

enum sup_channel_state {
	SUP_CHANNEL_CONNECTING,
	SUP_CHANNEL_UP,
	SUP_CHANNEL_WAITING, /* for the next try to connect */
	SUP_CHANNEL_DOWN,    /* the platform is */
	SUP_CHANNEL_LOGIN,   /* a person must log in */
	SUP_CHANNEL_FAILED,  /* supd stops it and starts it again */
};
/* Reports how a channel is, for `supctl status`; at most 256 bytes. Nothing is
 * reported of a channel that is stopped. */
SUP_API void sup_channel_status(struct sup *p, const char *channel,
	enum sup_channel_state state, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Sends through a channel of any plugin. The result is ["SEND_ID", state,
 * receipt], with a state of "sent", "not_sent" or "unknown"; else as
 * sup_call().
 */
struct sup_outgoing {
	const char *chat;
	const char *thread, *reply_to; /* or NULL */
	const char *text;	       /* or NULL */
	bool markdown;		       /* else plain text */
	const char *media_json;	       /* a JSON array, or NULL */
	const char *key; /* with the same key it is sent once; or NULL */
};
SUP_API int sup_send(struct sup *p, const char *channel,
	const struct sup_outgoing *message, uint32_t timeout_ms,
	sup_result *done, void *user);
/* Does something to what is there already, by way of a channel that has it in
 * its `can`. The result is the platform's receipt. It is not kept: after an
 * error it may have been done or not, but for SUP_BUSY, SUP_NOT_FOUND and
 * SUP_BAD_MESSAGE. */
struct sup_action {
	const char *action; /* "edit", "delete", "react" or "typing" */
	const char *chat;
	const char *thread; /* or NULL */
	const char *id;	    /* of the message at the platform; NULL: typing */
	const char *text;   /* that replaces the message's, or an emoji */
	bool markdown;	    /* else plain text */
};
SUP_API int sup_act(struct sup *p, const char *channel,
	const struct sup_action *action, uint32_t timeout_ms, sup_result *done,
	void *user);

/* ---- reading a request ----
 * A pointer for a result (..._out) may be NULL. */

SUP_API struct sup *sup_req_plugin(struct sup_req *req);
SUP_API const char *sup_req_method(struct sup_req *req); /* "GET" */
SUP_API const char *sup_req_path(struct sup_req *req);	 /* raw */
SUP_API const char *sup_req_query(struct sup_req *req);	 /* raw, without ? */
SUP_API const char *sup_req_peer(struct sup_req *req);
/* The segment that {name} of the pattern matched ("*" for the rest), or NULL */
SUP_API const char *sup_req_param(struct sup_req *req, const char *name);
/* By name, in upper or lower case; NULL if absent. */
SUP_API const char *sup_req_header(struct sup_req *req, const char *name);
/* By index from 0; false after the last. */
SUP_API bool sup_req_header_at(struct sup_req *req, size_t index,
	const char **name_out, const char **value_out);
/* The whole body, followed by a NUL. Empty for requests other than http, and
 * for those that take their body in pieces. */
SUP_API const void *sup_req_body(struct sup_req *req, size_t *bytes_out);
/* The body of an offer with streams_body, in pieces and in order. Pieces come
 * from the loop, never from within these functions. The last one has
 * more=false, and may be empty. Before sup_on_body() is called, and between
 * sup_pause() and sup_resume(), none come, and the client waits: the worker has
 * at most 320 KiB of a body. An answer may begin, or be complete, before the
 * body is; the rest of the body is then discarded. If the client leaves before
 * the end, the handler of sup_on_cancel() is called, or, if there is none, the
 * last piece comes with bytes NULL: the body is incomplete, and you must still
 * answer. bytes are valid during the call. */
typedef void sup_body(struct sup_req *req, const void *bytes, size_t size,
	bool more, void *user);
SUP_API void sup_on_body(struct sup_req *req, sup_body *take, void *user);
SUP_API void sup_pause(struct sup_req *req);
SUP_API void sup_resume(struct sup_req *req);
/* Milliseconds until the deadline, never negative; INT64_MAX if there is
 * none. */
SUP_API int64_t sup_req_time_left_ms(struct sup_req *req);

/* Its place in a trace, for a tracing library: the value of a `traceparent` of
 * W3C Trace Context; NULL: it is not traced. */
SUP_API const char *sup_req_traceparent(struct sup_req *req);

/* tool, method, command, service, channel, schedule, cli: the name that was
 * called; hook: its name */
SUP_API const char *sup_req_name(struct sup_req *req);
SUP_API const char *sup_req_event(struct sup_req *req); /* hook: "bot.said" */
SUP_API const char *sup_req_text(struct sup_req *req);	/* command */
/* tool and method: the arguments; command: its context; hook: the event's data;
 * configure: the new settings; send, find and act of a channel: see
 * sup_channel(). By path as in sup_setting_string(), or as JSON text. */
SUP_API const char *sup_req_args_json(struct sup_req *req);
SUP_API const char *sup_req_arg_string(
	struct sup_req *req, const char *path, const char *fallback);
SUP_API int64_t sup_req_arg_int(
	struct sup_req *req, const char *path, int64_t fallback);
SUP_API bool sup_req_arg_bool(
	struct sup_req *req, const char *path, bool fallback);
/* import: the blob (followed by a NUL) and the version of its export */
SUP_API const void *sup_req_state(
	struct sup_req *req, uint32_t *version_out, size_t *bytes_out);
/* start of a channel (since ABI 4): where to go on; NULL: there is no position
 * yet. Followed by a NUL. */
SUP_API const void *sup_req_cursor(struct sup_req *req, size_t *bytes_out);
/* schedule (since ABI 4): "PLUGIN/NAME@DUE", the same if supd sends it again
 * after it was killed; when it was due, in milliseconds since 1970; and 0, or
 * for how many due times it stands that could not be delivered in time. */
SUP_API const char *sup_req_tick_id(struct sup_req *req);
SUP_API int64_t sup_req_due_ms(struct sup_req *req);
SUP_API uint64_t sup_req_missed(struct sup_req *req);
/* cli (since ABI 4): the arguments, from 0; NULL after the last. Its arguments
 * of sup_req_args_json() are {"door", "caller", "stdin"}. */
SUP_API size_t sup_req_argc(struct sup_req *req);
SUP_API const char *sup_req_argv(struct sup_req *req, size_t index);
/* tool and method: who calls; hook: {"id", "at", "plugin", "chain"}; as JSON
 * text */
SUP_API const char *sup_req_caller_json(struct sup_req *req);

/* open and move of sup_ws(): the connection. */
SUP_API struct sup_ws *sup_req_ws(struct sup_req *req);
/* open: NULL for a new connection; "move" or "crash" for one that an earlier
 * worker had, and the bytes that it left, NULL if none. */
SUP_API const char *sup_req_moved(
	struct sup_req *req, const void **blob_out, size_t *bytes_out);

/* ---- WebSocket connections ---- */

/* Always takes the message, and returns how many bytes more the client takes;
 * at 0, stop until `writable` is called. -1: the connection is over. */
SUP_API int64_t sup_ws_send(struct sup_ws *ws, enum sup_ws_type type,
	const void *bytes, size_t size);
/* reason NULL: none. Messages that wait are discarded. code is 1000 to 1003,
 * 1007 to 1014 or 3000 to 4999; instead of any other 1011 is sent, and an
 * error logged. */
SUP_API void sup_ws_close(struct sup_ws *ws, int code, const char *reason);
/* Between the two `message` is not called, and the client waits. */
SUP_API void sup_ws_pause(struct sup_ws *ws);
SUP_API void sup_ws_resume(struct sup_ws *ws);
SUP_API struct sup *sup_ws_plugin(const struct sup_ws *ws);
SUP_API const char *sup_ws_protocol(const struct sup_ws *ws); /* or NULL */
/* What the plugin keeps with the connection. */
SUP_API void sup_ws_set_data(struct sup_ws *ws, void *data);
SUP_API void *sup_ws_data(const struct sup_ws *ws);

/* ---- answering: every request exactly once, now or later ----
 * A second answer ends the worker with a message. You must still answer a
 * cancelled request; the answer is discarded. Answers are copied. */

enum sup_error {
	SUP_BAD_MESSAGE,
	SUP_VERSION,
	SUP_DENIED,
	SUP_NOT_FOUND,
	SUP_CONFLICT,
	SUP_BUSY,
	SUP_TIMEOUT,
	SUP_CANCELLED,
	SUP_TOO_LARGE,
	SUP_FAILED,
};

/* A filter's verdict: the event goes on as it is; with this data, the whole of
 * it; is refused, for a reason; is handled, and this is its answer. The data is
 * formatted as by sup_reply_json(); sup_change_value() and sup_claim_value()
 * take JSON text, and return -1, and answer nothing, if it is not JSON (see
 * sup_json_error()). */
SUP_API void sup_pass(struct sup_req *req);
SUP_API void sup_change(struct sup_req *req, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
SUP_API int sup_change_value(struct sup_req *req, const char *json);
SUP_API void sup_stop(struct sup_req *req, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
SUP_API void sup_claim(struct sup_req *req, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
SUP_API int sup_claim_value(struct sup_req *req, const char *json);
/* http only, before the answer: adds a header. */
SUP_API void sup_reply_header(
	struct sup_req *req, const char *name, const char *value);
/* http: status, Content-Type (NULL: none) and body, of any size. For others
 * the status is ignored and the body is a string. */
SUP_API void sup_reply(struct sup_req *req, int status,
	const char *content_type, const void *body, size_t bytes);
/* The format is printf's, but %s writes a quoted and escaped JSON string (null
 * for NULL). The result is the body for http, the value for a tool or method,
 * and the string for a command. NaN and Infinity are not JSON: the request
 * fails, and the log says why. */
SUP_API void sup_reply_json(struct sup_req *req, int status, const char *format,
	...) __attribute__((format(printf, 3, 4)));
/* The same with JSON text. -1: it is not JSON (see sup_json_error()), and
 * nothing is answered. A value nested more than 28 deep is a failure, except
 * for http. */
SUP_API int sup_reply_value(
	struct sup_req *req, int status, const char *json, size_t bytes);
/* Why sup_reply_value(), sup_emit() or sup_call() last refused JSON text, with
 * line and column, or sup_channel_receive() a message. Valid until the next
 * refusal. */
SUP_API const char *sup_json_error(const struct sup *p);
/* Plain text, formatted as by printf. */
SUP_API void sup_reply_text(struct sup_req *req, int status, const char *format,
	...) __attribute__((format(printf, 3, 4)));
/* export: the blob, in the version given to sup_state(); move: the bytes. More
 * than SUP_STATE_MAX or SUP_WS_BLOB_MAX is a failure. */
SUP_API void sup_reply_state(
	struct sup_req *req, const void *bytes, size_t size);
/* An answer without content: 204 for http, null for others, success for
 * sup_health(), sup_on_configure(), an import, services, channels, quiesce and
 * take. */
SUP_API void sup_ok(struct sup_req *req);
/* The gateway turns it into an error of the caller's kind (http: a status).
 * After sup_reply_begin() the client sees that the answer is cut, and the
 * message is logged. */
SUP_API void sup_fail(struct sup_req *req, enum sup_error code,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* stop of a channel (since ABI 4): where the next start goes on. More than
 * SUP_CHANNEL_CURSOR_MAX bytes are a failure. */
SUP_API void sup_reply_cursor(
	struct sup_req *req, const void *bytes, size_t size);
/* send, find and act of a channel (since ABI 4): it went out, with this id at
 * the platform, NULL if there is none; with a receipt, a JSON object ({"ids":
 * [...], "at": ...}), where -1 means that it is not JSON and nothing is
 * answered; it certainly did not go out, and is not to be tried again; it did
 * not go out, and is to be sent again after that time. */
SUP_API void sup_sent(struct sup_req *req, const char *id);
SUP_API int sup_sent_value(struct sup_req *req, const char *receipt_json);
SUP_API void sup_not_sent(struct sup_req *req, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
SUP_API void sup_retry(struct sup_req *req, uint32_t after_ms);

/* http: a long answer in pieces. sup_reply_begin() sends the head
 * (content_type NULL: none). sup_chunk() always accepts the bytes, and returns
 * how many more the client can take; at 0, stop until the handler of
 * sup_on_writable() is called. The chunk with more=false ends the request. -1:
 * the request was cancelled, so end it. Without a sup_on_cancel() handler, that
 * of sup_on_writable() is also called after a cancel. Either may be NULL. */
SUP_API void sup_reply_begin(
	struct sup_req *req, int status, const char *content_type);
SUP_API int64_t sup_chunk(
	struct sup_req *req, const void *body, size_t bytes, bool more);
SUP_API void sup_on_writable(
	struct sup_req *req, sup_handler *handler, void *user);
/* cli (since ABI 4): writes to standard output (fd 1) or standard error (2).
 * Always accepts the bytes, and returns how many more the user can take; at 0,
 * stop until the handler of sup_on_writable() is called. -1: cancelled. */
SUP_API int64_t sup_write(
	struct sup_req *req, int fd, const void *bytes, size_t size);
/* The same, formatted as by printf. */
SUP_API int64_t sup_print(struct sup_req *req, int fd, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Ends it, once all is written, with an exit status from 0 to 125. */
SUP_API void sup_exit(struct sup_req *req, int status);
/* No client waits for the answer any more: stop the work, and answer. A handler
 * set after the cancel is not called, so check sup_req_is_cancelled(). */
SUP_API bool sup_req_is_cancelled(const struct sup_req *req);
SUP_API void sup_on_cancel(
	struct sup_req *req, sup_handler *handler, void *user);

#ifdef __cplusplus
}
#endif
