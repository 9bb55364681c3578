/* supd behind Debian's nginx with the proxy settings that it comes with, where
 * nothing switches its buffering off: what must not wait does not. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"

TestSuite(front, .fini = run_fini, .timeout = 100);

#define NGINX "/usr/sbin/nginx"
#define AT_ONCE_MS 2000
/* SHA-256 of "one". */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

struct front {
	struct gateway_run *g;
	pid_t nginx;
	char where[96];
};

static void
write_config(struct front *f, const char *path)
{
	const char *dir = f->g->dir;

	files_write(path,
		"daemon off; master_process off; worker_processes 1;\n"
		"pid %s/nginx.pid; error_log %s/nginx.error warn;\n"
		"events { worker_connections 64; }\n"
		"http {\n"
		"  access_log off;\n"
		"  client_body_temp_path %s/nginx-body;\n"
		"  proxy_temp_path %s/nginx-proxy;\n"
		"  fastcgi_temp_path %s/nginx-fastcgi;\n"
		"  uwsgi_temp_path %s/nginx-uwsgi;\n"
		"  scgi_temp_path %s/nginx-scgi;\n"
		"  server {\n"
		"    listen unix:%s;\n"
		"    location / { proxy_pass http://unix:%s; }\n"
		"  }\n"
		"}\n",
		dir, dir, dir, dir, dir, dir, dir, f->where, f->g->http);
}

static void
front_start(struct front *f)
{
	struct client c;
	uint64_t end_ms = clock_ms() + HTTP_DEADLINE_MS;
	char *config, *errors;

	if (access(NGINX, X_OK))
		cr_skip_test("needs " NGINX " (apt-get install nginx-light)");
	f->g = run_create();
	snprintf(f->where, sizeof(f->where), "%s/front.sock", f->g->dir);
	run_package(f->g, "raw-stream", "stream");
	run_plugin(f->g, "stream", "use: stream");
	plan_extra(f->g,
		"admin: {tokens: [{name: one, role: operator, sha256: \"" ONE
		"\"}]}\n");
	run_start(f->g);
	config = memory_format("%s/nginx.conf", f->g->dir);
	errors = memory_format("%s/nginx.error", f->g->dir);
	write_config(f, config);
	f->nginx = fork();
	if (!f->nginx) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(NGINX, NGINX, "-c", config, "-e", errors, NULL);
		_exit(127);
	}
	while (!client_open(&c, f->where))
		cr_assert(clock_ms() < end_ms &&
				  !waitpid(f->nginx, NULL, WNOHANG),
			"nginx does not start");
	client_close(&c);
	free(config);
	free(errors);
}

static void
front_end(struct front *f)
{
	kill(f->nginx, SIGTERM);
	waitpid(f->nginx, NULL, 0);
	run_end(f->g);
}

/* Waits for `text`, no longer than what is called at once. */
static void
expect_at_once(struct client *c, struct buffer *all, const char *text)
{
	uint64_t began_ms = clock_ms();

	cr_expect(client_read_until(c, all, text), "no '%s' in: %.*s", text,
		(int)buffer_length(all), (char *)buffer_bytes(all));
	cr_expect_lt(clock_ms() - began_ms, AT_ONCE_MS, "'%s' was late", text);
}

Test(front, events_of_supd_arrive_at_once)
{
	struct buffer all = {0};
	struct front f;
	struct client c;

	front_start(&f);
	cr_assert(client_open(&c, f.where));
	cr_assert(client_say(&c, "GET /api/events HTTP/1.1\r\nHost: x\r\n"
				 "Authorization: Bearer one\r\n\r\n"));
	expect_at_once(&c, &all, "text/event-stream");
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "some.event%d", i);
		ctl_destroy(ctl_expect(f.g, 0, "emit", name, "1", NULL));
		expect_at_once(&c, &all, name);
	}
	client_close(&c);
	buffer_finish(&all);
	front_end(&f);
}

Test(front, events_of_a_plugin_arrive_at_once)
{
	struct buffer all = {0};
	struct front f;
	struct client c;

	front_start(&f);
	cr_assert(client_open(&c, f.where));
	cr_assert(client_say(
		&c, "GET /stream/events HTTP/1.1\r\nHost: x\r\n\r\n"));
	expect_at_once(&c, &all, ": hello");
	for (int i = 0; i < 3; i++) {
		char text[16];
		struct answer a;

		snprintf(text, sizeof(text), "event %d", i);
		a = http_post(f.where, "/stream/emit", text);
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
		expect_at_once(&c, &all, text);
	}
	client_close(&c);
	buffer_finish(&all);
	front_end(&f);
}
