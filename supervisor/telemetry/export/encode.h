/* encode: batches of records as the requests of OTLP/HTTP in JSON. Pure. */
#pragma once

#include "supervisor/telemetry/export/queue.h"

#define ENCODE_BATCH_RECORDS 2048
#define ENCODE_BATCH_BYTES ((size_t)1 << 20)   /* of records */
#define ENCODE_PAGES_BYTES ((size_t)256 << 10) /* JSON takes ten times that */

struct encode_source {
	struct bytes resource; /* its attributes, the members of an array */
	const char *version;   /* of supd */
};

/* Takes records from the queue, up to the limits of a batch, and appends the
 * request to `body`. Returns how many it took. */
uint32_t encode_batch(struct record_queue *q, enum record_signal signal,
	const struct encode_source *source, struct buffer *body);

/* ---- between its files: one record, with a comma after it ---- */
void encode_span(struct record *r, struct buffer *out);
void encode_line(struct record *r, struct buffer *out);
void encode_page(struct record *r, struct buffer *out); /* many, or none */
