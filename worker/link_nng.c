/* link_nng: the worker's link over libnng's pair0, dialled once and never
 * again. The library is loaded when this link is chosen, so that a worker with
 * the native link pays for none of its pages and threads, and made to start few
 * threads. nng's threads only ever touch the pollable descriptors and
 * one ev_async; everything else happens on the loop. */
#include "worker/link.h"

#include <dlfcn.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdint.h>
#include <string.h>

#include "proto/message.h"
#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "worker/link_nng_start.h"

#define NNG_LIBRARY "libnng.so.1"
#define QUEUE_MESSAGES 64    /* in each direction, inside nng */
#define MESSAGES_PER_TURN 64 /* then the loop gets its turn */
#define NEVER_MS (24 * 3600 * 1000)

#define NNG_FUNCTIONS(X)                                                       \
	X(nng_pair0_open)                                                      \
	X(nng_dial)                                                            \
	X(nng_pipe_notify)                                                     \
	X(nng_recvmsg)                                                         \
	X(nng_sendmsg)                                                         \
	X(nng_msg_alloc)                                                       \
	X(nng_msg_free)                                                        \
	X(nng_msg_body)                                                        \
	X(nng_msg_len)                                                         \
	X(nng_socket_set_int)                                                  \
	X(nng_socket_set_ms)                                                   \
	X(nng_socket_set_size)                                                 \
	X(nng_socket_get_int)                                                  \
	X(nng_strerror)

static struct {
#define X(name) __typeof__(&name) name;
	NNG_FUNCTIONS(X)
#undef X
} nng;

/* Batches wait in out one after another; closed holds the length of each that
 * is complete, the open one comes last. */
struct pair_link {
	struct link link;
	struct ev_loop *loop;
	nng_socket socket;
	ev_io readable, writable; /* writable: once sending had to wait */
	ev_prepare prepare;
	ev_async lost;
	struct codec *codec;
	msgpack_packer packer;
	struct buffer out, closed;
	size_t batch_bytes, object_start;
	bool waiting, ended;
};

/* nng 1.7 and later have this; the numbers are those of its enum. */
static void
pair_cut_threads(void *library)
{
	void (*set)(int, uint64_t);
	static const struct {
		int parameter;
		uint64_t value;
	} cuts[] = {
		{1, 2}, /* task threads */
		{2, 1}, /* expire threads */
		{3, 1}, /* poller threads */
		{4, 1}, /* resolver threads */
	};

	*(void **)&set = dlsym(library, "nng_init_set_parameter");
	for (size_t i = 0; set && i < sizeof(cuts) / sizeof(cuts[0]); i++)
		set(cuts[i].parameter, cuts[i].value);
}

static int
pair_load(struct error *err)
{
	void *library = dlopen(NNG_LIBRARY, RTLD_LAZY | RTLD_LOCAL);

	if (!library)
		return error_set(err, "cannot load libnng: %s", dlerror());
#define X(name)                                                                \
	*(void **)&nng.name = dlsym(library, #name);                           \
	if (!nng.name)                                                         \
		return error_set(err, "libnng has no %s", #name);
	NNG_FUNCTIONS(X)
#undef X
	pair_cut_threads(library);
	return 0;
}

static void
pair_end(struct pair_link *n, const char *reason)
{
	if (n->ended)
		return;
	n->ended = true;
	ev_io_stop(n->loop, &n->readable);
	ev_io_stop(n->loop, &n->writable);
	ev_prepare_stop(n->loop, &n->prepare);
	ev_async_stop(n->loop, &n->lost);
	n->link.events->on_close(n->link.owner, reason);
}

static void
pair_deliver(struct pair_link *n, const uint8_t *bytes, size_t size)
{
	struct message m;
	struct error err;
	size_t offset = 0;
	int got = 0;

	while (!n->ended && (got = codec_decode(n->codec, bytes, size, &offset,
				     &m, &err)) > 0)
		n->link.events->on_message(n->link.owner, &m);
	if (got < 0)
		pair_end(n, err.text);
}

/* Up to `limit` messages; false once there are no more. */
static bool
pair_receive(struct pair_link *n, int limit)
{
	nng_msg *message;

	while (limit-- > 0 && !n->ended) {
		int rc =
			nng.nng_recvmsg(n->socket, &message, NNG_FLAG_NONBLOCK);

		if (rc == NNG_EAGAIN)
			return false;
		if (rc) {
			pair_end(n, nng.nng_strerror(rc));
			return false;
		}
		pair_deliver(
			n, nng.nng_msg_body(message), nng.nng_msg_len(message));
		nng.nng_msg_free(message);
	}
	return !n->ended;
}

static void
pair_on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	pair_receive(w->data, MESSAGES_PER_TURN);
}

static void
pair_on_lost(struct ev_loop *loop, ev_async *w, int events)
{
	struct pair_link *n = w->data;

	while (pair_receive(n, MESSAGES_PER_TURN))
		;
	pair_end(n, NULL);
}

/* Runs on a thread of nng. */
static void
pair_on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct pair_link *n = arg;

	ev_async_send(n->loop, &n->lost);
}

/* ---- sending ---- */

static void
pair_close_batch(struct pair_link *n, size_t bytes)
{
	buffer_append(&n->closed, &bytes, sizeof(bytes));
	n->batch_bytes -= bytes;
}

/* 0: sent; 1: not now */
static int
pair_send_batch(struct pair_link *n, size_t bytes)
{
	nng_msg *message;
	int rc = nng.nng_msg_alloc(&message, bytes);

	if (!rc) {
		memcpy(nng.nng_msg_body(message), buffer_bytes(&n->out), bytes);
		rc = nng.nng_sendmsg(n->socket, message, NNG_FLAG_NONBLOCK);
		if (rc)
			nng.nng_msg_free(message);
	}
	if (rc == NNG_EAGAIN)
		return 1;
	if (rc) {
		pair_end(n, nng.nng_strerror(rc));
		return 1;
	}
	buffer_consume(&n->out, bytes);
	return 0;
}

/* The descriptor that says when nng accepts more is made when first needed,
 * because nng writes to it at every send from then on. */
static void
pair_wait_writable(struct pair_link *n)
{
	int fd, rc;

	if (n->ended || n->waiting)
		return;
	if (n->writable.fd < 0) {
		rc = nng.nng_socket_get_int(n->socket, NNG_OPT_SENDFD, &fd);
		if (rc) {
			pair_end(n, nng.nng_strerror(rc));
			return;
		}
		ev_io_set(&n->writable, fd, EV_READ);
	}
	n->waiting = true;
	ev_io_start(n->loop, &n->writable);
}

static void
pair_flush(struct pair_link *n)
{
	size_t bytes;

	if (n->batch_bytes)
		pair_close_batch(n, n->batch_bytes);
	while (buffer_length(&n->closed)) {
		memcpy(&bytes, buffer_bytes(&n->closed), sizeof(bytes));
		if (pair_send_batch(n, bytes)) {
			pair_wait_writable(n);
			return;
		}
		buffer_consume(&n->closed, sizeof(bytes));
	}
	buffer_clear(&n->out);
	buffer_clear(&n->closed);
}

static void
pair_on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct pair_link *n = w->data;

	if (buffer_length(&n->out) && !n->waiting)
		pair_flush(n);
}

static void
pair_on_writable(struct ev_loop *loop, ev_io *w, int events)
{
	struct pair_link *n = w->data;

	n->waiting = false;
	ev_io_stop(loop, w);
	pair_flush(n);
}

static msgpack_packer *
pair_begin_object(struct link *l)
{
	struct pair_link *n = (struct pair_link *)l;

	n->object_start = buffer_length(&n->out);
	return &n->packer;
}

static int
pair_end_object(struct link *l)
{
	struct pair_link *n = (struct pair_link *)l;
	size_t bytes = buffer_length(&n->out) - n->object_start;

	if (bytes > WIRE_MESSAGE_MAX) {
		n->out.end -= bytes;
		return -1;
	}
	n->batch_bytes += bytes;
	if (n->batch_bytes > WIRE_BATCH_BYTES && n->batch_bytes > bytes)
		pair_close_batch(n, n->batch_bytes - bytes);
	return 0;
}

/* ---- opening ---- */

static int
pair_configure(nng_socket s)
{
	int rc;

	(void)((rc = nng.nng_socket_set_int(
			s, NNG_OPT_SENDBUF, QUEUE_MESSAGES)) ||
		(rc = nng.nng_socket_set_int(
			 s, NNG_OPT_RECVBUF, QUEUE_MESSAGES)) ||
		(rc = nng.nng_socket_set_size(
			 s, NNG_OPT_RECVMAXSZ, WIRE_MESSAGE_MAX)) ||
		(rc = nng.nng_socket_set_ms(s, NNG_OPT_RECONNMINT, NEVER_MS)) ||
		(rc = nng.nng_socket_set_ms(s, NNG_OPT_RECONNMAXT, NEVER_MS)));
	return rc;
}

static int
pair_connect(struct pair_link *n, const char *path, struct error *err)
{
	char *url = memory_format("ipc://%s", path);
	int fd, rc;

	link_nng_starts(true);
	rc = nng.nng_pair0_open(&n->socket); /* starts the threads */
	link_nng_starts(false);
	(void)(rc || (rc = pair_configure(n->socket)) ||
		(rc = nng.nng_pipe_notify(
			 n->socket, NNG_PIPE_EV_REM_POST, pair_on_pipe, n)) ||
		(rc = nng.nng_socket_get_int(n->socket, NNG_OPT_RECVFD, &fd)) ||
		(rc = nng.nng_dial(n->socket, url, NULL, 0)));
	if (!rc) {
		ev_io_set(&n->readable, fd, EV_READ);
	} else {
		error_set(err, "cannot connect to %s: %s", url,
			nng.nng_strerror(rc));
		err->shortage = rc == NNG_ENOMEM || rc == NNG_ENOFILES ||
				rc == NNG_ENOSPC;
	}
	free(url);
	return rc ? -1 : 0;
}

static void
pair_watch(struct pair_link *n)
{
	ev_init(&n->readable, pair_on_readable);
	ev_io_init(&n->writable, pair_on_writable, -1, EV_READ);
	ev_prepare_init(&n->prepare, pair_on_prepare);
	ev_async_init(&n->lost, pair_on_lost);
	n->readable.data = n->writable.data = n;
	n->prepare.data = n->lost.data = n;
	ev_async_start(n->loop, &n->lost);
}

/* Does not free on failure: nng may still call back, and the process ends. */
static struct link *
pair_open(struct ev_loop *loop, const char *path,
	const struct link_events *events, void *owner, struct error *err)
{
	struct pair_link *n;

	if (pair_load(err))
		return NULL;
	n = memory_alloc(sizeof(*n));
	n->link = (struct link){&link_nng, events, owner};
	n->loop = loop;
	n->codec = codec_create();
	codec_forgive(n->codec);
	codec_packer(&n->packer, &n->out);
	pair_watch(n);
	if (pair_connect(n, path, err))
		return NULL;
	ev_io_start(loop, &n->readable);
	ev_prepare_start(loop, &n->prepare);
	return &n->link;
}

const struct link_ops link_nng = {
	.name = "nng",
	.open = pair_open,
	.begin = pair_begin_object,
	.end = pair_end_object,
};
