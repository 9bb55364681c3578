/* tables: supd.yaml. A row per key; the order is that of the reference. */
#include "supervisor/config/tables.h"

#define MS 1ull
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define AT(in, member) .offset = offsetof(struct in, member)

static const char *const level_words[] = {
#define X(name, text, priority) text,
	LOG_LEVELS(X)
#undef X
		NULL};
static const char *const format_words[] = {"text", "json", NULL};
static const char *const access_words[] = {"off", "text", "json", NULL};
static const char *const role_words[] = {"viewer", "operator", "admin", NULL};
static const char *const notify_words[] = {
#define X(name, text) text,
	CONFIG_NOTIFY_WORDS(X)
#undef X
		NULL};
static const char *const metrics_words[] = {"open", "token", NULL};
static const char *const on_sighup_words[] = {"apply", "advise", NULL};
static const char *const messages_sync_words[] = {"full", "normal", NULL};
const char *const link_words[] = {"nng", "native", NULL};
static const char *const class_words[] = {
#define X(name, text) text,
	CONFIG_CLASSES(X)
#undef X
};
_Static_assert(SCHEMA_COUNT_OF(class_words) == CONFIG_CLASS_COUNT,
	"a word for each class");

const char *
role_name(enum role role)
{
	return role_words[role];
}

const char *
config_link_name(enum config_link link)
{
	return link_words[link];
}

const char *config_class_name(enum config_class class)
{
	return class_words[class];
}

/* clang-format off: a row reads as one thing */

/* ---- log, listen, limits ---- */

#define ROW(in, member) .name = #member, AT(in, member)

static const struct schema_table log_table = {
	.rows = (const struct schema_row
			[]){{.name = "level",
				    .type = SCHEMA_CHOICE,
				    .offset =
					    offsetof(struct config, log.level) -
					    offsetof(struct config, log),
				    .choices = level_words,
				    .fallback = "info",
				    .doc = "The least important lines to "
					   "write."},
		{.name = "format",
			.type = SCHEMA_CHOICE,
			.offset = offsetof(struct config, log.format) -
				  offsetof(struct config, log),
			.choices = format_words,
			.fallback = "text",
			.doc = "Text lines, or one JSON object per line."},
		{.name = "access",
			.type = SCHEMA_CHOICE,
			.offset = offsetof(struct config, log.access) -
				  offsetof(struct config, log),
			.choices = access_words,
			.fallback = "off",
			.doc = "One line per request, in the combined format "
			       "with milliseconds, plugin/generation and "
			       "request id added, or as JSON."},
		{.name = "access_file",
			.type = SCHEMA_PATH,
			.offset = offsetof(struct config, log.access_file) -
				  offsetof(struct config, log),
			.min = 1,
			.doc = "The file for these lines; without it they go "
			       "to the log. USR1 reopens it."},
		{0}},
};

static const struct schema_table listen_table = {
	.bytes = sizeof(struct config_listener),
	.identity = "http",
	.rows =
		(const struct schema_row[]){
			{ROW(config_listener, http), .type = SCHEMA_TEXT,
				.min = 1, .required = true,
				.class = CLASS_REBIND, .check = listener_check,
				.doc = "`127.0.0.1:8080`, `[::1]:8080`, "
				       "`unix:/path`, or `fd:NAME` for a "
				       "socket that the service manager "
				       "passes on. Addresses are numeric; "
				       "`localhost` is 127.0.0.1."},
			{.name = "tls",
				.type = SCHEMA_OWN,
				.later = true,
				.class = CLASS_REBIND,
				.doc = "Certificate and key."},
			{0}},
};

#define TIMEOUT(in, key, least, most, normal, text)                            \
	{                                                                      \
		.name = #key, .type = SCHEMA_DURATION, AT(in, key##_ms),       \
		.min = least, .max = most, .fallback = normal, .doc = text     \
	}

static const struct schema_table limits_table = {
	.rows = (const struct schema_row
			[]){{.name = "head",
				    .type = SCHEMA_SIZE,
				    AT(config_limits, head_bytes),
				    .min = KIB,
				    .max = MIB,
				    .fallback = "16KiB",
				    .doc = "Request line and headers together; "
					   "beyond it "
					   "431."},
		{ROW(config_limits, headers), .type = SCHEMA_COUNT, .min = 1,
			.max = 1000, .fallback = "100",
			.doc = "Header lines of a request; beyond it 431."},
		{.name = "body",
			.type = SCHEMA_SIZE,
			AT(config_limits, body_bytes),
			.max = 1024 * GIB,
			.fallback = "10MiB",
			.doc = "Body of a request; beyond it 413."},
		{ROW(config_limits, connections), .type = SCHEMA_COUNT,
			.min = 1, .max = 1000000, .fallback = "10000",
			.doc = "Client connections open at the same time."},
		TIMEOUT(config_limits, head_timeout, 10 * MS, HOUR, "10s",
			"Time from the first byte of a request to the end of "
			"its head."),
		TIMEOUT(config_limits, body_timeout, 10 * MS, DAY, "30s",
			"Time for each 64 KiB of a body."),
		TIMEOUT(config_limits, idle_timeout, 10 * MS, DAY, "75s",
			"Time that a connection may be open without a "
			"request."),
		TIMEOUT(config_limits, write_timeout, 10 * MS, DAY, "30s",
			"Time in which a client must take each 64 KiB of an "
			"answer."),
		{0}},
};

/* ---- admin ---- */

static const struct schema_table token_table = {
	.bytes = sizeof(struct config_token),
	.identity = "name",
	.check = token_check,
	.rows = (const struct schema_row
			[]){{ROW(config_token, name), .type = SCHEMA_TEXT,
				    .min = 1, .max = 64, .required = true,
				    .check = check_id,
				    .doc = "The name that the log gives to its "
					   "holder."},
		{ROW(config_token, role), .type = SCHEMA_CHOICE,
			.choices = role_words, .required = true,
			.doc = "What the token allows; each role includes "
			       "those before it."},
		{.name = "sha256",
			.type = SCHEMA_TEXT,
			AT(config_token, sha256_hex),
			.required = true,
			.mask = "00000000000000000000000000000000"
				"00000000000000000000000000000000",
			.doc = "Lower-case hex SHA-256 of the token."},
		{0}},
};

static const struct schema_table peer_table = {
	.bytes = sizeof(struct config_peer),
	.check = peer_check,
	.rows =
		(const struct schema_row[]){
			{.name = "uid",
				.type = SCHEMA_TEXT,
				AT(config_peer, user),
				.min = 1,
				.max = 256,
				.doc = "A user by name or number; or"},
			{.name = "gid",
				.type = SCHEMA_TEXT,
				AT(config_peer, group),
				.min = 1,
				.max = 256,
				.doc = "a group by name or number."},
			{ROW(config_peer, role), .type = SCHEMA_CHOICE,
				.choices = role_words, .required = true,
				.doc = "What the peer may do."},
			{0}},
};

static const struct schema_table chat_admin_table = {
	.bytes = sizeof(struct config_chat_admin),
	.rows = (const struct schema_row
			[]){{ROW(config_chat_admin, channel),
				    .type = SCHEMA_TEXT, .min = 1, .max = 192,
				    .required = true, .check = check_channel,
				    .doc = "The channel, by its full name."},
		{ROW(config_chat_admin, from), .type = SCHEMA_TEXT, .min = 1,
			.max = 512, .required = true, .check = check_from,
			.doc = "The sender's id on that platform; `*` stands "
			       "for any characters. Only senders that the "
			       "channel calls verified match."},
		{ROW(config_chat_admin, role), .type = SCHEMA_CHOICE,
			.choices = role_words, .required = true,
			.doc = "What the sender may do."},
		{0}},
};

static const struct schema_table notify_table = {
	.bytes = sizeof(struct config_notice),
	.rows = (const struct schema_row
			[]){{ROW(config_notice, channel), .type = SCHEMA_TEXT,
				    .min = 1, .max = 192, .required = true,
				    .check = check_channel,
				    .doc = "The channel, by its full name."},
		{ROW(config_notice, chat), .type = SCHEMA_TEXT, .min = 1,
			.max = 512, .required = true,
			.doc = "The chat's id on that platform."},
		{ROW(config_notice, what), .type = SCHEMA_CHOICE,
			.choices = notify_words, .fallback = "failures",
			.doc = "`failures`: reloads that failed or were "
			       "reverted, plugins that supd gave up, and what "
			       "else needs a person; `all`: committed reloads "
			       "as well."},
		{0}},
};

static const struct schema_table admin_table = {
	.rows = (const struct schema_row
			[]){{ROW(config_admin, tokens), .type = SCHEMA_LIST,
				    .table = &token_table,
				    .doc = "Bearer tokens for HTTP."},
		{ROW(config_admin, peers), .type = SCHEMA_LIST,
			.table = &peer_table,
			.doc = "Who may use the control socket. Without the "
			       "key, supd's own user and root are admin; with "
			       "it, only the users and groups listed."},
		{ROW(config_admin, chat), .type = SCHEMA_LIST,
			.table = &chat_admin_table,
			.doc = "Who may use `/plugins`, `/status` and "
			       "`/reload` in chats."},
		{ROW(config_admin, notify), .type = SCHEMA_LIST,
			.table = &notify_table, .check = notify_check,
			.doc = "Chats that get notices, at most 64."},
		{ROW(config_admin, http), .type = SCHEMA_BOOL,
			.fallback = "true",
			.doc = "Whether the listeners serve /api and /ws to "
			       "holders of a token."},
		{ROW(config_admin, origins), .type = SCHEMA_TEXTS,
			.fallback = "[]", .min = 1, .max = 256,
			.check = origin_check,
			.doc = "Origins (`https://HOST`, with a port unless it "
			       "is the usual one) whose pages may open /ws, "
			       "beside those of the host itself."},
		{ROW(config_admin, metrics), .type = SCHEMA_CHOICE,
			.choices = metrics_words, .fallback = "open",
			.doc = "Who may read /metrics: all clients, or holders "
			       "of any token."},
		{0}},
};

/* ---- defaults ---- */

static const struct schema_table crash_table = {
	.rows = (const struct schema_row
			[]){{.name = "early_max",
				    .type = SCHEMA_COUNT,
				    .offset = offsetof(struct plugin_limits,
						      crash.early_max) -
					      offsetof(struct plugin_limits,
						      crash),
				    .min = 1,
				    .max = 10000,
				    .fallback = "10",
				    .doc = "This many crashes during start or "
					   "soon after"},
		{.name = "within",
			.type = SCHEMA_DURATION,
			.offset = offsetof(struct plugin_limits,
					  crash.within_ms) -
				  offsetof(struct plugin_limits, crash),
			.min = 100 * MS,
			.max = DAY,
			.fallback = "5m",
			.doc = "within this time make the plugin `failed`."},
		{0}},
};

const struct schema_table plugin_limits_table = {
	.rows =
		(const struct schema_row[]){
			TIMEOUT(plugin_limits, start_timeout, 10 * MS, HOUR,
				"10s",
				"Time from the start of a worker to its "
				"`ready`."),
			TIMEOUT(plugin_limits, health_timeout, 10 * MS, HOUR,
				"10s",
				"Time for all probes of a new worker "
				"together."),
			TIMEOUT(plugin_limits, drain_timeout, 0, DAY, "10s",
				"Time in which a retiring worker must finish "
				"single answers."),
			TIMEOUT(plugin_limits, stream_drain, 0, 30 * DAY, "1h",
				"The same for streams."),
			TIMEOUT(plugin_limits, stop_timeout, 0, HOUR, "5s",
				"Time from TERM to KILL."),
			TIMEOUT(plugin_limits, hold_timeout, 0, HOUR, "10s",
				"Time for which a request may be held while no "
				"worker can take it."),
			{ROW(plugin_limits, hold_max), .type = SCHEMA_COUNT,
				.max = 1000000, .fallback = "10000",
				.doc = "Requests held at the same time; beyond "
				       "it 503."},
			{.name = "hold_bytes",
				.type = SCHEMA_SIZE,
				AT(plugin_limits, hold_bytes),
				.max = 64 * GIB,
				.fallback = "64MiB",
				.doc = "Bytes held at the same time; beyond it "
				       "503."},
			{ROW(plugin_limits, max_in_flight),
				.type = SCHEMA_COUNT, .min = 1, .max = 65536,
				.fallback = "1024",
				.doc = "Requests that a worker has at the same "
				       "time, not counting those that wait for "
				       "their clients; further ones are held."},
			{ROW(plugin_limits, max_websockets),
				.type = SCHEMA_COUNT, .max = 1000000,
				.fallback = "10000",
				.doc = "WebSocket connections of a plugin at "
				       "the same time; beyond it 503."},
			TIMEOUT(plugin_limits, request_timeout, 10 * MS, DAY,
				"30s",
				"Time to the first byte of an answer; then "
				"504."),
			TIMEOUT(plugin_limits, ping_timeout, 0, DAY, "30s",
				"Time in which a worker must answer a ping; "
				"with 0 supd sends none."),
			TIMEOUT(plugin_limits, probation, 0, HOUR, "5s",
				"Time for which the old worker stands by after "
				"a reload."),
			{ROW(plugin_limits, max_retiring), .type = SCHEMA_COUNT,
				.min = 1, .max = 64, .fallback = "4",
				.doc = "Old workers of a plugin at the same "
				       "time."},
			{ROW(plugin_limits, crash), .type = SCHEMA_SECTION,
				.table = &crash_table,
				.doc = "When to give up on a plugin."},
			{ROW(plugin_limits, link), .type = SCHEMA_CHOICE,
				.choices = link_words, .fallback = "nng",
				.class = CLASS_RELOAD,
				.doc = "How a C plugin's worker connects to "
				       "supd."},
			{0}},
};

/* ---- reload, plugins ---- */

static const struct schema_table reload_table = {
	.rows = (const struct schema_row
			[]){{.name = "on_sighup",
				    .type = SCHEMA_CHOICE,
				    .offset = offsetof(struct config,
						      reload.on_sighup) -
					      offsetof(struct config, reload),
				    .choices = on_sighup_words,
				    .fallback = "apply",
				    .doc = "What SIGHUP does: `apply` puts the "
					   "configuration in force; `advise` "
					   "logs what that would do."},
		{.name = "watch",
			.type = SCHEMA_BOOL,
			.offset = offsetof(struct config, reload.watch) -
				  offsetof(struct config, reload),
			.fallback = "false",
			.doc = "Whether anything is watched: the configuration "
			       "and its `${file:}`, and the packages of "
			       "plugins with `watch`."},
		{.name = "debounce",
			.type = SCHEMA_DURATION,
			.offset = offsetof(struct config, reload.debounce_ms) -
				  offsetof(struct config, reload),
			.min = 10 * MS,
			.max = HOUR,
			.fallback = "500ms",
			.doc = "Time without further changes before a reload "
			       "by `watch`; at most ten times as long for "
			       "files that keep changing."},
		{0}},
};

static const struct schema_table messages_table = {
	.rows = (const struct schema_row
			[]){{.name = "keep",
				    .type = SCHEMA_DURATION,
				    .offset = offsetof(struct config,
						      messages.keep_ms) -
					      offsetof(struct config, messages),
				    .min = MINUTE,
				    .max = 30 * DAY,
				    .fallback = "7d",
				    .doc = "Time for which a message that is "
					   "done is kept, and its id is "
					   "known."},
		{.name = "max",
			.type = SCHEMA_SIZE,
			.offset = offsetof(struct config, messages.max_bytes) -
				  offsetof(struct config, messages),
			.min = 16 * MIB,
			.max = 1024 * GIB,
			.fallback = "1GiB",
			.doc = "Bytes of the message store; beyond it the "
			       "oldest messages that are done go, and then new "
			       "ones are not taken."},
		{.name = "sync",
			.type = SCHEMA_CHOICE,
			.offset = offsetof(struct config, messages.sync) -
				  offsetof(struct config, messages),
			.choices = messages_sync_words,
			.fallback = "full",
			.doc = "Whether a message is on the disk before it is "
			       "acknowledged (`full`), or with the operating "
			       "system, which a power cut may lose "
			       "(`normal`)."},
		{0}},
};

const struct schema_table plugin_table = {
	.bytes = sizeof(struct plugin_config),
	.rows = (const struct schema_row
			[]){{ROW(plugin_config, use), .type = SCHEMA_TEXT,
				    .min = 1, .class = CLASS_RELOAD,
				    .check = check_id,
				    .doc = "The package; default: the plugin's "
					   "id."},
		{ROW(plugin_config, enabled), .type = SCHEMA_BOOL,
			.fallback = "true", .doc = "Whether the plugin runs."},
		{ROW(plugin_config, required), .type = SCHEMA_BOOL,
			.fallback = "false",
			.doc = "Whether supd becomes ready only when the "
			       "plugin serves."},
		{ROW(plugin_config, watch), .type = SCHEMA_BOOL,
			.fallback = "false",
			.doc = "Whether a change of its package reloads it, if "
			       "`reload.watch` allows that."},
		{ROW(plugin_config, requires), .type = SCHEMA_TEXTS,
			.check = check_requires,
			.doc = "Ids of plugins that start before it."},
		{ROW(plugin_config, reload_with_required), .type = SCHEMA_BOOL,
			.fallback = "false",
			.doc = "Whether it is reloaded after a reload of one "
			       "that it requires."},
		{ROW(plugin_config, resend_unknown), .type = SCHEMA_BOOL,
			.fallback = "false",
			.doc = "Whether its channels send a message again if "
			       "it is unknown whether it was sent."},
		{ROW(plugin_config, mount), .type = SCHEMA_TEXT, .max = 256,
			.fallback = "", .class = CLASS_RELOAD,
			.check = check_mount,
			.doc = "A prefix for its HTTP paths."},
		{ROW(plugin_config, namespace), .type = SCHEMA_TEXT, .max = 64,
			.fallback = "", .class = CLASS_RELOAD,
			.check = check_namespace,
			.doc = "A prefix, with a dot, for its other names."},
		{ROW(plugin_config, env), .type = SCHEMA_ENV,
			.shown = offsetof(struct plugin_config, env_shown),
			.class = CLASS_RELOAD,
			.doc = "Variables to add to the clean environment; "
			       "values may contain `${env:NAME}`, "
			       "`${file:PATH}` and `${credential:NAME}`."},
		{ROW(plugin_config, settings), .type = SCHEMA_JSON,
			.shown = offsetof(struct plugin_config, settings_shown),
			.class = CLASS_RELOAD, .can_configure = true,
			.doc = "Settings, laid over those of the package; "
			       "strings at any depth may contain "
			       "`${env:NAME}`, `${file:PATH}` and "
			       "`${credential:NAME}`."},
		{.name = "sandbox",
			.type = SCHEMA_OWN,
			.later = true,
			.class = CLASS_RELOAD,
			.doc = "What the plugin may access."},
		{.type = SCHEMA_INLINE,
			AT(plugin_config, limits),
			.table = &plugin_limits_table},
		{0}},
};

/* ---- all of it ---- */

/* `plugins` comes last: its entries begin as copies of `defaults`. */
const struct schema_table config_table = {
	.bytes = sizeof(struct config),
	.rows = (const struct schema_row
			[]){{ROW(config, runtime_dir), .type = SCHEMA_PATH,
				    .min = 1, .class = CLASS_RESTART,
				    .doc = "The folder for sockets. Default: "
					   "`$RUNTIME_DIRECTORY`, else "
					   "`$XDG_RUNTIME_DIR/supd`, else "
					   "`/run/supd`."},
		{ROW(config, state_dir), .type = SCHEMA_PATH, .min = 1,
			.class = CLASS_RESTART,
			.doc = "The folder for everything that outlives supd. "
			       "Default: `$STATE_DIRECTORY`, else "
			       "`/var/lib/supd`."},
		{ROW(config, log), .type = SCHEMA_SECTION, .table = &log_table,
			.doc = "supd's log, on stderr."},
		{ROW(config, listen), .type = SCHEMA_LIST,
			.table = &listen_table, .class = CLASS_REBIND,
			.doc = "Where clients connect."},
		{ROW(config, plugin_dirs), .type = SCHEMA_PATHS, .min = 1,
			.class = CLASS_RELOAD, .check = check_folder,
			.doc = "Folders of packages, relative to this file; "
			       "the first that has a package is used. Default: "
			       "the folder that supd was installed with."},
		{ROW(config, limits), .type = SCHEMA_SECTION,
			.table = &limits_table,
			.doc = "Limits for HTTP clients."},
		{ROW(config, admin), .type = SCHEMA_SECTION,
			.table = &admin_table,
			.doc = "Who may view and change what."},
		{ROW(config, trusted_proxies), .type = SCHEMA_TEXTS,
			.fallback = "[]", .min = 1, .max = 64,
			.check = network_check,
			.doc = "Networks (or `unix`) whose X-Forwarded-For, "
			       "X-Forwarded-Proto and PROXY header are "
			       "accepted."},
		{ROW(config, defaults), .type = SCHEMA_SECTION,
			.table = &plugin_limits_table,
			.doc = "Values for every plugin that does not set them "
			       "itself."},
		{ROW(config, reload), .type = SCHEMA_SECTION,
			.table = &reload_table,
			.doc = "What makes plugins reload without a command."},
		{ROW(config, messages), .type = SCHEMA_SECTION,
			.table = &messages_table,
			.doc = "The store of the messages of channels."},
		{ROW(config, telemetry), .type = SCHEMA_SECTION,
			.table = &telemetry_table,
			.doc = "Traces, metrics and log lines for an "
			       "OpenTelemetry collector."},
		{.name = "plugins",
			.type = SCHEMA_OWN,
			.table = &plugin_table,
			.class = CLASS_RELOAD,
			.check = plugins_read,
			.view = plugins_view,
			.doc = "The plugins by id."},
		{0}},
};

/* clang-format on */
