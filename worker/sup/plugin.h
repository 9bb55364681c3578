/* <sup/plugin.h>: the C ABI of a supd plugin and all that its author reads.
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
 * built with `cc -shared -fPIC $(pkg-config --cflags supd)` and nothing to
 * link: the functions below are found in the program that loads it.
 *
 * Rules. Everything runs on one thread, that of sup_loop(); only sup_post()
 * may be called from others. Do not fork without exec. Handlers answer before
 * they return or later. Strings handed to supd are copied; strings that supd
 * hands out live as long as the request, or the plugin, they belong to. Times
 * are milliseconds, sizes bytes. SIGTERM ends the process; its normal end is
 * the gateway closing the link, so leave no work for an exit handler. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SUP_ABI 2 /* plugins built for 1 are loaded too */
#define SUP_API __attribute__((visibility("default")))

struct ev_loop;
struct sup;	/* the plugin, as the worker knows it */
struct sup_req; /* one request: valid until it is answered to the end */

/* What init returns. */
enum sup_init {
	SUP_FAILED_TO_START = -1, /* the worker exits; say why with stderr */
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

/* ---- offering something: in init, before it is ready ---- */

typedef void sup_handler(struct sup_req *req, void *user);

enum sup_kind { SUP_HTTP, SUP_TOOL, SUP_COMMAND, SUP_METHOD };

/* The long form; a field left zero means "not said". */
struct sup_offer {
	enum sup_kind kind;
	const char *name;   /* tool, command, method */
	const char *method; /* http: "GET" */
	const char *path;   /* http: "/a/{id}/" "*" patterns */
	sup_handler *handler;
	void *user;
	int idempotent; /* may it be repeated if the worker dies? 1 yes, -1 no,
			   0 as the HTTP method says; tools and methods no */
	int64_t body_limit;	 /* http: bytes, 0 the gateway's */
	const char *description; /* tool */
	const char *schema;	 /* tool: JSON Schema of its arguments */
	const char *help;	 /* command */
	/* http: the handler is called when the head is there and takes the
	 * body in pieces, see sup_on_body(). (since ABI 2) */
	bool streams_body;
};

/* All of these: 0, or -1 if it cannot be (said on stderr). init may return
 * what they return. */
SUP_API int sup_register(struct sup *p, const struct sup_offer *offer);
SUP_API int sup_http(struct sup *p, const char *method, const char *path,
	sup_handler *handler, void *user);
SUP_API int sup_tool(struct sup *p, const char *name, const char *description,
	const char *schema, sup_handler *handler, void *user);
SUP_API int sup_command(struct sup *p, const char *name, const char *help,
	sup_handler *handler, void *user);
SUP_API int sup_method(
	struct sup *p, const char *name, sup_handler *handler, void *user);
/* Asked before the plugin takes over from an older one; answer with sup_ok()
 * or sup_fail(). Without it the plugin counts as healthy. */
SUP_API void sup_health(struct sup *p, sup_handler *handler, void *user);
/* After SUP_STARTS_LATER, once. */
SUP_API void sup_ready(struct sup *p);

/* ---- the plugin itself ---- */

SUP_API const char *sup_id(const struct sup *p);
SUP_API uint32_t sup_generation(const struct sup *p);
SUP_API const char *sup_version(const struct sup *p);
SUP_API const char *sup_data_dir(const struct sup *p); /* lasts over reloads */
SUP_API struct ev_loop *sup_loop(struct sup *p);

enum sup_level { SUP_ERROR, SUP_WARN, SUP_INFO, SUP_DEBUG };
SUP_API void sup_log(struct sup *p, enum sup_level level, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/* Settings by path ("server.port"); the fallback if absent or of another
 * type. Strings live as long as the plugin, or until it accepts new settings.
 */
SUP_API const char *sup_setting_string(
	struct sup *p, const char *path, const char *fallback);
SUP_API int64_t sup_setting_int(
	struct sup *p, const char *path, int64_t fallback);
SUP_API bool sup_setting_bool(struct sup *p, const char *path, bool fallback);
SUP_API const char *sup_settings_json(struct sup *p); /* all, as JSON text */

/* New settings for the running plugin: the handler reads them as arguments of
 * its request (sup_req_arg_string() ...) and says sup_ok(), after which
 * sup_setting_*() gives them, or sup_fail(), and the old ones stay. Without a
 * handler new settings are refused, and it takes a reload. */
SUP_API void sup_on_configure(struct sup *p, sup_handler *handler, void *user);

/* State that outlives a reload, in a form that has a version: at most
 * SUP_STATE_MAX bytes. The old generation is asked to export when it has
 * finished its requests: answer with sup_reply_state(), or sup_fail(). The new
 * one is asked to import before it takes over: sup_req_state() gives the blob
 * and the version it was written in; answer with sup_ok(), or with sup_fail(),
 * and the reload fails (unless state.optional). Both may answer later. Either
 * handler may be NULL. */
#define SUP_STATE_MAX (16 * 1024 * 1024)
SUP_API void sup_state(struct sup *p, uint32_t version,
	sup_handler *export_state, sup_handler *import_state, void *user);

/* Tells the gateway's event stream; json is the event's data, NULL for none.
 * -1 if it is no JSON, nested more than 30 deep or too large: then nothing is
 * sent. */
SUP_API int sup_emit(struct sup *p, const char *event, const char *json);

/* Runs fn(user) on the loop thread; the only function for other threads. */
SUP_API void sup_post(struct sup *p, void (*fn)(void *user), void *user);

/* Uses the gateway: kind "tool", "method" or "command", args as JSON text
 * (NULL none). The callback comes once, with the result as JSON text, or with
 * the error's text and result NULL; both live during the callback only.
 * timeout 0: the gateway's. -1 if args is no JSON, nested more than 30 deep or
 * too large; then no callback. */
typedef void sup_result(
	struct sup *p, const char *error, const char *result_json, void *user);
SUP_API int sup_call(struct sup *p, const char *kind, const char *name,
	const char *args_json, uint32_t timeout_ms, sup_result *done,
	void *user);

/* ---- reading a request ----
 * What is given out by a pointer may be left out with NULL. */

SUP_API struct sup *sup_req_plugin(struct sup_req *req);
SUP_API const char *sup_req_method(struct sup_req *req); /* "GET" */
SUP_API const char *sup_req_path(struct sup_req *req);	 /* raw */
SUP_API const char *sup_req_query(struct sup_req *req);	 /* raw, without ? */
SUP_API const char *sup_req_peer(struct sup_req *req);
/* The segment that {name} of the pattern matched ("*" for the rest), or NULL */
SUP_API const char *sup_req_param(struct sup_req *req, const char *name);
/* By name, case does not matter; NULL if absent. */
SUP_API const char *sup_req_header(struct sup_req *req, const char *name);
/* By number from 0; false after the last. */
SUP_API bool sup_req_header_at(struct sup_req *req, size_t index,
	const char **name_out, const char **value_out);
/* The whole body; a NUL follows it. Empty for what is not http, and for what
 * takes its body in pieces. */
SUP_API const void *sup_req_body(struct sup_req *req, size_t *bytes_out);
/* The body of an offer with streams_body, in pieces and in order. Pieces come
 * from the loop, never from within these functions; the one with more=false
 * (it may be empty) is the last. Until sup_on_body() is called, and between
 * sup_pause() and sup_resume(), none come, and the client is made to wait: at
 * most 320 KiB of a body are in the worker. An answer may begin, or be
 * complete, before the body is: what is left of it is then thrown away. If the
 * client leaves before the end, sup_on_cancel()'s handler is called, or, if
 * there is none, the last piece comes with bytes NULL: the body is not whole,
 * and the answer is owed all the same. bytes live during the call. */
typedef void sup_body(struct sup_req *req, const void *bytes, size_t size,
	bool more, void *user);
SUP_API void sup_on_body(struct sup_req *req, sup_body *take, void *user);
SUP_API void sup_pause(struct sup_req *req);
SUP_API void sup_resume(struct sup_req *req);
/* Milliseconds left before nobody waits for the answer, never negative;
 * INT64_MAX without a deadline. */
SUP_API int64_t sup_req_time_left_ms(struct sup_req *req);

/* tool, method, command: the name it was called by */
SUP_API const char *sup_req_name(struct sup_req *req);
SUP_API const char *sup_req_text(struct sup_req *req); /* command */
/* tool and method: the arguments; command: its context; configure: the new
 * settings. By path as in sup_setting_string(), or as JSON text. */
SUP_API const char *sup_req_args_json(struct sup_req *req);
SUP_API const char *sup_req_arg_string(
	struct sup_req *req, const char *path, const char *fallback);
SUP_API int64_t sup_req_arg_int(
	struct sup_req *req, const char *path, int64_t fallback);
SUP_API bool sup_req_arg_bool(
	struct sup_req *req, const char *path, bool fallback);
/* import: the blob (a NUL follows it) and the version it was exported with */
SUP_API const void *sup_req_state(
	struct sup_req *req, uint32_t *version_out, size_t *bytes_out);
/* tool and method: who calls, as JSON text */
SUP_API const char *sup_req_caller_json(struct sup_req *req);

/* ---- answering: every request exactly once, now or later ----
 * A second answer ends the worker with a message. After a cancel the answer
 * is still owed, and goes nowhere. What is answered is copied. */

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

/* http only, before the answer: adds a header. */
SUP_API void sup_reply_header(
	struct sup_req *req, const char *name, const char *value);
/* http: status, Content-Type (NULL none) and body, of any size. For others
 * status is not used and the body is a string. */
SUP_API void sup_reply(struct sup_req *req, int status,
	const char *content_type, const void *body, size_t bytes);
/* The format is printf's, but %s writes a quoted JSON string, escapes and all
 * (null for NULL). For http the result is the body; a tool or method is
 * answered with the value, a command with the text. */
SUP_API void sup_reply_json(struct sup_req *req, int status, const char *format,
	...) __attribute__((format(printf, 3, 4)));
/* The same with JSON text as it is. -1: it is none, and nothing is answered.
 * What is nested more than 28 deep is a failure, but for http. */
SUP_API int sup_reply_value(
	struct sup_req *req, int status, const char *json, size_t bytes);
/* Plain text, as printf. */
SUP_API void sup_reply_text(struct sup_req *req, int status, const char *format,
	...) __attribute__((format(printf, 3, 4)));
/* export: the blob, in the version that sup_state() said. Larger than
 * SUP_STATE_MAX is answered as a failure. */
SUP_API void sup_reply_state(
	struct sup_req *req, const void *bytes, size_t size);
/* nothing to say: http 204, others null; what sup_health(), sup_on_configure()
 * and an import want to hear */
SUP_API void sup_ok(struct sup_req *req);
/* The gateway makes it an answer of the caller's kind (http: a status). After
 * sup_reply_begin() the client sees the answer cut, and the text is logged. */
SUP_API void sup_fail(struct sup_req *req, enum sup_error code,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* http: a long answer in pieces. sup_reply_begin() sends the head. sup_chunk()
 * always takes the bytes and returns how many more the other side wants; at 0
 * stop until on_writable. The chunk with more=false ends the request. -1: it
 * was cancelled, so end it. Where there is no sup_on_cancel() handler the one
 * of sup_on_writable() is called after a cancel, too, to hear just that. */
SUP_API void sup_reply_begin(
	struct sup_req *req, int status, const char *content_type);
SUP_API int64_t sup_chunk(
	struct sup_req *req, const void *body, size_t bytes, bool more);
SUP_API void sup_on_writable(
	struct sup_req *req, sup_handler *handler, void *user);
/* Nobody waits for the answer any more: stop the work, then answer anyhow. A
 * cancel that came earlier is not told again: ask. */
SUP_API bool sup_req_is_cancelled(const struct sup_req *req);
SUP_API void sup_on_cancel(
	struct sup_req *req, sup_handler *handler, void *user);

#ifdef __cplusplus
}
#endif
