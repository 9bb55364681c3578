/* planned: kinds that the contract names and supd does not support yet: they
 * have their field in receipts, and registering one is refused. */
#include "proto/kinds/kinds.h"

const struct registration_kind_row kind_channel = {
	.wire = "channel",
	.receipt = "channels",
	.noun = "channel",
	.named = true,
};
