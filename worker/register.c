/* register: what the plugin offers, collected in init and sent with ready. It
 * checks what would make no registration at all; supd checks the rest. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "worker/host.h"

static const enum registration_kind offer_kinds[] = {
	[SUP_HTTP] = REGISTRATION_HTTP,
	[SUP_TOOL] = REGISTRATION_TOOL,
	[SUP_COMMAND] = REGISTRATION_COMMAND,
	[SUP_METHOD] = REGISTRATION_METHOD,
};

#define OFFER_KINDS (sizeof(offer_kinds) / sizeof(offer_kinds[0]))

static int
offer_check(const struct sup *p, const struct sup_offer *said)
{
	bool http = said->kind == SUP_HTTP;

	if (p->state != HOST_INITIALISING)
		host_say("registering ends when the plugin is ready");
	else if ((size_t)said->kind >= OFFER_KINDS)
		host_say("there is no kind of offer %d", (int)said->kind);
	else if (http ? !said->method || !said->path : !said->name)
		host_say("an offer without a name, or method and path");
	else if (said->streams_body && !http)
		host_say("%s: only http has a body to stream", said->name);
	else if (!said->handler)
		host_say("%s is offered without a handler",
			http ? said->path : said->name);
	else if (p->offer_count == REGISTRATIONS_MAX)
		host_say("more than %d registrations", REGISTRATIONS_MAX);
	else
		return 0;
	return -1;
}

/* An older plugin's offer ends before the fields that are new since. */
static struct sup_offer
offer_said(const struct sup *p, const struct sup_offer *said)
{
	struct sup_offer own = {0};

	memcpy(&own, said,
		p->descriptor->abi < 2
			? offsetof(struct sup_offer, streams_body)
			: sizeof(own));
	return own;
}

int
sup_register(struct sup *p, const struct sup_offer *offered)
{
	struct sup_offer whole = offer_said(p, offered);
	const struct sup_offer *said = &whole;
	struct offer *offer;

	if (offer_check(p, said))
		return -1;
	p->offers = memory_resize(
		p->offers, (p->offer_count + 1) * sizeof(*p->offers));
	offer = &p->offers[p->offer_count++];
	*offer = (struct offer){
		.said = *said,
		.kind = offer_kinds[said->kind],
		.method = memory_copy_text(said->method),
		.path = memory_copy_text(said->path),
		.description = memory_copy_text(said->description),
		.schema = memory_copy_text(said->schema),
		.help = memory_copy_text(said->help),
		.name = said->kind == SUP_HTTP
				? memory_format(
					  "%s %s", said->method, said->path)
				: memory_copy_text(said->name),
	};
	return 0;
}

int
sup_http(struct sup *p, const char *method, const char *path,
	sup_handler *handler, void *user)
{
	return sup_register(p, &(struct sup_offer){.kind = SUP_HTTP,
				       .method = method,
				       .path = path,
				       .handler = handler,
				       .user = user});
}

int
sup_tool(struct sup *p, const char *name, const char *description,
	const char *schema, sup_handler *handler, void *user)
{
	return sup_register(p, &(struct sup_offer){.kind = SUP_TOOL,
				       .name = name,
				       .description = description,
				       .schema = schema,
				       .handler = handler,
				       .user = user});
}

int
sup_command(struct sup *p, const char *name, const char *help,
	sup_handler *handler, void *user)
{
	return sup_register(p, &(struct sup_offer){.kind = SUP_COMMAND,
				       .name = name,
				       .help = help,
				       .handler = handler,
				       .user = user});
}

int
sup_method(struct sup *p, const char *name, sup_handler *handler, void *user)
{
	return sup_register(p, &(struct sup_offer){.kind = SUP_METHOD,
				       .name = name,
				       .handler = handler,
				       .user = user});
}

void
sup_health(struct sup *p, sup_handler *handler, void *user)
{
	p->health = handler;
	p->health_user = user;
}

const struct offer *
host_offer(const struct sup *p, enum registration_kind kind, struct bytes name)
{
	for (uint32_t i = 0; i < p->offer_count; i++)
		if (p->offers[i].kind == kind &&
			bytes_equal(bytes_of(p->offers[i].name), name))
			return &p->offers[i];
	return NULL;
}

/* ---- on the wire ---- */

static void
offer_pack_text(msgpack_packer *out, const char *key, const char *text)
{
	if (!text)
		return;
	codec_text(out, key);
	codec_text(out, text);
}

static void
offer_pack(msgpack_packer *out, const struct offer *o)
{
	const struct sup_offer *said = &o->said;

	msgpack_pack_map(
		out, (size_t)2 + !!o->method + !!o->path + !!o->description +
			     !!o->schema + !!o->help + !!said->idempotent +
			     (said->body_limit > 0) + said->streams_body);
	offer_pack_text(out, "kind", registration_kinds[o->kind].wire);
	offer_pack_text(out, "name", o->name);
	offer_pack_text(out, "method", o->method);
	offer_pack_text(out, "path", o->path);
	offer_pack_text(out, "description", o->description);
	offer_pack_text(out, "schema", o->schema);
	offer_pack_text(out, "help", o->help);
	if (said->idempotent) {
		codec_text(out, "idempotent");
		if (said->idempotent > 0)
			msgpack_pack_true(out);
		else
			msgpack_pack_false(out);
	}
	if (said->body_limit > 0) {
		codec_text(out, "body_limit");
		msgpack_pack_int64(out, said->body_limit);
	}
	if (said->streams_body) {
		codec_text(out, "streams_body");
		msgpack_pack_true(out);
	}
}

void
host_pack_offers(const struct sup *p, msgpack_packer *out)
{
	msgpack_pack_array(out, p->offer_count);
	for (uint32_t i = 0; i < p->offer_count; i++)
		offer_pack(out, &p->offers[i]);
}
