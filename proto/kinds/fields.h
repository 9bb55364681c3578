/* fields: the fields of a registration as rows: what each is on the wire and
 * where it is kept. Reading, copying, comparing, packing and freeing follow
 * from the rows; nobody else lists fields. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/util/error.h"

struct registration;

/* An absent field is nil, too. */
enum field_type {
	FIELD_TEXT,	/* char *: one line of UTF-8; NULL: absent */
	FIELD_LINES,	/* char *: may have tabs and more than one line */
	FIELD_OBJECT,	/* char *: a map, or JSON text of one; kept as JSON */
	FIELD_WORDS,	/* char *: an array of tokens; kept with ", " between */
	FIELD_BOOL,	/* bool; false: absent */
	FIELD_EITHER,	/* int: 0 no, 1 yes, -1 absent */
	FIELD_BYTES,	/* int64_t: a number of bytes, -1 absent */
	FIELD_COUNT,	/* int64_t: 0 or more, -1 absent */
	FIELD_POSITIVE, /* int64_t: 1 or more, -1 absent */
	FIELD_INT,	/* int64_t: of either sign; 0: absent */
};

#define FIELD_WORDS_BYTES 1024 /* of all words of a field */

struct field {
	const char *name; /* on the wire */
	enum field_type type;
	size_t at; /* in struct registration */
};

void field_init(const struct field *f, struct registration *r); /* absent */
/* -1 with err, which names the field. */
int field_read(const struct field *f, struct registration *r,
	const msgpack_object *item, struct error *err);
/* *to has a bitwise copy already. */
void field_copy(const struct field *f, struct registration *to,
	const struct registration *from);
bool field_equal(const struct field *f, const struct registration *a,
	const struct registration *b);
bool field_is_absent(const struct field *f, const struct registration *r);
/* Name and value, of one that is not absent. */
void field_pack(const struct field *f, const struct registration *r,
	msgpack_packer *out);
void field_finish(const struct field *f, struct registration *r);
