/* cli: a command line that users run with `supctl x`: arguments, standard input
 * and output, and an exit status. */
#include <string.h>

#include "proto/registration.h"

static const struct field fields[] = {
	{"arguments", FIELD_TEXT, offsetof(struct registration, cli.arguments)},
};

static int
check(struct registration *r, struct error *err)
{
	if (!r->name)
		return error_set(err, "name is missing");
	if (*r->name < 'a' || *r->name > 'z' ||
		!kind_consists_of(bytes_of(r->name),
			"abcdefghijklmnopqrstuvwxyz" KIND_DIGITS "-",
			REGISTRATION_NAME_BYTES))
		return error_set(err,
			"the name of a cli must be a letter from a to z and "
			"then letters, digits or -, at most %d",
			REGISTRATION_NAME_BYTES);
	return r->help ? 0 : error_set(err, "cli %s: help is missing", r->name);
}

const struct registration_kind_row kind_cli = {
	.wire = "cli",
	.receipt = "cli",
	.noun = "cli",
	.named = true,
	.shared = true,
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.check = check,
	.message = MESSAGE_CLI,
};
