/* command: a word that people type, with a line of text behind it. */
#include "proto/kinds/kinds.h"

const struct registration_kind_row kind_command = {
	.wire = "command",
	.receipt = "commands",
	.noun = "command",
	.named = true,
	KIND_CALL,
	.message = MESSAGE_COMMAND,
	.takes_text = true,
};
