/* tool: a function for models and scripts, with a schema of its arguments. */
#include "proto/kinds/kinds.h"

const struct registration_kind_row kind_tool = {
	.wire = "tool",
	.receipt = "tools",
	.noun = "tool",
	.named = true,
	KIND_CALL,
	.message = MESSAGE_TOOL,
};
