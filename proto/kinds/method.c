/* method: a function of the JSON-RPC sessions. */
#include "proto/kinds/kinds.h"

const struct registration_kind_row kind_method = {
	.wire = "method",
	.receipt = "wsMethods",
	.noun = "method",
	.named = true,
	KIND_CALL,
	.message = MESSAGE_METHOD,
};
