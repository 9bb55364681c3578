/* taker: something that only one worker may have, for tests of take-overs.
 *
 * settings: services: "a,b"; overlap: "c": services by name. Each has a lock
 * (flock on LOCKS.NAME; not those whose name begins with o), and `take`, with
 * `exclusive: true`, has LOCKS.take: who cannot lock at once reports that, as
 * there are two holders. port: the first service listens on it. What a call
 * does is a script, a word for each call, the last one for all others: start,
 * stop, take, quiesce: "ok", "fail", "hang" (until it is cancelled),
 * "deaf" (never answers), "die" (KILL),
 * "late" (answers after a moment),
 * "gate" (answers once LOCKS.gate is there; LOCKS.waits is there meanwhile),
 * "gatefail" (the same, and fails),
 * "broken" (ok, then reports that it has failed). only: the scripts are for
 * this service. journal: a file; each call and outcome is a line "GENERATION
 * WHAT NAME". http: GET /gen, GET /slow (answers when /go is asked), POST
 * /echo, GET /say/{state}/{text}: service.status of the first service,
 * GET /offer/{names}: offers these services instead ("-": none). */
#include <arpa/inet.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVICES_MAX 64
#define LATE_S 0.3

struct resource {
	char name[64];
	int fd, listener;
	ev_io accepts;
};

struct script {
	const char *setting;
	unsigned calls;
};

static struct resource resources[SERVICES_MAX],
	taken = {.name = "take", .fd = -1, .listener = -1};
static size_t resource_count;
static struct script starts = {"start", 0}, stops = {"stop", 0},
		     takes = {"take", 0}, quiesces = {"quiesce", 0};
static struct sup_req *slow[64];
static size_t slow_count;

static void
note(struct sup *p, const char *what, const char *name)
{
	const char *path = sup_setting_string(p, "journal", NULL);
	char line[256];
	int fd, length;

	if (!path)
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	length = snprintf(line, sizeof(line), "%u %s %s\n", sup_generation(p),
		what, name);
	if (fd < 0 || write(fd, line, (size_t)length) != length)
		abort();
	close(fd);
}

/* ---- scripts ---- */

static void
next_word(struct sup *p, struct script *s, const char *name, char out[16])
{
	const char *only = sup_setting_string(p, "only", NULL);
	const char *at = sup_setting_string(p, s->setting, "ok"), *comma;
	size_t length;

	if (only && strcmp(only, name) != 0) {
		snprintf(out, 16, "ok");
		return;
	}
	for (unsigned i = s->calls++; i && (comma = strchr(at, ',')); i--)
		at = comma + 1;
	length = strcspn(at, ",");
	snprintf(out, 16, "%.*s", (int)(length < 15 ? length : 15), at);
}

/* ---- the resource ---- */

static void
on_client(struct ev_loop *loop, ev_io *io, int events)
{
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "hello\n");
	close(fd);
}

static int
listen_on(struct sup *p, struct resource *r, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(r->listener, (struct sockaddr *)&to, sizeof(to)) ||
		listen(r->listener, 64)) {
		close(r->listener);
		r->listener = -1;
		return -1;
	}
	ev_io_init(&r->accepts, on_client, r->listener, EV_READ);
	ev_io_start(sup_loop(p), &r->accepts);
	return 0;
}

static void
let_go(struct sup *p, struct resource *r)
{
	if (r->listener >= 0) {
		ev_io_stop(sup_loop(p), &r->accepts);
		close(r->listener);
	}
	if (r->fd >= 0)
		close(r->fd);
	r->fd = r->listener = -1;
}

static int
get_hold(struct sup *p, struct resource *r, bool is_shared)
{
	int port = (int)sup_setting_int(p, "port", 0);
	char path[512];

	let_go(p, r);
	snprintf(path, sizeof(path), "%s.%s",
		sup_setting_string(p, "locks", "/dev/null"), r->name);
	r->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (!is_shared && flock(r->fd, LOCK_EX | LOCK_NB)) {
		note(p, "two-holders", r->name);
		return -1;
	}
	if (port && r == resources && listen_on(p, r, port)) {
		note(p, "no-port", r->name);
		let_go(p, r);
		return -1;
	}
	return 0;
}

/* ---- calls ---- */

struct late {
	ev_timer timer;
	struct sup_req *req;
	bool fails;
};

static void
name_file(struct sup *p, const char *what, char path[512])
{
	snprintf(path, 512, "%s.%s", sup_setting_string(p, "locks", "/"), what);
}

static void
look_at_gate(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct late *late = (struct late *)timer;
	char gate[512], waits[512];

	name_file(sup_req_plugin(late->req), "gate", gate);
	name_file(sup_req_plugin(late->req), "waits", waits);
	if (access(gate, F_OK))
		return;
	unlink(waits);
	ev_timer_stop(loop, timer);
	if (late->fails)
		sup_fail(late->req, SUP_FAILED, "fails at the gate");
	else
		sup_ok(late->req);
	free(late);
}

static void
wait_at_gate(struct sup_req *req, bool fails)
{
	struct late *late = calloc(1, sizeof(*late));
	char waits[512];

	if (!late)
		abort();
	name_file(sup_req_plugin(req), "waits", waits);
	close(open(waits, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	late->req = req;
	late->fails = fails;
	ev_timer_init(&late->timer, look_at_gate, 0., 0.002);
	ev_timer_start(sup_loop(sup_req_plugin(req)), &late->timer);
}

static void
late_now(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct late *late = (struct late *)timer;

	sup_ok(late->req);
	free(late);
}

static void
answer_late(struct sup_req *req)
{
	struct late *late = calloc(1, sizeof(*late));

	if (!late)
		abort();
	late->req = req;
	ev_timer_init(&late->timer, late_now, LATE_S, 0.);
	ev_timer_start(sup_loop(sup_req_plugin(req)), &late->timer);
}

static void
cancelled(struct sup_req *req, void *user)
{
	sup_fail(req, SUP_CANCELLED, "cancelled");
}

/* Whether the call is to go on as usual. */
static bool
plays(struct sup_req *req, struct script *s, const char *name, char word[16])
{
	struct sup *p = sup_req_plugin(req);

	next_word(p, s, name, word);
	note(p, s->setting, name);
	if (!strcmp(word, "die")) {
		kill(getpid(), SIGKILL);
	} else if (!strcmp(word, "hang")) {
		sup_on_cancel(req, cancelled, NULL);
	} else if (!strcmp(word, "deaf")) {
		note(p, "deaf", name);
	} else if (!strcmp(word, "fail")) {
		note(p, "failed", name);
		sup_fail(req, SUP_FAILED, "%s of %s fails as asked", s->setting,
			name);
	} else {
		return true;
	}
	return false;
}

static void
start(struct sup_req *req, void *user)
{
	struct resource *r = user;
	struct sup *p = sup_req_plugin(req);
	bool is_shared = r->name[0] == 'o';
	char word[16];

	if (!plays(req, &starts, r->name, word))
		return;
	if (get_hold(p, r, is_shared)) {
		sup_fail(req, SUP_CONFLICT, "somebody else has it");
		return;
	}
	note(p, "runs", r->name);
	if (!strncmp(word, "gate", 4))
		wait_at_gate(req, !strcmp(word, "gatefail"));
	else if (!strcmp(word, "late"))
		answer_late(req);
	else
		sup_ok(req);
	if (!strcmp(word, "broken"))
		sup_service_status(
			p, r->name, SUP_SERVICE_FAILED, "%s", "it broke");
}

static void
stop(struct sup_req *req, void *user)
{
	struct resource *r = user;
	struct sup *p = sup_req_plugin(req);
	char word[16];

	if (!plays(req, &stops, r->name, word))
		return;
	let_go(p, r);
	note(p, "stopped", r->name);
	if (!strcmp(word, "gate"))
		wait_at_gate(req, false);
	else if (!strcmp(word, "late"))
		answer_late(req);
	else
		sup_ok(req);
}

static void
take(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);
	char epoch[32], word[16];

	snprintf(epoch, sizeof(epoch), "%llu",
		(unsigned long long)sup_req_epoch(req));
	if (!plays(req, &takes, "take", word))
		return;
	if (sup_setting_bool(p, "exclusive", false) &&
		get_hold(p, &taken, false)) {
		sup_fail(req, SUP_CONFLICT, "somebody else has it");
		return;
	}
	note(p, "epoch", epoch);
	sup_ok(req);
}

static void
quiesce(struct sup_req *req, void *user)
{
	char word[16];

	if (!plays(req, &quiesces, "quiesce", word))
		return;
	let_go(sup_req_plugin(req), &taken);
	sup_ok(req);
}

/* ---- http ---- */

static void
tell_generation(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "{\"generation\":%u}",
		sup_generation(sup_req_plugin(req)));
}

static void
answer_slowly(struct sup_req *req, void *user)
{
	if (slow_count < sizeof(slow) / sizeof(slow[0]))
		slow[slow_count++] = req;
	else
		sup_fail(req, SUP_BUSY, "too many");
}

static void
go(struct sup_req *req, void *user)
{
	while (slow_count)
		tell_generation(slow[--slow_count], NULL);
	sup_ok(req);
}

static void
echo(struct sup_req *req, void *user)
{
	size_t size;
	const void *body = sup_req_body(req, &size);

	sup_reply(req, 200, "text/plain", body, size);
}

static void
say(struct sup_req *req, void *user)
{
	const char *state = sup_req_param(req, "state");

	sup_service_status(sup_req_plugin(req), resources[0].name,
		!strcmp(state, "running")   ? SUP_SERVICE_RUNNING
		: !strcmp(state, "waiting") ? SUP_SERVICE_WAITING
					    : SUP_SERVICE_FAILED,
		"%s", sup_req_param(req, "text"));
	sup_ok(req);
}

/* ---- offers ---- */

static struct resource *
resource_named(const char *name)
{
	struct resource *r = resources;

	while (r < resources + resource_count && strcmp(r->name, name) != 0)
		r++;
	if (r == resources + SERVICES_MAX)
		abort();
	if (r == resources + resource_count) {
		resource_count++;
		*r = (struct resource){.fd = -1, .listener = -1};
		snprintf(r->name, sizeof(r->name), "%s", name);
	}
	return r;
}

static int
offer_services(struct sup *p, const char *said, bool overlap)
{
	char names[512], *at = names, *name;
	struct sup_offer offer = {.kind = SUP_SERVICE,
		.handler = start,
		.stop = stop,
		.overlap = overlap};

	snprintf(names, sizeof(names), "%s", said);
	while ((name = strsep(&at, ","))) {
		if (!*name || *name == '-')
			continue;
		offer.user = resource_named(name);
		offer.name = name;
		if (sup_register(p, &offer))
			return -1;
	}
	return 0;
}

static int
change(struct sup *p, void *user)
{
	for (size_t i = 0; i < resource_count; i++)
		sup_withdraw(p, "service", resources[i].name);
	return offer_services(p, sup_req_param(user, "names"), false);
}

static void
offered(struct sup *p, const char *error, void *user)
{
	if (error)
		sup_reply(user, 409, "text/plain", error, strlen(error));
	else
		sup_ok(user);
}

static void
offer_others(struct sup_req *req, void *user)
{
	if (sup_replace_offers(sup_req_plugin(req), change, offered, req))
		sup_fail(req, SUP_FAILED, "not now");
}

static int
init(struct sup *p)
{
	if (offer_services(p, sup_setting_string(p, "services", ""), false) ||
		offer_services(p, sup_setting_string(p, "overlap", ""), true))
		return SUP_FAILED_TO_START;
	if (!sup_setting_bool(p, "plain", false)) {
		sup_on_take(p, take, NULL);
		sup_on_quiesce(p, quiesce, NULL);
	}
	if (sup_http(p, "GET", "/gen", tell_generation, NULL) ||
		sup_http(p, "GET", "/slow", answer_slowly, NULL) ||
		sup_http(p, "GET", "/go", go, NULL) ||
		sup_http(p, "POST", "/echo", echo, NULL) ||
		sup_http(p, "GET", "/offer/{names}", offer_others, NULL) ||
		sup_http(p, "GET", "/say/{state}/{text}", say, NULL))
		return SUP_FAILED_TO_START;
	return SUP_STARTED;
}

SUP_PLUGIN("taker", "1.0.0", init)
