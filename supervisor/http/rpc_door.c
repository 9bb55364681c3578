/* rpc_door: checks the request for a session, in the order: is it served, is it
 * a WebSocket, may that page ask, who asks. */
#include "supervisor/http/rpc_door.h"

#include <string.h>
#include <strings.h>

#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/rpc_house.h"
#include "supervisor/http/server.h"

#define PROTOCOL "supd.v1"
#define BEARER "bearer."

/* ---- the page that asks ---- */

static bool
is_same_host(struct bytes origin, const struct head *h)
{
	const struct head_field *host = h->known[HEAD_HOST];
	size_t scheme;

	if (origin.length > 8 && !strncasecmp(origin.at, "https://", 8))
		scheme = 8;
	else if (origin.length > 7 && !strncasecmp(origin.at, "http://", 7))
		scheme = 7;
	else
		return false;
	return host && host->value.length == origin.length - scheme &&
	       !strncasecmp(
		       host->value.at, origin.at + scheme, host->value.length);
}

static bool
is_listed(struct bytes origin, const struct text_list *origins)
{
	for (uint32_t i = 0; i < origins->count; i++)
		if (strlen(origins->items[i]) == origin.length &&
			!strncasecmp(
				origins->items[i], origin.at, origin.length))
			return true;
	return false;
}

/* Browsers send Origin with every request for a WebSocket, and let any page
 * make one. */
static bool
is_origin_allowed(const struct config_admin *admin, const struct head *h)
{
	for (unsigned i = 0; i < h->field_count; i++) {
		struct bytes value = h->fields[i].value;

		if (bytes_equal(h->fields[i].name, BYTES("origin")) &&
			!is_same_host(value, h) &&
			!is_listed(value, &admin->origins))
			return false;
	}
	return true;
}

/* ---- who asks ---- */

struct asker {
	bool offers;	   /* the subprotocol supd.v1 */
	unsigned tokens;   /* shown in the request */
	bool is_malformed; /* credentials that are no bearer token */
	struct bearer bearer;
};

static void
read_asker(struct asker *a, const struct head *h)
{
	static const struct bytes prefix = BYTES_INIT(BEARER);
	struct text_items offered;

	memset(a, 0, sizeof(*a));
	if (bearer_read(&a->bearer, h))
		a->tokens++;
	else if (h->known[HEAD_AUTHORIZATION])
		a->is_malformed = true;
	websocket_offered(h, &offered);
	for (unsigned i = 0; i < offered.count; i++) {
		struct bytes item = offered.items[i];

		if (bytes_equal(item, BYTES(PROTOCOL))) {
			a->offers = true;
		} else if (item.length > prefix.length &&
			   !memcmp(item.at, prefix.at, prefix.length)) {
			a->tokens++;
			bearer_set(&a->bearer,
				(struct bytes){item.at + prefix.length,
					item.length - prefix.length});
		}
	}
}

static void
begin_session(struct exchange *x, const struct head *h,
	const struct websocket_handshake *handshake)
{
	const struct config_admin *admin =
		&x->connection->server->config->admin;
	struct asker a;

	read_asker(&a, h);
	if (a.tokens > 1)
		exchange_refuse(x, 400, "",
			"give the token in one way: Authorization or a "
			"subprotocol");
	else if (a.is_malformed ||
		 (a.tokens && bearer_role_now(admin, &a.bearer) < 0))
		exchange_refuse(x, 401, "WWW-Authenticate: Bearer\r\n",
			"a valid token is needed");
	else
		rpc_session_begin(x, handshake,
			a.offers ? BYTES(PROTOCOL) : BYTES(""),
			a.tokens ? &a.bearer : NULL);
}

void
rpc_begin(struct exchange *x, const struct head *h)
{
	const struct config_admin *admin =
		&x->connection->server->config->admin;
	struct websocket_refusal refusal = websocket_needed;
	struct websocket_handshake handshake;

	if (!admin->http)
		exchange_refuse(x, 404, "", "sessions are disabled");
	else if (!websocket_is_asked(h))
		exchange_refuse(
			x, refusal.status, refusal.fields, refusal.reason);
	else if (!is_origin_allowed(admin, h))
		exchange_refuse(x, 403, "",
			"pages of that origin may not open a session; see "
			"admin.origins");
	else if (websocket_handshake_read(&handshake, h, &refusal))
		exchange_refuse(
			x, refusal.status, refusal.fields, refusal.reason);
	else
		begin_session(x, h, &handshake);
}
