/* config: what supd.yaml may say, and in which words it is told that it may
 * not. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/units.h"
#include "tests/unit/files.h"

/* All problems, a line each. The caller frees. */
static char *
problems_of(const char *yaml, size_t length)
{
	struct problems problems = {0};
	struct config *config =
		config_load_text("t.yaml", yaml, length, &problems);
	cr_assert_eq(!config, problems.errors > 0);
	char *text = problems_as_text(&problems);
	config_unref(config);
	problems_finish(&problems);
	return text;
}

static struct config *
load_good(const char *yaml)
{
	struct problems problems = {0};
	struct config *config = config_load_text(
		"/etc/supd/t.yaml", yaml, strlen(yaml), &problems);
	char *text = problems_as_text(&problems);
	cr_assert(config, "%s", text);
	free(text);
	problems_finish(&problems);
	return config;
}

/* ---- what is wrong ---- */

static const struct {
	const char *yaml, *problems;
} wrong[] = {
	/* not YAML, or more of it than allowed */
	{"- a\n", "t.yaml:1:1: expected a map of keys, not a list\n"},
	{"just text\n",
		"t.yaml:1:1: expected a map of keys, not a single value\n"},
	{"log: {level: info\n",
		"t.yaml:2:1: not YAML: did not find expected ',' or '}' while "
		"parsing a flow mapping\n"},
	{"log: {level: info}\n  bad: indent\n",
		"t.yaml:2:3: not YAML: did not find expected key while "
		"parsing a block mapping\n"},
	{"state_dir: \"caf\xe9\"\n",
		"t.yaml:1:17: not YAML: invalid trailing UTF-8 octet\n"},
	{"log: \x01\n", "t.yaml:1:6: not YAML: control characters are not "
			"allowed\n"},
	{"log: &a {level: info}\n", "t.yaml:1:6: anchors are not allowed\n"},
	{"log: &a {}\nreload: *a\n", "t.yaml:1:6: anchors are not allowed\n"
				     "t.yaml:2:9: aliases are not allowed\n"},
	{"log: !!map {}\n", "t.yaml:1:6: tags are not allowed\n"},
	{"plugins: {a: {settings: {x: !secret 1}}}\n",
		"t.yaml:1:29: tags are not allowed\n"},
	{"log: {}\n---\nlog: {}\n",
		"t.yaml:2:1: only one document is allowed in a file\n"},
	{"? [a]\n: 1\n", "t.yaml:1:3: a key must be a string, not a list\n"},
	{"\"log\\0\": {}\n", "t.yaml:1:1: a key must not contain a NUL byte\n"},
	{"plugins: {\"a\\0\": {bogus: 1}}\n",
		"t.yaml:1:11: a key must not contain a NUL byte\n"},
	/* unknown and double keys */
	{"lisen: []\n",
		"t.yaml:1:1: unknown key 'lisen'; did you mean 'listen'?\n"},
	{"frobnicate: 1\n", "t.yaml:1:1: unknown key 'frobnicate'\n"},
	{"limits: {haed: 1KiB}\n",
		"t.yaml:1:10: unknown key 'haed'; did you mean 'head'?\n"},
	{"plugins:\n  a: {drain_timeuot: 1s}\n",
		"t.yaml:2:7: unknown key 'drain_timeuot'; did you mean "
		"'drain_timeout'?\n"},
	{"log: {}\nlog: {}\n",
		"t.yaml:2:1: 'log' is set already in t.yaml:1:1\n"},
	{"plugins:\n  a: {}\n  b: {}\n  a: {}\n",
		"t.yaml:4:3: 'a' is set already in t.yaml:2:3\n"},
	{"plugins: {a: {settings: {k: 1, k: 2}}}\n",
		"t.yaml:1:32: 'k' is set already in t.yaml:1:26\n"},
	/* types */
	{"log: [info]\n", "t.yaml:1:6: 'log' must be a map, not a list\n"},
	{"log: {level: loud}\n",
		"t.yaml:1:14: 'level' must be one of error, warn, info, "
		"debug\n"},
	{"log: {level: inof}\n",
		"t.yaml:1:14: 'level' must be one of error, warn, info, "
		"debug; did you mean 'info'?\n"},
	{"log: {level: {}}\n",
		"t.yaml:1:14: 'level' must be one of error, warn, info, "
		"debug\n"},
	{"state_dir: {}\n",
		"t.yaml:1:12: 'state_dir' must be a string, not a map\n"},
	{"state_dir: ~\n",
		"t.yaml:1:12: 'state_dir' must be a string, not nothing\n"},
	{"state_dir: \"\"\n", "t.yaml:1:12: 'state_dir' must not be empty\n"},
	{"state_dir: \"a\\0b\"\n",
		"t.yaml:1:12: 'state_dir' must not contain a NUL byte\n"},
	{"plugin_dirs: /here\n",
		"t.yaml:1:14: 'plugin_dirs' must be a list, not a single "
		"value\n"},
	{"plugin_dirs: [[a]]\n",
		"t.yaml:1:15: 'plugin_dirs' must be a string, not a list\n"},
	{"admin: {http: yes}\n", "t.yaml:1:15: 'http' must be true or false\n"},
	{"admin: {http: \"true\"}\n",
		"t.yaml:1:15: 'http' must be true or false\n"},
	{"limits: {headers: many}\n",
		"t.yaml:1:19: 'headers' must be an integer\n"},
	{"limits: {headers: 1KiB}\n",
		"t.yaml:1:19: 'headers' must be an integer\n"},
	{"limits: {headers: -1}\n",
		"t.yaml:1:19: 'headers' must be an integer\n"},
	{"limits: {head: 16KB}\n",
		"t.yaml:1:16: 'head' must be a size such as 512B, 64KiB or "
		"10MiB\n"},
	{"limits: {idle_timeout: 10}\n",
		"t.yaml:1:24: 'idle_timeout' must be a time such as 500ms, "
		"10s, 5m or 1h\n"},
	{"limits: {idle_timeout: 1.5s}\n",
		"t.yaml:1:24: 'idle_timeout' must be a time such as 500ms, "
		"10s, 5m or 1h\n"},
	{"limits: {body: 99999999999999999999GiB}\n",
		"t.yaml:1:16: 'body' must be a size such as 512B, 64KiB or "
		"10MiB\n"},
	/* ranges */
	{"limits: {headers: 0}\n",
		"t.yaml:1:19: 'headers' must be from 1 to 1000\n"},
	{"limits: {head: 1}\n",
		"t.yaml:1:16: 'head' must be from 1KiB to 1MiB\n"},
	{"limits: {idle_timeout: 1ms}\n",
		"t.yaml:1:24: 'idle_timeout' must be from 10ms to 24h\n"},
	{"defaults: {crash: {early_max: 0}}\n",
		"t.yaml:1:31: 'early_max' must be from 1 to 10000\n"},
	/* listeners */
	{"listen: [{}]\n", "t.yaml:1:10: 'http' is missing\n"},
	{"listen: [8080]\n",
		"t.yaml:1:10: each of 'listen' must be a map, not a single "
		"value\n"},
	{"listen: [{http: \"example.org:80\"}]\n",
		"t.yaml:1:17: 'http' must be ADDRESS:PORT with a numeric "
		"address such as 127.0.0.1:8080 or \"[::1]:8080\", "
		"unix:/path or fd:NAME\n"},
	{"listen: [{http: \"127.0.0.1:65536\"}]\n",
		"t.yaml:1:17: 'http' must be ADDRESS:PORT with a numeric "
		"address such as 127.0.0.1:8080 or \"[::1]:8080\", "
		"unix:/path or fd:NAME\n"},
	{"listen: [{http: \"unix:\"}]\n",
		"t.yaml:1:17: 'unix:' needs a path after it\n"},
	{"listen: [{http: \"127.0.0.1:80\"}, {http: \"127.0.0.1:80\"}]\n",
		"t.yaml:1:34: '127.0.0.1:80' is in 'listen' already: "
		"t.yaml:1:10\n"},
	{"listen: [{http: \"[::1]:80\"}, {http: \"[0:0::1]:80\"}]\n",
		"t.yaml:1:30: '[::1]:80' is in 'listen' already: "
		"t.yaml:1:10\n"},
	/* admin */
	{"admin: {tokens: [{name: a, role: boss, sha256: xx}]}\n",
		"t.yaml:1:34: 'role' must be one of viewer, operator, admin\n"
		"t.yaml:1:48: 'sha256' must be 64 lower-case hex digits, the "
		"SHA-256 of the token\n"},
	{"admin: {tokens: [{role: admin}]}\n",
		"t.yaml:1:18: 'name' is missing\n"
		"t.yaml:1:18: 'sha256' is missing\n"},
	{"admin: {peers: [{role: admin}]}\n",
		"t.yaml:1:17: a peer has either 'uid' or 'gid'\n"},
	{"admin: {peers: [{uid: no-such-user, role: admin}]}\n",
		"t.yaml:1:23: unknown user 'no-such-user'\n"},
	{"admin: {peers: [{gid: no-such-group, role: admin}]}\n",
		"t.yaml:1:23: unknown group 'no-such-group'\n"},
	{"admin: {peers: [{uid: 0, gid: 0, role: admin}]}\n",
		"t.yaml:1:17: a peer has either 'uid' or 'gid'\n"},
	/* plugins */
	{"plugins: [a]\n",
		"t.yaml:1:10: 'plugins' must be a map of ids, not a list\n"},
	{"plugins: {a: 1}\n",
		"t.yaml:1:14: 'a' must be a map, not a single value\n"},
	{"plugins: {Bot: {}}\n",
		"t.yaml:1:11: 'Bot' is not an id: lower-case letters, digits, "
		"- and _, at most 64, first a letter or digit\n"},
	{"plugins: {a: {use: ../x}}\n",
		"t.yaml:1:20: '../x' is not an id: lower-case letters, "
		"digits, - and _, at most 64, first a letter or digit\n"},
	{"plugins: {a: {mount: bot}}\n",
		"t.yaml:1:22: 'mount' must be a path such as /bot-a, without "
		"a slash at its end\n"},
	{"plugins: {a: {mount: /a/}}\n",
		"t.yaml:1:22: 'mount' must be a path such as /bot-a, without "
		"a slash at its end\n"},
	{"plugins: {a: {mount: /a/../b}}\n",
		"t.yaml:1:22: 'mount' must be a path such as /bot-a, without "
		"a slash at its end\n"},
	{"plugins: {a: {mount: \"/{x}\"}}\n",
		"t.yaml:1:22: 'mount' must be a path such as /bot-a, without "
		"a slash at its end\n"},
	{"plugins: {a: {mount: /api/a}}\n",
		"t.yaml:1:22: 'mount' must not begin with /api, which is "
		"supd's own\n"},
	{"plugins: {a: {namespace: a.}}\n",
		"t.yaml:1:26: 'namespace' must be letters, digits, -, _ and "
		"inner dots; the dot after it is added\n"},
	{"plugins: {a: {env: {1A: x}}}\n",
		"t.yaml:1:21: '1A' cannot be the name of a variable\n"},
	{"plugins: {a: {env: {SUPD_ID: x}}}\n",
		"t.yaml:1:21: 'SUPD_ID': names that begin with SUPD_ are set "
		"by supd\n"},
	{"plugins: {a: {env: {A: [1]}}}\n",
		"t.yaml:1:24: 'A' must be a string, not a list\n"},
	{"plugins: {a: {settings: [1]}}\n",
		"t.yaml:1:25: 'settings' must be a map, not a list\n"},
	{"plugins: {a: {settings: {n: 99999999999999999999}}}\n",
		"t.yaml:1:29: 'n': the number is too large; quote it to make "
		"it text\n"},
	{"plugins: {alpha: {requires: [bteta]}, beta: {}}\n",
		"t.yaml:1:30: 'alpha' requires 'bteta', which is not among "
		"the plugins; did you mean 'beta'?\n"},
	{"plugins: {a: {requires: [a]}}\n",
		"t.yaml:1:26: 'a' requires itself\n"},
	{"plugins:\n  x: {requires: [a]}\n  a: {requires: [b]}\n"
	 "  b: {requires: [c]}\n  c: {requires: [a]}\n",
		"t.yaml:3:18: plugins require each other in a circle: 'a' "
		"requires 'b' (t.yaml:3), 'b' requires 'c' (t.yaml:4), 'c' "
		"requires 'a' (t.yaml:5)\n"},
	{"plugins:\n  a: {requires: [b]}\n  b: {requires: [c]}\n"
	 "  c: {requires: [d]}\n  d: {requires: [e]}\n"
	 "  e: {requires: [f]}\n  f: {requires: [g]}\n"
	 "  g: {requires: [h]}\n  h: {requires: [a]}\n",
		"t.yaml:2:18: plugins require each other in a circle: 'a' "
		"requires 'b' (t.yaml:2), 'b' requires 'c' (t.yaml:3), 'c' "
		"requires 'd' (t.yaml:4), 'd' requires 'e' (t.yaml:5), 'e' "
		"requires 'f' (t.yaml:6), 'f' requires 'g' (t.yaml:7), and 2 "
		"more\n"},
	/* later */
	{"listen: [{http: \"127.0.0.1:80\", tls: {cert: a, key: b}}]\n",
		"t.yaml:1:38: 'tls' is not supported yet\n"},
	{"listen: [{http: \"fd:a b\"}]\n",
		"t.yaml:1:17: 'fd:' needs the name of a socket after it: "
		"letters, digits, ., _, @ and -\n"},
	{"trusted_proxies: [10.0.0.0/8, here, 10.0.0.1/8, \"::1/129\", "
	 "1.2.3/24, \"\"]\n",
		"t.yaml:1:31: 'trusted_proxies': it must be a network such as "
		"192.0.2.0/24 or 2001:db8::/32, an address, or unix\n"
		"t.yaml:1:37: 'trusted_proxies': the address has bits beyond "
		"the /8; the network is 10.0.0.0/8\n"
		"t.yaml:1:49: 'trusted_proxies': the prefix length must be "
		"from 0 to 128\n"
		"t.yaml:1:60: 'trusted_proxies': it must be a network such as "
		"192.0.2.0/24 or 2001:db8::/32, an address, or unix\n"
		"t.yaml:1:70: 'trusted_proxies' must not be empty\n"},
	{"reload: {on_sighup: advice}\n",
		"t.yaml:1:21: 'on_sighup' must be one of apply, advise; did "
		"you mean 'advise'?\n"},
	{"reload: {watch: on, debounce: 1}\n",
		"t.yaml:1:17: 'watch' must be true or false\n"
		"t.yaml:1:31: 'debounce' must be a time such as 500ms, 10s, "
		"5m or 1h\n"},
	{"plugins: {a: {sandbox: {}}}\n",
		"t.yaml:1:24: 'sandbox' is not supported yet\n"},
	/* several at once, in the order of the file */
	{"plugins: {B: {}}\nlog: {level: x, colour: 1}\nlimits: {head: x}\n",
		"t.yaml:1:11: 'B' is not an id: lower-case letters, digits, - "
		"and _, at most 64, first a letter or digit\n"
		"t.yaml:2:14: 'level' must be one of error, warn, info, "
		"debug\n"
		"t.yaml:2:17: unknown key 'colour'\n"
		"t.yaml:3:16: 'head' must be a size such as 512B, 64KiB or "
		"10MiB\n"},
};

Test(config, tells_what_is_wrong_and_where)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *text = problems_of(wrong[i].yaml, strlen(wrong[i].yaml));
		cr_expect_str_eq(
			text, wrong[i].problems, "%s\n%s", wrong[i].yaml, text);
		free(text);
	}
}

Test(config, never_quotes_a_secret)
{
	static const char yaml[] =
		"admin: {tokens: [{name: a, role: admin, sha256: s3cret}]}\n"
		"plugins:\n"
		"  a: {env: {A: [s3cret]}, settings: {a: &x s3cret, b: *x}}\n"
		"  b: {env: {A: \"s3cret${file:/none}\"}}\n"
		"  c: {settings: {p: \"s3cret${env:NO_S}\", q: !s s3cret}}\n"
		"  d: {settings: {p: \"s3cret${s3cret}\"}}\n";
	char *text = problems_of(yaml, strlen(yaml));
	cr_expect_not(strstr(text, "s3cret"), "%s", text);
	cr_expect(strstr(text, ":6:21: 'p': a ${ begins"), "%s", text);
	free(text);
}

/* Both the place and what is wrong can be read, whatever the size of a name. */
Test(config, shortens_what_it_quotes)
{
	static const struct {
		const char *before, *after, *says;
	} rows[] = {
		{"", ": 1\n", "t.yaml:1:3: unknown key 'k"},
		{"", ": 1\n", "kk'\n"},
		{"plugins:\n  ? ", "  : {}\n",
			"kk' is not an id: lower-case letters, digits, - and "
			"_, at most 64, first a letter or digit\n"},
		{"plugins:\n  a:\n    env:\n      ? ", "=\n      : x\n",
			"kk=' cannot be the name of a variable\n"},
		{"plugins:\n  a:\n    settings:\n      a: \"${env:", "}\"\n",
			"kk'"},
	};
	const size_t bytes = 1 << 20;
	char *name = malloc(bytes + 1);

	cr_assert(name);
	memset(name, 'k', bytes);
	name[bytes] = '\0';
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *yaml = memory_format("%s%s%s%s%s",
			*rows[i].before ? "" : "? ", rows[i].before, name,
			*rows[i].after == ':' || *rows[i].after == ' ' ? "\n"
								       : "",
			rows[i].after);
		char *text = problems_of(yaml, strlen(yaml));

		cr_expect(strstr(text, rows[i].says), "%zu: %.2000s", i, text);
		cr_expect_leq(strlen(text), 4096);
		free(text);
		free(yaml);
	}
	free(name);
}

Test(config, makes_problems_printable)
{
	static const char yaml[] = "\"a\\e[31m\\nb\": 1\n";
	char *text = problems_of(yaml, strlen(yaml));
	cr_expect_str_eq(
		text, "t.yaml:1:1: unknown key 'a?[31m?b'\n", "%s", text);
	free(text);
}

Test(config, refuses_deep_nesting_and_huge_files)
{
	char deep[200] = "plugins: {a: {settings: {x: ";
	memset(deep + strlen(deep), '[', 100);
	char *text = problems_of(deep, strlen(deep));
	cr_expect_str_eq(text, "t.yaml:1:57: nested deeper than 32 levels\n",
		"%s", text);
	free(text);
	size_t length = CONFIG_FILE_BYTES_MAX + 1;
	char *huge = malloc(length);
	memset(huge, '#', length);
	text = problems_of(huge, length);
	cr_expect_str_eq(text, "t.yaml: larger than 4 MiB\n", "%s", text);
	free(text);
	free(huge);
}

Test(config, counts_problems_beyond_the_limit)
{
	char yaml[8000] = "";
	for (int i = 0; i < 300; i++)
		sprintf(yaml + strlen(yaml), "unknown%d: 1\n", i);
	char *text = problems_of(yaml, strlen(yaml));
	cr_expect(strstr(text, "\nand 100 more problems\n"), "%s", text);
	free(text);
}

/* ---- what is right ---- */

Test(config, fills_in_every_default)
{
	struct config *c = load_good("");
	cr_expect_null(c->runtime_dir);
	cr_expect_null(c->state_dir);
	cr_expect_eq(c->log.level, LOG_INFO);
	cr_expect_eq(c->log.format, LOG_TEXT);
	cr_expect_eq(c->listen.count, 0);
	cr_expect_eq(c->plugin_dirs.count, 1);
	cr_expect_eq(c->limits.head_bytes, 16 << 10);
	cr_expect_eq(c->limits.headers, 100);
	cr_expect_eq(c->limits.body_bytes, 10 << 20);
	cr_expect_eq(c->limits.connections, 10000);
	cr_expect_eq(c->limits.head_timeout_ms, 10000);
	cr_expect_eq(c->limits.body_timeout_ms, 30000);
	cr_expect_eq(c->limits.idle_timeout_ms, 75000);
	cr_expect_eq(c->limits.write_timeout_ms, 30000);
	cr_expect_eq(c->admin.tokens.count, 0);
	cr_expect_eq(c->admin.peers.items[0].number, 0);
	cr_expect_eq(c->admin.peers.items[0].role, ROLE_ADMIN);
	cr_expect_eq(c->admin.peers.items[c->admin.peers.count - 1].number,
		geteuid());
	cr_expect(c->admin.http);
	const struct plugin_limits *d = &c->defaults;
	cr_expect_eq(d->start_timeout_ms, 10000);
	cr_expect_eq(d->health_timeout_ms, 10000);
	cr_expect_eq(d->drain_timeout_ms, 10000);
	cr_expect_eq(d->stream_drain_ms, 3600000);
	cr_expect_eq(d->stop_timeout_ms, 5000);
	cr_expect_eq(d->hold_timeout_ms, 10000);
	cr_expect_eq(d->hold_max, 10000);
	cr_expect_eq(d->hold_bytes, 64 << 20);
	cr_expect_eq(d->max_in_flight, 1024);
	cr_expect_eq(d->request_timeout_ms, 30000);
	cr_expect_eq(d->ping_timeout_ms, 30000);
	cr_expect_eq(d->probation_ms, 5000);
	cr_expect_eq(d->max_retiring, 4);
	cr_expect_eq(d->crash.early_max, 10);
	cr_expect_eq(d->crash.within_ms, 300000);
	cr_expect_eq(d->link, LINK_NNG);
	cr_expect_eq(c->plugin_count, 0);
	config_unref(c);
}

static const char full[] =
	"runtime_dir: run\n"
	"state_dir: /var/lib/x\n"
	"log: {level: debug, format: json}\n"
	"listen:\n"
	"  - http: 127.0.0.1:8080\n"
	"  - http: \"[::1]:8081\"\n"
	"  - http: unix:web.sock\n"
	"  - http: localhost:0\n"
	"plugin_dirs: [/usr/lib/supd/plugins, ./plugins, .]\n"
	"limits: {body: 512, connections: 7}\n"
	"admin:\n"
	"  tokens: [{name: ops, role: operator, sha256: 00112233445566778899"
	"aabbccddeeff00112233445566778899aabbccddeeff}]\n"
	"  peers: [{uid: root, role: admin}, {gid: 12, role: viewer}]\n"
	"  http: false\n"
	"  metrics: open\n"
	"trusted_proxies: [127.0.0.1/32, \"2001:db8::/32\", unix]\n"
	"plugins:\n"
	"  later: {requires: [kv]}\n"
	"  kv:\n"
	"  bot-a: {use: irc, enabled: false, required: false, watch: false,\n"
	"    drain_timeout: 30s, crash: {within: 1m}, link: native,\n"
	"    mount: /bot-a, namespace: bot-a, env: {TZ: UTC, N: 8},\n"
	"    settings: {server: \"127.0.0.1:6667\", n: 1, r: 1.5, b: true,\n"
	"      z: null, t: 007, q: \"1\", l: [1, {a: b}], e: }}\n"
	"defaults: {drain_timeout: 20s, hold_max: 5}\n"
	"reload: {on_sighup: apply, watch: false, debounce: 500ms}\n";

Test(config, reads_listeners_and_paths)
{
	struct config *c = load_good(full);
	cr_expect_str_eq(c->runtime_dir, "/etc/supd/run");
	cr_expect_str_eq(c->state_dir, "/var/lib/x");
	cr_expect_eq(c->log.level, LOG_DEBUG);
	cr_expect_eq(c->log.format, LOG_JSON);
	cr_assert_eq(c->listen.count, 4);
	const struct sockaddr_in *v4 =
		(const void *)&c->listen.items[0].address;
	cr_expect_eq(v4->sin_family, AF_INET);
	cr_expect_eq(ntohs(v4->sin_port), 8080);
	const struct sockaddr_in6 *v6 =
		(const void *)&c->listen.items[1].address;
	cr_expect_eq(v6->sin6_family, AF_INET6);
	cr_expect_eq(ntohs(v6->sin6_port), 8081);
	cr_expect(IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr));
	const struct sockaddr_un *local =
		(const void *)&c->listen.items[2].address;
	cr_expect_eq(local->sun_family, AF_UNIX);
	cr_expect_str_eq(local->sun_path, "/etc/supd/web.sock");
	cr_expect_str_eq(c->listen.items[2].http, "unix:/etc/supd/web.sock");
	cr_expect_str_eq(c->listen.items[3].http, "127.0.0.1:0");
	cr_assert_eq(c->plugin_dirs.count, 3);
	cr_expect_str_eq(c->plugin_dirs.items[0], "/usr/lib/supd/plugins");
	cr_expect_str_eq(c->plugin_dirs.items[1], "/etc/supd/plugins");
	cr_expect_str_eq(c->plugin_dirs.items[2], "/etc/supd");
	cr_expect_eq(c->limits.body_bytes, 512);
	config_unref(c);
}

Test(config, resolves_tokens_and_peers)
{
	struct config *c = load_good(full);
	cr_expect_eq(c->admin.tokens.items[0].role, ROLE_OPERATOR);
	cr_expect_eq(c->admin.tokens.items[0].sha256[1], 0x11);
	cr_expect_eq(c->admin.tokens.items[0].sha256[31], 0xff);
	cr_assert_eq(c->admin.peers.count, 2);
	cr_expect_not(c->admin.peers.items[0].is_group);
	cr_expect_eq(c->admin.peers.items[0].number, 0);
	cr_expect(c->admin.peers.items[1].is_group);
	cr_expect_eq(c->admin.peers.items[1].number, 12);
	cr_expect_eq(c->admin.peers.items[1].role, ROLE_VIEWER);
	cr_expect_not(c->admin.http);
	config_unref(c);
}

Test(config, gives_each_plugin_its_own_limits)
{
	struct config *c = load_good(full);
	const struct plugin_config *kv = config_plugin(c, "kv");
	cr_expect_str_eq(kv->use, "kv");
	cr_expect(kv->enabled && !kv->required);
	cr_expect_eq(kv->limits.drain_timeout_ms, 20000);
	cr_expect_not(kv->link_is_set);
	cr_expect_str_eq(kv->mount, "");
	cr_expect_eq(json_object_size(kv->settings), 0);
	cr_expect_str_eq(kv->file, "/etc/supd/t.yaml");
	cr_expect_eq(kv->line, 19);
	cr_expect_eq(kv->column, 3);
	const struct plugin_config *bot = config_plugin(c, "bot-a");
	cr_expect_str_eq(bot->use, "irc");
	cr_expect(!bot->enabled && !bot->required);
	cr_expect_eq(bot->limits.drain_timeout_ms, 30000);
	cr_expect_eq(bot->limits.hold_max, 5);
	cr_expect_eq(bot->limits.crash.within_ms, 60000);
	cr_expect_eq(bot->limits.crash.early_max, 10);
	cr_expect(bot->link_is_set);
	cr_expect_eq(bot->limits.link, LINK_NATIVE);
	cr_expect_str_eq(bot->mount, "/bot-a");
	cr_expect_str_eq(bot->namespace, "bot-a");
	cr_assert_eq(bot->env.count, 2);
	cr_expect_str_eq(bot->env.items[0], "TZ=UTC");
	cr_expect_str_eq(bot->env.items[1], "N=8");
	config_unref(c);
}

Test(config, types_settings_as_json_would)
{
	struct config *c = load_good(full);
	json_t *expected = json_loads(
		"{\"server\": \"127.0.0.1:6667\", \"n\": 1, \"r\": 1.5, "
		"\"b\": true, \"z\": null, \"t\": \"007\", \"q\": \"1\", "
		"\"l\": [1, {\"a\": \"b\"}], \"e\": null}",
		0, NULL);
	cr_expect(json_equal(config_plugin(c, "bot-a")->settings, expected));
	json_decref(expected);
	config_unref(c);
}

Test(config, starts_requirements_first_else_in_file_order)
{
	struct config *c = load_good(full);
	cr_expect_eq(c->start_order[0], 1); /* kv */
	cr_expect_eq(c->start_order[1], 0); /* later */
	cr_expect_eq(c->start_order[2], 2); /* bot-a */
	config_unref(c);
}

Test(config, accepts_json)
{
	struct config *c = load_good(
		"{\"log\": {\"level\": \"warn\"},\n\t\"limits\": "
		"{\"headers\": 5},\n \"plugins\": {\"a\": {\"settings\": "
		"{\"u\": \"http:\\/\\/x\", \"t\": \"\\u00e9\"}}}}\n");
	cr_expect_eq(c->log.level, LOG_WARN);
	cr_expect_eq(c->limits.headers, 5);
	const json_t *s = config_plugin(c, "a")->settings;
	cr_expect_str_eq(
		json_string_value(json_object_get(s, "u")), "http://x");
	cr_expect_str_eq(
		json_string_value(json_object_get(s, "t")), "\xc3\xa9");
	config_unref(c);
}

Test(config, accepts_a_byte_order_mark_and_empty_sections)
{
	struct config *c = load_good(
		"\xef\xbb\xbflog:\nlisten:\nplugins:\n  a:\ndefaults:\n");
	cr_expect_eq(c->plugin_count, 1);
	config_unref(c);
}

Test(config, finds_one_of_a_thousand_plugins)
{
	char *yaml = malloc(100000);
	strcpy(yaml, "plugins:\n");
	size_t length = strlen(yaml);
	for (int i = 0; i < 1000; i++)
		length += (size_t)sprintf(yaml + length, "  p%d: {}\n", i);
	struct config *c = load_good(yaml);
	cr_assert_eq(c->plugin_count, 1000);
	cr_expect_str_eq(config_plugin(c, "p777")->id, "p777");
	cr_expect_null(config_plugin(c, "p1000"));
	free(yaml);
	config_unref(c);
}

Test(config, lets_a_plugin_outlive_its_config)
{
	struct config *c = load_good(full);
	struct plugin_config *kept =
		plugin_config_ref(config_plugin(c, "bot-a"));
	config_unref(config_ref(c));
	config_unref(c);
	cr_expect_str_eq(kept->env.items[0], "TZ=UTC");
	plugin_config_unref(kept);
}

/* ---- several files ---- */

Test(config, merges_conf_d_in_name_order)
{
	struct folder f = folder_make();
	folder_write(&f, "supd.yaml", "log: {level: warn}\nplugins: {a: {}}\n");
	folder_write(&f, "conf.d/20.yaml", "plugins: {c: {}}\n");
	folder_write(&f, "conf.d/10.yaml",
		"log: {format: json}\nplugins: {b: {}}\nplugin_dirs: [p]\n");
	folder_write(&f, "conf.d/.hidden.yaml", "nonsense\n");
	folder_write(&f, "conf.d/30.yaml.bak", "nonsense\n");
	char *path = folder_path(&f, "supd.yaml");
	struct problems problems = {0};
	struct config *c = config_load(path, &problems);
	cr_assert(c);
	cr_expect_eq(c->log.level, LOG_WARN);
	cr_expect_eq(c->log.format, LOG_JSON);
	cr_assert_eq(c->plugin_count, 3);
	cr_expect_str_eq(c->plugins[1]->id, "b");
	cr_expect_str_eq(c->plugins[2]->id, "c");
	cr_expect_eq(c->files.count, 3);
	char *dirs = folder_path(&f, "conf.d/p");
	cr_expect_str_eq(c->plugin_dirs.items[0], dirs);
	problems_finish(&problems);
	free(dirs);
	free(path);
	config_unref(c);
	folder_remove(&f);
}

Test(config, names_both_places_of_a_double)
{
	struct folder f = folder_make();
	folder_write(
		&f, "supd.yaml", "log: {level: warn}\nplugins:\n  a: {}\n");
	folder_write(&f, "conf.d/1.yaml",
		"log:\n  level: warn\nplugins:\n  b: {}\n  a: {}\n");
	folder_write(&f, "conf.d/2.yaml", "oops: [\n");
	char *text = folder_check(&f);
	cr_expect_str_eq(text,
		"D/conf.d/1.yaml:2:3: 'level' is set already in "
		"D/supd.yaml:1:7\n"
		"D/conf.d/1.yaml:5:3: 'a' is set already in "
		"D/supd.yaml:3:3\n"
		"D/conf.d/2.yaml:2:1: not YAML: did not find expected node "
		"content while parsing a flow node\n",
		"%s", text);
	free(text);
	folder_remove(&f);
}

Test(config, says_which_file_cannot_be_read)
{
	struct folder f = folder_make();
	char *text = folder_check(&f);
	cr_expect_str_eq(text,
		"D/supd.yaml: cannot be opened: No such file or directory\n",
		"%s", text);
	free(text);
	folder_write(&f, "supd.yaml/x", "");
	text = folder_check(&f);
	cr_expect_str_eq(
		text, "D/supd.yaml: is not a regular file\n", "%s", text);
	free(text);
	folder_remove(&f);
}

/* ---- units ---- */

Test(units, round_trip)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} times[] = {{"0", 0}, {"1ms", 1}, {"1500ms", 1500}, {"10s", 10000},
		{"5m", 300000}, {"1h", 3600000}};
	char out[UNIT_TEXT_BYTES];
	uint64_t value;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		cr_expect(duration_parse(times[i].text, &value));
		cr_expect_eq(value, times[i].ms);
		cr_expect_str_eq(duration_format(value, out), times[i].text);
	}
	cr_expect_str_eq(size_format(64 << 20, out), "64MiB");
	cr_expect_str_eq(size_format(1500, out), "1500B");
	cr_expect(duration_parse("7d", &value));
	cr_expect_str_eq(duration_format(value, out), "168h");
	static const char *const bad[] = {"", "s", "1", "1 s", "1w", "-1s",
		"1S", "18446744073709551616ms"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(duration_parse(bad[i], &value), "%s", bad[i]);
}

/* The roff of a page would fail only when somebody reads it. */
Test(config, prints_every_key_for_a_manual_page)
{
	static const char *const rows[] = {
		"\n.TP\n\\fBlimits.head\\fR (size 1KiB\\-1MiB; default "
		"16KiB)\nRequest line and headers together; beyond it 431. A "
		"change: live.\n",
		"\n.TP\n\\fBplugins.ID.\\fR...\nAny key of \\fBdefaults\\fR.",
		"A change: configure or reload.\n",
		"\n.TP\n\\fBlisten[].tls\\fR (map)\nCertificate and key. Not "
		"supported yet.\n",
		"\n.TP\n\\fBhealth.probes[].expect\\fR (number 100\\-599; "
		"default 200)\n",
		"\n.TP\n\\fBname\\fR (string; required)\n",
	};
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	putc('\n', out);
	config_print_man_keys(out, false);
	config_print_man_keys(out, true);
	fclose(out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect(strstr(text, rows[i]), "%s", rows[i]);
	free(text);
}

Test(config, prints_a_reference_of_every_key)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	config_print_reference(out);
	fclose(out);
	static const char *const rows[] = {
		"| `limits.head` | size 1KiB-1MiB | `16KiB` | live |",
		"| `listen[].http` | string | *required* | rebind |",
		"| `defaults.crash.within` | time 100ms-24h | `5m` | live |",
		"| `plugins.ID.mount` | string of at most 256 bytes | | "
		"reload |",
		"| `health.probes[].expect` | number 100-599 | `200` |",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect(strstr(text, rows[i]), "%s", rows[i]);
	free(text);
}
