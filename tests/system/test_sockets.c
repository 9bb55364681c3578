/* Sockets that a service manager opened before the start: fd:NAME. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(sockets, .fini = run_fini, .timeout = 100);

/* Binds each NAME=PATH of $SOCKETS, passes them on, and becomes supd. */
static const char manager[] =
	"import os, socket, sys\n"
	"names = []\n"
	"for i, item in enumerate(os.environ.pop('SOCKETS').split()):\n"
	"    name, path = item.split('=')\n"
	"    s = socket.socket(socket.AF_UNIX)\n"
	"    s.bind(path)\n"
	"    if not name.startswith('deaf'):\n"
	"        s.listen(5)\n"
	"    os.dup2(s.detach(), 50 + i)\n"
	"    names.append(name)\n"
	"for i in range(len(names)):\n"
	"    os.dup2(50 + i, 3 + i)\n"
	"    os.close(50 + i)\n"
	"os.environ['LISTEN_FDS'] = str(len(names))\n"
	"os.environ['LISTEN_FDNAMES'] = ':'.join(names)\n"
	"os.environ['LISTEN_PID'] = str(os.getpid() + int("
	"os.environ.pop('OFFSET', '0')))\n"
	"os.execv(sys.argv[1], sys.argv[1:])\n";

/* sockets: "NAME ..."; each is bound at DIR/NUMBER. */
static struct gateway_run *
prepare(const char *first, const char *second, const char *third)
{
	const char *wrapper[9] = {"python3", "-c", manager};
	struct gateway_run *g = run_create();
	char *sockets = memory_format("%s=%s/1 %s=%s/2 %s=%s/3", first, g->dir,
		second, g->dir, third, g->dir);

	setenv("SOCKETS", sockets, 1);
	free(sockets);
	memcpy(g->wrapper, wrapper, sizeof(g->wrapper));
	run_package(g, "fault", "fault");
	run_plugin(g, "fault", "use: fault");
	return g;
}

static void
use_socket(struct gateway_run *g, int number)
{
	snprintf(g->http, sizeof(g->http), "%s/%d", g->dir, number);
}

static void
set_listener(struct gateway_run *g, const char *name)
{
	snprintf(g->http, sizeof(g->http), "%s", name);
}

Test(sockets, that_were_passed_on_are_served_by_their_name)
{
	struct gateway_run *g = prepare("web", "other", "web");
	struct answer a;
	struct client c;
	size_t mark;
	char *path;

	set_listener(g, "fd:web");
	run_start(g);
	use_socket(g, 1);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	use_socket(g, 3);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	/* Workers know nothing of them. */
	a = http_get(g->http, "/fault/env");
	cr_expect_null(strstr(a.body, "LISTEN_"), "%s", a.body);
	answer_finish(&a);
	/* Another one, live, and the first again. */
	cr_assert(client_open(&c, g->http));
	mark = capture_length(&g->log);
	set_listener(g, "fd:other");
	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration applied in");
	use_socket(g, 2);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	cr_assert(client_get(&c, "/fault", &a), "the connection lives on");
	answer_finish(&a);
	client_close(&c);
	mark = capture_length(&g->log);
	set_listener(g, "fd:web");
	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration applied in");
	use_socket(g, 1);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	path = memory_copy_text(g->http);
	run_end(g);
	cr_expect_not(files_exist(path), "the whole folder is gone");
	free(path);
}

static void
refuses(struct gateway_run *g, const char *why)
{
	run_announce(g, why);
	run_spawn(g);
	cr_expect_eq(run_wait(g), 1);
	cr_expect(run_log_has(g, 0, why));
	run_forget(g);
}

Test(sockets, that_were_not_passed_on_refuse_the_start)
{
	struct gateway_run *g = prepare("web", "other", "more");

	set_listener(g, "fd:nothing");
	refuses(g, "cannot listen on fd:nothing: no socket of that name");
}

Test(sockets, that_do_not_listen_refuse_the_start)
{
	struct gateway_run *g = prepare("deaf", "other", "more");

	set_listener(g, "fd:deaf");
	refuses(g, "cannot listen on fd:deaf: descriptor 3 is not a "
		   "listening stream socket");
}

Test(sockets, for_another_process_are_not_taken)
{
	struct gateway_run *g = prepare("web", "other", "more");

	setenv("OFFSET", "1", 1);
	set_listener(g, "fd:web");
	refuses(g, "cannot listen on fd:web: no socket of that name");
}
