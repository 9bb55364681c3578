/* Sessions at /ws on the built programs: they outlive reloads, do what supctl
 * does with the same receipts, and let nobody do more than the token allows.
 * Real clients: Node's ws, Python's websockets, and a browser. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/shell.h"
#include "tests/system/session.h"

TestSuite(sessions, .fini = run_fini, .timeout = 250);

static struct gateway_run *
create(void)
{
	struct gateway_run *g = run_create();

	free(g->extra);
	g->extra = memory_copy_text(SESSION_ADMIN);
	return g;
}

/* A Python plugin `own` with these lines. */
static void
write_own(struct gateway_run *g, const char *lines)
{
	char *file = run_package_file(g, "own", "main.py");

	files_write(file,
		"import supd\nplugin = supd.Plugin('own', "
		"'1.0.0')\n%splugin.run()\n",
		lines);
	free(file);
}

static void
add_own(struct gateway_run *g, const char *lines)
{
	char *folder = memory_format("%s/packages/own", g->dir);
	char *manifest = run_package_file(g, "own", "plugin.yaml");

	cr_assert(!mkdir(folder, 0755));
	files_write(manifest,
		"name: own\nversion: 1.0.0\nexec: [python3, main.py]\n");
	write_own(g, lines);
	run_plugin(g, "own", "use: own");
	free(folder);
	free(manifest);
}

#define METHOD(name)                                                           \
	"@plugin.method('" name "')\n"                                         \
	"async def _(args):\n    return {'" name "': args}\n"

/* Of the answer's result. */
static const char *
text_at(const json_t *answer, const char *key)
{
	const char *text = json_string_value(
		json_object_get(json_object_get(answer, "result"), key));

	return text ? text : "";
}

static long
number_at(const json_t *answer, const char *key)
{
	return (long)json_integer_value(
		json_object_get(json_object_get(answer, "result"), key));
}

/* Who serves hello: asked over the session, and over HTTP. */
static long
session_generation(struct session *s)
{
	json_t *answer = session_call(s, "tools.call", "{\"name\": \"hello\"}");
	long generation = number_at(answer, "generation");

	json_decref(answer);
	return generation;
}

static long
http_generation(struct gateway_run *g)
{
	struct answer a = http_get(g->http, "/hello");
	long generation = answer_number(&a, "\"generation\":");

	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	return generation;
}

/* The one step of a swap is the same for all doors: whoever asks here and there
 * in turn never gets an older generation after a newer one. */
Test(sessions, and_http_see_the_same_generation_over_100_reloads)
{
	static const char *const args[] = {"reload", "hello", NULL};
	struct gateway_run *g = create();
	struct session s;
	long seen = 1;

	run_add_hello(g);
	run_start(g);
	session_open(&s, g, SESSION_OPS);
	for (int i = 2; i <= 101; i++) {
		struct ctl *c = ctl_begin(g, 0, args);

		for (bool is_http = false; seen < i; is_http = !is_http) {
			long now = is_http ? http_generation(g)
					   : session_generation(&s);

			cr_assert_geq(now, seen);
			cr_assert_leq(now, i);
			seen = now;
		}
		ctl_wait(c);
		cr_assert_eq(c->exit_code, 0, "%s", c->out);
		ctl_destroy(c);
		cr_assert_eq(session_generation(&s), i);
		cr_assert_eq(http_generation(g), i);
	}
	ctl_destroy(ctl_expect(g, 0, "stop", "hello", NULL));
	cr_expect_eq(session_error(session_call(
			     &s, "tools.call", "{\"name\": \"hello\"}")),
		-32000);
	cr_expect_eq(session_error(session_call(&s, "ping", NULL)), 0);
	session_close(&s);
	run_end(g);
}

Test(sessions, a_new_method_answers_on_the_first_call_after_the_verdict)
{
	struct gateway_run *g = create();
	struct session s;
	json_t *answer;

	add_own(g, METHOD("one"));
	run_start(g);
	session_open(&s, g, SESSION_OPS);
	answer = session_call(&s, "one", "{\"x\": 1}");
	cr_expect_eq(json_integer_value(json_object_get(
			     json_object_get(
				     json_object_get(answer, "result"), "one"),
			     "x")),
		1);
	json_decref(answer);
	cr_expect_eq(session_error(session_call(&s, "two", "{}")), -32601);
	write_own(g, METHOD("two"));
	cr_expect_eq(session_error(session_call(
			     &s, "plugins.reload", "{\"id\": \"own\"}")),
		0);
	cr_expect_eq(session_error(session_call(&s, "two", "{}")), 0);
	cr_expect_eq(session_error(session_call(&s, "one", "{}")), -32601);
	session_close(&s);
	run_end(g);
}

Test(sessions, a_reload_notifies_its_phases_and_fails_with_its_receipt)
{
	struct gateway_run *g = create();
	struct session s;
	json_t *answer, *note, *data;
	struct ctl *c;

	run_add_fault(g);
	run_start(g);
	session_open(&s, g, SESSION_OPS);
	json_decref(session_call(&s, "events.subscribe",
		"{\"patterns\": [\"reload.verdict\"]}"));
	answer = session_call(&s, "plugins.reload", "{\"id\": \"fault\"}");
	cr_expect_str_eq(text_at(answer, "trigger"), "session");
	cr_expect_str_eq(text_at(answer, "by"), "the token 'ops'");
	note = session_note(&s, "reload.phase");
	cr_expect_str_eq(
		json_string_value(json_object_get(note, "phase")), "staging");
	json_decref(note);
	note = session_note(&s, "event");
	cr_expect(json_equal(json_object_get(note, "data"),
		json_object_get(answer, "result")));
	json_decref(note);
	json_decref(answer);

	run_fault(g, "fault", "exit_at_start", "");
	answer = session_call(&s, "plugins.reload", "{\"id\": \"fault\"}");
	data = json_object_get(json_object_get(answer, "error"), "data");
	cr_expect_str_eq(
		json_string_value(json_object_get(data, "code")), "failed");
	c = ctl_expect(g, 0, "history", "-n", "1", NULL);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_object_get(data, "receipt"), "id")),
		ctl_text(c, "receipts.0.id"), "%s", c->out);
	ctl_destroy(c);
	json_decref(answer);
	session_close(&s);
	run_end(g);
}

Test(sessions, hear_of_calls_while_they_want_to)
{
	struct gateway_run *g = create();
	struct session ops, look;
	json_t *note, *data;

	run_add_hello(g);
	run_start(g);
	session_open(&ops, g, SESSION_OPS);
	session_open(&look, g, SESSION_LOOK);
	json_decref(session_call(
		&ops, "events.subscribe", "{\"patterns\": [\"tool.*\"]}"));
	json_decref(session_call(
		&look, "events.subscribe", "{\"patterns\": [\"*\"]}"));
	ctl_destroy(
		ctl_expect(g, 0, "call", "tool", "hello", "{\"x\": 1}", NULL));
	note = session_note(&ops, "event");
	cr_expect_str_eq(json_string_value(json_object_get(note, "event")),
		"tool.before");
	data = json_object_get(note, "data");
	cr_expect_str_eq(
		json_string_value(json_object_get(data, "name")), "hello");
	json_decref(note);
	note = session_note(&ops, "event");
	cr_expect_str_eq(json_string_value(json_object_get(note, "event")),
		"tool.after");
	json_decref(note);
	cr_expect_eq(session_error(session_call(&look, "ping", NULL)), 0);
	cr_expect_eq(json_array_size(look.kept), 0,
		"arguments are not for those who may not call");
	session_close(&ops);
	session_close(&look);
	run_end(g);
}

/* Whoever has no right changes nothing, 100 times. */
Test(sessions, wrong_missing_and_viewer_tokens_change_nothing)
{
	static const char *const acts[][2] = {
		{"plugins.reload", "{\"id\": \"hello\"}"},
		{"plugins.stop", "{\"id\": \"hello\"}"},
		{"plugins.restart", "{\"id\": \"hello\"}"},
		{"plugins.disable", "{\"id\": \"hello\"}"},
		{"plugins.scan", "{}"},
		{"config.apply", "{}"},
		{"tools.call", "{\"name\": \"hello\"}"},
		{"commands.run", "{\"name\": \"hello\"}"},
		{"hello", "{}"},
	};
	struct gateway_run *g = create();
	struct session s, look;

	run_add_hello(g);
	run_start(g);
	session_open(&look, g, SESSION_LOOK);
	for (unsigned i = 0; i < 100; i++) {
		const char *const *act =
			acts[i % (sizeof(acts) / sizeof(*acts))];
		json_t *answer;

		cr_assert_eq(
			session_try(&s, g, "Authorization: Bearer nobody\r\n"),
			401);
		cr_assert_eq(session_try(&s, g, ""), 101);
		answer = session_call(&s, act[0], act[1]);
		cr_expect(!answer || session_error(answer) == -32000);
		cr_expect_null(session_hear(&s));
		cr_expect_eq(s.close_code, 1008);
		session_close(&s);
		answer = session_call(&look, act[0], act[1]);
		cr_assert(answer);
		cr_expect(session_error(answer) != 0, "%s", act[0]);
	}
	cr_expect_eq(
		session_error(session_call(&look, "plugins.list", "{}")), 0);
	session_close(&look);
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 1);
	run_end(g);
}

Test(sessions, a_token_that_an_apply_removes_ends_its_session)
{
	struct gateway_run *g = create();
	struct session ops, look;

	run_add_hello(g);
	run_start(g);
	session_open(&ops, g, SESSION_OPS);
	session_open(&look, g, SESSION_LOOK);
	free(g->extra);
	g->extra = memory_copy_text(
		"admin: {tokens: [{name: ops, role: operator, sha256: "
		"\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf52"
		"7a25b\"}]}\n");
	run_write_config(g);
	cr_expect_eq(
		session_error(session_call(&ops, "config.apply", "{}")), 0);
	cr_expect_null(session_hear(&look));
	cr_expect_eq(look.close_code, 1008);
	cr_expect_eq(session_error(session_call(&ops, "ping", NULL)), 0);
	session_close(&look);
	session_close(&ops);
	run_end(g);
}

Test(sessions, a_stop_closes_them_with_1001_after_what_is_owed)
{
	struct gateway_run *g = create();
	char *gate = memory_format("%s/gate", g->dir);
	char *lines = memory_format("import asyncio\n"
				    "def wait():\n"
				    "    with open('%s') as gate:\n"
				    "        gate.read()\n"
				    "@plugin.method('slow')\n"
				    "async def _(args):\n"
				    "    print('at work', flush=True)\n"
				    "    await asyncio.to_thread(wait)\n"
				    "    return 'done'\n",
		gate);
	struct session s;
	json_t *answer;
	int fd;

	cr_assert(!mkfifo(gate, 0600));
	add_own(g, lines);
	run_defaults(g, "stop_timeout: 60s");
	run_start(g);
	session_open(&s, g, SESSION_OPS);
	session_say(&s, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow\"}");
	run_await_log(g, 0, "at work");
	run_signal(g, SIGTERM);
	run_await_log(g, 0, "stopping: ");
	fd = open(gate, O_WRONLY | O_CLOEXEC);
	cr_assert(fd >= 0);
	close(fd);
	answer = session_hear(&s);
	cr_assert(answer);
	cr_expect_eq(session_error(answer), 0);
	cr_expect_null(session_hear(&s));
	cr_expect_eq(s.close_code, 1001);
	session_close(&s);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
	free(lines);
	free(gate);
}

/* Five of them, and one that reads. */
Test(sessions, who_does_not_read_is_closed_with_1013_and_costs_no_more)
{
	struct gateway_run *g = create();
	struct session reader, deaf[5];
	char *data = memory_alloc(60003);
	struct client c;
	unsigned seen = 0;

	/* so that nothing but its queue ends a session */
	free(g->extra);
	g->extra = memory_copy_text(
		SESSION_ADMIN "limits: {write_timeout: 10m}\n");
	run_add_hello(g);
	run_start(g);
	memset(data, 'd', 60002);
	data[0] = data[60001] = '"';
	session_open(&reader, g, SESSION_LOOK);
	json_decref(session_call(
		&reader, "events.subscribe", "{\"patterns\": [\"storm\"]}"));
	for (int i = 0; i < 5; i++) {
		session_open(&deaf[i], g, SESSION_LOOK);
		json_decref(session_call(&deaf[i], "events.subscribe",
			"{\"patterns\": [\"*\"]}"));
	}
	cr_assert(client_open(&c, g->http));
	for (int i = 0; i < 60; i++) {
		struct answer a;

		cr_assert(client_say(&c,
			"POST /api/events/storm HTTP/1.1\r\nHost: x\r\n"
			"Authorization: Bearer secret\r\n"
			"Content-Length: 60002\r\n\r\n%s",
			data));
		cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
		cr_assert_eq(a.status, 200);
		answer_finish(&a);
		json_decref(session_note(&reader, "event"));
		seen++;
	}
	client_close(&c);
	for (int i = 0; i < 5; i++) {
		json_t *heard;
		unsigned events = 0;

		while ((heard = session_hear(&deaf[i]))) {
			json_decref(heard);
			events++;
		}
		cr_expect_eq(deaf[i].close_code, 1013);
		cr_expect_lt(events, 60);
		session_close(&deaf[i]);
	}
	cr_expect_eq(seen, 60);
	cr_expect_eq(session_error(session_call(&reader, "ping", NULL)), 0);
	session_close(&reader);
	free(data);
	run_end(g);
}

/* ---- real clients ---- */

/* Opens a session, subscribes, reloads, and prints what it got. */
static const char node[] =
	"const {WebSocket} = require('/usr/share/nodejs/ws');\n"
	"const fs = require('fs');\n"
	"const socket = new WebSocket(`ws+unix://${process.argv[2]}:/ws`,\n"
	"    ['supd.v1', 'bearer.secret']);\n"
	"const say = (id, method, params) => socket.send(JSON.stringify(\n"
	"    {jsonrpc: '2.0', id, method, params}));\n"
	"socket.on('open', () => {\n"
	"  console.log('protocol', socket.protocol, socket.extensions);\n"
	"  say(1, 'events.subscribe', {patterns: ['reload.verdict']});\n"
	"  say(2, 'plugins.reload', {id: 'hello'});\n"
	"});\n"
	"socket.on('message', data => {\n"
	"  const m = JSON.parse(data);\n"
	"  if (m.method === 'event') console.log('event', m.params.event);\n"
	"  if (m.id === 2) { console.log('generation',\n"
	"      m.result.generation); socket.close(1000, 'bye'); }\n"
	"});\n"
	"socket.on('close', (code, reason) => console.log('closed', code,\n"
	"    String(reason)));\n";

static const char python[] =
	"import asyncio, json, sys, websockets\n"
	"async def main():\n"
	"    headers = {'Authorization': 'Bearer secret'}\n"
	"    async with websockets.unix_connect(sys.argv[1],\n"
	"            'ws://gate/ws', extra_headers=headers) as socket:\n"
	"        async def say(id, method, params):\n"
	"            await socket.send(json.dumps({'jsonrpc': '2.0',\n"
	"                'id': id, 'method': method, 'params': params}))\n"
	"        print('extensions', len(socket.extensions))\n"
	"        await (await socket.ping())\n"
	"        await say(1, 'events.subscribe',\n"
	"            {'patterns': ['reload.verdict']})\n"
	"        await say(2, 'plugins.reload', {'id': 'hello'})\n"
	"        seen = 0\n"
	"        while seen < 2:\n"
	"            m = json.loads(await socket.recv())\n"
	"            if m.get('method') == 'event':\n"
	"                print('event', m['params']['event']); seen += 1\n"
	"            if m.get('id') == 2:\n"
	"                print('generation', m['result']['generation'])\n"
	"                seen += 1\n"
	"    print('closed', socket.close_code)\n"
	"asyncio.run(main())\n";

static char *
write_script(struct gateway_run *g, const char *name, const char *text)
{
	char *path = memory_format("%s/%s", g->dir, name);

	files_write(path, "%s", text);
	return path;
}

Test(sessions, of_nodes_ws_and_pythons_websockets)
{
	struct gateway_run *g;
	char *said, *script;

	if (!files_exist("/usr/share/nodejs/ws/package.json"))
		cr_skip_test("node-ws is not installed");
	if (system("/usr/bin/python3 -c 'import websockets' 2>/dev/null"))
		cr_skip_test("python3-websockets is not installed");
	g = create();
	run_add_hello(g);
	run_start(g);
	script = write_script(g, "client.js", node);
	said = shell_expect(g, 0, "timeout 60 node %s %s", script, g->http);
	cr_expect(strstr(said, "protocol supd.v1 \n"), "%s", said);
	cr_expect(strstr(said, "event reload.verdict\n"), "%s", said);
	cr_expect(strstr(said, "generation 2\n"), "%s", said);
	cr_expect(strstr(said, "closed 1000 bye\n"), "%s", said);
	free(said);
	free(script);
	script = write_script(g, "client.py", python);
	said = shell_expect(
		g, 0, "timeout 60 /usr/bin/python3 %s %s", script, g->http);
	cr_expect(strstr(said, "extensions 0\n"), "%s", said);
	cr_expect(strstr(said, "event reload.verdict\n"), "%s", said);
	cr_expect(strstr(said, "generation 3\n"), "%s", said);
	cr_expect(strstr(said, "closed 1000\n"), "%s", said);
	free(said);
	free(script);
	run_end(g);
}

/* Each step follows only if the one before went right, so that the second
 * reload says that all did: a page of another origin is refused, this one may.
 */
static const char page[] =
	"<!DOCTYPE html><script>\n"
	"const protocols = ['supd.v1', 'bearer.secret'];\n"
	"const port = location.port;\n"
	"const say = (socket, id, method, params) => socket.send(\n"
	"    JSON.stringify({jsonrpc: '2.0', id, method, params}));\n"
	"function own() {\n"
	"  const socket = new WebSocket(`ws://${location.host}/ws`,\n"
	"      protocols);\n"
	"  let events = 0;\n"
	"  socket.onopen = () => {\n"
	"    if (socket.protocol !== 'supd.v1') return;\n"
	"    say(socket, 1, 'events.subscribe',\n"
	"        {patterns: ['reload.verdict']});\n"
	"    say(socket, 2, 'plugins.reload', {id: 'hello'});\n"
	"  };\n"
	"  const goOn = () => {\n"
	"    if (events === 2)\n"
	"      say(socket, 3, 'plugins.reload', {id: 'hello'});\n"
	"  };\n"
	"  socket.onmessage = ({data}) => {\n"
	"    const m = JSON.parse(data);\n"
	"    if (m.method === 'event' || m.id === 2) { events++; goOn(); }\n"
	"  };\n"
	"}\n"
	"const other = new WebSocket(`ws://localhost:${port}/ws`, protocols);\n"
	"other.onerror = own;\n"
	"</script>\n";

static pid_t
start_browser(struct gateway_run *g)
{
	char *url = memory_format("http://%s/page.html", g->http);
	char *home = memory_format("--user-data-dir=%s/browser", g->dir);
	pid_t pid = fork();

	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen("/dev/null", "w", stderr) ||
			!freopen("/dev/null", "w", stdout))
			_exit(126);
		setenv("HOME", g->dir, 1);
		execl("/usr/bin/chromium", "chromium", "--headless",
			"--no-sandbox", "--disable-gpu",
			"--disable-dev-shm-usage", "--no-first-run",
			"--remote-debugging-port=0", home, url, NULL);
		_exit(127);
	}
	cr_assert_gt(pid, 0);
	free(url);
	free(home);
	return pid;
}

/* A browser takes its time to start on a busy machine. */
static void
await_second_reload(struct gateway_run *g)
{
	uint64_t end_ms = clock_ms() + DEADLINE_MS(120000);

	while (ctl_status_number(g, "hello", "generation") < 3)
		cr_assert_lt(clock_ms(), end_ms, "the page did not reload");
}

Test(sessions, of_a_page_in_a_browser)
{
	struct gateway_run *g;
	char *path;
	pid_t browser;

	if (!files_exist("/usr/bin/chromium"))
		cr_skip_test("chromium is not installed");
	g = create();
	snprintf(g->http, sizeof(g->http), "127.0.0.1:%d", http_free_port());
	path = memory_format("%s/site", g->dir);
	cr_assert(!mkdir(path, 0755));
	free(path);
	run_add_hello(g);
	run_package(g, "static", "static");
	run_plugin(g, "static", "settings: {root: \"%s/site\"}", g->dir);
	free(write_script(g, "site/page.html", page));
	run_start(g);
	browser = start_browser(g);
	await_second_reload(g);
	cr_expect(!kill(-browser, SIGKILL));
	cr_expect_eq(waitpid(browser, NULL, 0), browser);
	run_end(g);
}
