/* role: what admin.chat lets a sender do. Pure. */
#pragma once

#include <stdbool.h>

#include "proto/util/bytes.h"
#include "supervisor/config/config.h"

struct chat_sender {
	struct bytes channel; /* its full name */
	struct bytes id;      /* on that platform */
	bool verified;	      /* the channel vouches for the id */
};

/* The highest role that admin.chat gives; false: none. */
bool chat_role(const struct config_admin *admin,
	const struct chat_sender *sender, enum role *role_out);
