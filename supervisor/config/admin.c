/* admin: tokens, peers and chats. Users and groups are resolved here, once, so
 * that no request ever waits for a directory service. */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/tables.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_sha256(const char *hex, uint8_t out[32])
{
	if (strlen(hex) != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int high = hex_digit(hex[2 * i]),
		    low = hex_digit(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void
token_check(struct problems *problems, const struct node *map, void *base)
{
	struct config_token *token = base;
	const struct node *hex = node_get(map, "sha256");
	if (token->sha256_hex && !read_sha256(token->sha256_hex, token->sha256))
		node_problem(problems, hex,
			"'sha256' must be 64 lower-case hex digits, the "
			"SHA-256 of the token");
}

/* Digits are always an id, even if there is a user of that name. */
static bool
read_number(const char *text, uint32_t *number_out)
{
	size_t length = strlen(text);
	if (strspn(text, "0123456789") != length || length > 10)
		return false;
	unsigned long long number = strtoull(text, NULL, 10);
	*number_out = (uint32_t)number;
	return number < UINT32_MAX;
}

static bool
resolve_user(const char *name, uint32_t *number_out)
{
	if (read_number(name, number_out))
		return true;
	const struct passwd *found = getpwnam(name);
	if (found)
		*number_out = found->pw_uid;
	return found;
}

static bool
resolve_group(const char *name, uint32_t *number_out)
{
	if (read_number(name, number_out))
		return true;
	const struct group *found = getgrnam(name);
	if (found)
		*number_out = found->gr_gid;
	return found;
}

void
peer_check(struct problems *problems, const struct node *map, void *base)
{
	struct config_peer *peer = base;
	const struct node *uid = node_get(map, "uid");
	const struct node *gid = node_get(map, "gid");
	if (!uid == !gid) {
		node_problem(problems, map, "a peer has either 'uid' or 'gid'");
		return;
	}
	peer->is_group = gid;
	if (uid && peer->user && !resolve_user(peer->user, &peer->number))
		node_problem(problems, uid, "unknown user '%s'", peer->user);
	if (gid && peer->group && !resolve_group(peer->group, &peer->number))
		node_problem(problems, gid, "unknown group '%s'", peer->group);
}

/* ---- chats ---- */

void
check_channel(struct problems *problems, const struct node *node, void *base)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_.:/-";

	(void)base;
	if (strspn(node->text, allowed) != strlen(node->text))
		node_problem(problems, node,
			"'channel' must be the full name of a channel: "
			"letters, digits and _ . : / -");
}

void
check_from(struct problems *problems, const struct node *node, void *base)
{
	(void)base;
	if (strspn(node->text, "*") == strlen(node->text))
		problems_warn(problems, node->file, node->line, node->column,
			"'from': '%s' gives the role to every verified sender "
			"of the channel",
			node->text);
}

void
notify_check(struct problems *problems, const struct node *node, void *base)
{
	const struct config_admin *admin = base;

	if (admin->notify.count > CONFIG_CHATS_MAX)
		node_problem(problems, node,
			"'notify' must not have more than %d elements",
			CONFIG_CHATS_MAX);
}
