/* cli: a command line: its arguments, what it writes while there is credit, and
 * its exit status once all of that is sent. Standard input is a body in pieces
 * (body.c). */
#include <stdio.h>
#include <string.h>

#include "worker/request.h"

#define PIECE_BYTES (64 * 1024)
#define EXIT_STATUS_MAX 125

/* Before the bytes of a piece in the queue. */
struct head {
	int fd;
	size_t bytes;
};

static void
take_argv(struct sup_req *req, const msgpack_object_array *list)
{
	const char **argv = arena_take(
		&req->arena, (list->size + (size_t)1) * sizeof(*argv));

	for (uint32_t i = 0; i < list->size; i++) {
		struct bytes word = codec_bytes(&list->ptr[i]);

		argv[i] = arena_text(&req->arena, word.at, word.length);
	}
	argv[list->size] = NULL;
	req->argv = argv;
	req->argc = list->size;
}

void
cli_take(struct sup_req *req, const struct message *m)
{
	const msgpack_object *input = codec_field(&m->params[2], "stdin");
	const struct offer *offer = host_offer(
		req->plugin, REGISTRATION_CLI, codec_bytes(&m->params[0]));

	req->left_ms = m->params[3].via.u64;
	if (!offer) {
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin has no command line of this name");
		return;
	}
	take_argv(req, &m->params[1].via.array);
	req->handler = offer->said.handler;
	req->user = offer->said.user;
	req->credit = (int64_t)req->plugin->credit_bytes;
	req->streams = true;
	body_begin(req, BYTES(""),
		input && input->type == MSGPACK_OBJECT_BOOLEAN &&
			input->via.boolean);
}

/* ---- output ---- */

static void
send_piece(struct sup_req *req, int fd, struct bytes piece)
{
	msgpack_packer *out = link_begin(req->plugin->link);

	codec_notification(out, MESSAGE_CLI_OUTPUT, 3);
	msgpack_pack_uint32(out, req->id);
	msgpack_pack_int(out, fd);
	codec_bin(out, piece);
	link_end(req->plugin->link);
	req->credit -= (int64_t)piece.length;
}

/* As much as credit allows; returns how much. */
static size_t
send_some(struct sup_req *req, int fd, struct bytes bytes)
{
	size_t sent = 0;

	while (sent < bytes.length && req->credit > 0) {
		size_t size = bytes.length - sent;

		if (size > PIECE_BYTES)
			size = PIECE_BYTES;
		if ((int64_t)size > req->credit)
			size = (size_t)req->credit;
		send_piece(req, fd, (struct bytes){bytes.at + sent, size});
		sent += size;
	}
	return sent;
}

static void
put_in_queue(struct sup_req *req, int fd, struct bytes rest)
{
	struct head head = {fd, rest.length};

	buffer_append(&req->queue, &head, sizeof(head));
	buffer_append(&req->queue, rest.at, rest.length);
}

static void
send_queue(struct sup_req *req)
{
	while (buffer_length(&req->queue) && req->credit > 0) {
		struct head head;
		size_t sent;
		const char *bytes;

		memcpy(&head, buffer_bytes(&req->queue), sizeof(head));
		bytes = (const char *)buffer_bytes(&req->queue) + sizeof(head);
		sent = send_some(
			req, head.fd, (struct bytes){bytes, head.bytes});
		if (sent == head.bytes) {
			buffer_consume(&req->queue, sizeof(head) + sent);
			continue;
		}
		/* the head of the rest takes the place of what was sent */
		head.bytes -= sent;
		buffer_consume(&req->queue, sent);
		memcpy(buffer_bytes(&req->queue), &head, sizeof(head));
	}
}

void
cli_pump(struct sup_req *req)
{
	msgpack_packer *out;

	if (req->cancelled)
		buffer_clear(&req->queue);
	send_queue(req);
	if (req->state != REQUEST_FLUSHING || buffer_length(&req->queue))
		return;
	if (req->cancelled) {
		request_answer_error(req, WIRE_CANCELLED, "cancelled");
		return;
	}
	out = link_begin(req->plugin->link);
	codec_result(out, req->id);
	msgpack_pack_array(out, 1);
	msgpack_pack_int(out, req->exit_status);
	link_end(req->plugin->link);
	request_finish(req);
}

/* ---- the ABI ---- */

int
sup_cli(struct sup *p, const char *name, const char *help, sup_handler *handler,
	void *user)
{
	HOST_NEEDS(p, "p");
	return sup_register(p, &(struct sup_offer){.kind = SUP_CLI,
				       .name = name,
				       .help = help,
				       .handler = handler,
				       .user = user});
}

size_t
sup_req_argc(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return req->argc;
}

const char *
sup_req_argv(struct sup_req *req, size_t index)
{
	HOST_NEEDS(req, "req");
	return index < req->argc ? req->argv[index] : NULL;
}

int64_t
sup_write(struct sup_req *req, int fd, const void *bytes, size_t size)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(bytes || !size, "bytes");

	size_t sent = 0;

	if (req->message != MESSAGE_CLI)
		host_abort("sup_write() is for command lines only");
	if (fd != 1 && fd != 2)
		host_abort("sup_write() to descriptor %d", fd);
	request_expect(req, REQUEST_OPEN);
	if (req->cancelled)
		return -1;
	if (!buffer_length(&req->queue))
		sent = send_some(req, fd, (struct bytes){bytes, size});
	if (sent < size)
		put_in_queue(req, fd,
			(struct bytes){
				(const char *)bytes + sent, size - sent});
	return buffer_length(&req->queue) ? 0 : req->credit;
}

int64_t
sup_print(struct sup_req *req, int fd, const char *format, ...)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(format, "format");

	struct buffer *text = &req->plugin->scratch;
	va_list arguments;
	int length;

	buffer_clear(text);
	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	va_start(arguments, format);
	vsnprintf((char *)buffer_reserve(text, (size_t)length + 1),
		(size_t)length + 1, format, arguments);
	va_end(arguments);
	return sup_write(req, fd, buffer_bytes(text), (size_t)length);
}

void
sup_exit(struct sup_req *req, int status)
{
	HOST_NEEDS(req, "req");
	if (req->message != MESSAGE_CLI)
		host_abort("sup_exit() is for command lines only");
	if (status < 0 || status > EXIT_STATUS_MAX)
		host_abort("sup_exit() with %d, which is not 0 to %d", status,
			EXIT_STATUS_MAX);
	request_expect(req, REQUEST_OPEN);
	req->state = REQUEST_FLUSHING;
	req->exit_status = status;
	cli_pump(req);
}
