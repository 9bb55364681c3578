/* answer: reads what supd said. A message that is not as it should be ends in
 * an error like any other. */
#include "tools/supctl/answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "proto/verbs.h"
#include "tools/supctl/options.h"

int
answer_fail(struct answer *a, int exit_code, const char *format, ...)
{
	char text[768];
	va_list list;

	va_start(list, format);
	text_vformat(text, sizeof(text), format, list);
	va_end(list);
	free(a->error);
	a->error = memory_copy_text(text);
	a->exit_code = exit_code;
	return -1;
}

json_t *
answer_take_progress(struct answer *a, const struct message *m)
{
	const msgpack_object *piece = codec_field(&m->params[1], "piece");
	struct bytes text;

	if (!piece)
		return value_from(&m->params[1], NULL);
	text = codec_bytes(piece);
	buffer_append(&a->pieces, text.at, text.length);
	return NULL;
}

static void
take_error(struct answer *a, const struct message *m)
{
	char text[512];

	switch (codec_read_error(m->error, text, sizeof(text))) {
	case WIRE_DENIED:
		answer_fail(a, EXIT_DENIED, "%s", text);
		break;
	case WIRE_BAD_MESSAGE:
		answer_fail(a, EXIT_USAGE, "%s", text);
		break;
	case WIRE_BUSY:
		answer_fail(
			a, outcome_rows[OUTCOME_REFUSED].exit_code, "%s", text);
		break;
	default:
		answer_fail(a, EXIT_FAILURE, "%s", text);
	}
}

static json_t *
read_document(struct answer *a, const msgpack_object *result, struct error *err)
{
	const msgpack_object *whole = codec_field(result, "data");
	if (whole)
		return value_from(whole, err);
	return json_text_read(
		(struct bytes){(const char *)buffer_bytes(&a->pieces),
			buffer_length(&a->pieces)},
		NULL, err);
}

/* A larger one would be another code, or none, once this process ends with it.
 */
#define EXIT_CODE_MAX 125

static int
read_exit_code(
	struct answer *a, const msgpack_object *result, struct error *err)
{
	const msgpack_object *code = codec_field(result, "exitCode");

	if (!code || code->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return error_set(err, "it has no exit code");
	if (code->via.u64 > EXIT_CODE_MAX)
		return error_set(
			err, "%" PRIu64 " is not an exit code", code->via.u64);
	a->exit_code = (int)code->via.u64;
	return 0;
}

void
answer_take(struct answer *a, const struct message *m)
{
	const char *text;
	struct error err = {.text = ""};

	if (m->error) {
		take_error(a, m);
		return;
	}
	a->data = read_document(a, m->result, &err);
	if (!a->data || read_exit_code(a, m->result, &err) < 0) {
		json_decref(a->data);
		a->data = NULL;
		answer_fail(a, EXIT_MALFORMED, "supd's answer is malformed: %s",
			err.text);
		return;
	}
	text = json_string_value(json_object_get(a->data, "error"));
	if (a->exit_code && text)
		a->error = memory_copy_text(text);
}

void
answer_finish(struct answer *a)
{
	free(a->error);
	json_decref(a->data);
	buffer_finish(&a->pieces);
	if (a->fd >= 0)
		close(a->fd);
	*a = (struct answer){.fd = -1};
}
