/* fake: see fake.h. It knows the wire and the launch contract, not supd. */
#include "tests/system/fake.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/value.h"

#define NONCE "a-nonce-of-the-test"

/* ---- what the worker says ---- */

static void
fake_answer_hello(struct fake *f, const struct message *m)
{
	json_t *settings = json_loads(f->settings, 0, NULL);
	struct bytes nonce = codec_bytes(&m->params[1]);
	msgpack_packer *out;

	cr_assert(settings, "settings of the test");
	cr_expect(m->params[0].via.u64 == PROTOCOL_VERSION);
	cr_expect(bytes_equal(nonce, BYTES(NONCE)));
	out = peer_begin(&f->peer);
	codec_result(out, m->id);
	msgpack_pack_array(out, 4);
	codec_text(out, "sample");
	msgpack_pack_uint32(out, 7);
	value_pack(out, settings);
	msgpack_pack_map(out, 1);
	codec_text(out, LAUNCH_LIMIT_BODY);
	msgpack_pack_uint64(out, 1024 * 1024);
	peer_end(&f->peer);
	json_decref(settings);
	f->hello = true;
}

static void
fake_answer_ready(struct fake *f, const struct message *m)
{
	struct bytes version = codec_bytes(&m->params[0]);
	struct error err;
	msgpack_packer *out;

	cr_assert(!registration_set_read(&f->offers, &m->params[1], &err),
		"ready: %s", err.text);
	snprintf(f->version, sizeof(f->version), "%.*s", (int)version.length,
		version.at);
	out = peer_begin(&f->peer);
	if (f->refuse_ready) {
		codec_error(out, m->id, WIRE_CONFLICT, f->refuse_ready);
	} else {
		codec_result(out, m->id);
		msgpack_pack_nil(out);
	}
	peer_end(&f->peer);
	f->ready = true;
}

static void
fake_answer_call(struct fake *f, const struct message *m)
{
	msgpack_packer *out = peer_begin(&f->peer);

	f->calls++;
	codec_result(out, m->id);
	msgpack_pack_map(out, 1);
	codec_str(out, codec_bytes(&m->params[1]));
	msgpack_pack_object(out, m->params[2]);
	peer_end(&f->peer);
}

static void
fake_add(struct fake_answer *a, struct bytes bytes)
{
	size_t wanted = a->content_bytes + bytes.length + 1;

	if (wanted > a->content_room) {
		a->content_room = wanted * 2;
		a->content = memory_resize(a->content, a->content_room);
	}
	memcpy(a->content + a->content_bytes, bytes.at, bytes.length);
	a->content_bytes += bytes.length;
	a->content[a->content_bytes] = 0;
}

static bool
is_export(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == 4 &&
	       o->via.array.ptr[1].type == MSGPACK_OBJECT_BIN;
}

static void
fake_take_emit(struct fake *f, const struct message *m)
{
	struct bytes name = codec_bytes(&m->params[0]);
	json_t *data = value_from(&m->params[1], NULL);
	char *text = json_dumps(data, JSON_ENCODE_ANY | JSON_COMPACT);

	snprintf(f->emitted, sizeof(f->emitted), "%.*s %s", (int)name.length,
		name.at, text);
	free(text);
	json_decref(data);
	f->emits++;
}

static void
fake_take_answer(struct fake *f, const struct message *m)
{
	struct fake_answer *a = &f->answers[m->id % FAKE_ANSWERS];
	const msgpack_object *o = m->result;
	json_t *value;

	a->count++;
	if (m->error) {
		char text[150];
		enum wire_error code =
			codec_read_error(m->error, text, sizeof(text));

		snprintf(a->error, sizeof(a->error), "%s: %s",
			wire_error_text(code), text);
	} else if (is_export(o)) {
		a->status = (int)o->via.array.ptr[0].via.u64;
		fake_add(a, codec_bytes(&o->via.array.ptr[1]));
		a->more = o->via.array.ptr[2].via.boolean;
		snprintf(a->sha256, sizeof(a->sha256), "%.*s", 64,
			codec_bytes(&o->via.array.ptr[3]).at);
	} else if (o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == 4) {
		a->status = (int)o->via.array.ptr[0].via.u64;
		fake_add(a, codec_bytes(&o->via.array.ptr[2]));
		a->more = o->via.array.ptr[3].via.boolean;
	} else {
		value = value_from(o, NULL);
		free(a->content);
		a->content = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		a->content_room = 0;
		json_decref(value);
	}
}

static void
fake_take_chunk(struct fake *f, const struct message *m)
{
	uint32_t id = (uint32_t)m->params[0].via.u64;
	struct fake_answer *a = &f->answers[id % FAKE_ANSWERS];
	struct bytes bytes = codec_bytes(&m->params[1]);

	cr_expect(a->more, "a chunk of %u after its end", id);
	fake_add(a, bytes);
	a->chunks++;
	a->more = m->params[2].via.boolean;
	if (a->more && !f->holds_credit)
		fake_about(f, MESSAGE_CREDIT, id, (int64_t)bytes.length);
}

static void
fake_on_message(struct peer *p, const struct message *m)
{
	struct fake *f = p->owner;

	if (m->kind == MESSAGE_RESPONSE) {
		fake_take_answer(f, m);
		return;
	}
	switch (m->name) {
	case MESSAGE_HELLO:
		fake_answer_hello(f, m);
		return;
	case MESSAGE_READY:
		fake_answer_ready(f, m);
		return;
	case MESSAGE_CALL:
		fake_answer_call(f, m);
		return;
	case MESSAGE_CHUNK:
		fake_take_chunk(f, m);
		return;
	case MESSAGE_CREDIT:
		f->credited += m->params[1].via.u64;
		return;
	case MESSAGE_DRAINED:
		f->drained++;
		return;
	case MESSAGE_LOG:
		f->logs++;
		return;
	case MESSAGE_EMIT:
		fake_take_emit(f, m);
		return;
	default:
		cr_assert_fail("the worker said %.*s", (int)m->method.length,
			m->method.at);
	}
}

static void
fake_on_close(struct peer *p, const char *reason)
{
	struct fake *f = p->owner;

	f->closed = true;
	ev_break(f->loop, EVBREAK_ONE); /* it may come before the poll */
}

static const struct peer_ops fake_peer_ops = {
	.on_message = fake_on_message,
	.on_close = fake_on_close,
};

/* ---- starting and waiting ---- */

static void
fake_on_connect(struct ev_loop *loop, ev_io *w, int events)
{
	struct fake *f = container_of(w, struct fake, listening);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	cr_assert(fd >= 0);
	f->accepted = true;
	ev_io_stop(loop, w);
	close(w->fd);
	peer_init(&f->peer, &f->group, fd, &fake_peer_ops, f);
}

static void
fake_too_late(struct ev_loop *loop, ev_timer *timer, int events)
{
	container_of(timer, struct fake, deadline)->late = true;
}

static void
fake_listen(struct fake *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(f->folder, "/tmp/supd-test-XXXXXX");
	cr_assert(mkdtemp(f->folder));
	snprintf(f->socket_path, sizeof(f->socket_path), "%s/s", f->folder);
	strcpy(address.sun_path, f->socket_path);
	cr_assert(
		!bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	cr_assert(!listen(fd, 4));
	ev_io_init(&f->listening, fake_on_connect, fd, EV_READ);
	ev_io_start(f->loop, &f->listening);
}

static void
fake_spawn(struct fake *f, const char *plugin, const char *file,
	const char *link, const char *variable)
{
	char *worker = memory_format("%s/worker/sup-worker", getenv("BUILD"));
	char *folder = memory_format("%s/%s", getenv("BUILD"), plugin);
	bool hosted = strstr(file, ".so");
	char *hosts[] = {worker, strdup("host"), strdup(file), NULL};
	char *execs[] = {worker, strdup("exec"), strdup("--"),
		strdup("python3"), strdup(file), NULL};
	char *environment[] = {
		memory_format(LAUNCH_SOCKET "=%s", f->socket_path),
		memory_format(LAUNCH_LINK "=%s", link),
		variable && !strncmp(variable, LAUNCH_PARENT, 11)
			? strdup(LAUNCH_PROTOCOL "=1")
			: memory_format(LAUNCH_PARENT "=%d", (int)getpid()),
		strdup(LAUNCH_PLUGIN "=sample"),
		strdup(LAUNCH_GENERATION "=7"),
		strdup(LAUNCH_NONCE "=" NONCE),
		strdup(LAUNCH_PROTOCOL "=1"),
		memory_format("PATH=%s", getenv("PATH")),
		variable ? strdup(variable) : NULL,
		NULL,
	};
	posix_spawn_file_actions_t actions;
	int pipe_fds[2];

	cr_assert(!pipe2(pipe_fds, O_CLOEXEC));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, folder);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 2);
	cr_assert(!posix_spawn(&f->pid, worker, &actions, NULL,
			  hosted ? hosts : execs, environment),
		"cannot start %s", worker);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	f->output = pipe_fds[0];
	fcntl(f->output, F_SETFL, O_NONBLOCK);
	free(folder);
}

void
fake_start(struct fake *f, const char *plugin, const char *file,
	const char *link, const char *settings, const char *variable)
{
	memset(f, 0, sizeof(*f));
	signal(SIGPIPE, SIG_IGN);
	f->settings = settings;
	f->loop = ev_loop_new(EVFLAG_AUTO);
	peer_group_init(&f->group, f->loop);
	ev_timer_init(&f->deadline, fake_too_late,
		(double)FAKE_DEADLINE_MS / 1000, 0);
	ev_timer_start(f->loop, &f->deadline);
	fake_listen(f);
	fake_spawn(f, plugin, file, link, variable);
}

void
fake_turn(struct fake *f)
{
	char *output;

	ev_run(f->loop, EVRUN_ONCE);
	if (!f->late)
		return;
	output = fake_output(f);
	kill(f->pid, SIGKILL);
	cr_assert_fail("too late; the worker wrote: %s", output);
}

void
fake_await(struct fake *f, const bool *flag, const char *what)
{
	while (!*flag) {
		cr_assert(!f->closed || flag == &f->closed,
			"the worker closed before: %s; it wrote: %s", what,
			fake_output(f));
		fake_turn(f);
	}
}

void
fake_await_ready(struct fake *f)
{
	fake_await(f, &f->ready, "ready");
}

void
fake_await_answer(struct fake *f, uint32_t id)
{
	struct fake_answer *a = &f->answers[id % FAKE_ANSWERS];

	while (!a->count || a->more) {
		cr_assert(!f->closed, "closed before answer %u; it wrote: %s",
			id, fake_output(f));
		fake_turn(f);
	}
	cr_expect(a->count == 1, "%u was answered %d times", id, a->count);
}

void
fake_await_drained(struct fake *f, unsigned times)
{
	while (f->drained < times)
		fake_turn(f);
	cr_expect(f->drained == times);
}

/* ---- what supd says ---- */

/* rest: what `*` of the pattern matched, NULL for a path without params. */
static void
fake_say_http(struct fake *f, uint32_t id, const char *method, const char *path,
	const char *rest, const char *query, struct bytes body, bool more)
{
	char *name = memory_format("%s %s", method, path);
	const struct registration *r =
		registration_find(&f->offers, REGISTRATION_HTTP, name);
	msgpack_packer *out = peer_begin(&f->peer);

	cr_assert(r, "the worker offers no %s", name);
	codec_request(out, id, MESSAGE_HTTP, 10);
	msgpack_pack_uint32(out, (uint32_t)(r - f->offers.items));
	codec_text(out, method);
	codec_text(out, path);
	msgpack_pack_map(out, !!rest);
	if (rest) {
		codec_text(out, "*");
		codec_text(out, rest);
	}
	codec_text(out, query);
	msgpack_pack_array(out, 1);
	msgpack_pack_array(out, 2);
	codec_text(out, "host");
	codec_bin(out, BYTES("example"));
	codec_bin(out, body);
	if (more)
		msgpack_pack_true(out);
	else
		msgpack_pack_false(out);
	codec_text(out, "127.0.0.1:1");
	msgpack_pack_uint64(out, 0);
	cr_assert(!peer_end(&f->peer));
	free(name);
}

void
fake_http(struct fake *f, uint32_t id, const char *method, const char *path,
	const char *query, const char *body, size_t bytes, bool more)
{
	fake_say_http(f, id, method, path, NULL, query,
		(struct bytes){body, bytes}, more);
}

void
fake_http_rest(struct fake *f, uint32_t id, const char *method,
	const char *path, const char *rest)
{
	fake_say_http(f, id, method, path, rest, "", BYTES(""), false);
}

void
fake_named(struct fake *f, uint32_t id, enum message_name name,
	const char *text, const char *args_json)
{
	json_t *args =
		args_json ? json_loads(args_json, JSON_DECODE_ANY, NULL) : NULL;
	msgpack_packer *out = peer_begin(&f->peer);

	codec_request(out, id, name, 4);
	codec_text(out, text);
	if (name == MESSAGE_COMMAND)
		codec_text(out, "some words");
	value_pack(out, args);
	msgpack_pack_uint64(out, 0);
	if (name != MESSAGE_COMMAND)
		msgpack_pack_nil(out);
	peer_end(&f->peer);
	json_decref(args);
}

void
fake_plain(struct fake *f, enum message_name name)
{
	msgpack_packer *out = peer_begin(&f->peer);

	if (message_rows[name].kind == MESSAGE_REQUEST)
		codec_request(out, 9, name, 0);
	else
		codec_notification(out, name, 0);
	peer_end(&f->peer);
}

void
fake_chunk(struct fake *f, uint32_t id, size_t bytes, bool more)
{
	char *body = memory_alloc(bytes + 1);
	msgpack_packer *out = peer_begin(&f->peer);

	memset(body, 'c', bytes);
	codec_notification(out, MESSAGE_CHUNK, 3);
	msgpack_pack_uint32(out, id);
	codec_bin(out, (struct bytes){body, bytes});
	if (more)
		msgpack_pack_true(out);
	else
		msgpack_pack_false(out);
	peer_end(&f->peer);
	free(body);
}

void
fake_about(struct fake *f, enum message_name name, uint32_t id, int64_t bytes)
{
	msgpack_packer *out = peer_begin(&f->peer);

	codec_notification(out, name, name == MESSAGE_CREDIT ? 2 : 1);
	msgpack_pack_uint32(out, id);
	if (name == MESSAGE_CREDIT)
		msgpack_pack_uint64(out, (uint64_t)bytes);
	peer_end(&f->peer);
}

void
fake_ask(struct fake *f, uint32_t id, enum message_name name,
	const char *params_json)
{
	json_t *params = json_loads(params_json, 0, NULL), *value;
	msgpack_packer *out = peer_begin(&f->peer);
	size_t i;

	cr_assert(json_is_array(params), "params of the test");
	codec_request(out, id, name, (uint32_t)json_array_size(params));
	json_array_foreach(params, i, value) value_pack(out, value);
	peer_end(&f->peer);
	json_decref(params);
}

void
fake_import(struct fake *f, uint32_t id, int64_t version, const char *blob,
	size_t bytes, bool more, const char *sha256)
{
	msgpack_packer *out = peer_begin(&f->peer);

	codec_request(out, id, MESSAGE_IMPORT, sha256 ? 4 : 3);
	msgpack_pack_int64(out, version);
	codec_bin(out, (struct bytes){blob, bytes});
	if (more)
		msgpack_pack_true(out);
	else
		msgpack_pack_false(out);
	if (sha256)
		codec_text(out, sha256);
	peer_end(&f->peer);
}

/* ---- the end ---- */

char *
fake_output(struct fake *f)
{
	char *text = memory_alloc(64 * 1024);
	size_t length = 0;
	ssize_t got;

	while ((got = read(f->output, text + length, 64 * 1024 - 1 - length)) >
		0)
		length += (size_t)got;
	return text;
}

/* Kills a worker that does not exit by itself, so that no test hangs. */
int
fake_wait_exit(struct fake *f)
{

	struct pollfd ended = {.events = POLLIN};
	int status;

	ended.fd = (int)syscall(SYS_pidfd_open, f->pid, 0);
	cr_assert(ended.fd >= 0);
	if (poll(&ended, 1, FAKE_DEADLINE_MS) != 1) {
		kill(f->pid, SIGKILL);
		cr_expect_fail("the worker did not exit");
	}
	close(ended.fd);
	cr_assert(waitpid(f->pid, &status, 0) == f->pid);
	unlink(f->socket_path);
	rmdir(f->folder);
	return status;
}

int
fake_stop(struct fake *f)
{
	peer_finish(&f->peer);
	return fake_wait_exit(f);
}
