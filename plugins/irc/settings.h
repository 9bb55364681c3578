/* settings: which server, who the bot is there, and how fast it may speak.
 * Reads and checks; does nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOINS_MAX 50
#define MASKS_MAX 64

struct join {
	char *name, *key; /* key NULL: none */
};

/* Who counts as verified. */
enum verified { VERIFIED_ACCOUNT, VERIFIED_ALL, VERIFIED_MASKS };

struct settings {
	char *name; /* of the channel of supd */
	/* ---- the connection ---- */
	char *host, *port;
	bool tls, tls_verify;
	char *tls_ca; /* a file; NULL: the system's */
	char *nick, *user, *realname;
	char *password;			 /* NULL: none */
	char *sasl_user, *sasl_password; /* NULL: none */
	struct join joins[JOINS_MAX];
	size_t join_count;
	/* ---- what may change at any time ---- */
	uint64_t connect_timeout_ms, ping_ms;
	uint64_t burst, every_ms; /* of lines sent */
	uint64_t lines;		  /* of one message */
	char *prefix;		  /* of commands; "" none */
	enum verified verified;
	char *masks[MASKS_MAX];
	size_t mask_count;
};

/* Reads the settings, which are JSON text. NULL with the reason: what is
 * missing, unknown or wrong; never a secret. */
struct settings *settings_create(const char *json, char why[256]);
void settings_destroy(struct settings *s);

/* Whether a connection that was made for one of them serves for the other. */
bool settings_same_connection(
	const struct settings *a, const struct settings *b);
/* Whether somebody ("nick!user@host", and the account or NULL) is verified. */
bool settings_verifies(
	const struct settings *s, const char *mask, const char *account);
/* The channel of that name, in any case, or NULL. */
const struct join *settings_join(const struct settings *s, const char *name);
