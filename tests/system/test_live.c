/* Every key that the reference calls live is live: a HUP puts another value in
 * force, no worker is replaced, and what the value does is seen where it can
 * be seen from outside. A live row that a table gains and this file does not
 * is a failure. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/config/tables.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"

TestSuite(live, .fini = run_fini, .timeout = 200);

#define NOBODY 65534
#define SOON_MS 5000
/* SHA-256 of "one". */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

/* ---- what a value does ---- */

static int
status_of(struct gateway_run *g, const char *method, const char *path,
	const char *fields, const char *body)
{
	struct client c;
	struct answer a;
	int status = 0;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "%s %s HTTP/1.1\r\nHost: t\r\n%s\r\n%s",
		method, path, fields, body));
	if (client_read(&c, &a, false, SOON_MS)) {
		status = a.status;
		answer_finish(&a);
	}
	client_close(&c);
	return status;
}

static bool
refuses_a_long_head(struct gateway_run *g)
{
	char *field = memory_format("X: %02000d\r\n", 0);
	int status = status_of(g, "GET", "/fault", field, "");

	free(field);
	return status == 431;
}

static bool
refuses_many_fields(struct gateway_run *g)
{
	return status_of(g, "GET", "/fault", "1: a\r\n2: b\r\n3: c\r\n", "") ==
	       431;
}

static bool
refuses_a_large_body(struct gateway_run *g)
{
	return status_of(g, "POST", "/fault/echo",
		       "Content-Length: 5\r\nConnection: close\r\n",
		       "12345") == 413;
}

/* A connection that asked once, and what another one does to it. */
static bool
closes_the_idle_one(struct gateway_run *g)
{
	struct client idle, other;
	struct answer a;
	bool closed;

	cr_assert(client_open(&idle, g->http));
	cr_assert(client_get(&idle, "/fault", &a));
	answer_finish(&a);
	cr_assert(client_open(&other, g->http));
	cr_assert(client_get(&other, "/fault", &a));
	answer_finish(&a);
	closed = client_sees_close(&idle, 1000);
	client_close(&idle);
	client_close(&other);
	return closed;
}

/* A request of which the rest does not come. */
static bool
ends_half_a_request(struct gateway_run *g, const char *half)
{
	struct client c;
	struct answer a = {0};
	bool ended;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "%s", half));
	ended = client_read(&c, &a, false, SOON_MS) && a.status == 408;
	answer_finish(&a);
	client_close(&c);
	return ended;
}

static bool
ends_half_a_head(struct gateway_run *g)
{
	return ends_half_a_request(g, "GET /fault HTTP/1.1\r\nHos");
}

static bool
ends_half_a_body(struct gateway_run *g)
{
	return ends_half_a_request(g, "POST /fault/echo HTTP/1.1\r\n"
				      "Host: t\r\nContent-Length: 9\r\n\r\nab");
}

static bool
gives_up_who_does_not_read(struct gateway_run *g)
{
	struct client c;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /fault/stream?65536 HTTP/1.1\r\nHost: t\r\n\r\n"));
	ctl_await_number(g, "fault", "inFlight", 1);
	ctl_await_number(g, "fault", "inFlight", 0);
	client_close(&c);
	return true;
}

static bool
logs_no_steps(struct gateway_run *g)
{
	size_t mark = capture_length(&g->log);

	ctl_destroy(ctl_expect(g, 0, "reload", "other", NULL));
	return !run_log_has(g, mark, "queued->staging");
}

static bool
logs_json(struct gateway_run *g)
{
	size_t mark = capture_length(&g->log);

	ctl_destroy(ctl_expect(g, 0, "reload", "other", NULL));
	return capture_await(&g->log, mark, "{\"", SOON_MS);
}

static bool
logs_requests(struct gateway_run *g)
{
	size_t mark = capture_length(&g->log);

	return http_status(g->http, "/fault?logged") == 200 &&
	       capture_await(&g->log, mark, "/fault?logged", SOON_MS);
}

static bool
writes_an_access_log(struct gateway_run *g)
{
	char *path = memory_format("%s/conf.d/access.log", g->dir);
	char *text;
	bool is_there;

	/* A line is written after its answer: at the latest before the next. */
	for (int i = 0; i < 3; i++)
		cr_assert_eq(http_status(g->http, "/fault?logged"), 200);
	text = files_read(path);
	is_there = text && strstr(text, "/fault?logged");
	free(path);
	free(text);
	return is_there;
}

static bool
knows_the_token(struct gateway_run *g)
{
	return status_of(g, "GET", "/api/plugins",
		       "Authorization: Bearer one\r\n", "") == 200;
}

static bool
lets_nobody_look(struct gateway_run *g)
{
	static const char *const look[] = {"status", NULL};
	struct ctl *c;
	bool may;

	if (geteuid())
		return true;
	c = ctl_begin(g, NOBODY, look);
	ctl_wait(c);
	may = c->exit_code == 0;
	ctl_destroy(c);
	return may;
}

static bool
has_no_api(struct gateway_run *g)
{
	return http_status(g->http, "/api/plugins") == 404;
}

static bool
keeps_its_metrics(struct gateway_run *g)
{
	return http_status(g->http, "/metrics") == 401;
}

/* A page of another host gets as far as its token. */
static bool
lets_a_page_in(struct gateway_run *g)
{
	return status_of(g, "GET", "/ws",
		       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		       "Origin: https://a.example\r\n"
		       "Authorization: Bearer none\r\n",
		       "") == 401;
}

static bool
is_slow_to_nobody(struct gateway_run *g)
{
	return http_status(g->http, "/fault/slow?3000") == 504;
}

static bool
starts_the_other_one(struct gateway_run *g)
{
	ctl_await_state(g, "idle", "serving");
	return http_status(g->http, "/idle/fault") == 200;
}

static bool
is_watch_true(struct gateway_run *g, const char *path)
{
	struct ctl *c = ctl_expect(g, 0, "watch", "status", NULL);
	bool is_true = json_is_true(ctl_at(c, path));

	ctl_destroy(c);
	return is_true;
}

static bool
watches_the_configuration(struct gateway_run *g)
{
	g->may_grow = true; /* by the process that watches */
	return is_watch_true(g, "configuration.on");
}

/* The switch for all of it is off. */
static bool
says_it_would_watch(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "status", "other", NULL);
	bool is_on = json_is_true(ctl_at(c, "plugins.0.watch.on"));

	ctl_destroy(c);
	return is_on;
}

/* ---- the keys ---- */

struct key {
	const char *path, *value; /* as in the file */
	const char *shown;	  /* as JSON in `config`; NULL: as `value` */
	bool (*effect)(struct gateway_run *g);
	bool slow; /* it would take long to see that it is not there before */
};

static const struct key keys[] = {
	{"log.level", "info", "\"info\"", logs_no_steps, false},
	{"log.format", "json", "\"json\"", logs_json, true},
	{"log.access", "text", "\"text\"", logs_requests, true},
	{"log.access_file", "access.log", "", writes_an_access_log, false},
	{"limits.head", "1KiB", "\"1KiB\"", refuses_a_long_head, false},
	{"limits.headers", "3", NULL, refuses_many_fields, false},
	{"limits.body", "4B", "\"4B\"", refuses_a_large_body, false},
	{"limits.connections", "1", NULL, closes_the_idle_one, false},
	{"limits.head_timeout", "100ms", "\"100ms\"", ends_half_a_head, true},
	{"limits.body_timeout", "100ms", "\"100ms\"", ends_half_a_body, true},
	{"limits.idle_timeout", "100ms", "\"100ms\"", closes_the_idle_one,
		false},
	{"limits.write_timeout", "100ms", "\"100ms\"",
		gives_up_who_does_not_read, true},
	{"admin.tokens", "[{name: one, role: viewer, sha256: \"" ONE "\"}]", "",
		knows_the_token, false},
	{"admin.peers",
		"[{uid: root, role: admin}, {uid: 65534, role: viewer}]", "",
		lets_nobody_look, false},
	/* test_chat */
	{"admin.chat", "[{channel: irc, from: \"a!*\", role: operator}]", "",
		NULL, false},
	{"admin.notify", "[{channel: irc, chat: \"#ops\"}]", "", NULL, false},
	{"admin.http", "false", NULL, has_no_api, false},
	{"admin.metrics", "token", "\"token\"", keeps_its_metrics, false},
	{"admin.origins", "[\"https://a.example\"]", "[\"https://a.example\"]",
		lets_a_page_in, false},
	{"trusted_proxies", "[127.0.0.1]", "", NULL, false}, /* test_proxies */
	{"reload.on_sighup", "advise", "\"advise\"", NULL, false},
	{"reload.watch", "true", NULL, watches_the_configuration, false},
	{"reload.debounce", "7s", "\"7s\"", NULL, false}, /* test_watch */
	{"plugins.other.watch", "true", NULL, says_it_would_watch, false},
	{"plugins.idle.enabled", "true", NULL, starts_the_other_one, true},
	{"plugins.other.required", "true", NULL, NULL, false},
	{"plugins.other.requires", "[fault]", "[\"fault\"]", NULL, false},
	{"plugins.other.reload_with_required", "true", NULL, NULL, false},
	{"plugins.other.resend_unknown", "true", NULL, NULL, false},
	/* test_message_store */
	{"messages.keep", "7h", "\"7h\"", NULL, false},
	{"messages.max", "2GiB", "\"2GiB\"", NULL, false},
	{"messages.sync", "normal", "\"normal\"", NULL, false},
	/* test_telemetry; nobody listens there */
	{"telemetry.endpoint", "http://127.0.0.1:9", "\"http://127.0.0.1:9\"",
		NULL, false},
	{"telemetry.headers", "{a: b}", "", NULL, false},
	{"telemetry.sampling", "0.5", NULL, NULL, false},
	{"telemetry.follow", "all", "\"all\"", NULL, false},
	{"telemetry.resource", "{service.name: a}", "", NULL, false},
	{"telemetry.traces", "false", NULL, NULL, false},
	{"telemetry.metrics", "true", NULL, NULL, false},
	{"telemetry.interval", "7s", "\"7s\"", NULL, false},
	{"telemetry.logs", "true", NULL, NULL, false},
	{"telemetry.timeout", "7s", "\"7s\"", NULL, false},
};

/* Of `defaults` and of each plugin; those without an effect here are used by
 * the next transaction, crash or request that is held. */
static const struct key limits[] = {
	{"start_timeout", "7s", "\"7s\"", NULL, false},
	{"health_timeout", "7s", "\"7s\"", NULL, false},
	{"drain_timeout", "7s", "\"7s\"", NULL, false},
	{"stream_drain", "7s", "\"7s\"", NULL, false},
	{"stop_timeout", "7s", "\"7s\"", NULL, false},
	{"hold_timeout", "7s", "\"7s\"", NULL, false},
	{"hold_max", "7", NULL, NULL, false},
	{"hold_bytes", "7KiB", "\"7KiB\"", NULL, false},
	{"max_in_flight", "7", NULL, NULL, false},  /* test_keys */
	{"max_websockets", "7", NULL, NULL, false}, /* test_ws_paths */
	{"request_timeout", "100ms", "\"100ms\"", is_slow_to_nobody, true},
	{"ping_timeout", "7s", "\"7s\"", NULL, false}, /* test_keys */
	{"probation", "7s", "\"7s\"", NULL, false},
	{"max_retiring", "7", NULL, NULL, false},
	{"crash.early_max", "7", NULL, NULL, false},
	{"crash.within", "7s", "\"7s\"", NULL, false},
};

/* ---- all live rows are here ---- */

static bool
is_listed(const char *path)
{
	if (!strncmp(path, "defaults.", 9)) {
		for (size_t i = 0; i < SCHEMA_COUNT_OF(limits); i++)
			if (!strcmp(path + 9, limits[i].path))
				return true;
		return false;
	}
	for (size_t i = 0; i < SCHEMA_COUNT_OF(keys); i++)
		if (!strcmp(path, keys[i].path))
			return true;
	return false;
}

static void
expect_listed(const struct schema_table *table, const char *prefix)
{
	for (const struct schema_row *r = table->rows; r->type; r++) {
		char path[128];

		snprintf(path, sizeof(path), "%s%s", prefix,
			r->name ? r->name : "");
		if (r->type == SCHEMA_SECTION) {
			strcat(path, ".");
			expect_listed(r->table, path);
		} else if (r->name && r->class == CLASS_LIVE && !r->later) {
			cr_expect(is_listed(path), "%s is live and not tried",
				path);
		}
	}
}

Test(live, every_key_that_is_live_is_tried)
{
	char path[128];

	expect_listed(&config_table, "");
	for (const struct schema_row *r = plugin_table.rows; r->type; r++) {
		if (!r->name || r->class != CLASS_LIVE || r->later)
			continue;
		snprintf(path, sizeof(path), "plugins.other.%s", r->name);
		if (!is_listed(path))
			snprintf(
				path, sizeof(path), "plugins.idle.%s", r->name);
		cr_expect(is_listed(path), "%s is live and not tried", r->name);
	}
}

/* ---- each is live ---- */

/* "a.b.c" and "1" become "a: {b: {c: 1}}". The caller frees. */
static char *
nest(const char *path, const char *value)
{
	const char *dot = strchr(path, '.');
	char *inner, *text;

	if (!dot)
		return memory_format("%s: %s", path, value);
	inner = nest(dot + 1, value);
	text = memory_format("%.*s: {%s}", (int)(dot - path), path, inner);
	free(inner);
	return text;
}

/* The two plugins beside `fault`, one of them with a key more; idle is disabled
 * unless that key says otherwise. */
static void
put_plugins(struct gateway_run *g, const char *id, const char *key)
{
	bool other = !strcmp(id, "other"), idle = !strcmp(id, "idle");
	char *text = memory_format(
		"plugins:\n"
		"  other: {use: fault, mount: /other, namespace: other, %s}\n"
		"  idle: {use: fault, mount: /idle, namespace: idle, %s}\n",
		other ? key : "", idle ? key : "enabled: false");

	plan_put_in(g, "plugins.yaml", text);
	free(text);
}

/* log.level stands in supd.yaml already. */
static void
put_log_level(struct gateway_run *g, const char *level)
{
	char *path = memory_format("%s/supd.yaml", g->dir);
	char *text, *rest;

	run_write_config(g);
	text = files_read(path);
	rest = strchr(text, '}');
	files_write(path, "log: {level: %s%s", level, rest);
	free(text);
	free(path);
}

static void
put_key(struct gateway_run *g, const char *path, const char *value)
{
	char *text;

	put_plugins(g, "", "");
	plan_put_in(g, "live.yaml", "{}\n");
	put_log_level(g, strcmp(path, "log.level") ? "debug" : value);
	if (!strncmp(path, "plugins.", 8)) {
		const char *id = path + 8, *key = strchr(id, '.') + 1;
		char *name = memory_copy_bytes(id, (size_t)(key - 1 - id));

		text = nest(key, value);
		put_plugins(g, name, text);
		free(name);
		free(text);
	} else if (strcmp(path, "log.level")) {
		text = strcmp(path, "log.access_file")
			       ? nest(path, value)
			       : memory_format("log: {access: text, "
					       "access_file: %s}",
					 value);
		plan_put_in(g, "live.yaml", text);
		free(text);
	}
}

/* Among the changes of the plan, or the element of a list that it is in. */
static void
expect_live(struct gateway_run *g, const char *path)
{
	struct ctl *c = ctl_expect(g, 0, "plan", NULL);
	bool found = false;
	json_t *row;
	size_t i;

	json_array_foreach(ctl_at(c, "changes"), i, row)
	{
		found = found ||
			!strncmp(plan_text(row, "path"), path, strlen(path));
		cr_expect_str_eq(plan_text(row, "class"), "live", "%s: %s",
			path, c->out);
	}
	cr_expect(found, "%s is no change: %s", path, c->out);
	ctl_destroy(c);
}

static void
hup(struct gateway_run *g)
{
	size_t mark = capture_length(&g->log);

	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration applied");
}

static void
expect_in_force(struct gateway_run *g, const char *path, const char *shown)
{
	struct ctl *c = ctl_expect(g, 0, "config", NULL);
	char *text =
		json_dumps(ctl_at(c, path), JSON_ENCODE_ANY | JSON_COMPACT);

	cr_assert(text, "%s is not there: %s", path, c->out);
	if (*shown)
		cr_expect_str_eq(text, shown, "%s: %s", path, text);
	free(text);
	ctl_destroy(c);
}

static void
try_key(struct gateway_run *g, const char *path, const struct key *key)
{
	long fault, other;

	if (key->effect && !key->slow)
		cr_expect(!key->effect(g), "%s: it does so before", path);
	fault = ctl_status_number(g, "fault", "pid");
	other = ctl_status_number(g, "other", "pid");
	put_key(g, path, key->value);
	expect_live(g, path);
	hup(g);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), fault, "%s", path);
	cr_expect_eq(ctl_status_number(g, "other", "pid"), other, "%s", path);
	expect_in_force(g, path, key->shown ? key->shown : key->value);
	if (key->effect)
		cr_expect(key->effect(g), "%s has no effect", path);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), fault, "%s", path);
	if (strcmp(path, "reload.on_sighup") != 0) {
		put_key(g, "limits.head", "16KiB");
		hup(g);
	}
}

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_defaults(g, "");
	put_plugins(g, "", "");
	run_start(g);
	g->may_grow = true;
	return g;
}

Test(live, each_of_the_gateway_takes_effect_without_a_reload)
{
	struct gateway_run *g = start();

	for (size_t i = 0; i < SCHEMA_COUNT_OF(keys); i++)
		if (strcmp(keys[i].path, "reload.on_sighup") != 0 &&
			(strcmp(keys[i].path, "admin.peers") != 0 ||
				!geteuid()))
			try_key(g, keys[i].path, &keys[i]);
	run_end(g);
}

Test(live, each_of_plugins_and_their_defaults_takes_effect_without_a_reload)
{
	struct gateway_run *g = start();

	for (size_t i = 0; i < SCHEMA_COUNT_OF(limits); i++) {
		char *path = memory_format("defaults.%s", limits[i].path);
		struct key key = limits[i];

		try_key(g, path, &key);
		free(path);
		path = memory_format("plugins.other.%s", limits[i].path);
		key.effect = NULL;
		try_key(g, path, &key);
		free(path);
	}
	run_end(g);
}

Test(live, what_a_hup_does_takes_effect_with_the_next_one)
{
	struct gateway_run *g = start();
	struct key key = {
		"reload.on_sighup", "advise", "\"advise\"", NULL, false};
	size_t mark;

	try_key(g, key.path, &key);
	put_key(g, "limits.headers", "3");
	mark = capture_length(&g->log);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "nothing was applied");
	cr_expect(!refuses_many_fields(g));
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect(refuses_many_fields(g));
	run_end(g);
}
