/* config: the immutable result of reading supd.yaml and conf.d/ beside it.
 * Everything is checked, resolved and filled with defaults here; whoever reads
 * a field needs no fallback. It starts nothing and changes nothing. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "proto/util/log.h"
#include "proto/util/map.h"
#include "supervisor/config/problems.h"

/* ---- vocabulary, in the order of the words in the file ---- */

enum role { ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN }; /* each can all before */
enum config_link { LINK_NNG, LINK_NATIVE };
enum config_access { ACCESS_OFF, ACCESS_TEXT, ACCESS_JSON };
enum config_metrics { METRICS_OPEN, METRICS_TOKEN };
enum config_on_sighup { ON_SIGHUP_APPLY, ON_SIGHUP_ADVISE };

const char *role_name(enum role role);
const char *config_link_name(enum config_link link); /* "nng", "native" */

/* What a change costs; the greater one includes the lesser. */
#define CONFIG_CLASSES(X)                                                      \
	X(LIVE, "live")		  /* takes effect in the running processes */  \
	X(CONFIGURE, "configure") /* the worker is told */                     \
	X(RELOAD, "reload")	  /* the plugin gets a new worker */           \
	X(REBIND, "rebind")	  /* a listener is opened or closed */         \
	X(RESTART, "restart")	  /* only a restart of supd does it */

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

struct config_place {
	uint32_t line, column;
};

/* [a-z0-9][a-z0-9_-]{0,63} */
bool config_id_is_valid(const char *id);

/* ---- the parts ---- */

#define CONFIG_LISTENER_FD "fd:" /* before the name of a socket passed on */

struct config_listener {
	/* As normalised ("127.0.0.1:8080", "[::1]:8080", "unix:/path",
	 * "fd:web"): what tells one listener from another. */
	char *http;
	struct sockaddr_storage address; /* AF_INET, AF_INET6 or AF_UNIX */
	socklen_t address_length;
};

/* No address: the service manager passes the socket on. */
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
	bool http;
	int metrics; /* enum config_metrics */
};

/* `defaults`, and each plugin's own copy with what it sets for itself. A
 * timeout of 0 means none for ping, at once for the others. */
struct plugin_limits {
	uint32_t start_timeout_ms, health_timeout_ms, drain_timeout_ms;
	uint32_t stream_drain_ms, stop_timeout_ms, hold_timeout_ms;
	uint32_t request_timeout_ms, ping_timeout_ms, probation_ms;
	uint32_t hold_max;
	uint64_t hold_bytes;
	uint32_t max_in_flight, max_retiring;
	struct {
		uint32_t early_max;
		uint32_t within_ms;
	} crash;
	int link; /* enum config_link; use plugin_link() */
};

/* One entry of `plugins`. Counted by itself, so that a worker can keep what it
 * was started with while the config around it is replaced. */
struct plugin_config {
	char *id;
	char *use; /* package name */
	bool enabled, required;
	bool watch;		   /* false until watching is supported */
	char *mount;		   /* "/bot-a", or "" */
	char *namespace;	   /* "bot-a" without the dot, or "" */
	struct text_list requires; /* ids */
	struct config_place *requires_at; /* of each, in `file` */
	struct text_list env;		  /* "NAME=value" */
	json_t *settings; /* an object; what the config says, see settings.h */
	/* Both as they may be shown: references as written, secrets masked. */
	struct text_list env_shown;
	json_t *settings_shown;
	bool link_is_set; /* by the plugin itself, not by `defaults` */
	struct plugin_limits limits;
	char *file; /* where the entry stands */
	uint32_t line, column;
	uint32_t references;
};

struct plugin_config *plugin_config_ref(const struct plugin_config *plugin);
void plugin_config_unref(struct plugin_config *plugin); /* NULL is fine */

struct config {
	char *runtime_dir, *state_dir; /* absolute; NULL if not in the file:
					  see proto/util/places.h */
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

	struct plugin_config **plugins; /* in the order of the files */
	uint32_t plugin_count;
	/* Places in plugins[], every plugin after those that it requires, else
	 * in the order of the files: the order of starting. */
	uint32_t *start_order;

	struct map by_id;	/* id -> struct plugin_config * */
	struct text_list files; /* what was read, in that order */
	uint32_t references;
};

#define CONFIG_FILE_BYTES_MAX (4u << 20)
#define CONFIG_DEPTH_MAX 32

/* Reads `path`, then conf.d/<name>.yaml beside it in name order. NULL if there
 * is any error; all of them are in `problems`, which may also get warnings
 * when it succeeds. The result has one reference. */
struct config *config_load(const char *path, struct problems *problems);
/* Without a look at what requires what: start_order is NULL. For who looks at
 * that with the manifests in hand. */
struct config *config_load_unordered(
	const char *path, struct problems *problems);
/* With all that could be read, whatever is wrong with the rest, for who wants
 * to look further; never NULL. No start_order, no promise about values that
 * had a problem. */
struct config_known {
	bool plugins; /* no file is missing: so these are all plugins */
	bool dirs;    /* and these all folders of packages */
};
struct config *config_load_broken(const char *path,
	struct config_known *known_out, struct problems *problems);
/* The same for one text; relative paths start at the folder of `name`. */
struct config *config_load_text(const char *name, const char *text,
	size_t length, struct problems *problems);
struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is fine */

/* NULL if there is none of that id. */
struct plugin_config *config_plugin(
	const struct config *config, const char *id);

/* What stands above the file: the command line and the environment. */
struct config_in_force {
	char *runtime_dir, *state_dir; /* borrowed */
	int log_level, log_format;
};

/* The whole config as an object that is a config too: every key with its
 * value, paths absolute, units as people write them. A literal secret is
 * "***", a reference stands as it was written, the hash of a token is zeros.
 * in_force may be NULL. A new reference. */
json_t *config_view(
	const struct config *config, const struct config_in_force *in_force);

/* Loads the config and the manifests of all enabled plugins, prints every
 * problem and returns the number of errors. Runs no plugin code. */
uint32_t config_check(const char *path, FILE *out);

/* The reference of supd.yaml and plugin.yaml in Markdown, from the tables. */
void config_print_reference(FILE *out);
/* The keys of one of them as a list of a manual page. */
void config_print_man_keys(FILE *out, bool of_manifest);
