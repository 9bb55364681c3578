/* role: see the header. */
#include "supervisor/chat/role.h"

#include "proto/util/glob.h"

static bool
applies(const struct config_chat_admin *row, const struct chat_sender *sender)
{
	return bytes_equal(bytes_of(row->channel), sender->channel) &&
	       glob_matches(bytes_of(row->from), sender->id);
}

bool
chat_role(const struct config_admin *admin, const struct chat_sender *sender,
	enum role *role_out)
{
	int best = -1;

	if (!sender->verified)
		return false;
	for (uint32_t i = 0; i < admin->chat.count; i++)
		if (admin->chat.items[i].role > best &&
			applies(&admin->chat.items[i], sender))
			best = admin->chat.items[i].role;
	if (best >= 0)
		*role_out = (enum role)best;
	return best >= 0;
}
