/* delivery: what a request to an endpoint is: its id, its type, and the data
 * of the event that it becomes. Pure: headers come by a function. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "settings.h"

#define DELIVERY_DATA_MAX (63 * 1024) /* supd takes 64 KiB */
#define DELIVERY_ID_BYTES (200 + 1)

struct delivery {
	const struct endpoint *endpoint;
	const void *body;
	size_t body_bytes;
	/* The value of a header; NULL: absent, or there more than once. */
	const char *(*header)(void *source, const char *name);
	void *source;

	json_t *json;		    /* of the body; NULL: it is none */
	char id[DELIVERY_ID_BYTES]; /* "": the sender gives none */
	const char *type;	    /* NULL: the sender gives none */
	const char *file;	    /* where the body is, for DELIVERY_FILE */
	/* what Slack asks for in an answer, instead of an event; else NULL */
	const char *challenge;
};

/* How the body is in the data. */
enum delivery_form {
	DELIVERY_JSON,
	DELIVERY_TEXT,
	DELIVERY_BASE64,
	DELIVERY_FILE,
};

/* Fills in what the body and the headers say; the fields before `json` are the
 * caller's. digest: what sign_check() found. NULL, or why the delivery cannot
 * be taken, for the sender. Finish it in either case. */
const char *delivery_read(struct delivery *d, const char *digest);
void delivery_finish(struct delivery *d);

/* The data of the event as JSON text; the caller frees. NULL: the body cannot
 * be in this form, or the data is too large for an event. */
char *delivery_data(const struct delivery *d, enum delivery_form form);
