/* call: what is called by its name with arguments: what tool, command and
 * method have in common. */
#include <jansson.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/registration.h"

const struct field kind_call_fields[KIND_CALL_FIELDS] = {
	{"schema", FIELD_OBJECT,
		offsetof(struct registration, call.schema_json)},
	{"validate", FIELD_EITHER,
		offsetof(struct registration, call.validate)},
};

bool
kind_consists_of(struct bytes text, const char *allowed, size_t max_bytes)
{
	if (!text.length || text.length > max_bytes)
		return false;
	for (size_t i = 0; i < text.length; i++)
		if (!text.at[i] || !strchr(allowed, text.at[i]))
			return false;
	return true;
}

int
kind_name_check(struct registration *r, struct error *err)
{
	if (!r->name)
		return error_set(err, "name is missing");
	if (!kind_consists_of(bytes_of(r->name),
		    KIND_LETTERS KIND_DIGITS "_.:/-", REGISTRATION_NAME_BYTES))
		return error_set(err,
			"a name must have 1 to %d letters, digits or _.:/-",
			REGISTRATION_NAME_BYTES);
	return 0;
}

/* The schema was JSON before. */
static int
compile(struct registration *r, struct error *err)
{
	json_t *schema =
		json_text_read(bytes_of(r->call.schema_json), NULL, err);

	if (schema)
		r->call.schema = json_schema_compile(schema, err);
	json_decref(schema);
	return r->call.schema ? 0 : error_prefix(err, "schema: ");
}

int
kind_call_check(struct registration *r, struct error *err)
{
	if (kind_name_check(r, err) < 0)
		return -1;
	if (!r->call.schema_json || !r->call.validate)
		return 0;
	return compile(r, err);
}

void
kind_call_copied(struct registration *r)
{
	r->call.schema = json_schema_ref(r->call.schema);
}

void
kind_call_finish(struct registration *r)
{
	json_schema_unref(r->call.schema);
	r->call.schema = NULL;
}

uint32_t
kind_call_parts(const struct registration *r)
{
	return json_schema_parts(r->call.schema);
}
