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
config_link_name(enum config_link link)
{
	return link_words[link];
}

const char *config_class_name(enum config_class class)
{
	return class_words[class];
}

/* ---- log, listen, limits ---- */

#define ROW(in, member) .name = #member, AT(in, member)
/* A row of a section that has no struct of its own. */
#define ROW_OF(in, section, key, member)                                       \
	.name = #key, .offset = offsetof(struct in, section.member) -          \
				offsetof(struct in, section)

static const struct schema_row log_rows[] = {
	{ROW_OF(config, log, level, level), .type = SCHEMA_CHOICE,
		.choices = level_words, .fallback = "info",
		.doc = "The least important lines to write."},
	{ROW_OF(config, log, format, format), .type = SCHEMA_CHOICE,
		.choices = format_words, .fallback = "text",
		.doc = "Text lines, or one JSON object per line."},
	{ROW_OF(config, log, access, access), .type = SCHEMA_CHOICE,
		.choices = access_words, .fallback = "off",
		.doc = "One line per request, in the combined format "
		       "with milliseconds, plugin/generation and "
		       "request id added, or as JSON."},
	{ROW_OF(config, log, access_file, access_file), .type = SCHEMA_PATH,
		.min = 1,
		.doc = "The file for these lines; without it they go "
		       "to the log. USR1 reopens it."},
	{0},
};
static const struct schema_table log_table = {
	.rows = log_rows,
};

static const struct schema_row listen_rows[] = {
	{ROW(config_listener, http), .type = SCHEMA_TEXT, .min = 1,
		.required = true, .class = CLASS_REBIND,
		.check = listener_check,
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
	{0},
};
static const struct schema_table listen_table = {
	.bytes = sizeof(struct config_listener),
	.identity = "http",
	.rows = listen_rows,
};

#define TIMEOUT(in, key, least, most, normal, text)                            \
	{                                                                      \
		.name = #key, .type = SCHEMA_DURATION, AT(in, key##_ms),       \
		.min = least, .max = most, .fallback = normal, .doc = text     \
	}

static const struct schema_row limits_rows[] = {
	{.name = "head",
		.type = SCHEMA_SIZE,
		AT(config_limits, head_bytes),
		.min = KIB,
		.max = MIB,
		.fallback = "16KiB",
		.doc = "Request line and headers together; "
		       "beyond it 431."},
	{ROW(config_limits, headers), .type = SCHEMA_COUNT, .min = 1,
		.max = 1000, .fallback = "100",
		.doc = "Header lines of a request; beyond it 431."},
	{.name = "body",
		.type = SCHEMA_SIZE,
		AT(config_limits, body_bytes),
		.max = 1024 * GIB,
		.fallback = "10MiB",
		.doc = "Body of a request; beyond it 413."},
	{ROW(config_limits, connections), .type = SCHEMA_COUNT, .min = 1,
		.max = 1000000, .fallback = "10000",
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
	{0},
};
static const struct schema_table limits_table = {
	.rows = limits_rows,
};

/* ---- defaults ---- */

static const struct schema_row crash_rows[] = {
	{ROW_OF(plugin_limits, crash, early_max, early_max),
		.type = SCHEMA_COUNT, .min = 1, .max = 10000, .fallback = "10",
		.doc = "This many crashes during start or soon after"},
	{ROW_OF(plugin_limits, crash, within, within_ms),
		.type = SCHEMA_DURATION, .min = 100 * MS, .max = DAY,
		.fallback = "5m",
		.doc = "within this time make the plugin `failed`."},
	{0},
};
static const struct schema_table crash_table = {
	.rows = crash_rows,
};

static const struct schema_row plugin_limits_rows[] = {
	TIMEOUT(plugin_limits, start_timeout, 10 * MS, HOUR, "10s",
		"Time from the start of a worker to its "
		"`ready`."),
	TIMEOUT(plugin_limits, health_timeout, 10 * MS, HOUR, "10s",
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
	{ROW(plugin_limits, hold_max), .type = SCHEMA_COUNT, .max = 1000000,
		.fallback = "10000",
		.doc = "Requests held at the same time; beyond "
		       "it 503."},
	{.name = "hold_bytes",
		.type = SCHEMA_SIZE,
		AT(plugin_limits, hold_bytes),
		.max = 64 * GIB,
		.fallback = "64MiB",
		.doc = "Bytes held at the same time; beyond it "
		       "503."},
	{ROW(plugin_limits, max_in_flight), .type = SCHEMA_COUNT, .min = 1,
		.max = 65536, .fallback = "1024",
		.doc = "Requests that a worker handles at the same "
		       "time, except those waiting for a slow client; "
		       "further ones are held."},
	{ROW(plugin_limits, max_websockets), .type = SCHEMA_COUNT,
		.max = 1000000, .fallback = "10000",
		.doc = "WebSocket connections of a plugin at "
		       "the same time; beyond it 503."},
	TIMEOUT(plugin_limits, request_timeout, 10 * MS, DAY, "30s",
		"Time to the first byte of an answer; then "
		"504."),
	TIMEOUT(plugin_limits, ping_timeout, 0, DAY, "30s",
		"Time in which a worker must answer a ping; "
		"with 0 supd sends none."),
	TIMEOUT(plugin_limits, probation, 0, HOUR, "5s",
		"Time for which the old worker stands by after "
		"a reload."),
	{ROW(plugin_limits, max_retiring), .type = SCHEMA_COUNT, .min = 1,
		.max = 64, .fallback = "4",
		.doc = "Old workers of a plugin at the same "
		       "time."},
	{ROW(plugin_limits, crash), .type = SCHEMA_SECTION,
		.table = &crash_table, .doc = "When to give up on a plugin."},
	{ROW(plugin_limits, link), .type = SCHEMA_CHOICE, .choices = link_words,
		.fallback = "nng", .class = CLASS_RELOAD,
		.doc = "How a C plugin's worker connects to "
		       "supd."},
	{0},
};
const struct schema_table plugin_limits_table = {
	.rows = plugin_limits_rows,
};

/* ---- reload, plugins ---- */

static const struct schema_row reload_rows[] = {
	{ROW_OF(config, reload, on_sighup, on_sighup), .type = SCHEMA_CHOICE,
		.choices = on_sighup_words, .fallback = "apply",
		.doc = "What SIGHUP does: `apply` puts the "
		       "configuration in force; `advise` logs what "
		       "that would do."},
	{ROW_OF(config, reload, watch, watch), .type = SCHEMA_BOOL,
		.fallback = "false",
		.doc = "Whether anything is watched: the configuration "
		       "and its `${file:}`, and the packages of "
		       "plugins with `watch`."},
	{ROW_OF(config, reload, debounce, debounce_ms), .type = SCHEMA_DURATION,
		.min = 10 * MS, .max = HOUR, .fallback = "500ms",
		.doc = "Time without further changes before `watch` "
		       "reloads; if files keep changing, it reloads after ten "
		       "times as long."},
	{0},
};
static const struct schema_table reload_table = {
	.rows = reload_rows,
};

static const struct schema_row messages_rows[] = {
	{ROW_OF(config, messages, keep, keep_ms), .type = SCHEMA_DURATION,
		.min = MINUTE, .max = 30 * DAY, .fallback = "7d",
		.doc = "Time for which a message that is done is "
		       "kept, and its id is known."},
	{ROW_OF(config, messages, max, max_bytes), .type = SCHEMA_SIZE,
		.min = 16 * MIB, .max = 1024 * GIB, .fallback = "1GiB",
		.doc = "Bytes of the message store; beyond it the "
		       "oldest messages that are done go, and then new "
		       "ones are not taken."},
	{ROW_OF(config, messages, sync, sync), .type = SCHEMA_CHOICE,
		.choices = messages_sync_words, .fallback = "full",
		.doc = "Whether a message is on the disk before it is "
		       "acknowledged (`full`), or with the operating "
		       "system, which a power cut may lose "
		       "(`normal`)."},
	{0},
};
static const struct schema_table messages_table = {
	.rows = messages_rows,
};

static const struct schema_row plugin_rows[] = {
	{ROW(plugin_config, use), .type = SCHEMA_TEXT, .min = 1,
		.class = CLASS_RELOAD, .check = check_id,
		.doc = "The package; default: the plugin's "
		       "id."},
	{ROW(plugin_config, enabled), .type = SCHEMA_BOOL, .fallback = "true",
		.doc = "Whether the plugin runs."},
	{ROW(plugin_config, required), .type = SCHEMA_BOOL, .fallback = "false",
		.doc = "Whether supd becomes ready only when the "
		       "plugin serves."},
	{ROW(plugin_config, watch), .type = SCHEMA_BOOL, .fallback = "false",
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
		.fallback = "", .class = CLASS_RELOAD, .check = check_mount,
		.doc = "A prefix for its HTTP paths."},
	{ROW(plugin_config, namespace), .type = SCHEMA_TEXT, .max = 64,
		.fallback = "", .class = CLASS_RELOAD, .check = check_namespace,
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
	{0},
};
const struct schema_table plugin_table = {
	.bytes = sizeof(struct plugin_config),
	.rows = plugin_rows,
};

/* ---- all of it ---- */

/* `plugins` comes last: its entries begin as copies of `defaults`. */
static const struct schema_row config_rows[] = {
	{ROW(config, runtime_dir), .type = SCHEMA_PATH, .min = 1,
		.class = CLASS_RESTART,
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
	{ROW(config, listen), .type = SCHEMA_LIST, .table = &listen_table,
		.class = CLASS_REBIND, .doc = "Where clients connect."},
	{ROW(config, plugin_dirs), .type = SCHEMA_PATHS, .min = 1,
		.class = CLASS_RELOAD, .check = check_folder,
		.doc = "Folders of packages, relative to this file; "
		       "the first that has a package is used. Default: "
		       "the folder that supd was installed with."},
	{ROW(config, limits), .type = SCHEMA_SECTION, .table = &limits_table,
		.doc = "Limits for HTTP clients."},
	{ROW(config, admin), .type = SCHEMA_SECTION, .table = &admin_table,
		.doc = "Who may view and change what."},
	{ROW(config, trusted_proxies), .type = SCHEMA_TEXTS, .fallback = "[]",
		.min = 1, .max = 64, .check = network_check,
		.doc = "Networks (or `unix`) whose X-Forwarded-For, "
		       "X-Forwarded-Proto and PROXY header are "
		       "accepted."},
	{ROW(config, defaults), .type = SCHEMA_SECTION,
		.table = &plugin_limits_table,
		.doc = "Values for every plugin that does not set them "
		       "itself."},
	{ROW(config, reload), .type = SCHEMA_SECTION, .table = &reload_table,
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
	{0},
};
const struct schema_table config_table = {
	.bytes = sizeof(struct config),
	.rows = config_rows,
};
