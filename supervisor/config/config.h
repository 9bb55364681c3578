/* config: the immutable result of reading supd.yaml and conf.d/ beside it. All
 * values are checked, resolved and filled with defaults, so readers of a field
 * need no fallback. It starts nothing and changes nothing. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "proto/util/log.h"
#include "proto/util/map.h"
#include "supervisor/config/places.h"
#include "supervisor/config/problems.h"

/* ---- vocabulary, in the order of the words in the file ---- */

enum role {
	ROLE_VIEWER,
	ROLE_OPERATOR,
	ROLE_ADMIN
}; /* each includes the roles before it */
enum config_link { LINK_NNG, LINK_NATIVE };
enum config_access { ACCESS_OFF, ACCESS_TEXT, ACCESS_JSON };
enum config_metrics { METRICS_OPEN, METRICS_TOKEN };
enum config_messages_sync { MESSAGES_SYNC_FULL, MESSAGES_SYNC_NORMAL };
enum config_follow { FOLLOW_TRUSTED, FOLLOW_ALL, FOLLOW_NEVER };
enum config_on_sighup { ON_SIGHUP_APPLY, ON_SIGHUP_ADVISE };

const char *role_name(enum role role);
const char *config_link_name(enum config_link link); /* "nng", "native" */

/* The class of a change: what it takes to put it in force; greater classes
 * include lesser ones. */
#define CONFIG_CLASSES(X)                                                      \
	X(LIVE, "live")		  /* takes effect in the running processes */  \
	X(CONFIGURE, "configure") /* the worker gets new settings */           \
	X(RELOAD, "reload")	  /* the plugin gets a new worker */           \
	X(REBIND, "rebind")	  /* a listener is opened or closed */         \
	X(RESTART, "restart")	  /* needs a restart of supd */

enum config_class {
#define X(name, text) CLASS_##name,
	CONFIG_CLASSES(X)
#undef X
		CONFIG_CLASS_COUNT,
};
const char *config_class_name(enum config_class class);

struct text_list {
	char **items;
	uint32_t count;
};

struct config_position {
	uint32_t line, column;
};

/* [a-z0-9][a-z0-9_-]{0,63} */
bool config_id_is_valid(const char *id);

/* ---- the parts ---- */

#define CONFIG_LISTENER_FD "fd:" /* before the name of an inherited socket */

struct config_listener {
	/* Normalised ("127.0.0.1:8080", "[::1]:8080", "unix:/path", "fd:web");
	 * identifies the listener. */
	char *http;
	struct sockaddr_storage address; /* AF_INET, AF_INET6 or AF_UNIX */
	socklen_t address_length;
};

/* Whether the socket comes from the service manager; then there is no address.
 */
static inline bool
config_listener_is_inherited(const struct config_listener *l)
{
	return !l->address_length;
}

struct config_limits {
	uint64_t head_bytes;
	uint32_t headers;
	uint64_t body_bytes;
	uint32_t connections;
	uint32_t head_timeout_ms, body_timeout_ms;
	uint32_t idle_timeout_ms, write_timeout_ms;
};

struct config_token {
	char *name;
	int role; /* enum role */
	char *sha256_hex;
	uint8_t sha256[32];
};

struct config_peer {
	char *user, *group; /* exactly one is set: a name or a number */
	bool is_group;
	uint32_t number; /* uid or gid, resolved at load */
	int role;	 /* enum role */
};

/* Who may use the built-in commands of chats. */
struct config_chat_admin {
	char *channel; /* its full name */
	char *from;    /* a pattern of the sender's id: see proto/util/glob.h */
	int role;      /* enum role */
};

#define CONFIG_NOTIFY_WORDS(X)                                                 \
	X(FAILURES, "failures")                                                \
	X(ALL, "all") /* committed reloads as well */

enum config_notify {
#define X(name, text) NOTIFY_##name,
	CONFIG_NOTIFY_WORDS(X)
#undef X
};

/* A chat that gets notices. */
struct config_notice {
	char *channel, *chat;
	int what; /* enum config_notify */
};

#define CONFIG_CHATS_MAX 64 /* of admin.notify */

struct config_admin {
	struct {
		struct config_token *items;
		uint32_t count;
	} tokens;
	/* Without the key: the effective uid of the process and root are
	 * admin. With it: exactly those that it lists. */
	struct {
		struct config_peer *items;
		uint32_t count;
	} peers;
	struct {
		struct config_chat_admin *items;
		uint32_t count;
	} chat;
	struct {
		struct config_notice *items;
		uint32_t count;
	} notify;
	bool http;
	int metrics;		  /* enum config_metrics */
	struct text_list origins; /* "https://dash.example:8443" */
};

/* `defaults`, and each plugin's copy with its own values. A timeout of 0 means
 * none for ping, and at once for the others. */
struct plugin_limits {
	uint32_t start_timeout_ms, health_timeout_ms, drain_timeout_ms;
	uint32_t stream_drain_ms, stop_timeout_ms, hold_timeout_ms;
	uint32_t request_timeout_ms, ping_timeout_ms, probation_ms;
	uint32_t hold_max;
	uint64_t hold_bytes;
	uint32_t max_in_flight, max_retiring, max_websockets;
	struct {
		uint32_t early_max;
		uint32_t within_ms;
	} crash;
	int link; /* enum config_link; use plugin_link() */
};

/* One entry of `plugins`. It has a reference count of its own, so that a worker
 * keeps its entry while the config is replaced. */
struct plugin_config {
	char *id;
	char *use; /* package name */
	bool enabled, required;
	bool watch; /* a change of its package reloads it */
	bool reload_with_required;
	bool resend_unknown;	   /* of its channels */
	char *mount;		   /* "/bot-a", or "" */
	char *namespace;	   /* "bot-a" without the dot, or "" */
	struct text_list requires; /* ids */
	/* where each id stands in `file` */
	struct config_position *requires_at;
	struct text_list env; /* "NAME=value" */
	json_t *settings;     /* an object, as in the file; see settings.h */
	/* env and settings as they may be shown: references as written, secrets
	 * masked. */
	struct text_list env_shown;
	json_t *settings_shown;
	bool link_is_set; /* set by the plugin, not by `defaults` */
	struct plugin_limits limits;
	char *file; /* position of the entry */
	uint32_t line, column;
	uint32_t references;
};

struct plugin_config *plugin_config_ref(const struct plugin_config *plugin);
void plugin_config_unref(struct plugin_config *plugin); /* NULL is fine */

/* The export of traces, metrics and log lines. */
struct config_telemetry {
	char *endpoint; /* without a slash at its end; NULL: nowhere */
	/* Objects, as they are sent and as they may be shown; NULL: not in the
	 * file. */
	json_t *headers, *headers_shown, *resource, *resource_shown;
	double sampling;
	int follow; /* enum config_follow */
	bool traces, metrics, logs;
	uint32_t timeout_ms, interval_ms;
};

struct config {
	char *runtime_dir, *state_dir; /* absolute; NULL: not in the file */
	struct {
		int level;	   /* enum log_level */
		int format;	   /* enum log_format */
		int access;	   /* enum config_access */
		char *access_file; /* absolute; NULL: the log itself */
	} log;
	struct {
		struct config_listener *items;
		uint32_t count;
	} listen;
	struct text_list plugin_dirs; /* absolute */
	struct config_limits limits;
	struct config_admin admin;
	struct text_list trusted_proxies; /* see network.h */
	struct plugin_limits defaults;
	struct {
		int on_sighup; /* enum config_on_sighup */
		bool watch;
		uint32_t debounce_ms;
	} reload;

	struct {
		uint32_t keep_ms;
		uint64_t max_bytes;
		int sync; /* enum config_messages_sync */
	} messages;

	struct config_telemetry telemetry;

	struct plugin_config **plugins; /* in the order of the files */
	uint32_t plugin_count;
	/* The order of starting: indices into plugins[], every plugin after
	 * those that it requires, else in the order of the files. */
	uint32_t *start_order;

	/* Whether the keys have a value, be it {} or []. */
	bool says_plugins, says_listen;
	struct map by_id;	     /* id -> struct plugin_config * */
	struct text_list files;	     /* the files read, in that order */
	struct config_places places; /* of keys, in these files */
	uint32_t references;
};

#define CONFIG_FILE_BYTES_MAX (4u << 20)
#define CONFIG_DEPTH_MAX 32

/* Reads `path`, then conf.d/<name>.yaml beside it in name order. NULL on
 * errors; all of them are added to `problems`, as are warnings. The result has
 * one reference. */
struct config *config_load(const char *path, struct problems *problems);
/* The same in steps of about 0.1 ms, except for reading a file's bytes and the
 * last step; true: that was the last. `problems` must outlive the loading. */
struct config_loading;
struct config_loading *config_loading_create(
	const char *path, struct problems *problems);
bool config_loading_step(struct config_loading *l);
/* Ends the loading, at any time. Returns the same as config_load(), or NULL
 * before the last step. */
struct config *config_loading_finish(struct config_loading *l);
/* Returns whatever could be read, for further checks; never NULL. There is no
 * start_order, and values with a problem may be anything. */
struct config_known {
	bool plugins; /* no file is missing, so all plugins are known */
	bool dirs;    /* all folders of packages are known */
};
struct config *config_load_broken(const char *path,
	struct config_known *known_out, struct problems *problems);
/* Loads one text; relative paths start at the folder of `name`. */
struct config *config_load_text(const char *name, const char *text,
	size_t length, struct problems *problems);
struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is fine */

/* NULL: no plugin has the id. */
struct plugin_config *config_plugin(
	const struct config *config, const char *id);

/* Values that override the file: from the command line and the environment. */
struct config_in_force {
	char *runtime_dir, *state_dir; /* borrowed */
	int log_level, log_format;
};

/* The whole config as a new object that is itself a valid config: every key
 * with its value, paths absolute, values with units. Literal secrets are "***",
 * references are as written, hashes of tokens are zeros. in_force may be NULL.
 */
json_t *config_view(
	const struct config *config, const struct config_in_force *in_force);
/* One plugin's entry of that object. */
json_t *config_plugin_view(const struct plugin_config *plugin);

/* Adds an error if the configuration has no plugins or no listeners and does
 * not say so with `plugins: {}` or `listen: []`, because a file that is being
 * written may be empty for a moment. */
void config_refuse_nothing(
	const struct config *config, struct problems *problems);

/* The part of config_check() beyond the files: packages and manifests of the
 * enabled plugins, and their requirements. Checks `most` plugins per step;
 * true: done. The config must outlive the check. */
struct package_check;
struct package_check *package_check_create(const struct config *config);
bool package_check_step(
	struct package_check *c, uint32_t most, struct problems *problems);
void package_check_destroy(struct package_check *c); /* NULL is fine */

/* Loads the config and the manifests of all enabled plugins, prints all
 * problems and returns the number of errors. Runs no plugin code. */
uint32_t config_check(const char *path, FILE *out);
/* The same of one package: path is its folder, or its plugin.yaml. */
bool config_is_package(const char *path);
uint32_t package_check(const char *path, FILE *out);

/* The reference of supd.yaml and plugin.yaml in Markdown, from the tables. */
void config_print_reference(FILE *out);
/* The keys of supd.yaml or plugin.yaml as a list for a man page. */
void config_print_man_keys(FILE *out, bool of_manifest);
