/* admin_tables: the section `admin` of supd.yaml: who may view and change what,
 * and which chats get notices. */
#include "supervisor/config/tables.h"

static const char *const role_words[] = {"viewer", "operator", "admin", NULL};
static const char *const notify_words[] = {
#define X(name, text) text,
	CONFIG_NOTIFY_WORDS(X)
#undef X
		NULL};
static const char *const metrics_words[] = {"open", "token", NULL};

const char *
role_name(enum role role)
{
	return role_words[role];
}

#define AT(in, member) .offset = offsetof(struct in, member)
#define ROW(in, member) .name = #member, AT(in, member)

static const struct schema_row token_rows[] = {
	{ROW(config_token, name), .type = SCHEMA_TEXT, .min = 1, .max = 64,
		.required = true, .check = check_id,
		.doc = "The name that the log gives to its "
		       "holder."},
	{ROW(config_token, role), .type = SCHEMA_CHOICE, .choices = role_words,
		.required = true,
		.doc = "What the token allows; each role includes "
		       "those before it."},
	{.name = "sha256",
		.type = SCHEMA_TEXT,
		AT(config_token, sha256_hex),
		.required = true,
		.mask = "00000000000000000000000000000000"
			"00000000000000000000000000000000",
		.doc = "Lower-case hex SHA-256 of the token."},
	{0},
};
static const struct schema_table token_table = {
	.bytes = sizeof(struct config_token),
	.identity = "name",
	.check = token_check,
	.rows = token_rows,
};

static const struct schema_row peer_rows[] = {
	{.name = "uid",
		.type = SCHEMA_TEXT,
		AT(config_peer, user),
		.min = 1,
		.max = 256,
		.doc = "A user by name or number; or"},
	{.name = "gid",
		.type = SCHEMA_TEXT,
		AT(config_peer, group),
		.min = 1,
		.max = 256,
		.doc = "a group by name or number."},
	{ROW(config_peer, role), .type = SCHEMA_CHOICE, .choices = role_words,
		.required = true, .doc = "What the peer may do."},
	{0},
};
static const struct schema_table peer_table = {
	.bytes = sizeof(struct config_peer),
	.check = peer_check,
	.rows = peer_rows,
};

static const struct schema_row chat_admin_rows[] = {
	{ROW(config_chat_admin, channel), .type = SCHEMA_TEXT, .min = 1,
		.max = 192, .required = true, .check = check_channel,
		.doc = "The channel, by its full name."},
	{ROW(config_chat_admin, from), .type = SCHEMA_TEXT, .min = 1,
		.max = 512, .required = true, .check = check_from,
		.doc = "The sender's id on that platform; `*` stands "
		       "for any characters. Only senders that the "
		       "channel calls verified match."},
	{ROW(config_chat_admin, role), .type = SCHEMA_CHOICE,
		.choices = role_words, .required = true,
		.doc = "What the sender may do."},
	{0},
};
static const struct schema_table chat_admin_table = {
	.bytes = sizeof(struct config_chat_admin),
	.rows = chat_admin_rows,
};

static const struct schema_row notify_rows[] = {
	{ROW(config_notice, channel), .type = SCHEMA_TEXT, .min = 1, .max = 192,
		.required = true, .check = check_channel,
		.doc = "The channel, by its full name."},
	{ROW(config_notice, chat), .type = SCHEMA_TEXT, .min = 1, .max = 512,
		.required = true, .doc = "The chat's id on that platform."},
	{ROW(config_notice, what), .type = SCHEMA_CHOICE,
		.choices = notify_words, .fallback = "failures",
		.doc = "`failures`: reloads that failed or were reverted, "
		       "plugins that supd gave up on, and whatever else needs "
		       "an operator; `all`: committed reloads as well."},
	{0},
};
static const struct schema_table notify_table = {
	.bytes = sizeof(struct config_notice),
	.rows = notify_rows,
};

static const struct schema_row admin_rows[] = {
	{ROW(config_admin, tokens), .type = SCHEMA_LIST, .table = &token_table,
		.doc = "Bearer tokens for HTTP."},
	{ROW(config_admin, peers), .type = SCHEMA_LIST, .table = &peer_table,
		.doc = "Who may use the control socket. Without the "
		       "key, supd's own user and root are admin; with "
		       "it, only the users and groups listed."},
	{ROW(config_admin, chat), .type = SCHEMA_LIST,
		.table = &chat_admin_table,
		.doc = "Who may use `/plugins`, `/status` and "
		       "`/reload` in chats."},
	{ROW(config_admin, notify), .type = SCHEMA_LIST, .table = &notify_table,
		.check = notify_check,
		.doc = "Chats that get notices, at most 64."},
	{ROW(config_admin, http), .type = SCHEMA_BOOL, .fallback = "true",
		.doc = "Whether the listeners serve /api and /ws to "
		       "holders of a token."},
	{ROW(config_admin, origins), .type = SCHEMA_TEXTS, .fallback = "[]",
		.min = 1, .max = 256, .check = origin_check,
		.doc = "Origins (`https://HOST`, with a port unless it "
		       "is the usual one) whose pages may open /ws, "
		       "beside those of the host itself."},
	{ROW(config_admin, metrics), .type = SCHEMA_CHOICE,
		.choices = metrics_words, .fallback = "open",
		.doc = "Who may read /metrics: all clients, or holders "
		       "of any token."},
	{0},
};
const struct schema_table admin_table = {
	.rows = admin_rows,
};
