/* answer: the result of one call: messages turned into a document, a
 * sentence and an exit code. Knows no socket. */
#pragma once

#include <jansson.h>

#include "proto/codec.h"
#include "proto/util/buffer.h"

struct answer {
	int exit_code;
	char *error;  /* one sentence, NULL if the answer has data only */
	json_t *data; /* NULL if there is only an error */
	int fd;	      /* the connection, still open */
	struct buffer pieces; /* of a long document, until its end */
};

/* Sets error and exit code. Always -1, so that a caller can return it. */
int answer_fail(struct answer *a, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A `progress` message: a new reference, or NULL if it was a piece of the
 * document or nothing to show. */
json_t *answer_take_progress(struct answer *a, const struct message *m);
/* The response. */
void answer_take(struct answer *a, const struct message *m);
void answer_finish(struct answer *a);
