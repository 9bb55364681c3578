/* service: something that runs in a worker on its own: supd starts and stops
 * it. Nobody calls it, so plugins may have services of the same name. */
#include "proto/registration.h"

static const struct field fields[] = {
	{"overlap", FIELD_BOOL, offsetof(struct registration, service.overlap)},
};

const struct registration_kind_row kind_service = {
	.wire = "service",
	.receipt = "services",
	.noun = "service",
	.named = true,
	.shared = true,
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.check = kind_name_check,
	.message = MESSAGE_SERVICE_START,
};
